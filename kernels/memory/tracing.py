"""Kernels run in Python, with tracers in place of arrays: what they would ask of memory is written down, and nothing computed.

A kernel is Python that Numba compiles. Here that Python runs as it is, down to the primitives: those that are written as
instructions, and loops over numbers that would take long in Python, have stand-ins that write down loops of references
(`kernels.memory.primitives`). Everything else about a pass, how it is cut into blocks, tiles, parts and threads, is decided by
the kernel's own code. The same idea as JAX's tracing: R. Frostig et al., Compiling machine learning programs via
high-level tracing, 2018.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from operator import mul
from types import CellType, CodeType, FunctionType, ModuleType, SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from kernels._jit import written
from kernels.memory.references import Loop, Reference

LINE_BYTES = 64
# From one array to the next: Numba keeps this much for itself in front of each.
HEADER_BYTES = 64
# So many blocks of samples are written down at least: the first for what the caches hold by then.
BLOCKS = 2


class Enough(Exception):
    """As much has been written down as was wanted."""


@dataclass(frozen=True)
class Mark:
    """Where a block of samples begins: how long the thread's body is by then, and how many samples it has seen."""

    length: int
    samples: int


class Tape:
    """What was asked so far, thread by thread; and where the next array goes. `arrays`: operand, address, bytes.

    Each thread stops after `most` loops and references, at the end of a block of samples, but not before the second one, nor
    before it has seen so many `samples`.
    """

    def __init__(self, threads: int, start: int, most: float = math.inf, samples: int = 0) -> None:
        self.bodies: list[list[Loop | Reference]] = [[] for _ in range(threads)]
        self.marks: list[list[Mark]] = [[] for _ in range(threads)]
        self.thread, self._next, self._most, self._least = 0, start, most, samples
        self.ended = [False] * threads
        self.arrays: list[tuple[str, int, int]] = []
        self._samples = [0] * threads

    @property
    def threads(self) -> int:
        return len(self.bodies)

    def add(self, *body: Loop | Reference) -> None:
        """The thread at work asks for all that."""
        self.bodies[self.thread] += body

    @contextmanager
    def aside(self) -> Iterator[list[Loop | Reference]]:
        """Within, what the thread at work asks for goes to a list of its own."""
        own, self.bodies[self.thread] = self.bodies[self.thread], []
        try:
            yield self.bodies[self.thread]
        finally:
            self.bodies[self.thread] = own

    def room(self, operand: str, size_bytes: int) -> int:
        """The address of a new array."""
        at = self._next + HEADER_BYTES
        self.arrays.append((operand, at, size_bytes))
        self._next = at + -(-size_bytes // LINE_BYTES) * LINE_BYTES
        return at

    def begin(self, samples: int) -> None:
        """A block of so many samples begins. Raises Enough where the thread has come to its end."""
        own = self.thread
        if not self.ended[own]:
            marks, length = self.marks[own], len(self.bodies[own])
            marks.append(Mark(length, self._samples[own]))
            self.ended[own] = length >= self._most and len(marks) > BLOCKS and self._samples[own] >= self._least
        if self.ended[own]:
            raise Enough
        self._samples[own] += samples


class Tracer:
    """An array without numbers: shape, kind of number and place in memory. Every number of it is 0, and is written down when used.

    `strides` in numbers, like all that is said of places here but the address.
    """

    def __init__(
        self, tape: Tape, operand: str, shape: tuple[int, ...], dtype: DTypeLike, address: int | None = None,
        strides: tuple[int, ...] | None = None,
    ) -> None:  # fmt: skip
        self.tape, self.operand, self.shape, self.dtype = tape, operand, tuple(map(int, shape)), np.dtype(dtype)
        self.itemsize = self.dtype.itemsize
        self.address = tape.room(operand, self.nbytes) if address is None else address
        lengths = (*self.shape[1:], 1)
        self.strides = strides or tuple(math.prod(lengths[i:]) for i in range(len(self.shape)))

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def size(self) -> int:
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        return self.size * self.itemsize

    def __len__(self) -> int:
        return self.shape[0]

    @property
    def end(self) -> int:
        """Behind its last number."""
        return self.at(*(length - 1 for length in self.shape)) + self.itemsize

    def at(self, *index: int) -> int:
        """The address of a number."""
        place: int = sum(map(mul, index, self.strides))
        return self.address + self.itemsize * place

    def step(self, axis: int) -> int:
        """How many bytes one number is from the next along an axis."""
        return self.strides[axis] * self.itemsize

    def reference(self, index: tuple[int, ...], *strides: int, numbers: int = 1, write: bool = False) -> Reference:
        """So many neighbouring numbers from `index` on; strides, in bytes, are those of the loops around."""
        return Reference(self.operand, self.at(*index), strides, numbers * self.itemsize, write)

    def __getitem__(self, index: Any) -> Any:
        given = index if isinstance(index, tuple) else (index,)
        if not self._is_number(given):
            return self._part(given)
        self.tape.add(self.reference(given))
        return self.dtype.type(0)

    def __setitem__(self, index: Any, value: Any) -> None:
        given = index if isinstance(index, tuple) else (index,)
        if not self._is_number(given):
            raise NotImplementedError(f"{self.operand}: a whole part of an array is written to; kernels write numbers")
        self.tape.add(self.reference(given, write=True))

    def sum(self) -> Any:
        """Of a list: each number is read."""
        self.tape.add(Loop(self.size, (self.reference((0,), self.step(0)),)))
        return self.dtype.type(0)

    def _is_number(self, index: tuple[Any, ...]) -> bool:
        """Whether that is a single one of ours, and no part."""
        return len(index) == len(self.shape) and slice not in map(type, index)

    def _part(self, given: tuple[Any, ...]) -> Tracer:
        shape, strides, address = list(self.shape), list(self.strides), self.address
        kept = []
        for axis, each in enumerate(given):
            if isinstance(each, slice):
                start, stop, step = each.indices(shape[axis])
                assert step == 1, "kernels have no slices with steps"
                address += self.itemsize * strides[axis] * start
                kept.append((max(0, stop - start), strides[axis]))
            else:
                address += self.itemsize * strides[axis] * int(each)
        kept += zip(shape[len(given) :], strides[len(given) :], strict=True)
        return Tracer(
            self.tape, self.operand, tuple(length for length, _ in kept), self.dtype, address,
            tuple(stride for _, stride in kept),
        )  # fmt: skip


class Listed(Tracer):
    """Whole numbers, which are known: an order of visit, places in it. `values` is an array of them."""

    def __init__(
        self, tape: Tape, operand: str, values: NDArray[Any], address: int | None = None,
        strides: tuple[int, ...] | None = None,
    ) -> None:  # fmt: skip
        super().__init__(tape, operand, values.shape, values.dtype, address, strides)
        self.values = values

    def instead(self, values: NDArray[Any]) -> Listed:
        """Other numbers in the same place."""
        return Listed(self.tape, self.operand, values, self.address, self.strides)

    def __getitem__(self, index: Any) -> Any:
        part = super().__getitem__(index)
        if isinstance(part, Tracer):
            return Listed(self.tape, self.operand, self.values[index], part.address, part.strides)
        return self.values[index]

    def __setitem__(self, index: Any, value: Any) -> None:
        super().__setitem__(index, value)
        self.values[index] = value


@dataclass(frozen=True)
class Around:
    """Stands for a function of ours, with something around it."""

    wrap: Callable[[Callable[..., Any]], Callable[..., Any]]


def retraced(function: Any, stand_ins: Mapping[str, Any], known: dict[int, Any] | None = None) -> Any:
    """The kernel's Python, with each name in `stand_ins` standing for that, in it and in all functions of ours that it calls."""
    known = {} if known is None else known
    function = written(function)
    if not isinstance(function, FunctionType) or not function.__module__.startswith("kernels."):
        return function
    if id(function) in known:
        return known[id(function)]
    names, names_used = dict(function.__globals__), set(_names(function.__code__))
    cells = tuple(CellType() for _ in function.__closure__ or ())
    copy = FunctionType(function.__code__, names, function.__name__, function.__defaults__, cells)
    known[id(function)] = copy

    def resolved(name: str, value: Any) -> Any:
        if isinstance(value, ModuleType) and value.__name__.startswith("kernels."):
            used = {each: resolved(each, getattr(value, each)) for each in names_used if hasattr(value, each)}
            return SimpleNamespace(**used)
        other = stand_ins.get(name)
        if isinstance(other, Around):
            return other.wrap(retraced(value, stand_ins, known))
        return retraced(value, stand_ins, known) if other is None else other

    for name in names_used:
        if name in names:
            names[name] = resolved(name, names[name])
    for name, cell, own in zip(function.__code__.co_freevars, function.__closure__ or (), cells, strict=True):
        own.cell_contents = resolved(name, cell.cell_contents)
    return copy


def _names(code: CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names(constant)
