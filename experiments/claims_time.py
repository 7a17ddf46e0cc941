"""The claims that ways to a target decide on time: steps × seconds per step, and the setting that gets there first."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from experiments.claims_steps import of_ways, ratio_of, reached, repeats
from experiments.ratios import of_rounds
from harness.contract import Claim, Evidence, as_table, axes, counted, described, label

SOURCE = "the bench's design"
PRODUCT = (0.9, 1.1)
CLOSEST = 8
# Settings that say what is to be solved, and how often; the others are what can be chosen.
PROBLEM, REPEATS = ("data", "noise", "loss", "draws", "progress"), ("seed", "repeats")


def _product(runs: pd.DataFrame, history: pd.DataFrame) -> Evidence | None:
    mine = of_ways(runs)
    if mine is None or "time/direct_ratio" not in mine:
        return None
    mine = mine.dropna(subset=["time/direct_ratio"])
    if mine.empty:
        return None
    worst = float(np.abs(np.log(mine["time/aa_ratio"])).max())
    return Evidence(
        quantity="time to target by the clock ÷ (steps × seconds per step)", predicted=1.0,
        samples=mine["time/direct_ratio"].tolist(), accept=PRODUCT, of="median",
        conditions=f"{counted(len(mine), 'run')}, the median over rounds of each; A/A arms within {math.expm1(worst):.0%}",
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
        ranked = reached(group).dropna(subset=["time/to_target_s"]).sort_values("time/to_target_s")
        if len(ranked) < 2:
            continue
        (_, best), (_, second) = list(ranked.head(2).iterrows())
        times = [repeats(history, run["run_id"]) * _relative(history, run["run_id"]) for run in (second, best)]
        samples.append(ratio_of(np.log(times[0] / times[1])))
        keys = [key for key in varying if key not in places]
        shown = ranked.head(CLOSEST)[[*keys, "train/steps_to_target", "time/step_s", "time/to_target_s"]]
        named = " ".join(described(key, label(best[key])) for key in (*places, *keys))
        tables.append(f"Least time to target: {named}, {1e3 * best['time/to_target_s']:.3g} ms.\n\n{as_table(shown)}")
    if not samples:
        return None
    return Evidence(
        quantity="time to target of the runner-up ÷ that of the fastest setting", predicted=1.0, samples=samples,
        accept=(1.0, math.inf), of="each",
        conditions="each way's steps times the seconds of one step of a round, over the reference arm's of the same round",
        details="\n\n".join(tables),
    )  # fmt: skip


def _relative(history: pd.DataFrame, run_id: str) -> NDArray[np.float64]:
    """Seconds of a step over those of the reference arm, round by round: what a slow spell of the machine does to both cancels."""
    step, reference = (of_rounds(history, name, run_id) for name in ("step_s", "reference_s"))
    return np.asarray(step / reference)


CLAIMS = (
    Claim("time-product", "time to target is steps to target times seconds per step", SOURCE, _product),
    Claim("time-fastest", "one setting gets to the target first on this machine", SOURCE, _fastest),
)
