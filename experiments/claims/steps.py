"""The claims that ways to a target decide: how steps to it depend on batch and step (notes: minibatch)."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import optimize

from experiments.claims.gradient_noise import SOURCE
from harness.contract import Claim, Estimate, Evidence, Interval, as_table, counted, settings
from harness.estimates import mean_of

Array = NDArray[np.float64]

# Theory's steps are where *expected* loss gets to the target; single ways get there when chance has it, which is about the same as
# long as the floor is so small a share of what is left at the target, …
QUIET = 0.2
# … and as it takes so many steps that one more or less makes no difference.
MANY = 20
STEPS = (0.85, 1.15)
# Linear scaling: batch and step so many times as large each, steps as many times fewer, up to this share of 2/L.
WELL_BELOW = 0.25
SCALING = (2 / 3, 3 / 2)  # of r = 4 scaling by the root would make 2, and none 4
# Beyond so many times 2/L not even chance gets to the target first.
WELL_BEYOND = 1.5
# The exponent e of steps ∝ B^−e, for batches up to this share of the noise scale, and from so many times it on.
FEW, LARGE = 1 / 4, 4.0
FALLING, SATURATED = (0.7, 1.2), (-math.inf, 0.25)  # more steps, even, is not fewer
# How many times the noise scale the batch may be at which steps to target are twice as many as they are at least: B_noise is said
# to tell its order of magnitude; batches have to reach that many times below and above it.
FACTOR = 4.0
WIDE = 5.0  # in log B, beyond the batches on either side, B* is looked for
NEEDED = {"train/reached", "model/batch", "model/full_edge", "model/noise_scale", "batch_size", "step_size", "draws"}
WHERE = ("data", "loss", "layout", "dtype")


def of_ways(runs: pd.DataFrame) -> pd.DataFrame | None:
    """The runs, if some of them went to a target."""
    return runs if set(runs) >= NEEDED and "train/steps_to_target" in runs else None


def repeats(history: pd.DataFrame, run_id: str) -> Array:
    """The steps of each of a run's ways; ∞ where it did not get there."""
    mine = history[(history["run_id"] == run_id) & (history["metric"] == "repeats/steps")]
    values = mine.set_index("step")["value"]
    return np.asarray(values.reindex(range(int(mine["step"].max()) + 1 if len(mine) else 0)).fillna(np.inf), np.float64)


def ratio_of(logs: Sequence[float] | Array) -> Estimate:
    """exp of the mean of independent logarithms, its interval that of the mean: a ratio, as likely too large as too small."""
    found = mean_of(logs)

    def interval(confidence: float) -> Interval:
        low, high = found.interval(confidence)
        return math.exp(low), math.exp(high) if high < math.inf else math.inf

    return Estimate(math.exp(found.value), interval, found.count)


def reached(runs: pd.DataFrame) -> pd.DataFrame:
    """Those of whose ways all got there."""
    return runs[(runs["train/reached"] == 1) & runs["train/steps_to_target"].notna()]


def _groups(runs: pd.DataFrame, but: Sequence[str]) -> Iterator[pd.DataFrame]:
    """The runs that differ in nothing but those settings."""
    same = [key for key in settings(runs) if key not in but]
    for _, group in runs.groupby(same, dropna=False, observed=True):
        yield group


def _theory(runs: pd.DataFrame, history: pd.DataFrame) -> Evidence | None:
    mine = of_ways(runs)
    if mine is None or not {"model/steps_to_target", "model/floor_share"} <= set(mine):
        return None
    independent = (mine["draws"] == "replacement") | mine["batch_size"].isna()
    known = (mine["model/steps_to_target"] >= MANY) & (mine["model/floor_share"] <= QUIET)
    mine = reached(mine[independent & known])
    if mine.empty:
        return None
    samples = [
        ratio_of(np.log(repeats(history, run_id) / predicted))
        for run_id, predicted in zip(mine["run_id"], mine["model/steps_to_target"], strict=True)
    ]
    shown = ["batch_size", "step_size", "model/steps_to_target", "train/steps_to_target", "model/floor_share"]
    return Evidence(
        quantity="steps to target measured ÷ predicted by the recursion of the second moment", predicted=1.0, samples=samples,
        accept=STEPS, of="each",
        conditions=f"{counted(len(mine), 'run')} of a quadratic loss, {MANY} steps or more; floor within {QUIET:.0%} of the gap",
        details=as_table(mine[shown].sort_values(shown[:2])),
    )  # fmt: skip


def _scaling(runs: pd.DataFrame, history: pd.DataFrame) -> Evidence | None:
    mine = of_ways(runs)
    if mine is None:
        return None
    mine = reached(mine[mine["step_size"] <= WELL_BELOW * mine["model/full_edge"]])
    samples, rows = [], []
    for group in _groups(mine, ("batch_size", "step_size")):
        by_point = {(run["model/batch"], run["step_size"]): run for _, run in group.iterrows()}
        for (batch, step), run in sorted(by_point.items()):
            next_up = [
                (other, other_step) for other, other_step in sorted(by_point)
                if other > batch and math.isclose(other / batch, other_step / step)
            ]  # fmt: skip
            if not next_up:
                continue
            times = next_up[0][0] / batch
            few, many = (repeats(history, each["run_id"]) for each in (by_point[next_up[0]], run))
            samples.append(ratio_of(np.log(many / few) - math.log(times)))
            rows.append({"B": batch, "step": step, "times": times, "steps": np.median(many), "then": np.median(few)})
    if not samples:
        return None
    return Evidence(
        quantity="steps ÷ steps with batch and step r times as large ÷ r", predicted=1.0, samples=samples, accept=SCALING,
        of="each",
        conditions=f"{counted(len(samples), 'pair')} of runs that differ in nothing else, steps up to {WELL_BELOW:.0%} of 2/L",
        details=as_table(pd.DataFrame(rows)),
    )  # fmt: skip


def _stops(runs: pd.DataFrame, history: pd.DataFrame) -> Evidence | None:
    mine = of_ways(runs)
    if mine is None or "model/reaches" not in mine:
        return None
    beyond = mine[(mine["step_size"] >= WELL_BEYOND * mine["model/full_edge"]) & mine["model/reaches"].notna()]
    if beyond.empty:
        return None
    sizes = ", ".join(f"{size:.0f}" for size in sorted(beyond["model/batch"].unique()))
    return Evidence(
        quantity="share of ways that get to the target with a step beyond 2/L", predicted=0.0,
        samples=beyond["train/reached"].tolist(), accept=(0.0, 0.0),
        conditions=f"{counted(len(beyond), 'run')} of a quadratic loss, batches of {sizes}, steps from {WELL_BEYOND:g}·2/L on",
    )  # fmt: skip


def _best(runs: pd.DataFrame) -> pd.DataFrame:
    """Of each batch the step with the fewest steps to target, smallest batch first."""
    there = reached(runs)
    return there.loc[there.groupby("model/batch")["train/steps_to_target"].idxmin()].sort_values("model/batch")


def _exponents(few: bool, runs: pd.DataFrame, history: pd.DataFrame) -> Evidence | None:
    mine = of_ways(runs)
    if mine is None:
        return None
    samples, rows = [], []
    for group in _groups(mine, ("batch_size", "step_size")):
        best = _best(group)
        for (_, small), (_, large) in zip(best.iloc[:-1].iterrows(), best.iloc[1:].iterrows(), strict=True):
            scale = small["model/noise_scale"]
            if not (large["model/batch"] <= FEW * scale if few else small["model/batch"] >= LARGE * scale):
                continue
            logs = np.log(repeats(history, small["run_id"]) / repeats(history, large["run_id"]))
            samples.append(mean_of(logs / math.log(large["model/batch"] / small["model/batch"])))
            rows.append(
                {
                    **{key: small[key] for key in WHERE if key in small}, "noise scale": scale,
                    "from B": small["model/batch"], "step": small["step_size"], "steps": small["train/steps_to_target"],
                    "to B": large["model/batch"], "its step": large["step_size"], "its steps": large["train/steps_to_target"],
                    "exponent": samples[-1].value,
                }
            )  # fmt: skip
    if not samples:
        return None
    which = f"up to {FEW:.3g} of" if few else f"from {LARGE:g} times"
    return Evidence(
        quantity="exponent e of steps to target ∝ B^−e, from one batch to the next", predicted=1.0 if few else 0.0,
        samples=samples, accept=FALLING if few else SATURATED, of="each",
        conditions=f"batches {which} the noise scale tr Σ/‖g‖², each with the best step of its sweep",
        details=as_table(pd.DataFrame(rows)),
    )  # fmt: skip


def _falling(runs: pd.DataFrame, history: pd.DataFrame) -> Evidence | None:
    return _exponents(True, runs, history)


def _saturated(runs: pd.DataFrame, history: pd.DataFrame) -> Evidence | None:
    return _exponents(False, runs, history)


def critical(batches: Array, steps: Array) -> Array:
    """B* of S(B) = S_min·(1 + B*/B), by least squares of log S: batches (points,), steps (repeats, points) → (repeats,)."""

    def miss(log_scale: float, logs: Array) -> float:
        return float(np.var(logs - np.log1p(np.exp(log_scale) / batches)))  # the best S_min is that of the mean

    span = float(np.log(batches.min())) - WIDE, float(np.log(batches.max())) + WIDE
    found = [optimize.minimize_scalar(miss, bounds=span, args=(logs,), method="bounded").x for logs in np.log(steps)]
    return np.asarray(np.exp(found))


def _scale(runs: pd.DataFrame, history: pd.DataFrame) -> Evidence | None:
    mine = of_ways(runs)
    if mine is None:
        return None
    samples, rows = [], []
    for group in _groups(mine, ("batch_size", "step_size")):
        best = _best(group)
        if best.empty:
            continue
        batches, scale = best["model/batch"].to_numpy(np.float64), float(best["model/noise_scale"].iloc[0])
        if not (batches[0] * FACTOR <= scale <= batches[-1] / FACTOR):
            continue
        found = critical(batches, np.array([repeats(history, run_id) for run_id in best["run_id"]]).T)
        samples.append(ratio_of(np.log(found / scale)))
        where = {key: best[key].iloc[0] for key in WHERE if key in best}
        rows.append(
            {
                **where,
                "noise scale": scale,
                "B*": np.median(found),
                "steps at least": best["train/steps_to_target"].min(),
            }
        )
    if not samples:
        return None
    return Evidence(
        quantity="B* of the steps' fit S_min·(1 + B*/B) ÷ noise scale tr Σ/‖g‖²", predicted=1.0, samples=samples,
        accept=(1 / FACTOR, FACTOR), of="each",
        conditions=f"each batch with the best step of its sweep; within a factor of {FACTOR:g}, as it tells an order of magnitude",
        details=as_table(pd.DataFrame(rows)),
    )  # fmt: skip


CLAIMS = (
    Claim(
        "minibatch-steps",
        "steps to target are known from theory, for any batch and step of a quadratic loss",
        SOURCE,
        _theory,
    ),
    Claim(
        "minibatch-scaling",
        "linear scaling: r times the batch and r times the step take r times fewer steps",
        SOURCE,
        _scaling,
    ),
    Claim("minibatch-scaling-stops", "it stops at 2/L: beyond it no batch gets to the target", SOURCE, _stops),
    Claim("minibatch-falling", "twice a small batch takes half the steps to target", SOURCE, _falling),
    Claim(
        "minibatch-saturation", "twice a large batch hardly saves steps: steps to target saturate", SOURCE, _saturated
    ),
    Claim(
        "minibatch-noise-scale",
        "where they saturate is told by the gradient noise scale tr Σ/‖g‖²",
        "arXiv:1812.06162",
        _scale,
    ),
)
