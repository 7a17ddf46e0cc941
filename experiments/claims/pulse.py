"""The claims of pulses: what is a wave is one by symbols and by autodiff; what is none misses by as much as it should."""

from __future__ import annotations

import math

import pandas as pd

from experiments.theory.waves import SOLUTIONS
from harness.contract import Claim, Evidence, as_table, counted

NOTES = "notes 2, Optics"

# Of derivatives, relative to the largest: some hundred roundings, by the chain rule twice.
ROUNDING = 1e-13
# Of a profile whose argument x′ + vt − vt is rounded: ten widths of it and more, of which f changes in one.
OF_ARGUMENTS = 1e-12
# How far two computations of a misfit may be apart that is about as large as ψ_tt itself.
SAME = 1e-10
ORDER = (1.95, 2.05)
KEYS = {
    "shape",
    "motion",
    "model/residual",
    "model/symbolic_residual",
    "model/second_error",
    "model/predicted_residual",
}
SHOWN = ["shape", "motion", "model/symbolic_residual", "model/residual", "model/predicted_residual"]


def _of(runs: pd.DataFrame, solutions: bool = True) -> pd.DataFrame:
    if not set(runs) >= KEYS:
        return runs.iloc[:0]
    return runs[runs["motion"].isin(SOLUTIONS) == solutions]


def _table(runs: pd.DataFrame, *more: str) -> str:
    """Residuals, largest of repeats."""
    columns = [*SHOWN, *(each for each in more if each in runs)]
    return as_table(
        runs[columns].groupby(["shape", "motion"], sort=False).max().reset_index(), ".1e", {SHOWN[2]: ".0f"}
    )


def _residuals(runs: pd.DataFrame) -> list[float]:
    """By autodiff, and how far its ψ_tt is from the formula's, lest it be 0 = 0; ∞ where a term is left by symbols."""
    named = [each for each in ("model/residual", "model/second_error", "model/start_error") if each in runs]
    samples = runs[named].where(runs["model/symbolic_residual"] == 0, math.inf)
    return [float(value) for each in named for value in samples[each].dropna()]


def _pulse(runs: pd.DataFrame, history: pd.DataFrame) -> Evidence | None:
    mine = _of(runs)
    mine = mine[(mine["shape"] == "lorentzian") & (mine["motion"] == "steady")] if len(mine) else mine
    if mine.empty:
        return None
    return Evidence(
        quantity="|ψ_tt − v²ψ_xx| by autodiff, and the error of its ψ_tt, as shares of the largest ψ_tt; ∞ if symbols leave a term",
        predicted=0.0,
        samples=_residuals(mine),
        accept=(0.0, ROUNDING),
        conditions=f"{counted(len(mine), 'run')}, {mine['points'].sum():.0f} random (x, t); by symbols for all x, t, v, a",
        details=_table(mine),
    )


def _general(runs: pd.DataFrame, history: pd.DataFrame) -> Evidence | None:
    mine = _of(runs)
    mine = mine[(mine["shape"] != "lorentzian") | (mine["motion"] != "steady")] if len(mine) else mine
    if mine.empty:
        return None
    return Evidence(
        quantity="|ψ_tt − v²ψ_xx| by autodiff, the errors of ψ_tt and, of d'Alembert's formula, of ψ and ψ_t at t = 0, as shares "
        "of the largest; ∞ if symbols leave a term",
        predicted=0.0,
        samples=_residuals(mine),
        accept=(0.0, ROUNDING),
        conditions=f"{counted(len(mine), 'run')}: profiles {', '.join(sorted(mine['shape'].unique()))}, motions "
        f"{', '.join(sorted(mine['motion'].unique()))}; of “any”, symbols know but that it is smooth",
        details=_table(mine, "model/start_error"),
    )


def _frame(runs: pd.DataFrame, history: pd.DataFrame) -> Evidence | None:
    mine = _of(runs)
    mine = mine[mine["model/frame_drift"].notna()] if len(mine) and "model/frame_drift" in mine else mine.iloc[:0]
    if mine.empty:
        return None
    return Evidence(
        quantity="largest change of ψ(x′ + vt, t) with t, as a share of the largest ψ",
        predicted=0.0,
        samples=mine["model/frame_drift"].tolist(),
        accept=(0.0, OF_ARGUMENTS),
        conditions=f"{counted(len(mine), 'run')}; what goes backward, in the frame that does too",
        details=_table(mine, "model/frame_drift"),
    )


def _no_wave(runs: pd.DataFrame, history: pd.DataFrame) -> Evidence | None:
    mine = _of(runs, solutions=False)
    if mine.empty:
        return None
    apart = (mine["model/residual"] / mine["model/predicted_residual"] - 1).abs()
    return Evidence(
        quantity="distance of |ψ_tt − v²ψ_xx| by autodiff from what it is by hand, as a share of it; ∞ if symbols leave no term",
        predicted=0.0,
        samples=apart.where(mine["model/symbolic_residual"] > 0, math.inf).tolist(),
        accept=(0.0, SAME),
        conditions=f"{counted(len(mine), 'run')}: {', '.join(sorted(mine['motion'].unique()))}; the least is "
        f"{mine['model/residual'].min():.2g} of the largest ψ_tt",
        details=_table(mine, "model/frame_drift"),
    )


def _differences(runs: pd.DataFrame, history: pd.DataFrame) -> Evidence | None:
    orders = [each for each in ("model/order_x", "model/order_t") if each in runs]
    mine = _of(runs)
    if mine.empty or not orders:
        return None
    return Evidence(
        quantity="slope of log error against log step, differences in x and in t, where rounding and higher terms are small",
        predicted=2.0,
        samples=[float(value) for each in orders for value in mine[each]],
        accept=ORDER,
        conditions=f"{counted(len(mine), 'run')} of waves, {mine['points'].max():.0f} points each",
        details=as_table(mine.groupby(["shape", "motion"], sort=False)[orders].mean().reset_index()),
    )


PULSE = Claim("wave-pulse", "3/[10(x − vt)² + 1] solves the wave equation", f"{NOTES}, Q1", _pulse)
GENERAL = Claim(
    "wave-general",
    "any f(x − vt) solves the wave equation, and d'Alembert's formula solves the initial-value problem",
    NOTES,
    _general,
)
FRAME = Claim("wave-frame", "in the frame x′ = x − vt the pulse stands still", NOTES, _frame)
NO_WAVE = Claim(
    "wave-not",
    "f(x − vt²), e⁻ᵗf(x − vt) and f at another speed are no solutions, and miss by what their derivatives say",
    "the bench's own bar",
    _no_wave,
)
DIFFERENCES = Claim(
    "wave-differences", "central second differences err as the square of the step", "the bench's own bar", _differences
)
