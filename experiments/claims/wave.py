"""The claims of the leapfrog scheme: order, error, exactness at Courant number 1, dispersion, growth past it, energy."""

from __future__ import annotations

import numpy as np
import pandas as pd

from harness.contract import Claim, Evidence, as_table, counted

BAR = "the bench's own bar"
CFL = "Courant, Friedrichs, Lewy 1928"

NEAR_TWO = (1.95, 2.05)
# Leading terms are all that matters where a width 1/√a has so many cells.
RESOLVED = 30
NEAR = (0.95, 1.05)
OF_PHASES = 1e-6
OF_GROWTH = 1e-3
BOTH = ("float32", "float64")
BY = ["courant", "cells", "layout", "ends", "launch", "dtype"]


def _having(runs: pd.DataFrame, *metrics: str, dtypes: tuple[str, ...] = ("float64",)) -> pd.DataFrame:
    """The runs of these dtypes that have all of the metrics."""
    mine = runs.dropna(subset=list(metrics)) if set(runs) >= {*BY, "pulses", *metrics} else runs.iloc[:0]
    return mine[mine["dtype"].isin(dtypes)] if len(mine) else mine


def _resolved(runs: pd.DataFrame, *metrics: str) -> pd.DataFrame:
    """Those whose pulses are wide enough in cells."""
    mine = _having(runs, "model/cells_per_width", *metrics)
    return mine[mine["model/cells_per_width"] >= RESOLVED] if len(mine) else mine


def _what(runs: pd.DataFrame) -> str:
    """`24 runs of 20 pulses; C 0.5, 0.8; ends fixed, open; float64`."""
    courants = ", ".join(f"{c:g}" for c in sorted(runs["courant"].unique()))
    others = [", ".join(sorted(map(str, runs[key].unique()))) for key in ("layout", "ends", "dtype")]
    return f"{counted(len(runs), 'run')} of {runs['pulses'].max():.0f} pulses; C {courants}; {'; '.join(others)}"


def _table(runs: pd.DataFrame, how: str, *metrics: str) -> str:
    """The least or largest of each metric, by the settings that vary."""
    by = [key for key in BY if len(set(runs[key])) > 1] or ["courant"]
    return as_table(runs.groupby(by)[list(metrics)].agg(how).reset_index())


def _order(runs: pd.DataFrame, history: pd.DataFrame) -> Evidence | None:
    mine = _resolved(runs, "model/least_order", "model/most_order")
    if mine.empty:
        return None
    return Evidence(
        quantity="log₂ of the largest late error against d'Alembert's formula over that with half the step, of each pulse",
        predicted=2.0,
        samples=[*mine["model/least_order"], *mine["model/most_order"]],
        accept=NEAR_TWO,
        conditions=f"{_what(mine)}; {RESOLVED} cells or more to a width 1/√a; late: the last quarter; each run's least and largest",
        details=_table(mine, "min", "model/least_order", "model/most_order"),
    )


def _error(runs: pd.DataFrame, history: pd.DataFrame) -> Evidence | None:
    mine = _resolved(runs, "model/error", "model/predicted_error")
    if mine.empty:
        return None
    return Evidence(
        quantity="largest late error against d'Alembert's formula ÷ h²(1 − C²)/24 · |vt(L‴ − R‴) − ∂²ψ_G/∂x²|",
        predicted=1.0,
        samples=(mine["model/error"] / mine["model/predicted_error"]).tolist(),
        accept=NEAR,
        conditions=f"{_what(mine)}; {RESOLVED} cells or more to a width 1/√a",
        details=_table(mine, "max", "model/error", "model/predicted_error"),
    )


def _exact(runs: pd.DataFrame, history: pd.DataFrame) -> Evidence | None:
    mine = _having(runs, "model/error_of_bound", "model/error")
    if mine.empty:
        return None
    return Evidence(
        quantity="largest late error against d'Alembert's formula at C = 1, as a share of the largest |ψ(x, 0)|, ÷ (steps² × ε)",
        predicted=0.0,
        samples=mine["model/error_of_bound"].tolist(),
        accept=(0.0, 1.0),
        conditions=f"{_what(mine)}; the error is {mine['model/error'].max():.1e} at most",
        details=_table(mine, "max", "model/error", "model/error_of_bound"),
    )


def _dispersion(runs: pd.DataFrame, history: pd.DataFrame) -> Evidence | None:
    mine = _having(runs, "model/dispersion_error")
    if mine.empty:
        return None
    return Evidence(
        quantity="largest distance of ωτ from 2·arcsin(C·sin(κh/2)), as a share of it, over wavenumbers up to the shortest wave",
        predicted=0.0,
        samples=mine["model/dispersion_error"].tolist(),
        accept=(0.0, OF_PHASES),
        conditions=f"{_what(mine)}; each wave watched for 64 steps",
        details=_table(mine, "max", "model/dispersion_error"),
    )


def _growth(runs: pd.DataFrame, history: pd.DataFrame) -> Evidence | None:
    mine = _having(runs, "model/growth", "model/predicted_growth", dtypes=BOTH)
    if mine.empty:
        return None
    return Evidence(
        quantity="distance of the shortest wave's growth rate from log |λ|, λ + 1/λ = 2 − 4C²·sin²(κh/2), as a share of it",
        predicted=0.0,
        samples=(np.log(mine["model/growth"]) / np.log(mine["model/predicted_growth"]) - 1).abs().tolist(),
        accept=(0.0, OF_GROWTH),
        conditions=f"{_what(mine)}; the wave begins as rounding of the pulses",
        details=_table(mine, "max", "model/growth", "model/predicted_growth"),
    )


def _energy(runs: pd.DataFrame, history: pd.DataFrame) -> Evidence | None:
    mine = _having(runs, "model/energy_of_bound", "model/energy_drift", dtypes=BOTH)
    if mine.empty:
        return None
    most = mine.groupby("dtype")["model/energy_drift"].max()
    return Evidence(
        quantity="largest change of the scheme's energy on the way, as a share of it, ÷ (steps × ε × cells per width ÷ C)",
        predicted=0.0,
        samples=mine["model/energy_of_bound"].tolist(),
        accept=(0.0, 1.0),
        conditions=f"{_what(mine)}; it changes by "
        + ", ".join(f"{drift:.1e} ({dtype})" for dtype, drift in most.items()),
        details=_table(mine, "max", "model/energy_drift", "model/energy_of_bound"),
    )


ORDER = Claim("wave-order", "half the step, a quarter of the error: the leapfrog scheme is of order 2", BAR, _order)
ERROR = Claim("wave-error", "the scheme errs by what its dispersion makes of the pulse", BAR, _error)
EXACT = Claim("wave-exact", "at Courant number 1 the scheme is d'Alembert's formula itself", CFL, _exact)
DISPERSION = Claim("wave-dispersion", "waves of the scheme obey sin(ωτ/2) = C·sin(κh/2)", "Trefethen 1982", _dispersion)
GROWTH = Claim("wave-growth", "past Courant number 1 the shortest wave grows, at a known rate", CFL, _growth)
ENERGY = Claim("wave-energy", "up to Courant number 1 the scheme keeps its energy, at any ends", BAR, _energy)
