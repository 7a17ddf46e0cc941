"""Walks over a matrix whose misses can be written down: how many there are in one LRU cache, empty at first.

With lines of ℓ numbers, S sets of W ways, and kₛ the lines of one column (of lines) in set s:

    along the rows            every line once: rows · ⌈columns/ℓ⌉ where rows begin with a line
    down the columns          Σ over columns of lines, w numbers wide: rows + (w − 1) · Σₛ kₛ·[kₛ > W]
    rows of some samples      picks · ⌈columns/ℓ⌉
    columns of some samples   by feature: features · |{pick // ℓ}|; by sample: as down the columns, in the order of the picks

Beneath all of them is one fact: lines that are used in a cycle are found again if their set holds all of them, and else none is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from kernels import check
from kernels.memory.geometry import Cache
from kernels.memory.references import Gather, Loop, Reference, Trace


class NoClosedForm(ValueError):
    """The misses of this walk follow no rule short of a simulation; the message says why."""


@dataclass(frozen=True)
class Matrix:
    """rows × columns numbers of `itemsize` bytes in C order from `base` on; row i begins `leading` numbers after row i − 1."""

    rows: int
    columns: int
    itemsize: int = 4
    leading: int = 0  # 0: as many as there are columns
    base: int = 0

    def __post_init__(self) -> None:
        for name in ("rows", "columns", "itemsize"):
            check.whole(name, getattr(self, name))
        for name in ("leading", "base"):
            check.whole(name, getattr(self, name), least=0)
        if 0 < self.leading < self.columns:
            raise ValueError(f"leading: {self.leading}; should be at least the columns, {self.columns}")

    @property
    def row_bytes(self) -> int:
        """From one row to the next."""
        return (self.leading or self.columns) * self.itemsize

    def reference(self, row: int, column: int, gather: Gather | None = None) -> Reference:
        """A read in two loops, whose counters move on by `row` rows or numbers and by `column`, in bytes."""
        return Reference("X", self.base, (row, column), self.itemsize, gather=gather)


@dataclass(frozen=True)
class Walk:
    """Every number of a matrix once: along one row after the other, or down one column after the other."""

    matrix: Matrix
    by: Literal["rows", "columns"] = "rows"

    def __post_init__(self) -> None:
        if self.by not in ("rows", "columns"):
            raise ValueError(f"by: {self.by!r}; should be rows or columns")

    def trace(self) -> Trace:
        """The walk as loops."""
        m = self.matrix
        if self.by == "rows":
            return Trace.of(Loop(m.rows, (Loop(m.columns, (m.reference(m.row_bytes, m.itemsize),)),)))
        return Trace.of(Loop(m.columns, (Loop(m.rows, (m.reference(m.itemsize, m.row_bytes),)),)))

    def misses(self, cache: Cache) -> int:
        """The closed form."""
        m = self.matrix
        if self.by == "rows":
            starts = m.base + m.row_bytes * np.arange(m.rows)
            first, last = starts // cache.line_bytes, (starts + m.columns * m.itemsize - 1) // cache.line_bytes
            return int((last - first + 1).sum() - (first[1:] == last[:-1]).sum())
        per_line = _numbers_per_line(m, cache)
        again = _crowded(m, cache)
        widths = [min(per_line, m.columns - first) for first in range(0, m.columns, per_line)]
        return sum(m.rows + (width - 1) * again for width in widths)


@dataclass(frozen=True)
class GatheredRows:
    """The rows `picks` of a matrix (samples, features), in their order: how a batch is read with samples as rows."""

    matrix: Matrix
    picks: Sequence[int]

    def trace(self) -> Trace:
        """The walk as loops."""
        m, index = self.matrix, _index(self.picks, self.matrix.rows)
        gather = Gather(index, m.row_bytes, 0, (1,))
        return Trace.of(Loop(index.size, (Loop(m.columns, (m.reference(0, m.itemsize, gather),)),)))

    def misses(self, cache: Cache) -> int:
        """The closed form."""
        m, index = self.matrix, _index(self.picks, self.matrix.rows)
        per_line = _numbers_per_line(m, cache)
        if np.unique(index).size < index.size:
            raise NoClosedForm(
                "picks: some are repeated; should be different, for one that comes again may still be there"
            )
        return index.size * -(-m.columns // per_line)


@dataclass(frozen=True)
class GatheredColumns:
    """The columns `picks` of a matrix (features, samples): all features of one sample after the other, or the other way round."""

    matrix: Matrix
    picks: Sequence[int]
    by: Literal["samples", "features"] = "samples"

    def trace(self) -> Trace:
        """The walk as loops."""
        m, index = self.matrix, _index(self.picks, self.matrix.columns)
        if self.by == "samples":
            gather = Gather(index, m.itemsize, 0, (1, 0))
            return Trace.of(Loop(index.size, (Loop(m.rows, (m.reference(0, m.row_bytes, gather),)),)))
        gather = Gather(index, m.itemsize, 0, (0, 1))
        return Trace.of(Loop(m.rows, (Loop(index.size, (m.reference(m.row_bytes, 0, gather),)),)))

    def misses(self, cache: Cache) -> int:
        """The closed form."""
        m, index = self.matrix, _index(self.picks, self.matrix.columns)
        lines = index // _numbers_per_line(m, cache)
        if self.by == "samples":
            return _visits(m, cache, lines)
        used = np.unique(lines)
        if (np.bincount(used % cache.sets) > cache.ways).any() and (np.diff(lines) < 0).any():
            raise NoClosedForm("picks: in no order, and more lines than a set holds; should be sorted")
        return m.rows * used.size


Pattern = Walk | GatheredRows | GatheredColumns


def closed_form(pattern: Pattern, cache: Cache) -> int:
    """The misses of a walk in one cache. Raises NoClosedForm where no row begins with a line, and where the walk says so."""
    return pattern.misses(cache)


def _index(picks: Sequence[int], count: int) -> NDArray[np.int64]:
    return check.order(np.asarray(picks), count)


def _numbers_per_line(matrix: Matrix, cache: Cache) -> int:
    for name, size in (("base", matrix.base), ("leading", matrix.row_bytes)):
        if size % cache.line_bytes and (name == "base" or matrix.rows > 1):
            raise NoClosedForm(f"{name}: {size} bytes; should be a multiple of the line's {cache.line_bytes}")
    if cache.line_bytes % matrix.itemsize:
        raise NoClosedForm(f"itemsize: {matrix.itemsize}; should divide the line's {cache.line_bytes}")
    return cache.line_bytes // matrix.itemsize


def _per_set(matrix: Matrix, cache: Cache) -> NDArray[np.int64]:
    """How many lines of the first column are in each set; those of another column of lines are as many sets further on."""
    starts = (matrix.base + matrix.row_bytes * np.arange(matrix.rows)) // cache.line_bytes
    return np.bincount(starts % cache.sets, minlength=cache.sets)


def _crowded(matrix: Matrix, cache: Cache) -> int:
    """The lines of a column that are not there when it is gone through again."""
    held = _per_set(matrix, cache)
    return int(held[held > cache.ways].sum())


def _visits(matrix: Matrix, cache: Cache, columns: NDArray[np.int64]) -> int:
    """The misses where the columns of lines are gone through in that order, each as often as it is named.

    A line is still there if its set holds its own column's lines and those of all columns that came since.
    """
    held, misses, last = _per_set(matrix, cache), 0, dict[int, int]()
    for turn, column in enumerate(columns.tolist()):
        if column not in last:
            misses += matrix.rows
        else:
            own = np.roll(held, column)
            since = {other for other in columns[last[column] + 1 : turn].tolist() if other != column}
            total = own + sum((np.roll(held, other) for other in since), np.zeros_like(held))
            misses += int(own[total > cache.ways].sum())
        last[column] = turn
    return misses
