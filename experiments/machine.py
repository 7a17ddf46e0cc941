"""What this machine's memory hierarchy is: the time of a load by how much is gone through, against the caches of sysfs."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from experiments import hierarchy
from experiments.memory import check_fits
from experiments.ratios import of_rounds
from experiments.workload import ceiling_metrics
from harness.contract import WHOLE_RUN, Claim, Count, Curve, Evidence, Experiment, Figure, Row, as_table
from harness.timing import measure
from kernels import threads, traversal
from kernels.memory import simulate
from kernels.traversal import LINE_BYTES

SOURCE = "sysfs: what the system says of its caches"
# From half of what a cache holds to twice as much, a load takes at least so many times as long.
STEP = 1.2
# Of more lines some of the sets are simulated.
MANY, SHARE = 1 << 17, 1 / 8


def _step(level: str, runs: pd.DataFrame, history: pd.DataFrame) -> Evidence | None:
    """How many times as long a load takes where twice as much is gone through as the cache holds, as where half of it is."""
    name = f"cache/{level}_bytes"
    if not {name, "model/bytes"} <= set(runs):
        return None
    size = runs[name].median()
    less, more = runs[2 * runs["model/bytes"] <= size], runs[runs["model/bytes"] >= 2 * size]
    if less.empty or more.empty:
        return None
    pair = less.sort_values("model/bytes").iloc[-1], more.sort_values("model/bytes").iloc[0]
    inside, outside = (of_rounds(history, "load_s", run["run_id"]) for run in pair)
    near = runs[(runs["model/bytes"] >= size / 4) & (runs["model/bytes"] <= 4 * size)].sort_values("model/bytes")
    shown = {"KiB": near["size_kib"], "ns a load": 1e9 * near["time/load_s"]}
    shown["misses a load (simulated)"] = near[f"sim/{level}/misses_per_element"]
    sizes = " and ".join(f"{run['size_kib']:.0f}" for run in pair)
    return Evidence(
        quantity=f"time of a load through {sizes} KiB: the second over the first",
        predicted=math.nan,
        samples=(outside / inside).tolist(),
        accept=(STEP, math.inf),
        of="median",
        conditions=f"{level.upper()} has {size / 1024:.0f} KiB by sysfs; random order, one thread",
        details=as_table(pd.DataFrame(shown)),
    )


CLAIMS = tuple(
    Claim(f"machine-{level}", f"{level.upper()} is as large as the system says", SOURCE, partial(_step, level))
    for level in hierarchy.LEVELS
)


@dataclass(frozen=True)
class Machine(Experiment):
    """Seconds of a load that waits for the one before it, in random order through `size_kib` KiB, a cache line each; one thread.

    Beside it what LRU caches of the sizes in sysfs would miss, and the ceilings: read bandwidth, triad, sgemm, dgemm,
    fork-join, of all threads and of one.
    """

    size_kib: Count = 64
    rounds: Count = 15

    claims: ClassVar[tuple[Claim, ...]] = CLAIMS
    figures: ClassVar[tuple[Figure, ...]] = (
        Curve(
            "time/load_s", "Seconds of a load by how much is gone through (a pointer chase)", x="model/bytes",
            log_x=True, log_y=True, interval=("time/load_low_s", "time/load_high_s"), marks=hierarchy.MARKS,
        ),
        *(
            Curve(
                f"sim/{level}/misses_per_element", f"Loads that {level.upper()} misses (simulated)", x="model/bytes",
                log_x=True, marks=hierarchy.MARKS,
            )
            for level in hierarchy.LEVELS
        ),
    )  # fmt: skip
    foremost: ClassVar[tuple[str, ...]] = (
        "time/load_s", "ceiling/read_bytes_per_s", "ceiling/sgemm_flop_per_s", "ceiling/fork_join_s",
    )  # fmt: skip

    def check(self) -> None:
        check_fits(f"size_kib={self.size_kib}", self.size_kib * 1024)

    def warm_up(self) -> None:
        self._chase()
        hierarchy.warm_up()

    def tags(self) -> Mapping[str, str]:
        _, reasons = hierarchy.here()
        return {"threads": "1", **reasons}

    def run(self) -> Iterator[Row]:
        call, lines = self._chase()
        arm = measure({"chase": call}, self.rounds, again=())["chase"]
        for turn in range(self.rounds):
            yield Row(turn, {"rounds/load_s": float(arm.seconds[turn] / lines)})
        low, high = arm.interval_s()
        metrics = {
            "time/load_s": arm.median_s / lines,
            "time/load_low_s": low / lines,
            "time/load_high_s": high / lines,
            "model/bytes": float(lines * LINE_BYTES),
        }
        yield Row(WHOLE_RUN, {**metrics, **self._missed(lines), **ceiling_metrics(threads.available())})

    def _chase(self) -> tuple[Callable[[], Any], int]:
        return traversal.chase(self.size_kib * 1024)

    def _missed(self, lines: int) -> dict[str, float]:
        """Of so many lines in random order, again and again."""
        caches, _ = hierarchy.here()
        if not caches:
            return {f"sim/{level}/misses_per_element": math.nan for level in hierarchy.LEVELS}
        addresses = np.random.default_rng(0).permutation(lines).astype(np.uint64) * np.uint64(LINE_BYTES)
        share = 1.0 if lines <= MANY else SHARE
        levels = simulate(addresses, caches, sets_share=share, after=addresses)
        return {
            **{f"sim/{level.cache.name}/misses_per_element": level.misses / lines for level in levels},
            **hierarchy.cache_metrics(),
        }
