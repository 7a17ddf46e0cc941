"""The claims that ways to a target decide on time: steps × seconds per step, and the setting that gets there first."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from experiments.claims.steps import of_ways, ratio_of, reached, repeats
from experiments.ratios import of_rounds
from harness.contract import Claim, Evidence, as_table, axes, counted, described, label
from harness.estimates import median_of

SOURCE = "the bench's design"
PRODUCT = (0.9, 1.1)
# The seconds of a step are those of one of so many in a row: a way that is shorter is its own product.
LONG = 500
CLOSEST = 8
# Settings that say what is to be solved, and how often; the others are what can be chosen.
PROBLEM, REPEATS = ("data", "noise", "loss", "draws", "progress"), ("seed", "repeats")


def _product(runs: pd.DataFrame, history: pd.DataFrame) -> Evidence | None:
    mine = of_ways(runs)
    if mine is None or "time/direct_ratio" not in mine:
        return None
    mine = mine[mine["time/direct_ratio"].notna() & (mine["train/steps_to_target"] > LONG)]
    if mine.empty:
        return None
    worst = float(np.abs(np.log(mine["time/aa_ratio"])).max())
    return Evidence(
        quantity="time to target by the clock ÷ (steps × seconds per step)", predicted=1.0,
        samples=[median_of(of_rounds(history, "direct_ratio", run_id)) for run_id in mine["run_id"]], accept=PRODUCT, of="each",
        conditions=f"{counted(len(mine), 'run')} of more than {LONG} steps, seconds of a step from as many in a row; "
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
        times = {run_id: repeats(history, run_id) * _relative(history, run_id) for run_id in there["run_id"]}
        typical = {run_id: float(np.log(each).mean()) for run_id, each in times.items()}
        ranked = there.assign(order=there["run_id"].map(typical)).sort_values("order")
        (_, best), (_, second) = list(ranked.head(2).iterrows())
        samples.append(ratio_of(np.log(times[second["run_id"]] / times[best["run_id"]])))
        keys = [key for key in varying if key not in places]
        shown = ranked.head(CLOSEST)[[*keys, "train/steps_to_target", "time/step_s", "time/to_target_s"]]
        named = " ".join(described(key, label(best[key])) for key in (*places, *keys))
        tables.append(f"Least time to target: {named}, {1e3 * best['time/to_target_s']:.3g} ms.\n\n{as_table(shown)}")
    if not samples:
        return None
    return Evidence(
        quantity="time to target of the runner-up ÷ that of the fastest setting", predicted=1.0, samples=samples,
        accept=(1.0, math.inf), of="each",
        conditions="over batch, step and layout; each way's steps times the seconds of a step in a round, over the reference "
        "arm's of the same round",
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
