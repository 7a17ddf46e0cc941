"""How long things take, on a machine that is never quiet: interleaved rounds, a reference arm, and an A/A arm.

Each round times every arm once, in turn, so that a slow spell hits them all. One arm is a fixed piece of work that is
the same on every machine and in every run: what is reported beside the seconds is the ratio to it. One arm is
there twice: how much the two differ is what the machine's noise alone can do, and no smaller effect is believed.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy import stats

REFERENCE = "reference"
AGAIN = "_again"
# A single measurement is repeated until it is at least this long: far above the clock's and a call's own cost.
SHORTEST_S = 2e-4
# A burst of measurements lasts at least so long.
BURST_S = 0.02
CONFIDENCE = 0.99


@dataclass(frozen=True)
class Arm:
    """Seconds per call of one arm, a figure a round; the median is what counts, its interval is exact for any noise."""

    seconds: NDArray[np.float64]

    @property
    def median_s(self) -> float:
        return float(np.median(self.seconds))

    def interval_s(self, confidence: float = CONFIDENCE) -> tuple[float, float]:
        """Interval for the median from order statistics (binomial; no assumption on the distribution of the noise)."""
        return median_interval(self.seconds, confidence)


def median_interval(samples: Sequence[float] | NDArray[np.float64], confidence: float) -> tuple[float, float]:
    """Distribution-free interval for the median: the k-th smallest and largest, k from the binomial(n, ½).

    With too few samples for the confidence asked, the whole range is returned.
    """
    ordered = np.sort(np.asarray(samples, np.float64))
    k = int(stats.binom.ppf((1 - confidence) / 2, len(ordered), 0.5))
    k = max(k - 1, 0)
    return float(ordered[k]), float(ordered[-1 - k])


def fewest(confidence: float) -> int:
    """How many samples such an interval for the median needs: all n lie on one side of it with the chance 2^(1 − n)."""
    return 1 + math.ceil(-math.log2(1 - confidence))


def measure(arms: Mapping[str, Callable[[], object]], rounds: int, again: Sequence[str]) -> dict[str, Arm]:
    """Time each arm in every round, the reference arm and a second turn of the arms in `again` (`NAME_again`) among them.

    Calls are repeated within a measurement so that it lasts 0.2 ms at least; each arm's first call is a warm-up that
    does not count. The order of the arms turns by one each round, so that none always follows the same neighbour.
    """
    calls = {**arms, REFERENCE: reference_work, **{name + AGAIN: arms[name] for name in again}}
    repeats = {name: _repeats(call) for name, call in calls.items()}
    names = list(calls)
    seconds: dict[str, list[float]] = {name: [] for name in names}
    for turn in range(rounds):
        for position in range(len(names)):
            name = names[(turn + position) % len(names)]
            seconds[name].append(_time(calls[name], repeats[name]))
    return {name: Arm(np.array(figures)) for name, figures in seconds.items()}


def burst(call: Callable[[], object]) -> float:
    """Seconds per call: the median of a burst of measurements, after a first call that does not count."""
    repeats = _repeats(call) if _time(call, 1) < BURST_S else 1
    seconds: list[float] = []
    while sum(seconds) * repeats < BURST_S:
        seconds.append(_time(call, repeats))
    return float(np.median(seconds))


def _time(call: Callable[[], object], repeats: int) -> float:
    start = time.perf_counter()
    for _ in range(repeats):
        call()
    return (time.perf_counter() - start) / repeats


def _repeats(call: Callable[[], object]) -> int:
    call()
    return max(1, int(np.ceil(SHORTEST_S / max(_time(call, 1), 1e-9))))


def reference_work() -> float:
    """The fixed piece of work: the sum of 2¹⁷ float64 (1 MiB, 30 µs or so), on one thread."""
    return float(_reference_numbers().sum())


@cache
def _reference_numbers() -> NDArray[np.float64]:
    return np.arange(1 << 17, dtype=np.float64)


def time_reference() -> float:
    """Seconds of one call of the reference work, the least of three: what a run logs beside its own timings."""
    reference_work()
    return min(_time(reference_work, 1) for _ in range(3))


class Stopwatch:
    """Adds up the seconds spent inside `with watch.of("compute"): …`, by name."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def of(self, name: str) -> Iterator[None]:
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - start
