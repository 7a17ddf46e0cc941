"""The claims that ways to a target decide on time: steps × seconds per step, and the setting that gets there first."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from experiments.claims.steps import of_ways, reached, repeats
from experiments.ratios import of_rounds
from harness.contract import Claim, Evidence, as_table, axes, counted, described, label
from harness.estimates import median_of

SOURCE = "the bench's design"
# Close enough to rank settings that differ by factors: what caches hold of the visits of a short way, they do not of a long one.
PRODUCT = (0.8, 1.25)
# Shorter ways cost a call as well, some 50 µs, and not only their steps.
LONG_S = 5e-3
# What another setting may take of the time of the one that is recommended: the seconds of a step differ by half between two runs of
# one setting, by where X came to lie in memory.
LEAST = 2 / 3
CLOSEST = 8
# Settings that say what is to be solved, and how often; the others are what can be chosen.
PROBLEM, REPEATS = ("data", "noise", "loss", "draws", "progress"), ("seed", "repeats")


def _product(runs: pd.DataFrame, history: pd.DataFrame) -> Evidence | None:
    mine = of_ways(runs)
    if mine is None or "time/direct_ratio" not in mine:
        return None
    mine = mine[mine["time/direct_ratio"].notna() & (mine["time/direct_s"] >= LONG_S)]
    if mine.empty:
        return None
    worst = float(np.abs(np.log(mine["time/aa_ratio"])).max())
    return Evidence(
        quantity="time to target by the clock ÷ (steps × seconds per step)", predicted=1.0,
        samples=[median_of(of_rounds(history, "direct_ratio", run_id)) for run_id in mine["run_id"]], accept=PRODUCT, of="each",
        conditions=f"{counted(len(mine), 'run')} of {1e3 * LONG_S:g} ms or more, seconds of a step from 10 ms of them in a row; "
        f"A/A arms within {math.expm1(worst):.0%}",
    )  # fmt: skip


def _fastest(runs: pd.DataFrame, history: pd.DataFrame) -> Evidence | None:
    mine = of_ways(runs)
    if mine is None or "time/to_target_s" not in mine:
        return None
    varying = [key for key in axes(mine) if key not in REPEATS]
    places = [key for key in varying if key.partition(".")[0] in PROBLEM]
    groups = [part for _, part in mine.groupby(places, dropna=False, observed=True)] if places else [mine]
    samples, tables = [], []
    for group in groups:
        there = reached(group).dropna(subset=["time/to_target_s"])
        if len(there) < 2 or there["layout"].nunique() < 2:
            continue
        ways = {run_id: repeats(history, run_id) for run_id in there["run_id"]}
        fewest = min(map(len, ways.values()))
        if fewest < 2:
            continue
        times = {run_id: (each * _relative(history, run_id))[:fewest] for run_id, each in ways.items()}
        typical = {run_id: float(np.median(each[::2])) for run_id, each in times.items()}
        ranked = there.assign(order=there["run_id"].map(typical)).sort_values("order")
        best, *rivals = (row for _, row in ranked.iterrows())
        samples += [median_of(times[rival["run_id"]][1::2] / times[best["run_id"]][1::2]) for rival in rivals]
        keys = [key for key in varying if key not in places]
        shown = ranked.head(CLOSEST)[[*keys, "train/steps_to_target", "time/step_s", "time/to_target_s"]]
        set_here = [key for key in places if pd.notna(best[key])]  # digits have no noise
        named = " ".join(described(key, label(best[key])) for key in (*set_here, *keys))
        tables.append(f"Least time to target: {named}, {1e3 * best['time/to_target_s']:.3g} ms.\n\n{as_table(shown)}")
    if not samples:
        return None
    return Evidence(
        quantity="time to target of any other setting ÷ that of the fastest", predicted=1.0, samples=samples,
        accept=(LEAST, math.inf), of="each",
        conditions="over batch, step and layout; each way's steps times the seconds of a step in a round, over the reference "
        "arm's of the same round: every other one tells which is the fastest, and the rest weigh it",
        details="\n\n".join(tables),
    )  # fmt: skip


def _relative(history: pd.DataFrame, run_id: str) -> NDArray[np.float64]:
    """Seconds of a step over those of the reference arm, round by round: what a slow spell of the machine does to both cancels."""
    step, reference = (of_rounds(history, name, run_id) for name in ("step_s", "reference_s"))
    return np.asarray(step / reference)


CLAIMS = (
    Claim("time-product", "time to target is steps to target times seconds per step", SOURCE, _product),
    Claim(
        "time-fastest",
        "no other setting gets to the target in less than two thirds of the time, on this machine",
        SOURCE,
        _fastest,
    ),
)
