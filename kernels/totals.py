"""Partial gradients added up in registers, in float64, and put where they are wanted: the tile of `total`, as instructions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from kernels.tiles import Matrix, once_in_module
from kernels.vectors import FLAGS, LONG, Vectors

DOUBLE = ir.DoubleType()


def _total(context: Any, real: Any, builder: Any, arguments: Sequence[Any]) -> Any:
    """Partial sums, how many, outputs, their length, start, stop, weight, as_step, out, its stride."""
    function, inner = once_in_module(builder, f"total_{real}", arguments, real)
    if inner is None:
        return function
    v = Vectors(context, inner, real)
    wide = ir.VectorType(DOUBLE, v.lanes)
    g, parts, outputs, length, start, stop, weight, as_step, out, stride = function.args
    between, weights = inner.mul(outputs, length), v.spread(weight, wide)
    spoilt = cgutils.alloca_once_value(inner, ir.Constant(v.vector, None))
    whole = inner.add(start, inner.and_(inner.sub(stop, start), LONG(-v.lanes)))
    mask = v.mask(inner.sub(stop, whole))

    def widened(value: Any) -> Any:
        return value if real == DOUBLE else inner.fpext(value, wide)

    def narrowed(value: Any) -> Any:
        """As the caller's kind of number; what is infinite or NaN is remembered."""
        narrow = value if real == DOUBLE else inner.fptrunc(value, v.vector)
        inner.store(inner.fadd(inner.load(spoilt), inner.fmul(narrow, ir.Constant(v.vector, None))), spoilt)
        return narrow

    def put(value: Any, target: Any, lane: Any) -> None:
        inner.store(inner.extract_element(value, lane), inner.gep(target, [inner.mul(lane, stride)]))

    def add_up(j: Any, f: Any, load: Callable[..., Any], store: Callable[..., Any], turn: Callable[..., None]) -> None:
        place = inner.gep(g, [inner.add(inner.mul(j, length), f)])
        total = cgutils.alloca_once_value(inner, widened(load(place)))
        with cgutils.for_range(inner, parts, start=LONG(1)) as loop:
            more = widened(load(inner.gep(place, [inner.mul(loop.index, between)])))
            inner.store(inner.fadd(inner.load(total), more), total)
        moved = inner.fmul(inner.load(total), weights, flags=FLAGS)
        with inner.if_else(as_step) as (step, mean):
            with step:
                target = inner.gep(out, [inner.add(inner.mul(j, stride), f)])
                store(narrowed(inner.fadd(moved, widened(load(target)), flags=FLAGS)), target)
            with mean:
                turn(narrowed(moved), inner.gep(out, [inner.add(inner.mul(f, stride), j)]))

    def turn_all(value: Any, target: Any) -> None:
        for lane in range(v.lanes):
            put(value, target, LONG(lane))

    def turn_some(value: Any, target: Any) -> None:
        with cgutils.for_range(inner, inner.sub(stop, whole)) as loop:
            put(value, target, loop.index)

    with cgutils.for_range(inner, outputs) as loop:
        with cgutils.for_range_slice(inner, start, whole, LONG(v.lanes), LONG) as (f, _):
            add_up(loop.index, f, v.load, v.store, turn_all)
        with inner.if_then(inner.icmp_signed("<", whole, stop)):
            some = lambda place: v.load_some(place, mask), lambda value, place: v.store_some(value, place, mask)
            add_up(loop.index, whole, *some, turn_some)
    inner.ret(inner.extract_element(v.sums([inner.load(spoilt)]), LONG(0)))
    return function


@intrinsic
def total_tile(typing_context: Any, G: Any, parts: Any, start: Any, stop: Any, weight: Any, as_step: Any,
               out: Any) -> Any:  # fmt: skip
    """`total_tile` of `kernels.plain`, as instructions."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        real = context.get_value_type(signature.args[0].dtype)
        sums = context.make_array(signature.args[0])(context, builder, arguments[0])
        _, outputs, length = cgutils.unpack_tuple(builder, sums.shape)
        _, parts, start, stop, weight, as_step, target = arguments
        out = Matrix(context, builder, signature.args[6], target)
        passed = [sums.data, parts, outputs, length, start, stop, weight, as_step, out.data, out.width]
        return builder.call(_total(context, real, builder, passed), passed)

    whole = types.int64
    return G.dtype(G, whole, whole, whole, types.float64, types.boolean, out), generate
