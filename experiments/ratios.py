"""One arm against another in the same rounds, and the other against itself: a ratio, and what noise alone makes of one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from harness.contract import Estimate, Row
from harness.estimates import median_of
from harness.timing import AGAIN, CONFIDENCE, Arm, median_interval

Rounds = Mapping[str, NDArray[np.float64]]
# Two things cost the same while one takes no more than so many times as long as the other.
HARDLY = (0.8, 1.25)


def against(base: str, own: str, arms: Mapping[str, Arm]) -> Rounds:
    """Round by round: seconds of both arms, `ratio` of `own` to `base`, and `aa_ratio` of the base's second turn to its first."""
    seconds = {name: arm.seconds for name, arm in arms.items()}
    return {
        f"{own}_s": seconds[own],
        f"{base}_s": seconds[base],
        "ratio": seconds[own] / seconds[base],
        "aa_ratio": seconds[base + AGAIN] / seconds[base],
    }


def rows(rounds: Rounds) -> Iterator[Row]:
    """A row for each round."""
    for turn in range(len(rounds["ratio"])):
        yield Row(turn, {f"rounds/{name}": float(values[turn]) for name, values in rounds.items()})


def summary(rounds: Rounds, own: str, elements: int) -> dict[str, float]:
    """Medians and their intervals; of `own` also the seconds for each of so many elements."""
    metrics = {}
    for name, values in rounds.items():
        stem, unit = (name.removesuffix("_s"), "_s") if name.endswith("_s") else (name, "")
        low, high = median_interval(values, CONFIDENCE)
        for part, value in (("", float(np.median(values))), ("_low", low), ("_high", high)):
            metrics[f"time/{stem}{part}{unit}"] = value
    for part in ("", "_low", "_high"):
        metrics[f"time/per_element{part}_s"] = metrics[f"time/{own}{part}_s"] / elements
    return metrics


def of_rounds(history: pd.DataFrame, metric: str, run_id: str) -> NDArray[np.float64]:
    """A metric's value in each round of a run."""
    mine = history[(history["run_id"] == run_id) & (history["metric"] == f"rounds/{metric}")]
    return np.asarray(mine.sort_values("step")["value"], np.float64)


def medians(runs: pd.DataFrame, history: pd.DataFrame, metric: str) -> list[Estimate]:
    """The median over its rounds of each run, with its interval."""
    return [median_of(of_rounds(history, metric, run)) for run in runs["run_id"]]


def noise_floor(runs: pd.DataFrame) -> float:
    """How far from 1 the ratio of an arm to itself comes in these runs, as a factor: the far ends of all A/A arms' intervals."""
    return float(max(runs["time/aa_ratio_high"].max(), 1 / runs["time/aa_ratio_low"].min()))
