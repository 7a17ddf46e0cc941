"""The claims about cache lines and DRAM rows that walks over a matrix decide, each under its own conditions (notes 1)."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import numpy as np
import pandas as pd

from experiments.ratios import HARDLY, noise_floor, of_rounds
from harness.contract import Claim, Evidence, as_table

SOURCE = "notes 1, Cache lines and DRAM rows"
PER_LINE = 8  # numbers
# How DRAM finds the row of an address: neighbours share one, or lie in different banks.
IN_A_ROW, APART = ("RoRaBaCoCh", "RoRaBaChCo"), ("RoCoRaBaCh",)
# From so large a share on, rows are reused rather than not. Where neighbours lie in different banks, it is a half: of the
# 64 lines of a page, two share each of 32 banks.
REUSED = 0.75

Choice = Callable[[pd.DataFrame], pd.Series]


def _caches(runs: pd.DataFrame) -> list[str]:
    """The metrics that hold the sizes of caches, from the nearest on."""
    return sorted(str(name) for name in runs if str(name).startswith("cache/"))


def _beyond(runs: pd.DataFrame) -> pd.Series:
    return runs["model/bytes"] > 2 * runs[_caches(runs)[-1]]


def _in_first(runs: pd.DataFrame) -> pd.Series:
    return 2 * runs["model/bytes"] <= runs[_caches(runs)[0]]


def _in_last(runs: pd.DataFrame) -> pd.Series:
    """It fits the last cache, not the one before it."""
    before, last = _caches(runs)[-2:]
    return (runs["model/bytes"] > runs[before]) & (2 * runs["model/bytes"] <= runs[last])


def _tall(runs: pd.DataFrame) -> pd.Series:
    """A column of lines is more than the first cache holds."""
    return runs["side"] * 64 > runs[_caches(runs)[0]]


def _walks(runs: pd.DataFrame, lanes: str, by: str, padded: bool) -> pd.DataFrame:
    if not {"by", "lanes", "side", "time/ratio"} <= set(runs) or not _caches(runs):
        return runs.iloc[:0]
    return runs[(runs["lanes"] == lanes) & (runs["by"] == by) & ((runs["gap"] > 0) == padded)]


def _time(
    lanes: str, choose: Choice, words: str, predicted: float, alike: bool, runs: pd.DataFrame, history: pd.DataFrame
) -> Evidence | None:
    """Time down the columns over time along the rows, more than noise or `alike`: of the setting that is most against it."""
    mine = _walks(runs, lanes, "columns", padded=True)
    mine = mine[choose(mine)] if len(mine) else mine
    if mine.empty:
        return None
    floor = noise_floor(mine)
    logs = np.log(mine["time/ratio"])
    run = mine.loc[logs.abs().idxmax() if alike else logs.idxmin()]
    return Evidence(
        quantity=f"time down the columns ÷ along the rows, side {run['side']:.0f}",
        predicted=predicted,
        samples=of_rounds(history, "ratio", run["run_id"]).tolist(),
        accept=HARDLY if alike else (floor, math.inf),
        of="median",
        noise_floor=1.0 if alike else floor,
        conditions=f"{words}; equal instructions, a line between rows; noise alone makes up to {floor:.3f} of it",
        details=_table(mine),
    )


def _lines(runs: pd.DataFrame, history: pd.DataFrame) -> Evidence | None:
    """Simulated: what the first cache misses down the columns, over what it misses along the rows."""
    columns, rows = (_walks(runs, "scalar", by, padded=True) for by in ("columns", "rows"))
    both = columns.merge(rows, on="side", suffixes=("", "_rows")) if len(columns) and len(rows) else columns
    both = both[_tall(both)] if len(both) else both
    if both.empty or both["sim/l1/misses_per_element"].isna().any():
        return None
    ratio = both["sim/l1/misses_per_element"] / both["sim/l1/misses_per_element_rows"]
    return Evidence(
        quantity="lines missed for each number down the columns ÷ along the rows, first cache (simulated)",
        predicted=PER_LINE,
        samples=ratio.tolist(),
        accept=(0.99 * PER_LINE, 1.01 * PER_LINE),
        conditions=f"a column of lines is more than the first cache holds, a line between rows; {PER_LINE} numbers are a line",
        details="The caches behind it hold the column: there every line is used fully both ways.\n\n" + _table(columns),
    )


def _conflicts(runs: pd.DataFrame, history: pd.DataFrame) -> Evidence | None:
    """How much of the cost goes away with a line between rows."""
    without, with_gap = (_walks(runs, "scalar", "columns", padded) for padded in (False, True))
    both = without.merge(with_gap, on="side", suffixes=("", "_gap")) if len(without) and len(with_gap) else without
    both = both[_tall(both) & ~_beyond(both)] if len(both) else both
    if both.empty:
        return None
    pair = both.assign(saved=both["time/ratio"] / both["time/ratio_gap"]).sort_values("saved").iloc[0]
    rounds = [of_rounds(history, "ratio", pair[name]) for name in ("run_id", "run_id_gap")]
    floor = noise_floor(pd.concat([without, with_gap]))
    return Evidence(
        quantity=f"columns ÷ rows without a gap, over the same with a line between rows; side {pair['side']:.0f}",
        predicted=float(pair["sim/l2/misses_per_element"] / pair["sim/l2/misses_per_element_gap"]),
        samples=(rounds[0] / rounds[1]).tolist(),
        accept=(floor, math.inf),
        of="median",
        noise_floor=floor,
        conditions="rows are a power of two apart, a column of lines fits the second cache; predicted: its misses (simulated)",
        details=_table(without),
    )


def _row_hits(mappings: tuple[str, ...], runs: pd.DataFrame, history: pd.DataFrame) -> Evidence | None:
    """Simulated: accesses along the rows that find their DRAM row open."""
    rows, columns = (_walks(runs, "vector", by, padded=True) for by in ("rows", "columns"))
    rows = rows[_beyond(rows)] if len(rows) else rows
    names = [f"dram/{mapping}/row_hit_ratio" for mapping in mappings]
    if rows.empty or rows[names].isna().any(axis=None):
        return None
    beyond = columns[_beyond(columns)]
    return Evidence(
        quantity=f"accesses to memory along the rows that find their row open, {' and '.join(mappings)} (simulated)",
        predicted=1.0,
        samples=rows[names].to_numpy(copy=True).ravel().tolist(),
        accept=(REUSED, 1.0),
        conditions="beyond the caches; pages of 4 KiB lie anywhere; rows of 8 KiB, two channels of 16 banks",
        details=as_table(pd.concat([rows, beyond])[["by", "side", *names]]),
    )


def _no_rows(runs: pd.DataFrame, history: pd.DataFrame) -> Evidence | None:
    """Simulated: what memory is asked for where the last cache holds the matrix."""
    mine = pd.concat([_walks(runs, "vector", by, padded=True) for by in ("rows", "columns")])
    mine = mine[_in_last(mine)] if len(mine) and len(_caches(mine)) > 1 else mine.iloc[:0]
    name = (
        f"sim/{_caches(runs)[-1].removeprefix('cache/').removesuffix('_bytes')}/bytes_per_element" if len(mine) else ""
    )
    if mine.empty or mine[name].isna().any():
        return None
    return Evidence(
        quantity="bytes that memory is asked for, for each number (simulated)",
        predicted=0.0,
        samples=mine[name].tolist(),
        accept=(0.0, 0.0),
        conditions="the matrix fits the last cache, and was walked over before: no DRAM row opens at all",
        details=_table(mine),
    )


def _table(mine: pd.DataFrame) -> str:
    shown = {
        "side": mine["side"],
        "KiB": mine["model/bytes"] / 1024,
        "columns ÷ rows": mine["time/ratio"],
        "at least": mine["time/ratio_low"],
        "at most": mine["time/ratio_high"],
    }
    for level in ("l1", "l2", "l3", "dtlb"):
        if f"sim/{level}/misses_per_element" in mine:
            shown[f"{level} misses a number (simulated)"] = mine[f"sim/{level}/misses_per_element"]
    return as_table(pd.DataFrame(shown).sort_values("side"))


CLAIMS = (
    Claim("layout-lines", "walking along a row uses cache lines fully; against it, it does not", SOURCE, _lines),
    Claim(
        "layout-lines-time", "… and that takes time", SOURCE,
        partial(_time, "scalar", lambda runs: _tall(runs) & _beyond(runs), "a number at a time, beyond the caches", 8.0, False),
    ),
    Claim(
        "layout-lines-resident", "… but none where the first cache holds it all", SOURCE,
        partial(_time, "scalar", _in_first, "a number at a time, in the first cache", 1.0, True),
    ),
    Claim("layout-conflicts", "a line between rows that are a power of two apart saves what conflicts cost", SOURCE, _conflicts),
    Claim("layout-rowbuffer", "walking along a row reuses the open DRAM row", SOURCE, partial(_row_hits, IN_A_ROW)),
    Claim("layout-rowbuffer-apart", "… also where neighbours lie in different banks", SOURCE, partial(_row_hits, APART)),
    Claim(
        "layout-rowbuffer-time", "against the rows it takes longer, though lines are used fully", SOURCE,
        partial(_time, "vector", _beyond, "a line at a time, beyond the caches: DRAM rows, pages and prefetching", math.nan, False),
    ),
    Claim("layout-rowbuffer-resident", "what a cache holds opens no DRAM row", SOURCE, _no_rows),
)  # fmt: skip
