"""The claims that estimates of location decide: efficiency under each noise, who wins, bias, what an error is made of."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Mapping
from typing import Any, cast

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from experiments.theory.asymptotics import expectation
from experiments.theory.small_samples import finite_variance
from harness.contract import Claim, Estimate, Evidence, Interval, as_table, counted, label
from harness.estimates import mean_of
from kernels import losses, noises
from kernels.losses import Loss
from kernels.noises import Noise

# Measured and predicted are the same while they are no further apart.
CLOSE = (0.98, 1.02)
# A bias below this share of a standard deviation of the estimator is none.
NO_BIAS = (-0.02, 0.02)
# At which confidence `efficiency` says how many of its intervals hold their prediction, all of them together.
FAMILY = 0.99


def _batches(history: pd.DataFrame, metric: str, run_id: str) -> NDArray[np.float64]:
    """A metric's value in each batch of a run."""
    mine = history[(history["run_id"] == run_id) & (history["metric"] == f"batch/{metric}")]
    return np.asarray(mine.sort_values("step")["value"], np.float64)


def _mean(batches: NDArray[np.float64], run: pd.Series) -> Estimate:
    """Their mean; what would decide is counted in replicates."""
    return dataclasses.replace(mean_of(batches), count=int(run["mc/replicates"]))


def _variance(run: pd.Series, history: pd.DataFrame, over: float) -> Estimate:
    """n·variance over something, which may be larger by what draws make that are too rare to have come up."""
    seen = _mean(_batches(history, "variance", run["run_id"]) / over, run)

    def interval(confidence: float) -> Interval:
        low, high = seen.interval(confidence)
        return low, high + run["model/unseen"] * seen.value

    return dataclasses.replace(seen, interval=interval)


def _means(runs: pd.DataFrame, history: pd.DataFrame, metric: str, over: str) -> list[Estimate]:
    """Each run's metric over what another says of it."""
    return [_mean(_batches(history, metric, run["run_id"]) / run[over], run) for _, run in runs.iterrows()]


def _estimators(runs: pd.DataFrame) -> pd.DataFrame:
    """The runs whose estimator has a variance, and are of this experiment."""
    wanted = runs[np.isfinite(runs["model/variance"])] if "model/variance" in runs else runs.iloc[:0]
    return wanted.assign(title=[" ".join(_titles(row)) for _, row in wanted.iterrows()])


def _titles(row: pd.Series) -> Iterator[str]:
    for kind, there in (("loss", losses.ALL), ("noise", noises.ALL)):
        own = "".join(f" {f.name}={row[f'{kind}.{f.name}']:g}" for f in dataclasses.fields(there[row[kind]])
                      if f.default != row.get(f"{kind}.{f.name}"))  # fmt: skip
        yield f"{row[kind]}{own}" + ("," if kind == "loss" else "")


def _largest(runs: pd.DataFrame) -> pd.DataFrame:
    """Those with the most samples of each loss and noise."""
    return runs[runs["samples"] == runs.groupby("title")["samples"].transform("max")]


def _holding(runs: pd.DataFrame, history: pd.DataFrame) -> Evidence | None:
    mine = _estimators(runs)
    if mine.empty:
        return None
    ratios = [_variance(run, history, run["model/finite_variance"]) for _, run in mine.iterrows()]
    each = 1 - (1 - FAMILY) / len(ratios)
    holding = [low <= 1 <= high for low, high in (ratio.interval(each) for ratio in ratios)]
    widths = [(high - low) / 2 for low, high in (ratio.interval(each) for ratio in ratios)]
    return Evidence(
        quantity="n·variance measured over what theory says for so many samples",
        predicted=1.0,
        samples=ratios,
        accept=CLOSE,
        of="each",
        conditions=f"{counted(len(mine), 'estimator')}; {sum(holding)} of {len(holding)} intervals at {FAMILY:.0%} for all of them"
        f" together hold the prediction, half-width {max(widths):.2%} at most",
        details=_table(_largest(mine)),
    )


def _limit(runs: pd.DataFrame, history: pd.DataFrame) -> Evidence | None:
    mine = _largest(_estimators(runs))
    if mine.empty:
        return None
    return Evidence(
        quantity="n·variance measured over its limit E[ψ²]/(E[ψ′])²",
        predicted=1.0,
        samples=[_variance(run, history, run["model/variance"]) for _, run in mine.iterrows()],
        accept=CLOSE,
        of="each",
        conditions="of each loss and noise the most samples: "
        + " or ".join(map(label, sorted(mine["samples"].unique()))),
        details=_table(mine, "model/over_limit"),
    )


def _winner(runs: pd.DataFrame, history: pd.DataFrame) -> Evidence | None:
    mine = _largest(_estimators(runs))
    ratios, predicted, rows = [], [], []
    for _, own in mine.iterrows():
        noise, loss = _made(noises.ALL, own, "noise"), _made(losses.ALL, own, "loss")
        matched = noise.matched_loss() if isinstance(noise, Noise) else None
        if matched is None or matched[0] != loss:
            continue
        same = [c for c in map(str, mine) if c in ("noise", "samples", "seed", "replicates") or c.startswith("noise.")]
        rivals = mine[[all(_equal(other[c], own[c]) for c in same) for _, other in mine.iterrows()]]
        best = _batches(history, "variance", own["run_id"])
        for _, other in rivals[rivals["run_id"] != own["run_id"]].iterrows():
            ratios.append(_mean(_batches(history, "variance", other["run_id"]) / best, own))
            predicted.append(other["model/finite_variance"] / own["model/finite_variance"])
            rows.append({"noise": own["noise"], "best": own["loss"], "other": other["title"], "measured": ratios[-1].value,
                         "predicted": predicted[-1]})  # fmt: skip
    if not ratios:
        return None
    return Evidence(
        quantity="variance under another loss over that under the noise's own, on the same draws",
        predicted=min(predicted),
        samples=ratios,
        accept=(1.0, math.inf),
        of="each",
        conditions=f"{counted(len(ratios), 'pair')}, {mine['samples'].max():.0f} samples; predicted is the closest of them",
        details=as_table(pd.DataFrame(rows), ".4f"),
    )


def _between(runs: pd.DataFrame, history: pd.DataFrame) -> Evidence | None:
    """Huber's estimate with the least bend against the median, and with the largest against the mean."""
    mine = _estimators(runs)
    mine = mine[mine["loss"] == "huber"] if "loss.delta" in mine else mine.iloc[:0]
    if mine.empty or mine["loss.delta"].nunique() < 2:
        return None
    samples = []
    for end, loss in ((mine["loss.delta"].min(), losses.Absolute()), (mine["loss.delta"].max(), losses.Squared())):
        for _, run in mine[mine["loss.delta"] == end].iterrows():
            noise = cast(Noise, _made(noises.ALL, run, "noise"))
            limit = finite_variance(loss, noise, int(run["samples"]))
            if math.isfinite(expectation(noise, lambda x: x**4)):  # else the mean is far from Huber's at any bend
                samples.append(_variance(run, history, limit))
    if not samples:
        return None
    return Evidence(
        quantity="variance under Huber's loss over the median's, at the least bend, and over the mean's, at the largest",
        predicted=1.0,
        samples=samples,
        accept=CLOSE,
        of="each",
        conditions=f"bends {mine['loss.delta'].min():g} and {mine['loss.delta'].max():g}, noises with a fourth moment",
        details=as_table(
            mine.pivot_table(index="loss.delta", columns="noise", values="mc/efficiency").reset_index(), ".4f"
        ),
    )


def _unbiased(runs: pd.DataFrame, history: pd.DataFrame) -> Evidence | None:
    mine = _estimators(runs)
    if mine.empty:
        return None
    return Evidence(
        quantity="mean of the estimates less what is estimated, in their standard deviations",
        predicted=0.0,
        samples=[
            _mean(
                _batches(history, "bias", row["run_id"]) * math.sqrt(row["samples"] / row["model/finite_variance"]), row
            )
            for _, row in mine.iterrows()
        ],
        accept=NO_BIAS,
        of="each",
        conditions=counted(len(mine), "estimator"),
    )


def _decomposed(runs: pd.DataFrame, history: pd.DataFrame) -> Evidence | None:
    mine = _estimators(runs)
    mine = mine[mine["model/square_error"].notna()] if "model/square_error" in mine else mine.iloc[:0]
    if mine.empty:
        return None
    return Evidence(
        quantity="E(Y − T)² of a fresh Y over Var(Y) + Var(T) + bias²",
        predicted=1.0,
        samples=_means(mine, history, "square_error", "model/square_error"),
        accept=CLOSE,
        of="each",
        conditions=f"{counted(len(mine), 'estimator')} T, under noises with a fourth moment",
    )


def _made(there: Mapping[str, Any], row: pd.Series, kind: str) -> Loss | Noise:
    """The loss or the noise of a run, from its settings."""
    cls = there[row[kind]]
    values = {f.name: row[f"{kind}.{f.name}"] for f in dataclasses.fields(cls)}
    made: Loss | Noise = cls(**{name: float(value) for name, value in values.items()})
    return made


def _equal(a: object, b: object) -> bool:
    return a == b or (a != a and b != b)


def _table(runs: pd.DataFrame, metric: str = "mc/efficiency") -> str:
    """Losses down, noises across: measured, theory in brackets."""
    theory = {"mc/efficiency": "model/finite_efficiency"}.get(metric)
    said = [
        f"{row[metric]:.4f}" + (f" ({row[theory]:.4f})" if theory else "") for _, row in runs.iterrows()
    ]  # fmt: skip
    frame = runs.assign(said=said, loss=[next(iter(_titles(row))).rstrip(",") for _, row in runs.iterrows()],
                        noise=[list(_titles(row))[1] for _, row in runs.iterrows()])  # fmt: skip
    wide = frame.drop_duplicates(["loss", "noise"]).pivot(index="loss", columns="noise", values="said")
    return as_table(wide.reset_index().fillna("–"))


SOURCE = "notes 1, sections 3 to 5"
CLAIMS = (
    Claim("efficiency", "a loss estimates under a noise as well as theory says, for few samples too", SOURCE, _holding),
    Claim("efficiency-limit", "… and as in the limit of many samples", SOURCE, _limit),
    Claim("efficiency-winner", "under a noise its own loss estimates best", "notes 1, sections 2 to 5", _winner),
    Claim(
        "huber-between-estimates",
        "Huber's estimate goes from the median to the mean as its bend grows",
        "notes 1, section 5.1",
        _between,
    ),
    Claim("location-unbiased", "the best constant is right on average", SOURCE, _unbiased),
    Claim(
        "bias-variance",
        "E(Y − a)² = Var(Y) + bias², and so E(Y − T)² = Var(Y) + Var(T) + bias²",
        "notes 1, section 3.2",
        _decomposed,
    ),
)
