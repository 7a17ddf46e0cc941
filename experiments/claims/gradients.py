"""The claims that gradients decide: softmax's δ and batch gradient, the shortcut by autodiff, the order of differences."""

from __future__ import annotations

import pandas as pd

from harness.contract import Claim, Evidence, as_table, counted

# What rounding allows, relative to the largest entry of a gradient.
ROUNDING = {"float32": 1e-5, "float64": 1e-12}
# Of δ, whose entries are 1 at most: some units in the last place of 1.
UNITS = {"float32": 2.0**-23, "float64": 2.0**-52}
DELTA_UNITS = 8
# A difference checks a gradient to about this, in float64 (∛ε² and some).
CHECK = 1e-6
ORDERS = {"one_sided": 1, "central": 2}
NEAR_ORDER = (0.95, 1.05)
# |h − y| has no second derivative to leave out, Huber's has jumps, and squared loss no third.
SMOOTH = {"one_sided": ["squared", "student_t", "logistic", "softmax", "multinomial"],
          "central": ["student_t", "logistic", "softmax", "multinomial"]}  # fmt: skip
BY = ["loss", "form", "layout", "dtype"]


def _worst(runs: pd.DataFrame, metric: str) -> str:
    return as_table(runs.groupby([key for key in BY if key in runs])[metric].max().reset_index(), ".1e")


def _to_rounding(mine: pd.DataFrame, quantity: str, conditions: str) -> Evidence | None:
    """Errors of whole gradients against 50 digits, in what rounding allows."""
    if mine.empty:
        return None
    return Evidence(
        quantity=f"{quantity} against 50 digits ÷ what rounding allows",
        predicted=0.0,
        samples=(mine["model/error"] / mine["dtype"].map(ROUNDING)).tolist(),
        accept=(0.0, 1.0),
        conditions=f"{counted(len(mine), 'run')}{conditions}",
        details=_worst(mine, "model/error"),
    )


def _softmax_batch(runs: pd.DataFrame, history: pd.DataFrame) -> Evidence | None:
    return _to_rounding(
        runs[(runs["loss"] == "softmax") & runs["form"].isin(["trace", "kernel"])],
        "error of Xᵀ(Z − Y)/m, by NumPy and by the kernels,",
        "; of the largest entry, float32 1e-5, float64 1e-12; truth by its definition",
    )


def _softmax_delta(runs: pd.DataFrame, history: pd.DataFrame) -> Evidence | None:
    mine = runs[runs["model/delta_error"].notna()] if "model/delta_error" in runs else runs.iloc[:0]
    if mine.empty:
        return None
    return Evidence(
        quantity="error of δ = ∂ℓ/∂h against softmax(h) − onehot(y) of 50 digits, in units of the last place of 1",
        predicted=0.0,
        samples=(mine["model/delta_error"] / mine["dtype"].map(UNITS)).tolist(),
        accept=(0.0, DELTA_UNITS),
        conditions=f"{counted(len(mine), 'run')}; δ by the kernels, by autodiff and by a complex step, every sample and class",
        details=_worst(mine, "model/delta_error"),
    )


def _autodiff(runs: pd.DataFrame, history: pd.DataFrame) -> Evidence | None:
    mine = runs[runs["form"] == "autodiff"]
    if mine.empty:
        return None
    right = mine["model/error"] / mine["dtype"].map(ROUNDING)
    checked = mine["model/check_error"].dropna() / CHECK
    return Evidence(
        quantity="error of autodiff's gradient against 50 digits ÷ what rounding allows, and against differences ÷ 1e-6",
        predicted=0.0,
        samples=[*right, *checked],
        accept=(0.0, 1.0),
        conditions=f"{counted(len(mine), 'run')}: {counted(mine['loss'].nunique(), 'loss').replace('losss', 'losses')}, "
        f"{counted(mine['layout'].nunique(), 'layout')}; differences in float64",
        details=_worst(mine, "model/error"),
    )


def _complex_step(runs: pd.DataFrame, history: pd.DataFrame) -> Evidence | None:
    return _to_rounding(
        runs[runs["form"] == "complex"],
        "error of Im f(θ + ih)/h",
        ", h = 1e-30: nothing is subtracted, so that no step is too small",
    )


def _order(runs: pd.DataFrame, history: pd.DataFrame) -> Evidence | None:
    wanted = [runs[(runs["form"] == form) & runs["loss"].isin(losses)] for form, losses in SMOOTH.items()]
    mine = pd.concat(wanted)
    mine = mine[mine["dtype"] == "float64"]
    if mine.empty or "model/order" not in mine:
        return None
    mine = mine[mine["model/order"].notna()]
    return Evidence(
        quantity="slope of log error against log step where steps are large, over the order of the difference (1, central 2)",
        predicted=1.0,
        samples=(mine["model/order"] / mine["form"].map(ORDERS)).tolist(),
        accept=NEAR_ORDER,
        conditions=f"{counted(len(mine), 'run')} in float64, losses with the derivative that is left out",
        details=_worst(mine, "model/order").replace("e+00", ""),
    )


SOFTMAX_BATCH = Claim("softmax-batch", "the batch gradient is Xᵀ(Z − Y)", "notes 1, section 7.3", _softmax_batch)
SOFTMAX_DELTA = Claim("softmax-delta", "δ = z − onehot(y)", "notes 1, section 7.2", _softmax_delta)
AUTODIFF = Claim(
    "autodiff",
    "“pretend all is scalar, transpose to fit, check numerically” gives the right gradient",
    "notes 2, Calculating the gradient in practice",
    _autodiff,
)
COMPLEX_STEP = Claim(
    "complex-step",
    "a derivative by a complex step is right to rounding, a difference is not",
    "Squire and Trapp 1998 (doi:10.1137/S003614459631241X)",
    _complex_step,
)
ORDER = Claim(
    "difference-order",
    "a one-sided difference errs as its step, a central one as the square",
    "Taylor's theorem",
    _order,
)
