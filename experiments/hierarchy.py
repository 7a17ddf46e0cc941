"""What a pass asks of this machine's memory hierarchy, as metrics: simulated, bounded from below, and counted where it counts.

    sim/<level>/misses_per_element           lines that a level of the caches misses, for each number of X that is visited
    sim/<last>/bytes_per_element             between the last level and memory, what is written back included
    sim/dtlb/misses_per_element              of a TLB of 64 entries, for pages of 4 KiB
    dram/<mapping>/row_hit_ratio             of what memory is asked for: its row is open already; pages lie anywhere
    dram/<mapping>/activations_per_kib       rows opened for each KiB moved
    model/x_lines_per_element                cache lines that a batch has a part in, for each of its numbers
    model/lower_bound_bytes_per_element      what no code could do without, in the long run
    hw/<event>_per_element                   hardware counters

No prefetcher is modelled, and no count ranks speed by itself: a miss that was foreseen costs little, one that was not a lot.
What can't be told is NaN (null, to MLflow), and `reasons` says why.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from experiments.backends.base import Work
from experiments.kept import kept
from harness.contract import NULL
from kernels import Objective, cache_folder, compiled_for, layouts, losses, source_digest
from kernels.layouts import Layout
from kernels.losses import Loss
from kernels.memory import (
    Cache,
    Dram,
    NoTrace,
    Problem,
    Steady,
    Undescribed,
    caches_here,
    counters,
    levels_and_memory,
    lower_bound_bytes,
    row_buffer,
    simulate,
    steady,
    tlb,
)

LEVELS = ("l1", "l2", "l3")  # where there is no telling which there are
LINE_BYTES = 64
TLB_ENTRIES = 64
MAPPINGS = ("RoRaBaCoCh", "RoRaBaChCo", "RoCoRaBaCh")
# Samples that are neighbours, and stay so where the order is of blocks.
NEIGHBOURS = 64
# Where figures mark the ends of caches.
MARKS = {level.upper(): f"cache/{level}_bytes" for level in LEVELS}
# Tags that say why such metrics are null.
SIM, HW = f"{NULL}sim", f"{NULL}hw"
NOT_TRACED = "the bench's own kernels are simulated, and no others"
_said: set[Geometry] = set()  # whose seconds have been logged
CALLS = 3  # of a pass, while counters run


@dataclass(frozen=True)
class Geometry:
    """All that decides what a pass asks of memory, but for the numbers; `address` is that of X, of which its line counts."""

    work: Work
    loss: Loss
    layout: Layout
    samples: int
    features: int
    outputs: int
    dtype: str
    order: str
    batch_size: int | None
    threads: int
    leading: int = 0
    address: int = 0

    @property
    def elements(self) -> int:
        """Numbers of X that are visited."""
        return self.samples * self.features

    def problem(self) -> Problem:
        """The pass, for a trace."""
        return Problem(
            self.work, Objective(self.loss, self.layout), self.samples, self.features, self.outputs, self.dtype,
            order_of(self.order, self.samples, np.random.default_rng(0)), self.batch_size, self.leading, self.threads,
            self.address % LINE_BYTES,
        )  # fmt: skip


@dataclass(frozen=True)
class Asked:
    """Metrics, for those that are NaN why they are, by the name of a tag, and how long it took to find out."""

    metrics: Mapping[str, float]
    reasons: Mapping[str, str]
    seconds: float


def order_of(kind: str, samples: int, rng: np.random.Generator) -> NDArray[np.int64] | None:
    """The order of visit: `sequential` (None), `shuffled`, or in `blocks` of 64 neighbours, which are shuffled."""
    if kind == "sequential":
        return None
    if kind == "shuffled":
        return rng.permutation(samples)
    first = NEIGHBOURS * rng.permutation(-(-samples // NEIGHBOURS))
    order = (first[:, None] + np.arange(NEIGHBOURS)).ravel()
    return order[order < samples]


def warm_up() -> None:
    """Compile the simulators."""
    asked(Geometry("fused", losses.named("squared"), layouts.named("rows"), 64, 4, 1, "float32", "sequential", None, 1))


def reasons_of(geometry: Geometry | None) -> Mapping[str, str]:
    """Why metrics are null, as tags; for another library's pass, which has no geometry, that it is one."""
    return asked(geometry).reasons if geometry else {SIM: NOT_TRACED}


def metrics_of(geometry: Geometry | None, call: Callable[[], object] | None = None) -> dict[str, float]:
    """All of them; `call`, for the counters, makes the pass. A geometry is simulated once, and the seconds are said once."""
    if geometry is None:
        return {}
    found, seconds = asked(geometry), 0.0
    if geometry not in _said:
        _said.add(geometry)
        seconds = found.seconds
    return {**found.metrics, **counted(call, geometry.elements), "time/simulation_s": seconds}


@lru_cache(maxsize=4096)
def asked(geometry: Geometry) -> Asked:
    """What a simulation says, and the models."""
    start = time.perf_counter()
    problem = geometry.problem()
    caches, _ = here()
    found = asked_by(geometry, lambda: steady(problem, caches))
    models = {"model/x_lines_per_element": lines_per_element(problem, caches[0].line_bytes if caches else LINE_BYTES)}
    if caches:
        bound = lower_bound_bytes(problem, sum(cache.size_bytes for cache in caches), again=True)
        models["model/lower_bound_bytes_per_element"] = bound / geometry.elements
    return Asked({**found.metrics, **models}, found.reasons, time.perf_counter() - start)


def asked_by(work: object, piece: Callable[[], Steady]) -> Asked:
    """What a simulation says of a piece of work, if this machine's caches are known and the work can be traced.

    The `repr` of `work` says all that decides what `piece` makes: who asks for the same again, in whichever process, is told
    what was found.
    """
    start = time.perf_counter()
    caches, reasons = here()
    metrics = {f"sim/{name}/misses_per_element": np.nan for name in [cache.name for cache in caches] or LEVELS}
    last = caches[-1].name if caches else LEVELS[-1]
    metrics |= {f"sim/{last}/bytes_per_element": np.nan, "sim/dtlb/misses_per_element": np.nan}
    metrics |= {f"dram/{name}/{of}": np.nan for name in MAPPINGS for of in ("row_hit_ratio", "activations_per_kib")}
    metrics |= cache_metrics()
    if caches:
        try:
            # The kernels' tiles are those of the processor that they are compiled for.
            metrics |= kept(_folder(), (work, caches, compiled_for()), lambda: simulated(piece(), caches))
        except (NoTrace, ValueError) as error:  # the work of others, or caches that no simulation is made for
            reasons = {SIM: str(error)}
    why_not = counters.why_not()
    return Asked(metrics, {**reasons, **({HW: why_not} if why_not else {})}, time.perf_counter() - start)


def counted(call: Callable[[], object] | None, elements: int) -> dict[str, float]:
    """Hardware counters of a call, for each number of X; NaN where there are none, or nothing is called."""
    if call is None or counters.why_not():
        return {f"hw/{event}_per_element": np.nan for event in counters.EVENTS}
    with counters.counting() as read:
        for _ in range(CALLS):
            call()
        return {f"hw/{event}_per_element": count / CALLS / elements for event, count in read().items()}


def lines_per_element(problem: Problem, line_bytes: int) -> float:
    """Cache lines of X that a batch has a part in, for each of its numbers: the mean over batches of one pass."""
    per_line = line_bytes // np.dtype(problem.dtype).itemsize
    samples = problem.samples
    if not problem.objective.layout.features_first:
        return -(-problem.features // per_line) / problem.features
    order = np.arange(samples) if problem.order is None else problem.order
    batch = (problem.batch_size or samples) if problem.work == "epoch" else samples
    lines, batches = order // per_line, np.arange(order.size) // batch
    return np.unique(batches * (1 + samples // per_line) + lines).size / order.size


@cache
def here() -> tuple[tuple[Cache, ...], dict[str, str]]:
    """This machine's, or none, and why."""
    try:
        return caches_here(), {}
    except Undescribed as error:
        return (), {SIM: str(error)}


def cache_metrics() -> dict[str, float]:
    """How large this machine's caches are, as far as is known."""
    return {f"cache/{cache.name}_bytes": float(cache.size_bytes) for cache in here()[0]}


@cache
def _folder() -> Path:
    """Where what was simulated is kept: a folder for each version of all that has a part in it."""
    return cache_folder() / f"simulations-{source_digest(Path(__file__).parent)}"


def simulated(part: Steady, caches: tuple[Cache, ...]) -> dict[str, float]:
    """What caches, a TLB and row buffers make of a piece of work, for each of its elements."""
    line_bytes = caches[0].line_bytes
    with ThreadPoolExecutor(1) as beside:  # compiled code lets go of Python's lock
        translated = beside.submit(simulate, part.piece, [tlb(TLB_ENTRIES, TLB_ENTRIES)], after=part.before[-1])
        levels, addresses, _ = levels_and_memory(part.piece, caches, after=part.before)
        (pages,) = translated.result()
    metrics = {f"sim/{level.cache.name}/misses_per_element": level.misses / part.elements for level in levels}
    metrics["sim/dtlb/misses_per_element"] = pages.misses / part.elements
    metrics[f"sim/{caches[-1].name}/bytes_per_element"] = line_bytes * addresses.size / part.elements
    for name in MAPPINGS:
        rows = row_buffer(addresses, Dram(mapping=name, line_bytes=line_bytes), "scattered")
        metrics[f"dram/{name}/row_hit_ratio"] = rows.hit_ratio
        metrics[f"dram/{name}/activations_per_kib"] = rows.activations_per_kib
    return metrics
