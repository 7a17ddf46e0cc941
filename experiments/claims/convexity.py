"""The claim ce-convex: cross-entropy is convex, the 0/1 error flat, and the search would find a loss that is not convex."""

from __future__ import annotations

import math

import pandas as pd

from harness import estimates
from harness.contract import Claim, Evidence, as_table, counted

# What rounding allows: of means of losses in float64, of products of gradients, of eigenvalues by differences of gradients.
ROUNDING = {"model/chord_excess": 1e-13, "model/least_alignment": 1e-12, "model/least_curvature": 1e-7}
# A violation that no rounding makes.
CLEAR = 1e-3
STILL = (0.99, 1.0)


def _violations(runs: pd.DataFrame) -> pd.DataFrame:
    """By how much each run's f is found not convex, ÷ what rounding allows; a column for each way to look."""
    known = [name for name in ROUNDING if name in runs]
    signs = {name: 1.0 if name == "model/chord_excess" else -1.0 for name in known}
    return pd.DataFrame({name: (signs[name] * runs[name] / ROUNDING[name]).clip(lower=0) for name in known})


def _table(runs: pd.DataFrame) -> str:
    known = [name for name in ROUNDING if name in runs]
    worst = {name: "max" if name == "model/chord_excess" else "min" for name in known}
    return as_table(runs.groupby("loss").agg(worst).reset_index(), ".2e")


def _ce_convex(runs: pd.DataFrame, history: pd.DataFrame) -> Evidence | None:
    if "model/of_labels" not in runs or "model/chord_excess" not in runs:
        return None
    wanted = runs[runs["model/of_labels"] == 1]
    if wanted.empty:
        return None
    return Evidence(
        quantity="what speaks against convexity, in chords, gradients and Hessians, ÷ what rounding allows",
        predicted=0.0,
        samples=[float(each) for each in _violations(wanted).to_numpy().ravel() if not math.isnan(each)],
        accept=(0.0, 1.0),
        conditions=f"{counted(len(wanted), 'random problem')}: {', '.join(sorted(wanted['loss'].unique()))}",
        details=_table(runs),
    )


def _error_flat(runs: pd.DataFrame, history: pd.DataFrame) -> Evidence | None:
    if not {"train/moves", "train/still_moves", "train/loss_moved", "model/still_moves"} <= set(runs):
        return None
    wanted = runs.dropna(subset=["train/moves"])
    if wanted.empty:
        return None
    return Evidence(
        quantity="share of moves by a millionth of ‖θ‖ that leave the 0/1 error as it is: a difference quotient of exactly 0",
        predicted=float(wanted["model/still_moves"].min()),
        samples=[
            estimates.share(int(still), int(moves))
            for still, moves in zip(wanted["train/still_moves"], wanted["train/moves"], strict=True)
        ],
        accept=STILL,
        of="each",
        conditions=f"{counted(len(wanted), 'random problem')}; the same moves change the cross-entropy in"
        f" {wanted['train/loss_moved'].min():.2%} or more of the cases; predicted: the share that margins keep from changing",
    )


def _not_convex(runs: pd.DataFrame, history: pd.DataFrame) -> Evidence | None:
    if not {"loss", "model/least_slope", "model/least_curvature"} <= set(runs):
        return None
    wanted = runs[runs["model/least_slope"] < -CLEAR]
    if wanted.empty:
        return None
    slope = float(wanted["model/least_slope"].min())
    return Evidence(
        quantity="least eigenvalue of ∇²f, as a share of L, where δ falls somewhere; predicted: no further below 0 than δ's slope",
        predicted=slope,
        samples=wanted["model/least_curvature"].tolist(),
        accept=(slope - ROUNDING["model/least_curvature"], -CLEAR),
        conditions=f"{counted(len(wanted), 'random problem')}; the search is the one that finds nothing against cross-entropy",
        details=_table(wanted),
    )


NOTES = "notes 2, The Loss Function"
CE_CONVEX = Claim("ce-convex", "cross-entropy of a linear hypothesis is convex", NOTES, _ce_convex)
ERROR_FLAT = Claim("error-flat", "the 0/1 error gives no gradient", NOTES, _error_flat)
NOT_CONVEX = Claim(
    "student-t-not-convex", "not every loss is convex: Student's t is not", "notes 1, section 5.2", _not_convex
)
