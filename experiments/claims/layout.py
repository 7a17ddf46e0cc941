"""The claims of the notes about layouts that passes over data decide: what batches cost in either layout (notes 1)."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd

from experiments.ratios import HARDLY, noise_floor, of_rounds
from harness.contract import Claim, Evidence, as_table

SOURCE = "notes 1, Samples as rows"
COLUMNS = ["work", "order", "batch_size", "gap", "dtype", "samples", "features"]


@dataclass(frozen=True)
class Condition:
    """Which runs a verdict is about: in words, and as a choice among those with samples as columns."""

    words: str
    choose: Callable[[pd.DataFrame], pd.Series]


def _small(runs: pd.DataFrame) -> pd.Series:
    return (runs["work"] == "epoch") & runs["batch_size"].notna() & (runs["batch_size"] * 16 <= runs["samples"])


def _beyond(runs: pd.DataFrame) -> pd.Series:
    """X is larger than all caches."""
    sizes = runs.filter(regex=r"^cache/.*_bytes$").max(axis=1)
    return runs["model/x_bytes"] > sizes


SHUFFLED = Condition(
    "shuffled batches of less than a sixteenth of the samples, X in memory and beyond the caches",
    lambda runs: (runs["order"] == "shuffled") & _small(runs) & _beyond(runs),
)
RESIDENT = Condition(
    "shuffled batches, X within the caches",
    lambda runs: (runs["order"] == "shuffled") & _small(runs) & ~_beyond(runs),
)
BLOCKS = Condition(
    "batches of blocks of 64 neighbours or more, X beyond the caches",
    lambda runs: (runs["order"] == "blocks") & _small(runs) & (runs["batch_size"] >= 64) & _beyond(runs),
)
FULL = Condition(
    "value and gradient of all samples, in any order; X beyond the caches",
    lambda runs: (runs["work"] == "fused") & _beyond(runs),
)


def _chosen(condition: Condition, runs: pd.DataFrame) -> pd.DataFrame:
    """Runs with samples as columns, and no gap, that meet it."""
    if not {"time/ratio", "gap", "model/x_bytes"} <= set(runs) or runs.filter(regex=r"^cache/.*_bytes$").empty:
        return runs.iloc[:0]
    columns = runs[(runs["layout"] == "columns") & (runs["gap"] == 0)]
    return columns[condition.choose(columns)] if len(columns) else columns


def _cost(condition: Condition, hardly: bool, runs: pd.DataFrame, history: pd.DataFrame) -> Evidence | None:
    """The run that speaks against the claim most: the least ratio, or the one that is furthest from 1."""
    mine = _chosen(condition, runs)
    if mine.empty:
        return None
    floor = noise_floor(mine)
    far = np.log(mine["time/ratio"])
    run = mine.loc[far.abs().idxmax() if hardly else far.idxmin()]
    in_batches = run["work"] == "epoch" and pd.notna(run["batch_size"])
    batch = f"batch {run['batch_size']:.0f}" if in_batches else "all at once"
    known = f"{batch}, {run['samples']:.0f} samples of {run['features']:.0f} {run['dtype']}"
    which = f"{'furthest from 1' if hardly else 'least'} of {len(mine)} settings" if len(mine) > 1 else "only setting"
    return Evidence(
        quantity=f"time as columns ÷ time as rows, the {which}: {known}",
        predicted=_predicted(run, runs),
        samples=of_rounds(history, "ratio", run["run_id"]).tolist(),
        accept=HARDLY if hardly else (floor, math.inf),
        of="median",
        noise_floor=1.0 if hardly else floor,
        conditions=f"{condition.words}; noise alone makes up to {floor:.3f} of it; predicted: by simulated bytes from memory",
        details=_table(mine, runs),
    )


def _predicted(run: pd.Series, runs: pd.DataFrame) -> float:
    """What traffic with memory alone would make of it: simulated bytes as columns over those as rows."""
    twins = runs[(runs["layout"] == "rows") & (runs["gap"] == 0)]
    for key in COLUMNS:
        if key in run:
            twins = twins[twins[key].isna() if pd.isna(run[key]) else twins[key] == run[key]]
    metric = _last_level(runs)
    if not len(twins) or metric not in run or not twins[metric].iloc[0] > 0:  # rows stay in the caches, say
        return math.nan
    return float(run[metric] / twins[metric].iloc[0])


def _last_level(runs: pd.DataFrame) -> str:
    return max((str(name) for name in runs.filter(regex="^sim/.*/bytes_per_element$")), default="")


def _table(mine: pd.DataFrame, runs: pd.DataFrame) -> str:
    shown = mine[[key for key in COLUMNS if key in mine and len(set(mine[key].astype(str))) > 1]].copy()
    for title, metric in (
        ("columns ÷ rows", "time/ratio"),
        ("at least", "time/ratio_low"),
        ("at most", "time/ratio_high"),
    ):
        shown[title] = mine[metric]
    shown["bytes as columns ÷ as rows (simulated)"] = [_predicted(run, runs) for _, run in mine.iterrows()]
    return as_table(shown.sort_values("columns ÷ rows", ascending=False))


CLAIMS = (
    Claim(
        "layout-batch", "samples as rows suit shuffled batches", SOURCE, partial(_cost, SHUFFLED, False)
    ),
    Claim(
        "layout-batch-resident", "… also where X stays in the caches", SOURCE, partial(_cost, RESIDENT, False)
    ),
    Claim(
        "layout-batch-blocks", "for batches of neighbours the layout hardly matters", SOURCE, partial(_cost, BLOCKS, True)
    ),
    Claim(
        "layout-batch-full", "for full passes the layout hardly matters", SOURCE, partial(_cost, FULL, True)
    ),
)  # fmt: skip
