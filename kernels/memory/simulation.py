"""What caches make of a stream of accesses: hits, misses, evictions and write-backs, of each level and operand.

    hits + misses = accesses        a level is asked for what the one before it misses

Caches are `kernels.memory.Cache`, from the nearest on: LRU, filled by reads and writes alike (write-allocate), lines that were
written to go to the next level when they are evicted (write-back). There they are marked, in their place in the order of use;
a level that has given them up hands them on. All start empty. No prefetching is modelled.
Source: J. Hennessy, D. Patterson, Computer Architecture, appendix B.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kernels import check
from kernels.arrays import LINE_BYTES
from kernels.memory.accesses import feeding, finding
from kernels.memory.geometry import Cache
from kernels.memory.lru import (
    BACK,
    CHUNK,
    CLASSES,
    EIGHT,
    EMPTY,
    EVICTIONS,
    LOW,
    MISSES,
    OPERANDS,
    SHIFT,
    WRITE_BACKS,
)
from kernels.memory.references import SIZE, Trace
from kernels.memory.streams import Accesses, Stream, arrays_of, stream_of
from kernels.memory.walker import walking

# Sets are chosen for a sample in this order, so that those of a small one are far apart.
_SCATTERED = [int(f"{number:06b}"[::-1], 2) for number in range(CLASSES)]


@dataclass(frozen=True)
class Counts:
    """Of accesses, lines or parts of accesses that were found or missed; of lines, those evicted and those written back."""

    accesses: float
    hits: float
    misses: float
    evictions: float
    write_backs: float


@dataclass(frozen=True)
class Level(Counts):
    """A level's counts, and by operand. Of a sample of sets, estimates; else whole numbers, and the error is 0."""

    cache: Cache
    operands: dict[str, Counts]
    misses_standard_error: float


@dataclass(frozen=True)
class LongAgo:
    """What came so long before a stream that the last level alone remembers it, and goes there straight away.

    It is as if it had gone through all of them where nothing in it comes twice, and what followed it has filled the nearer ones.
    """

    stream: Stream


# What came before a stream: nothing, one, or several in turn.
Before = Stream | LongAgo | tuple[Stream | LongAgo, ...] | None


def simulate(
    stream: Stream,
    caches: Sequence[Cache],
    whole_accesses: bool = False,
    sets_share: float = 1.0,
    after: Before = None,
) -> list[Level]:
    """Each level's accesses, hits, misses, evictions and write-backs: `stream` is uint64 addresses, `Accesses` or a `Trace`.

    An access that spans lines counts as so many; with `whole_accesses` as one, a miss if any of them is, and then all of them go to
    the next level (as cachegrind counts). Threads of a trace take turns, each with caches of its own but for those `shared`.
    `sets_share` < 1 looks at that share of the sets alone and estimates the rest (set sampling): counts are then
    multiples, with a standard error by how much sets differ. `after`: what came before, or a tuple of what did in turn, and left
    the caches as they are when counting begins (None: empty). Raises ValueError for input that makes no sense.
    """
    given = stream_of(stream)
    engine = _Engine(given, caches, whole_accesses, sets_share, after)
    engine.take(given)
    return engine.levels()


def passed_on(
    stream: Stream, caches: Sequence[Cache], after: Before = None
) -> tuple[NDArray[np.uint64], NDArray[np.bool_]]:
    """What the last level asks of memory: the addresses of lines, in their order; and whether they are written back to it."""
    _, addresses, written_back = levels_and_memory(stream, caches, after)
    return addresses, written_back


def levels_and_memory(
    stream: Stream, caches: Sequence[Cache], after: Before = None
) -> tuple[list[Level], NDArray[np.uint64], NDArray[np.bool_]]:
    """`simulate` and `passed_on` at once."""
    given = stream_of(stream)
    engine = _Engine(given, caches, after=after)
    events = engine.take(given, keep=True)
    lines = (events >> np.uint64(LOW)) * np.uint64(caches[0].line_bytes)
    return engine.levels(), lines, (events & np.uint64(BACK)) > 0


def missed_by(stream: Accesses | ArrayLike, caches: Sequence[Cache]) -> NDArray[np.uint8]:
    """For each access how many levels do not have it: 0 is a hit in the first. Accesses as in `whole_accesses`."""
    given = stream_of(stream)
    if isinstance(given, Trace):
        raise ValueError("stream: a Trace; should be addresses or Accesses, as kernels.memory.expanded makes them")
    engine = _Engine(given, caches, whole=True)
    addresses, sizes, _ = arrays_of(given, engine.shift)
    depths = np.empty(addresses.size, np.uint8)
    finding()(addresses, sizes, engine.shift, engine.entries, engine.tables[0], depths)
    return depths


class _Engine:
    """The caches as tables, and what is counted in them. `after`: what went through them before that."""

    def __init__(
        self,
        stream: Trace | Accesses,
        caches: Sequence[Cache],
        whole: bool = False,
        share: float = 1.0,
        after: Before = None,
    ) -> None:
        _check_levels(caches)
        self._caches, self._whole, self._names = caches, whole, stream.names
        self.shift = caches[0].line_bytes.bit_length() - 1
        threads = len(stream.threads) if isinstance(stream, Trace) else 1
        self.tables, room = _tables(caches, self.shift, threads)
        self.entries = _empty(room + EIGHT)  # sets are read eight entries at a time
        self._counts = np.zeros((len(caches), 3, CLASSES * OPERANDS), np.int64)
        self._chosen = _chosen(share, caches)
        if self._chosen.size > 1 and whole:
            raise ValueError("whole_accesses: True; should be False with sets_share, since accesses span sets")
        self._asked = np.zeros(OPERANDS, np.int64)
        for before in after if isinstance(after, tuple) else () if after is None else (after,):
            self._prepare(before)

    def take(self, stream: Trace | Accesses, keep: bool = False, first: int = 0) -> NDArray[np.uint64]:
        """Let all of it go through the caches from the first one on; what leaves the last one, if it is to be kept."""
        tables = self.tables[:, first:].copy()
        longer = int(tables[0, 0, SHIFT])
        tables[..., SHIFT] -= longer
        shift, line, ways = self.shift + longer, self._caches[first].line_bytes, self._caches[first].ways
        if isinstance(stream, Trace):
            program = stream.program
            most = max((int(last - first) for _, _, first, last in program.operations), default=0)
            lines = 2 + int(program.references[:, SIZE].max(initial=1)) // line
            given: tuple[Any, ...] = (
                program.operations, program.references, program.lists, program.ranges, program.depth, most,
            )  # fmt: skip
            # Of a turn: every line of every reference; or where that is less, and jumps are taken, all of them once more for each.
            kernel, margin = walking(), max(most * lines, 4 * ways * (ways + 1))
        else:
            given = arrays_of(stream, shift)
            kernel, margin, tables = feeding(), 2 + int(given[1].max(initial=1)) // line, tables[0]
        buffers = np.empty((3, (len(self._caches) + 1) * (CHUNK + margin)), np.uint64)
        state = buffers, self.entries, tables, self._counts[first:], self._asked
        left: NDArray[np.uint64] = kernel(*given, shift, self._whole, self._chosen, keep, *state)
        return left

    def _prepare(self, before: Stream | LongAgo) -> None:
        """Let what came before go through the caches, and count none of it."""
        if isinstance(before, LongAgo):
            stream, first = stream_of(before.stream), len(self._caches) - 1
        else:
            stream, first = stream_of(before), 0
        if stream.names != self._names:
            raise ValueError(f"after: operands {stream.names}; should be {self._names}, like the stream's")
        threads = len(stream.threads) if isinstance(stream, Trace) else 1
        if threads != len(self.tables):
            raise ValueError(f"after: {threads} threads; should be {len(self.tables)}, like the stream's")
        self.take(stream, first=first)
        self._counts[:], self._asked[:] = 0, 0

    def levels(self) -> list[Level]:
        """What was counted, level by level."""
        scale = self._chosen.size / int(self._chosen.sum())
        accesses: list[float] = [*self._asked.tolist()]
        found = []
        for cache, counted in zip(self._caches, self._counts, strict=True):
            totals = counted.reshape(3, CLASSES, OPERANDS).sum(axis=1).T * (scale if scale > 1 else 1)
            each = {
                name: _counts(accesses[i], *(totals[i, what].item() for what in (MISSES, EVICTIONS, WRITE_BACKS)))
                for i, name in enumerate(self._names)
            }
            whole = [sum(getattr(c, name) for c in each.values()) for name in ("misses", "evictions", "write_backs")]
            every = _counts(sum(accesses), *whole)
            found.append(Level(**vars(every), cache=cache, operands=each, misses_standard_error=self._error(counted)))
            accesses = [each[name].misses for name in self._names]
        return found

    def _error(self, counted: NDArray[np.int64]) -> float:
        """Of the misses: from how much the classes of sets that were looked at differ, without replacement."""
        number, size = self._chosen.size, int(self._chosen.sum())
        if size == number:
            return 0.0
        by_class = counted[MISSES].reshape(-1, number, OPERANDS).sum(axis=(0, 2))
        misses = by_class[self._chosen]
        spread = float(misses.std(ddof=1)) if size > 1 else math.nan
        return number * spread * math.sqrt((1 - size / number) / size)


def _counts(accesses: float, misses: float, evictions: float, write_backs: float) -> Counts:
    return Counts(accesses, accesses - misses, misses, evictions, write_backs)


def _check_levels(caches: Sequence[Cache]) -> None:
    if not isinstance(caches, Sequence) or not caches or not all(isinstance(cache, Cache) for cache in caches):
        raise ValueError(f"caches: {caches!r}; should be a list of at least one Cache, from the nearest on")
    for near, far in pairwise(caches):
        if far.line_bytes < near.line_bytes:
            should = f"at least {near.line_bytes}, as of the level before it"
            raise ValueError(f"caches: lines of {far.line_bytes} bytes; should be of {should}")
        if near.shared and not far.shared:
            raise ValueError("caches: one that is not shared behind one that is; should be shared as well")


def _tables(caches: Sequence[Cache], shift: int, threads: int) -> tuple[NDArray[np.int64], int]:
    """What is known of each thread's levels (`kernels.memory.lru`), and how many entries there are in all."""
    rows, room = [], 0
    own = [0] * len(caches)
    for thread in range(threads):
        for i, cache in enumerate(caches):
            if thread == 0 or not cache.shared:
                own[i] = room
                room += cache.lines
            mask = -1 if cache.sets & (cache.sets - 1) else cache.sets - 1
            rows.append((own[i], cache.sets, mask, cache.ways, cache.line_bytes.bit_length() - 1 - shift))
    return np.array(rows, np.int64).reshape(threads, len(caches), -1), room


def _empty(room: int) -> NDArray[np.uint64]:
    """So many empty entries, from the start of a cache line on: a set of eight is one."""
    entries = np.full(room + LINE_BYTES // 8, EMPTY, np.uint64)
    ahead = -entries.ctypes.data % LINE_BYTES // entries.itemsize
    return entries[ahead : ahead + room]


def _chosen(share: float, caches: Sequence[Cache]) -> NDArray[np.bool_]:
    """Which classes of lines, by their number modulo how many there are, are looked at: no two of them share a set."""
    if check.finite_above_zero("sets_share", share) > 1:
        raise ValueError(f"sets_share: {share}; should be 1 at most")
    if share == 1:
        return np.ones(1, np.bool_)
    classes = math.gcd(CLASSES, *(cache.sets for cache in caches))
    if classes == 1 or len({cache.line_bytes for cache in caches}) > 1:
        sets = ", ".join(f"{cache.sets} of {cache.line_bytes}-byte lines" for cache in caches)
        raise ValueError(f"sets_share: {share}; should be 1, for these sets can't be divided alike: {sets}")
    chosen = np.zeros(classes, np.bool_)
    chosen[[each for each in _SCATTERED if each < classes][: max(1, round(share * classes))]] = True
    return chosen
