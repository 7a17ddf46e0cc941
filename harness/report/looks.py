"""What the figures have in common: one rule for what is shown of repeats, one look for each name, axes that can be read."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd

from harness import contract
from harness.contract import DIVERGED, label
from harness.timing import median_interval

DASHES = ("solid", "dash", "dot", "dashdot")  # a line that another one covers shows through its gaps
# Okabe and Ito's palette, which colour-blind readers tell apart too, and for a crowd some of Tol's.
COLOURS = (
    "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#8C564B", "#000000",
    "#882255", "#999933", "#332288", "#888888",
)  # fmt: skip
SYMBOLS = ("circle", "diamond-open", "x", "cross-open")  # a roof's points
CONFIDENCE = 0.95
REPEAT = "seed"
FACETS = 6
MARKED = 40  # points up to which each has a marker
HEIGHT = 420
MARK = {"dash": "dot", "color": "#888888", "width": 1.5}  # the template's lines have no width
AT_THE_TOP = {"textposition": "end", "textangle": 0, "xanchor": "left", "yanchor": "top"}
COUNTED = 12  # so many whole numbers are each named on their axis: there is nothing between one thread and two
DIGITS = 4  # decades up to which a log axis names 2 and 5 beside the powers of ten


def axes(runs: pd.DataFrame, but: Sequence[str] = ()) -> list[str]:
    """The settings that vary between the runs, the repeats (seeds) left out."""
    return [key for key in contract.axes(runs) if key not in (REPEAT, *but)]


def diverged(runs: pd.DataFrame) -> pd.Series:
    """Which of the runs diverged."""
    return runs[DIVERGED] > 0 if DIVERGED in runs else pd.Series(False, index=runs.index)


def share_diverged(runs: pd.DataFrame) -> str:
    """`3 of 8`; empty where none did."""
    count = int(diverged(runs).sum())
    return f"{count} of {len(runs)}" if count else ""


def spread(values: pd.Series | np.ndarray) -> tuple[float, float, float]:
    """The median over seeds, and its interval (95 %; the range for fewer than six)."""
    x = np.asarray(values, np.float64)
    return float(np.median(x)), *median_interval(x, CONFIDENCE)


def groups(frame: pd.DataFrame, keys: Sequence[str]) -> Iterator[tuple[str, pd.DataFrame]]:
    """(name, rows) for each combination of the keys' values; one unnamed group for no keys."""
    if not keys:
        yield "", frame
        return
    for values, group in frame.groupby(list(keys), dropna=False, sort=True, observed=True):
        yield " · ".join(label(value) for value in values), group


def own(group: pd.DataFrame, value: str, interval: tuple[str, str] | None) -> tuple[float, float, float]:
    """`spread` over seeds; of a single run, the interval that it measured itself, if it did."""
    if len(group) == 1 and interval is not None and set(interval) <= set(group):
        low, high = (float(group[name].iloc[0]) for name in interval)
        return float(group[value].iloc[0]), low, high
    return spread(group[value])


def with_count(name: str, runs: pd.DataFrame) -> str:
    """The name of a line, and how many of its runs diverged."""
    share = share_diverged(runs)
    return f"{name} ({share} diverged)" if share else name


def looks_of(every: pd.DataFrame, runs: pd.DataFrame, keys: Sequence[str]) -> dict[str, tuple[str, str]]:
    """The colour and the dash of each combination of the keys' values in `runs`, by its name: those it has among `every`."""
    names = dict.fromkeys(name for frame in (every, runs) for name, _ in groups(frame, keys))
    looks = dict(zip(names, zip(itertools.cycle(COLOURS), itertools.cycle(DASHES)), strict=False))
    return {name: looks[name] for name, _ in groups(runs, keys)}


def faint(colour: str) -> str:
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red},{green},{blue},0.18)"


def axis(values: pd.Series | np.ndarray, is_log: bool = True) -> dict[str, object]:
    """What plotly is told about an axis: left to itself it names every digit of a few decades, one on top of the other."""
    if not is_log:
        counts = bool((values % 1 == 0).all()) and values.max() - values.min() <= COUNTED
        return {"type": "linear", "dtick": 1 if counts else None}
    decades = float(np.log10(values.max() / values[values > 0].min()))
    return {"type": "log", "dtick": "D2" if 1 < decades < DIGITS else None}
