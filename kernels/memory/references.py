"""What a computation asks of memory, described: references inside loops, as compilers speak of them.

    Loop(count, (Reference, Loop, …))       its body, `count` times over
    Reference(operand, base, strides, …)    one access each time: base + Σ strides · counters of the loops around it

A reference through a list of indices (a gather) adds stride · index[position], the position being affine in the same counters.
`Trace` is the loops of each thread. Source: M. Wolf, M. Lam, A data locality optimizing algorithm, 1991, for the model.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from kernels import check
from kernels._jit import uncollected
from kernels.memory.lru import OPERANDS

# What stands in a program: begin a loop of so many turns; end it; a loop of so many turns over references alone.
BEGIN, END, RUN = range(3)
# The columns of a table of references, before the strides and the positions, one of each for every loop.
BASE, SIZE, CODE, LIST, POSITION, GATHER = range(6)
COLUMNS = 6
NO_LIST = -1
HIGHEST = 1 << 62


@dataclass(frozen=True, eq=False)
class Gather:
    """stride · index[start + Σ strides · counters], in bytes: which row, by its number in a list."""

    index: NDArray[np.int64]
    stride: int
    start: int = 0
    strides: tuple[int, ...] = ()


class Reference(NamedTuple):  # a pass has them by the thousands: made in a third of the time that a dataclass takes
    """An access of `size_bytes` at base + Σ strides · counters + what it gathers, in bytes; strides from the outermost loop on.

    Strides that are left out, of the innermost loops, are 0.
    """

    operand: str
    base: int
    strides: tuple[int, ...] = ()
    size_bytes: int = 1
    write: bool = False
    gather: Gather | None = None


@dataclass(frozen=True)
class Loop:
    """The body, once for each counter 0 … count − 1, in its order."""

    count: int
    body: tuple[Loop | Reference, ...]


@dataclass(frozen=True, eq=False)
class Program:
    """Loops as tables, for compiled code: operations (kind, count, first reference, after the last one), and references."""

    operations: NDArray[np.int64]
    references: NDArray[np.int64]
    lists: NDArray[np.int64]
    ranges: NDArray[np.int64]  # of each thread: its first operation, and after the last one
    depth: int


@dataclass(frozen=True)
class Trace:
    """What each thread asks of memory, in its order. `names` are those of the operands (none: in order of appearance).

    Raises ValueError where there are more of them than the simulator tells apart.
    """

    threads: tuple[tuple[Loop | Reference, ...], ...]
    names: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        used = {each.operand: None for body in self.threads for each in _references(body)}
        object.__setattr__(self, "names", self.names or tuple(used))
        if len(self.names) > OPERANDS:
            raise ValueError(f"names: {len(self.names)}, {', '.join(self.names)}; should be {OPERANDS} at most")
        unknown = [name for name in used if name not in self.names]
        if unknown:
            raise ValueError(f"names: {', '.join(self.names)}; should have {', '.join(unknown)} too")

    @classmethod
    def of(cls, *body: Loop | Reference) -> Self:
        """The trace of a single thread."""
        return cls((body,))

    @cached_property
    def program(self) -> Program:
        """The loops as tables."""
        with uncollected():
            return _Compiler(self).program()

    def accesses(self) -> dict[str, int]:
        """How often each operand is asked for."""
        bodies = {name: [_only(name, body) for body in self.threads] for name in self.names}
        return {name: sum(map(accesses_of, each)) for name, each in bodies.items()}


def accesses_of(body: Sequence[Loop | Reference]) -> int:
    """How many accesses a body makes."""
    return sum(each.count * accesses_of(each.body) if isinstance(each, Loop) else 1 for each in body)


def _only(operand: str, body: Sequence[Loop | Reference]) -> tuple[Loop | Reference, ...]:
    """The body without all other operands."""
    return tuple(
        Loop(each.count, _only(operand, each.body)) if isinstance(each, Loop) else each
        for each in body
        if isinstance(each, Loop) or each.operand == operand
    )


def _references(body: Sequence[Loop | Reference]) -> Iterator[Reference]:
    for each in body:
        if isinstance(each, Reference):
            yield each
        else:
            yield from _references(each.body)


def _depth(body: Sequence[Loop | Reference]) -> int:
    return max((1 + _depth(each.body) for each in body if isinstance(each, Loop)), default=0)


class _Compiler:
    """Writes the tables, one operation after the other."""

    def __init__(self, trace: Trace) -> None:
        self._trace = trace
        self._codes = {name: number << 3 for number, name in enumerate(trace.names)}
        self._depth = max(1, max(map(_depth, trace.threads), default=0))
        self._none = (0,) * self._depth
        # What `_along` found: references have few strides between them.
        self._known: dict[tuple[tuple[int, ...], tuple[int, ...]], tuple[int, int, tuple[int, ...]]] = {}
        self._operations: list[tuple[int, int, int, int]] = []
        self._references: list[tuple[int, ...]] = []
        self._lists: list[NDArray[np.int64]] = []
        self._starts: dict[int, int] = {}  # of each list of indices, by its identity
        self._length = 0

    def program(self) -> Program:
        ranges = []
        for body in self._trace.threads:
            begin = len(self._operations)
            self._add(body, ())
            ranges.append((begin, len(self._operations)))
        width = COLUMNS + 2 * self._depth
        return Program(
            np.array(self._operations, np.int64).reshape(-1, 4),
            np.fromiter(chain.from_iterable(self._references), np.int64).reshape(-1, width),
            np.concatenate([np.empty(0, np.int64), *self._lists]),
            np.array(ranges, np.int64).reshape(-1, 2),
            self._depth,
        )

    def _add(self, body: Sequence[Loop | Reference], around: tuple[int, ...]) -> None:
        """`around`: how many turns each loop takes that is around, from the outermost on."""
        together: list[Reference] = []
        for each in body:
            if isinstance(each, Reference):
                together.append(each)
                continue
            self._run(1, together, around)
            together = []
            count = check.whole("count", each.count, least=0)
            if all(isinstance(inner, Reference) for inner in each.body):
                self._run(count, each.body, (*around, count))
            else:
                begin = len(self._operations)
                self._operations.append((BEGIN, count, 0, 0))
                self._add(each.body, (*around, count))
                self._operations.append((END, 0, 0, 0))
                if len(self._operations) == begin + 2:  # there is nothing to do in it
                    del self._operations[begin:]
        self._run(1, together, around)

    def _run(self, count: int, references: Sequence[Any], around: tuple[int, ...]) -> None:
        if not references or 0 in around:
            return
        first = len(self._references)
        self._references += [self._row(each, around) for each in references]
        self._operations.append((RUN, count, first, len(self._references)))

    def _row(self, reference: Reference, around: tuple[int, ...]) -> tuple[int, ...]:
        name, base, strides, size, write, gather = reference
        if size < 1:
            raise ValueError(f"size_bytes of {name}: {size}; should be a whole number of at least 1")
        low, high, along = self._along(name, strides, around)
        place: tuple[int, ...] = (NO_LIST, 0, 0)
        low, high, places = low + base, high + base, self._none
        if gather is not None:
            first, last, places = self._along(name, gather.strides, around)
            first, last = first + gather.start, last + gather.start
            if first < 0 or last >= gather.index.size:
                raise ValueError(f"gather of {name}: places {first}..{last}; should be in 0..{gather.index.size - 1}")
            place = self._start(gather.index), gather.start, gather.stride
            reached = gather.stride * int(gather.index.min()), gather.stride * int(gather.index.max())
            low, high = low + min(reached), high + max(reached)
        if low < 0 or high + size > HIGHEST:
            raise ValueError(f"addresses of {name}: {low:#x}..{high + size - 1:#x}; should be in 0..{HIGHEST - 1:#x}")
        return base, size, self._codes[name] | write, *place, *along, *places

    def _along(self, name: str, strides: tuple[int, ...], around: tuple[int, ...]) -> tuple[int, int, tuple[int, ...]]:
        """The least and the most of Σ strides · counters; and the strides, of all loops that there may be."""
        if (strides, around) not in self._known:
            if len(strides) > len(around):
                should = f"{len(around)} at most, one for each loop around it"
                raise ValueError(f"strides: {strides} of {name}; should be {should}")
            ends = [stride * (count - 1) for stride, count in zip(strides, around, strict=False)]
            low, high = sum(end for end in ends if end < 0), sum(end for end in ends if end > 0)
            self._known[strides, around] = low, high, (*strides, *self._none[len(strides) :])
        return self._known[strides, around]

    def _start(self, index: NDArray[np.int64]) -> int:
        if id(index) not in self._starts:
            self._starts[id(index)] = self._length
            self._lists.append(np.ascontiguousarray(index, np.int64))
            self._length += index.size
        return self._starts[id(index)]
