"""What fits of simulated regressions decide: theory of the error, winners, and who breaks down under which outliers."""

from __future__ import annotations

import numpy as np
import pandas as pd

from harness import estimates
from harness.contract import Claim, Estimate, Evidence, Interval, as_table, counted, settings

# How far theory for many samples may be off at these few hundreds, of the error: with outliers it is their count that is small.
CLOSE, ROUGHLY = (0.9, 1.1), (0.85, 1.15)
# Nearer to one half the few hundred samples of a fit break down some of the time, where endless ones would not.
FAR_FROM_HALF = 0.4
# Differences between losses that are smaller than that in theory (log of squared errors) are no wins.
TOO_CLOSE = 0.02
# d log error / d log size is 1 where errors grow as the outliers do, 0 where they don't care; from a decade's difference in size.
# On its way to 0 it may be below, where an error still falls towards what it is without outliers.
SLACK = (-0.2, 0.1)
DECADE = 10.0
# Near to the leverage at which losses break, sizes would have to be huge to tell.
WELL_APART = 1.3


def _theory(runs: pd.DataFrame, history: pd.DataFrame) -> Evidence | None:
    """Clean samples: E‖θ̂ − θ*‖² against V."""
    return _ratios(
        _with(runs, outliers=0.0), CLOSE, "without outliers; predicted: V/m, and what few samples and a kink add"
    )


def _bias(runs: pd.DataFrame, history: pd.DataFrame) -> Evidence | None:
    """Contaminated samples, where there is one optimum, or where the start is the good one."""
    there = runs.reindex(columns=runs.columns.union(["outliers", "leverage", "model/tail_exponent"]))
    there = there[(there["outliers"] > 0) & (there["outliers"] <= FAR_FROM_HALF)]
    there = there[(there["leverage"] == 0) | (there["model/tail_exponent"] >= 0)]
    return _ratios(
        there, ROUGHLY, f"with up to {FAR_FROM_HALF:.0%} of outliers; a loss that turns back without leverage alone"
    )


def _ratios(there: pd.DataFrame, accept: Interval, conditions: str) -> Evidence | None:
    wanted = ["train/error_ratio", "train/error_ratio_se", "train/fits", "model/fourth_moment"]
    if there.empty or not set(wanted) <= set(there):
        return None
    known = there.dropna(subset=wanted)
    if known.empty:
        return None
    left_out = len(there) - len(known)
    shown = [key for key in ("loss", "noise", "scale", "samples", "outliers", "leverage") if key in known]
    worst = known.assign(off=(known["train/error_ratio"] - 1).abs()).nlargest(8, "off")
    return Evidence(
        quantity="error of θ̂ (root mean square) over what quadrature predicts",
        predicted=1.0,
        samples=[_root(row) for _, row in known.iterrows()],
        accept=accept,
        of="each",
        conditions=counted(len(known), "run") + f" {conditions}"
        + f"; {counted(left_out, 'run')} left out, whose squared error has no variance" * (left_out > 0),
        details=as_table(worst[[*shown, "train/error", "model/error", "train/error_ratio"]]),
    )  # fmt: skip


def _winner(runs: pd.DataFrame, history: pd.DataFrame) -> Evidence | None:
    wanted = ["train/advantage", "train/advantage_se", "model/advantage", "train/fits", "model/fourth_moment"]
    if not set(wanted) <= set(runs):
        return None
    known = runs.dropna(subset=wanted)
    known = known[known["model/advantage"].abs() > TOO_CLOSE]
    if "samples" in known:  # the theory is one of many samples
        known = known[known["samples"] == known["samples"].max()]
    if known.empty:
        return None
    samples = []
    for _, row in known.iterrows():
        predicted = row["model/advantage"]
        samples.append(
            estimates.mean(
                row["train/advantage"] / predicted, row["train/advantage_se"] / abs(predicted), row["train/fits"] - 1,
                int(row["train/fits"]),
            )
        )  # fmt: skip
    table = known[["noise", "loss"]].assign(
        measured=np.exp(known["train/advantage"]), predicted=np.exp(known["model/advantage"])
    )
    return Evidence(
        quantity="log of squared error over that of the noise's own loss, on the same samples, over what theory says of it",
        predicted=1.0,
        samples=samples,
        accept=(0.0, np.inf),
        of="each",
        conditions=f"{counted(len(known), 'pair')} that theory tells apart; under contaminated noise against least squares",
        details=as_table(table.sort_values(["noise", "measured"])),
    )


def _growth(runs: pd.DataFrame) -> pd.DataFrame | None:
    """A row for runs that differ in `outlier_size` alone: d log error / d log size over the last decade, and its standard error."""
    wanted = [
        "outlier_size",
        "outliers",
        "train/squared_error",
        "train/squared_error_se",
        "train/fits",
        "model/tail_exponent",
    ]
    if not set(wanted) <= set(runs):
        return None
    runs = runs[runs["outliers"] > 0]
    same = [key for key in settings(runs) if key != "outlier_size"]
    rows = []
    for _, group in runs.groupby(same, dropna=False, observed=True):
        by_size = group.sort_values("outlier_size")
        far = by_size.iloc[-1]
        nearer = by_size[by_size["outlier_size"] <= far["outlier_size"] / DECADE * (1 + 1e-9)]
        if nearer.empty:
            continue
        near = nearer.iloc[-1]
        span = float(np.log(far["outlier_size"] / near["outlier_size"]))
        squares = [far["train/squared_error"], near["train/squared_error"]]
        errors = [
            run["train/squared_error_se"] / (2 * square) for run, square in zip((far, near), squares, strict=True)
        ]
        rows.append(
            {
                **{key: far[key] for key in same}, "tail": far["model/tail_exponent"],
                "breaking": far.get("model/breaking_leverage", np.inf), "train/fits": far["train/fits"],
                "exponent": 0.5 * float(np.log(squares[0] / squares[1])) / span,
                "exponent_se": float(np.hypot(*errors)) / span,
            }
        )  # fmt: skip
    return pd.DataFrame(rows) if rows else None


def _exponents(groups: pd.DataFrame, expected: pd.Series, conditions: str) -> Evidence:
    """What the exponents are off from what is expected."""
    shown = [key for key in ("loss", "scale", "basin", "outliers", "leverage", "exponent") if key in groups]
    off = groups.assign(off=groups["exponent"] - expected)
    return Evidence(
        quantity="d log error / d log size of the outliers, off from 1 where θ̂ breaks down and from 0 where it holds",
        predicted=0.0,
        samples=[
            estimates.mean(row["off"], row["exponent_se"], row["train/fits"] - 1, int(row["train/fits"]))
            for _, row in off.iterrows()
        ],
        accept=SLACK,
        of="each",
        conditions=conditions,
        details=as_table(groups[shown], ".3g"),
    )


def _vertical(runs: pd.DataFrame, history: pd.DataFrame) -> Evidence | None:
    groups = _growth(runs)
    if groups is None:
        return None
    groups = groups[groups["leverage"] == 0]
    if groups.empty:
        return None
    held = groups["tail"] <= 0
    return _exponents(
        groups, (~held).astype(float), "outliers in y alone; ψ without bound breaks down, bounded ψ holds"
    )


def _leverage(runs: pd.DataFrame, history: pd.DataFrame) -> Evidence | None:
    groups = _growth(runs)
    if groups is None:
        return None
    ratio = groups["leverage"] / groups["breaking"]
    kept = (groups["leverage"] > 0) & (groups["tail"] >= 0)
    kept &= (groups["tail"] > 0) | (ratio > WELL_APART) | (ratio < 1 / WELL_APART)
    groups, ratio = groups[kept], ratio[kept]
    if groups.empty:
        return None
    breaks = (groups["tail"] > 0) | (ratio > 1)
    return _exponents(
        groups, breaks.astype(float), "convex losses; bounded ψ breaks down from leverage (1 − ε)/ε·√(2/π) on"
    )


def _start(runs: pd.DataFrame, history: pd.DataFrame) -> Evidence | None:
    groups = _growth(runs)
    if groups is None or "basin" not in groups:
        return None
    groups = groups[(groups["tail"] < 0) & (groups["leverage"] > WELL_APART * groups["breaking"])]
    if groups["basin"].nunique() < 2:
        return None
    expected = (groups["basin"] == "absolute").astype(float)
    return _exponents(
        groups,
        expected,
        "Student's t under leverage that breaks absolute loss: from absolute loss's optimum, and from θ*",
    )


def _root(row: pd.Series) -> Estimate:
    """√ of the ratio of squared errors, its standard error by the delta method."""
    root = float(np.sqrt(row["train/error_ratio"]))
    return estimates.mean(root, row["train/error_ratio_se"] / (2 * root), row["train/fits"] - 1, int(row["train/fits"]))


def _with(runs: pd.DataFrame, **values: float) -> pd.DataFrame:
    """The runs that have these settings; none where there is no such column."""
    for key, value in values.items():
        runs = runs[runs[key] == value] if key in runs else runs[:0]
    return runs


CLAIMS = (
    Claim(
        "robust-theory",
        "the squared error of θ̂ is (V/m)·Σ of the parameters, V = E ψ²/(E ψ′)², for any loss under any noise",
        "notes 1, sections 2 to 5; Huber 1964, doi:10.1214/aoms/1177703732",
        _theory,
    ),
    Claim(
        "robust-bias",
        "outliers shift θ̂ to where E x·ψ = 0 for the mixture that they are part of",
        "notes 1, section 5; Huber 1964, doi:10.1214/aoms/1177703732",
        _bias,
    ),
    Claim(
        "robust-winner",
        "the loss that is −log of the noise has the least error under it, and theory orders the others",
        "notes 1, sections 2 to 5",
        _winner,
    ),
    Claim(
        "robust-vertical",
        "outliers in y ruin least squares as much as they are gross; Huber, absolute and Student-t loss hold",
        "notes 1, section 5",
        _vertical,
    ),
    Claim(
        "robust-leverage",
        "outliers with leverage ruin every convex loss: absolute and Huber loss are robust in y alone",
        "notes 1, section 5.1; Maronna, Martin, Yohai, 2006, doi:10.1002/0470010940",
        _leverage,
    ),
    Claim(
        "robust-start",
        "Student-t loss holds under leverage too, but only from a good start: from absolute loss's optimum it breaks down with it",
        "notes 1, section 5.2",
        _start,
    ),
)  # fmt: skip
