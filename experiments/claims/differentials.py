"""The claims trace, jacobian and slips: the identities hold, by numbers and by symbols, and neither lets a slip pass."""

from __future__ import annotations

import math
from typing import cast

import pandas as pd

from experiments.theory.equations import Convention, shapes, slip_fits, statement
from experiments.theory.identities import BY_VECTORS, Identity, equations
from harness.contract import Claim, Evidence, as_table, counted

KEYS = {"identity", "convention", "formula", "model/of_bound", "model/symbolic_residual"}


def _of(runs: pd.DataFrame, formula: str) -> pd.DataFrame:
    return runs[runs["formula"] == formula] if set(runs) >= KEYS else runs.iloc[:0]


def _table(runs: pd.DataFrame, history: pd.DataFrame) -> str:
    """A row for each formula, as it stands, and what either engine says of it: the worst of all runs, of slips the best hidden."""
    if not {"run_id", "metric", "step", "value"} <= set(history):
        return ""
    told = history[history["metric"].astype(str).str.startswith("profile/")]
    rows = []
    for _, run in runs.sort_values(["convention", "identity"], ascending=[False, True]).iterrows():
        convention, slip = cast(Convention, run["convention"]), run["formula"] == "slip"
        own = told[told["run_id"] == run["run_id"]].pivot_table(index="step", columns="metric", values="value")
        for place, equation in enumerate(equations(cast(Identity, run["identity"]), convention)):
            if place not in own.index:
                continue
            fits = "always" if slip_fits(equation, convention) else "if square"
            formula = statement(equation, convention, slip)
            rows.append(
                {
                    "formula": formula.replace(" = ", " ≠ ") if slip else formula,
                    "shapes fit" if slip else "matrices": fits if slip else shapes(equation, convention),
                    "numbers ÷ rounding": own.loc[place, "profile/of_bound"],
                    "symbols not 0": own.loc[place, "profile/symbolic_residual"],
                    "of entries": own.loc[place, "profile/symbolic_entries"],
                }
            )
    table = pd.DataFrame(rows)
    if table.empty:
        return ""
    first, second, *measured = table.columns
    worst = table.groupby([first, second], sort=False)[measured]
    return as_table((worst.min() if slip else worst.max()).reset_index(), ".0f", {measured[0]: ".1e"})


def _holds(runs: pd.DataFrame, history: pd.DataFrame) -> Evidence | None:
    """Every run's largest share of what rounding allows, ∞ where an entry is not 0 by symbols; and the kernels'."""
    if runs.empty:
        return None
    shares = runs["model/of_bound"].where(runs["model/symbolic_residual"] == 0, math.inf)
    kernels = runs["model/kernel_of_bound"].dropna().tolist() if "model/kernel_of_bound" in runs else []
    entries, wrong = (runs[f"model/symbolic_{each}"].sum() for each in ("entries", "residual"))
    names, sides = runs["identity"].unique(), sorted(runs["convention"].unique(), reverse=True)
    against = f"; {counted(len(kernels), 'run')} also against the kernels' gradient of every loss" if kernels else ""
    return Evidence(
        quantity="distance of the sides at random numbers ÷ what rounding allows; ∞ where by symbols they are not the same",
        predicted=0.0,
        samples=[*shares, *kernels],
        accept=(0.0, 1.0),
        conditions=f"{', '.join(names)}; samples in {' and '.join(sides)}; by symbols "
        f"{entries - wrong:.0f} of {entries:.0f} entries of left − right are 0{against}",
        details=_table(runs, history),
    )


def _trace(runs: pd.DataFrame, history: pd.DataFrame) -> Evidence | None:
    right = _of(runs, "right")
    return _holds(right[~right["identity"].isin(BY_VECTORS)] if len(right) else right, history)


def _jacobian(runs: pd.DataFrame, history: pd.DataFrame) -> Evidence | None:
    right = _of(runs, "right")
    return _holds(right[right["identity"].isin(BY_VECTORS)] if len(right) else right, history)


def _slips(runs: pd.DataFrame, history: pd.DataFrame) -> Evidence | None:
    slips = _of(runs, "slip")
    if slips.empty or not {"model/found_by_numbers", "model/found_by_symbols"} <= set(slips):
        return None
    return Evidence(
        quantity="share of slips that are found: of trials, by numbers; of equations, by symbols",
        predicted=1.0,
        samples=[*slips["model/found_by_numbers"], *slips["model/found_by_symbols"]],
        accept=(1.0, 1.0),
        conditions=f"{counted(len(slips), 'run')}; on square matrices, where the shapes of all fit; the least distance is "
        f"{slips['model/of_bound'].min():.0e} times what rounding allows",
        details=_table(slips, history),
    )


TRACE = Claim(
    "trace", "df = tr(Gᵀ dX), product rule, cyclic trace; the template gives XᵀΔ", "notes 1, section 8", _trace
)
JACOBIAN = Claim(
    "jacobian",
    "the right way (Jacobians, Kronecker products, vectorization) gives the same gradient as the shortcut",
    "notes 2, Calculating the gradient in practice",
    _jacobian,
)
SLIPS = Claim(
    "slips",
    "“check your answers numerically”: numbers, and symbols, find a slip that shapes let pass",
    "notes 2, Calculating the gradient in practice",
    _slips,
)
