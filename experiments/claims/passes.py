"""The claims that timed passes decide: how cost grows with samples, with features and with threads."""

from __future__ import annotations

import math
from functools import partial
from typing import Literal

import numpy as np
import pandas as pd

from experiments.ratios import of_rounds
from harness.contract import Claim, Evidence, as_table, axes

SOURCE = "the bench's own bars"
PASS = "fused"
# An exponent within this of 1 is linear growth: over a decade it is a factor of 8 to 12.5.
EXPONENT = (0.9, 1.1)
# Of the speed-up that threads could bring at best, the share that is asked for.
EFFICIENCY = 0.75

Axis = Literal["samples", "features", "threads"]


def _alike(runs: pd.DataFrame, axis: Axis) -> pd.DataFrame | None:
    """The most runs that differ in the axis alone, in its order; None where there are not two."""
    if axis not in runs or f"time/{PASS}_s" not in runs:
        return None
    same = [key for key in axes(runs) if key != axis]
    groups = [group for _, group in runs.groupby(same, dropna=False, observed=True)] if same else [runs]
    most = max(groups, key=lambda group: group[axis].nunique(), default=runs)
    known = most.dropna(subset=[axis]).sort_values(axis)
    return known if len(known) > 1 else None


def _growth(axis: Axis, runs: pd.DataFrame, history: pd.DataFrame) -> Evidence | None:
    mine = _alike(runs, axis)
    if mine is None:
        return None
    less, more = (mine.iloc[i] for i in (-2, -1))
    times = np.log(of_rounds(history, f"{PASS}_s", more["run_id"]) / of_rounds(history, f"{PASS}_s", less["run_id"]))
    exponents = times / math.log(more[axis] / less[axis])
    return Evidence(
        quantity=f"exponent e of seconds ∝ {axis}ᵉ, from {less[axis]:.0f} to {more[axis]:.0f}",
        predicted=1.0,
        samples=exponents.tolist(),
        accept=EXPONENT,
        of="median",
        conditions=f"value and gradient, {_fixed(more, axis)}; smaller ones below, where caches and the cost of a call show",
        details=_table(mine, axis),
    )


def _speed_up(runs: pd.DataFrame, history: pd.DataFrame) -> Evidence | None:
    mine = _alike(runs, "threads")
    if mine is None or mine.iloc[0]["threads"] != 1:
        return None
    one, all_of_them = mine.iloc[0], mine.iloc[-1]
    count = float(all_of_them["threads"])
    return Evidence(
        quantity=f"time of one thread ÷ time of {count:.0f}",
        predicted=count,
        samples=(
            of_rounds(history, f"{PASS}_s", one["run_id"]) / of_rounds(history, f"{PASS}_s", all_of_them["run_id"])
        ).tolist(),
        accept=(EFFICIENCY * count, math.inf),
        of="median",
        conditions=f"value and gradient, {_fixed(one, 'threads')}; {EFFICIENCY:g} of what is possible at best is asked for",
        details=_table(mine, "threads"),
    )


def _fixed(run: pd.Series, axis: Axis) -> str:
    return ", ".join(
        f"{run[key]:.0f} {key}" for key in ("samples", "features", "classes") if key != axis and key in run
    )


def _table(runs: pd.DataFrame, axis: Axis) -> str:
    shown = pd.DataFrame(
        {
            axis: runs[axis],
            "ms": 1e3 * runs[f"time/{PASS}_s"],
            "ps an element": 1e12 * runs[f"time/{PASS}_per_element_s"],
            "of the roofline": runs[f"rate/{PASS}_roof_fraction"],
        }
    )
    return as_table(shown, own={"of the roofline": ".2f"})


CLAIMS = (
    Claim("scaling-samples", "ten times the samples take ten times as long", SOURCE, partial(_growth, "samples")),
    Claim("scaling-features", "ten times the features take ten times as long", SOURCE, partial(_growth, "features")),
    Claim("scaling-threads", "twice the threads take half as long, or nearly so", SOURCE, _speed_up),
)
