"""The tiles of `kernels.simd` for one output alone, as instructions.

A number that is read is multiplied once: memory is what limits such a product, not arithmetic. So rows are gone through
one by one, each from its beginning, as they lie in memory; and each product asks for all that comes next, though the other
does so as well: where many requests are under way the CPU drops some. (One million rows of 100 float32, two threads: 28
GB/s; where one product alone asks, 21; where none does, 13.)
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from kernels.tiles import SLIM, Matrix, call_by_number, once_in_module
from kernels.vectors import LONG, Vectors


def _small(builder: Any, name: str, arguments: Sequence[Any]) -> tuple[Any, Any]:
    """`once_in_module`, neither unrolled nor put where it is called: there are many forms, and each is called once a block."""
    function, inner = once_in_module(builder, name, arguments)
    function.attributes.add("noinline")
    function.attributes.add("optsize")
    return function, inner


class RowVectors:
    """Rows of a matrix, `vectors` vectors of each, the last of them cut to its first lanes: `last` numbers in all."""

    def __init__(self, v: Vectors, vectors: int, last: Any, data: Any, stride: Any, rows: Any, ahead: Any, beyond: Any):
        self._v, self._vectors, self._builder = v, vectors, v.builder
        self._mask = v.mask(v.builder.sub(last, LONG((vectors - 1) * v.lanes)))
        self._data, self._stride, self._rows, self._ahead, self._beyond = data, stride, rows, ahead, beyond

    def at(self, index: Any) -> list[Any]:
        """The vectors of one row; what comes next is asked for."""
        for place in self._places(self._builder.gep(self._start(self._ahead, index), [self._beyond])):
            self._v.prefetch(place)
        return self.load(self._start(self._rows, index))

    def load(self, pointer: Any) -> list[Any]:
        """As many numbers from somewhere else."""
        *whole, rest = self._places(pointer)
        return [*map(self._v.load, whole), self._v.load_some(rest, self._mask)]

    def add(self, vectors: Sequence[Any], pointer: Any) -> None:
        """Add to as many numbers somewhere else."""
        sums = map(self._builder.fadd, self.load(pointer), vectors)
        *whole, rest = zip(sums, self._places(pointer), strict=True)
        for vector, place in whole:
            self._v.store(vector, place)
        self._v.store_some(*rest, self._mask)

    def _start(self, numbers: Any, index: Any) -> Any:
        number = self._builder.load(self._builder.gep(numbers, [index]))
        return self._builder.gep(self._data, [self._builder.mul(number, self._stride)])

    def _places(self, pointer: Any) -> list[Any]:
        return [self._builder.gep(pointer, [LONG(i * self._v.lanes)]) for i in range(self._vectors)]


def _sums_function(context: Any, real: Any, builder: Any, arguments: Any) -> Any:
    """The sums over lanes of `SLIM` vectors, of which `some` are to be in out: vectors, out, some, add."""
    function, inner = _small(builder, f"slim_sums_{real}", arguments)
    if inner is None:
        return function
    v = Vectors(context, inner, real)
    vectors, out, some, add = function.args
    total = v.sums([inner.load(inner.gep(vectors, [LONG(r)])) for r in range(SLIM)])
    v.add_some(total, out, v.mask(some, SLIM), add)
    inner.ret_void()
    return function


def _dots_function(context: Any, real: Any, vectors: int, builder: Any, arguments: Any) -> Any:
    """`count` rows of A, and the one row B: A, its stride, rows, ahead, beyond, count, B, out, last, add."""
    function, inner = _small(builder, f"slim_dots_{vectors}_{real}", arguments)
    if inner is None:
        return function
    v = Vectors(context, inner, real)
    *matrix, count, b, out, last, add = function.args
    rows = RowVectors(v, vectors, last, *matrix)
    ys, totals = rows.load(b), cgutils.alloca_once(inner, v.vector, SLIM)
    with cgutils.for_range_slice(inner, LONG(0), count, LONG(SLIM), LONG) as (first, _):
        left = inner.sub(count, first)
        some = inner.select(inner.icmp_signed("<", left, LONG(SLIM)), left, LONG(SLIM))
        with cgutils.for_range(inner, some) as loop:
            total = ir.Constant(v.vector, None)
            for x, y in zip(rows.at(inner.add(first, loop.index)), ys, strict=True):
                total = v.multiply_add(x, y, total)
            inner.store(total, inner.gep(totals, [loop.index]))
        finish = [totals, inner.gep(out, [first]), some, add]
        inner.call(_sums_function(context, real, inner, finish), finish)
    inner.ret_void()
    return function


@intrinsic
def slim_dot_tile(typing_context: Any, A: Any, rows: Any, ahead: Any, beyond: Any, count: Any, offset: Any, length: Any,
                  B: Any, out: Any, at: Any, add: Any) -> Any:  # fmt: skip
    """`slim_dot_tile`, as instructions."""
    whole = types.int64
    kinds = (A, rows, ahead, whole, whole, whole, whole, B, out, whole, types.boolean)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        a, numbers, later, b, target = (
            Matrix(context, builder, signature.args[i], arguments[i]) for i in (0, 1, 2, 7, 8)
        )
        _, _, _, beyond, count, offset, length, _, _, at, add = arguments
        given = [a.at(LONG(0), offset), a.width, numbers.data, later.data, beyond, count, b.data,
                 target.at(LONG(0), at), length, add]  # fmt: skip
        _call(context, builder, signature, _dots_function, length, given)
        return context.get_dummy_value()

    return types.void(*kinds), generate


def _mixture_function(context: Any, real: Any, vectors: int, builder: Any, arguments: Any) -> Any:
    """`vectors` vectors of the one row out, plus rows of A weighed by S: A, its stride, rows, ahead, beyond, count, S, …"""
    function, inner = _small(builder, f"slim_mixture_{vectors}_{real}", arguments)
    if inner is None:
        return function
    v = Vectors(context, inner, real)
    *matrix, count, s, out, last = function.args
    rows, nothing = RowVectors(v, vectors, last, *matrix), ir.Constant(v.vector, None)
    totals = [cgutils.alloca_once_value(inner, nothing) for _ in range(vectors)]
    with cgutils.for_range(inner, count) as loop:
        weight = v.spread(inner.load(inner.gep(s, [loop.index])))
        for x, total in zip(rows.at(loop.index), totals, strict=True):
            inner.store(v.multiply_add(x, weight, inner.load(total)), total)
    rows.add([inner.load(total) for total in totals], out)
    inner.ret_void()
    return function


@intrinsic
def slim_mixture_tile(typing_context: Any, A: Any, rows: Any, ahead: Any, beyond: Any, first: Any, count: Any,
                      offset: Any, last: Any, S: Any, out: Any, at: Any) -> Any:  # fmt: skip
    """`slim_mixture_tile`, as instructions."""
    whole = types.int64
    kinds = (A, rows, ahead, whole, whole, whole, whole, whole, S, out, whole)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        a, numbers, later, s, target = (
            Matrix(context, builder, signature.args[i], arguments[i]) for i in (0, 1, 2, 8, 9)
        )
        _, _, _, beyond, first, count, offset, last, _, _, at = arguments
        numbers, later = (builder.gep(each.data, [first]) for each in (numbers, later))
        given = [a.at(LONG(0), offset), a.width, numbers, later, beyond, count, s.at(LONG(0), first),
                 target.at(LONG(0), at), last]  # fmt: skip
        _call(context, builder, signature, _mixture_function, last, given)
        return context.get_dummy_value()

    return types.void(*kinds), generate


def _call(
    context: Any, builder: Any, signature: Any, function: Callable[..., Any], last: Any, given: list[Any]
) -> None:
    """Call `function` for as many vectors as hold `last` numbers, up to `SLIM`."""
    real, numbers = context.get_value_type(signature.args[0].dtype), range(1, SLIM + 1)
    lanes = Vectors(context, builder, real).lanes
    number = builder.sdiv(builder.add(last, LONG(lanes - 1)), LONG(lanes))
    call_by_number(builder, number, numbers, lambda each: function(context, real, each, builder, given), given)
