"""The claim step-size: the edge at 2/L, that small steps are slow and count as theory says and that big ones overshoot."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from harness import estimates
from harness.contract import DIVERGED, Claim, Estimate, Evidence, as_table, counted, settings

NOTES = "notes 2, Gradient Descent"

# The measured edge of a parabola: within a hundredth of 2/L.
NEAR = (0.99, 1.01)
# It may pass the prediction from the curvature at θ̂ by as much as it is resolved.
UP_TO_LOCAL = (0.0, 1.005)
# A step that small is far from the edge: the excess falls as e^(−2sλt), and iterations × step is a constant.
SMALL = 0.05
# d log(iterations)/d log(step) over a decade or two; counts are whole.
SLOPE = (-1.05, -0.95)
# SGD's count against that of its mean excess: noisy where the target is near the floor, coarse where it takes few iterations.
SGD = (0.85, 1.15)
FEWEST = 20
LOW_FLOOR = 0.3  # of the target

EDGE = {"loss", "train/edge_low", "train/edge_high", "model/edge", "model/quadratic"}


def _brackets(runs: pd.DataFrame, unit: float | pd.Series = 1.0) -> list[Estimate]:
    """The measured edges, in units of 2/L or of what is given."""
    lows, highs = runs["train/edge_low"] / unit, runs["train/edge_high"] / unit
    return [estimates.bracket(low, high) for low, high in zip(lows, highs, strict=True)]


def _by_loss(runs: pd.DataFrame) -> str:
    """A row for each loss: problems, the edge's range, and where the curvature at θ̂ puts it."""
    rows = runs.groupby("loss").agg(
        problems=("loss", "size"),
        lowest=("train/edge_low", "min"),
        median=("train/edge", "median"),
        highest=("train/edge_high", "max"),
        local=("model/edge", "median"),
    )
    names = {"lowest": "lowest edge ÷ 2/L", "median": "median", "highest": "highest", "local": "median L/λmax(∇²f(θ̂))"}
    return as_table(rows.rename(columns=names).reset_index())


def _step_size(runs: pd.DataFrame, history: pd.DataFrame) -> Evidence | None:
    if not set(runs) >= EDGE:
        return None
    wanted = runs[runs["model/quadratic"] == 1]
    if wanted.empty:
        return None
    return Evidence(
        quantity="largest step size with which gradient descent on a parabola settles ÷ 2/L",
        predicted=1.0,
        samples=_brackets(wanted),
        accept=NEAR,
        of="each",
        conditions=f"{counted(len(wanted), 'random problem')}; each edge bracketed by what settles and what does not",
        details=_by_loss(runs),
    )


def _step_size_bound(runs: pd.DataFrame, history: pd.DataFrame) -> Evidence | None:
    if not set(runs) >= EDGE:
        return None
    wanted = runs[runs["model/quadratic"] == 0]
    if wanted.empty:
        return None
    return Evidence(
        quantity="largest step size with which gradient descent settles ÷ 2/L, for losses that are no parabola",
        predicted=float(wanted["model/edge"].median()),
        samples=_brackets(wanted),
        accept=(1.0, math.inf),
        of="each",
        conditions=f"{counted(len(wanted), 'random problem')}: {', '.join(sorted(wanted['loss'].unique()))}",
        details=_by_loss(wanted),
    )


def _step_size_local(runs: pd.DataFrame, history: pd.DataFrame) -> Evidence | None:
    if not set(runs) >= EDGE:
        return None
    brackets = _brackets(runs, runs["model/edge"])
    caught = sum(each.interval(1.0)[1] < UP_TO_LOCAL[0] + 1 for each in brackets)
    shares = pd.DataFrame({"loss": runs["loss"], "edge": [each.value for each in brackets]}).groupby("loss")["edge"]
    return Evidence(
        quantity="largest step size with which gradient descent settles ÷ 2/λmax(∇²f(θ̂))",
        predicted=1.0,
        samples=brackets,
        accept=UP_TO_LOCAL,
        of="each",
        conditions=f"{counted(len(runs), 'random problem')}; {caught} have their edge surely below 1: a cycle catches gradient"
        " descent before θ̂ lets go of it",
        details=as_table(shares.agg(["size", "min", "median", "max"]).reset_index()),
    )


def _descents(runs: pd.DataFrame) -> pd.DataFrame | None:
    """The runs at a given step size, with every column that the claims read; None where there are none."""
    if "relative_step" not in runs or "model/quadratic" not in runs:
        return None
    more = ["batch_size", "target", DIVERGED, "train/rises", "train/iterations_to_target", "model/iterations_to_target"]
    more.append("model/floor")
    return runs.reindex(columns=runs.columns.union(more))


def _step_size_count(runs: pd.DataFrame, history: pd.DataFrame) -> Evidence | None:
    frame = _descents(runs)
    if frame is None:
        return None
    wanted = frame[(frame["model/quadratic"] == 1) & frame["batch_size"].isna() & frame["target"].notna()]
    wanted = wanted[wanted["model/iterations_to_target"].notna()]
    if wanted.empty:
        return None
    measured = wanted["train/iterations_to_target"].fillna(math.inf)
    predicted = wanted["model/iterations_to_target"]
    both_never = np.isinf(measured) & np.isinf(predicted)
    apart = (measured - predicted).where(~both_never, 0.0)
    never = int(both_never.sum())
    shown = wanted.assign(apart=apart)[
        ["relative_step", "train/iterations_to_target", "model/iterations_to_target", "apart"]
    ]
    return Evidence(
        quantity="iterations to the target, measured − by the eigenvalues",
        predicted=0.0,
        samples=apart.tolist(),
        accept=(-1.0, 1.0),
        unit="iterations",
        conditions=f"{counted(len(wanted), 'run')} of gradient descent on parabolas, {predicted.min():g} to"
        f" {predicted[~np.isinf(predicted)].max():g} iterations; {never} never get there, as predicted",
        details=as_table(shown.sort_values("relative_step").iloc[:: max(1, len(shown) // 12)].reset_index(drop=True)),
    )


def _step_size_slow(runs: pd.DataFrame, history: pd.DataFrame) -> Evidence | None:
    frame = _descents(runs)
    if frame is None:
        return None
    full = frame[frame["batch_size"].isna() & frame["train/iterations_to_target"].notna()]
    small = full[full["relative_step"] <= SMALL]
    same = [key for key in settings(runs) if key not in ("relative_step", "seed")]
    slopes = []
    for _, line in small.groupby(same, dropna=False) if same else [("", small)]:
        counts = line.groupby("relative_step")["train/iterations_to_target"].median()
        if len(counts) > 1:
            slopes.append(float(np.polyfit(np.log(counts.index), np.log(counts), 1)[0]))
    if not slopes:
        return None
    return Evidence(
        quantity="slope of log(iterations to the target) against log(step size), for small steps",
        predicted=-1.0,
        samples=slopes,
        accept=SLOPE,
        conditions=f"{counted(len(slopes), 'line')} of gradient descent, steps up to {SMALL:g} of 2/L; medians over seeds",
    )


def _step_size_overshoot(runs: pd.DataFrame, history: pd.DataFrame) -> Evidence | None:
    frame = _descents(runs)
    if frame is None:
        return None
    full = frame[frame["batch_size"].isna() & frame["train/rises"].notna()]
    below = full[full["relative_step"] < 1]
    never = full["model/iterations_to_target"].fillna(math.inf) == math.inf
    beyond = full[(full["relative_step"] > 1) & (full["model/quadratic"] == 1) & never]
    if below.empty or beyond.empty:
        return None
    against = [*(below["train/rises"] > 0), *(beyond[DIVERGED] != 1)]
    return Evidence(
        quantity="runs in which the objective rises below 2/L, or does not run away beyond it on a parabola (0: none, 1: this one)",
        predicted=0.0,
        samples=[float(each) for each in against],
        accept=(0.0, 0.0),
        conditions=f"{counted(len(below), 'run')} of gradient descent below 2/L, any loss; {len(beyond)} beyond, on parabolas",
    )


def _step_size_sgd(runs: pd.DataFrame, history: pd.DataFrame) -> Evidence | None:
    frame = _descents(runs)
    if frame is None:
        return None
    wanted = frame[frame["batch_size"].notna() & (frame["model/floor"] <= LOW_FLOOR * frame["target"])]
    wanted = wanted[wanted["model/iterations_to_target"].between(FEWEST, math.inf, inclusive="left")]
    if wanted.empty:
        return None
    ratios = (wanted["train/iterations_to_target"] / wanted["model/iterations_to_target"]).fillna(math.inf)
    shown = wanted.assign(ratio=ratios)[
        ["batch_size", "relative_step", "train/iterations_to_target", "model/iterations_to_target", "ratio"]
    ]
    return Evidence(
        quantity="SGD's iterations to the target, measured ÷ by the recursion of its first and second moments",
        predicted=1.0,
        samples=ratios.tolist(),
        accept=SGD,
        conditions=f"{counted(len(wanted), 'pair')} of batch and step size on a parabola; floor up to {LOW_FLOOR:g} of the target",
        details=as_table(shown.sort_values(["batch_size", "relative_step"]).reset_index(drop=True)),
    )


STEP_SIZE = Claim("step-size", "too small is slow, too big overshoots: the edge stands at 2/L", NOTES, _step_size)
STEP_SIZE_BOUND = Claim(
    "step-size-bound", "for any smooth loss every step size below 2/L settles", NOTES, _step_size_bound
)
STEP_SIZE_LOCAL = Claim(
    "step-size-local", "no step size settles beyond 2/λmax(∇²f) at the optimum", NOTES, _step_size_local
)
STEP_SIZE_COUNT = Claim(
    "step-size-count", "on a parabola the eigenvalues say how many iterations it takes", NOTES, _step_size_count
)
STEP_SIZE_SLOW = Claim(
    "step-size-slow", "too small slows down progress: half the step, twice the iterations", NOTES, _step_size_slow
)
STEP_SIZE_OVERSHOOT = Claim(
    "step-size-overshoot", "too big overshoots: below 2/L the objective never rises, beyond it, on a parabola, it runs away", NOTES,
    _step_size_overshoot,
)  # fmt: skip
STEP_SIZE_SGD = Claim(
    "step-size-sgd", "SGD takes the iterations that its moments say, where the target is well above the floor of its step size",
    "notes 2, Stochastic Gradient Descent", _step_size_sgd,
)  # fmt: skip
