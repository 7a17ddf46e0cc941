"""The claims that chains at the optimum decide: the floor of a constant step, ∝ step/batch (notes: minibatch)."""

from __future__ import annotations

import numpy as np
import pandas as pd

from experiments.claims.gradient_noise import SOURCE, slopes_of
from harness.contract import Claim, Evidence, as_table, counted
from harness.estimates import mean_of

# How far a floor may be from what is predicted for it.
RATIO = (0.9, 1.1)
# A step is small up to this share of the largest that its batch allows: the floor is then at most a few percent above tr Σ·s/4B.
SMALL = 0.05
# So wide a range of s/B is asked for before the floor's slope is looked at.
WIDE = 5.0
SLOPE = (0.95, 1.05)
NEEDED = {
    "noise/floor",
    "model/floor",
    "model/edge",
    "model/small_step_floor",
    "model/exact",
    "step_size",
    "batch_size",
}


def _mine(runs: pd.DataFrame) -> pd.DataFrame | None:
    return runs[runs["noise/floor"].notna()] if set(runs) >= NEEDED else None


def _chains(history: pd.DataFrame, run_id: str) -> np.ndarray:
    """The floors of a run's chains."""
    mine = history[(history["run_id"] == run_id) & (history["metric"] == "chains/floor")]
    return mine.sort_values("step")["value"].to_numpy(np.float64)


def _over(runs: pd.DataFrame, history: pd.DataFrame, metric: str, quantity: str, conditions: str) -> Evidence | None:
    """Each run's floor over one of its own metrics."""
    if runs.empty:
        return None
    samples = [
        mean_of(_chains(history, run_id) / predicted)
        for run_id, predicted in zip(runs["run_id"], runs[metric], strict=True)
    ]
    shown = ["data", "loss", "batch_size", "step_size", "model/edge", metric, "noise/floor"]
    table = runs[[name for name in shown if name in runs]].assign(ratio=runs["noise/floor"] / runs[metric])
    return Evidence(
        quantity=quantity, predicted=1.0, samples=samples, accept=RATIO, of="each",
        conditions=f"{counted(len(runs), 'run')}; {conditions}", details=as_table(table.sort_values(shown[1:4])),
    )  # fmt: skip


def _exact(runs: pd.DataFrame, history: pd.DataFrame) -> Evidence | None:
    mine = _mine(runs)
    if mine is None:
        return None
    return _over(
        mine[mine["model/exact"] == 1], history, "model/floor", "floor measured ÷ predicted by the recursion of the second moment",
        "quadratic losses, at steps up to the largest that the batch allows",
    )  # fmt: skip


def _small(runs: pd.DataFrame, history: pd.DataFrame) -> Evidence | None:
    mine = _mine(runs)
    if mine is None:
        return None
    return _over(
        mine[mine["step_size"] <= SMALL * mine["model/edge"]], history, "model/small_step_floor",
        "floor measured ÷ s·tr Σ/4B", f"losses of any kind, steps up to {SMALL:.0%} of the largest that the batch allows",
    )  # fmt: skip


def _proportional(runs: pd.DataFrame, history: pd.DataFrame) -> Evidence | None:
    mine = _mine(runs)
    if mine is None:
        return None
    small = mine[mine["step_size"] <= SMALL * mine["model/edge"]]
    samples, rows = [], []
    for (data, loss), group in small.groupby(["data", "loss"], observed=True):
        x = (group["step_size"] / group["batch_size"]).to_numpy(np.float64)
        chains = [_chains(history, run_id) for run_id in group["run_id"]]
        if len(x) < 3 or x.max() < WIDE * x.min() or len({len(each) for each in chains}) > 1:
            continue
        slopes = slopes_of(np.log(x), np.log(chains).T)
        samples.append(mean_of(slopes))
        rows.append(
            {
                "data": data,
                "loss": loss,
                "points": len(x),
                "decades": np.log10(x.max() / x.min()),
                "slope": slopes.mean(),
            }
        )
    if not samples:
        return None
    return Evidence(
        quantity="slope of log floor against log (step ÷ batch)", predicted=1.0, samples=samples, accept=SLOPE, of="each",
        conditions=f"steps up to {SMALL:.0%} of the largest that the batch allows; each chain a repeat",
        details=as_table(pd.DataFrame(rows)),
    )  # fmt: skip


CLAIMS = (
    Claim("minibatch-floor", "the noise floor of SGD grows as step ÷ batch", SOURCE, _proportional),
    Claim("minibatch-floor-small", "for small steps the floor is s·tr Σ/4B", SOURCE, _small),
    Claim(
        "minibatch-floor-exact",
        "for a quadratic loss the floor is known at any step, from the data's own fourth moments",
        SOURCE,
        _exact,
    ),
)
