"""One sample at a time: what a call on one row, and an epoch of batches of one, spend their time in.

    product_tile   out[j] = Σ_f A[row, f] · theta[f, j]                                 θ (n, k) as the caller has it
    outer_tile     grad[f, j] = A[row, f] · d[j]
    step_tile      W[j, f] += Σᵢ s[i, j] · A[oldᵢ, start + f], then out[i, j] = Σ_f W[j, f] · A[newᵢ, start + f]    i < PAIR
                   out[PAIR, j] = Σ_f A[new₀, start + f] · A[new₁, start + f]    for its first j

The last one joins two steps of SGD with the next two samples' logits: θ, which fills the first-level cache, is gone through
half as often as there are samples.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from kernels.plain import PAIR
from kernels.tiles import Matrix, call_by_width, once_in_module
from kernels.vectors import INT, LONG, Vectors

UNROLLED = 4  # totals in flight: a multiply-add takes four cycles


def _product(context: Any, real: Any, builder: Any, arguments: Any) -> Any:
    function, inner = once_in_module(builder, f"product_{real}", arguments)
    if inner is None:
        return function
    v = Vectors(context, inner, real)
    a, theta, k, n, out, last = function.args
    mask = v.mask(last)
    totals = [cgutils.alloca_once_value(inner, ir.Constant(v.vector, None)) for _ in range(UNROLLED)]

    def add(f: Any, total: Any) -> None:
        x = v.spread(inner.load(inner.gep(a, [f])))
        row = v.load_some(inner.gep(theta, [inner.mul(f, k)]), mask)
        inner.store(v.multiply_add(x, row, inner.load(total)), total)

    whole = inner.and_(n, LONG(-UNROLLED))
    with cgutils.for_range_slice(inner, LONG(0), whole, LONG(UNROLLED), LONG) as (f, _):
        for i, total in enumerate(totals):
            add(inner.add(f, LONG(i)), total)
    with cgutils.for_range_slice(inner, whole, n, LONG(1), LONG) as (f, _):
        add(f, totals[0])
    one, two, three, four = (inner.load(total) for total in totals)
    v.store_some(inner.fadd(inner.fadd(one, two), inner.fadd(three, four)), out, mask)
    inner.ret_void()
    return function


def _outer(context: Any, real: Any, builder: Any, arguments: Any) -> Any:
    function, inner = once_in_module(builder, f"outer_{real}", arguments)
    if inner is None:
        return function
    v = Vectors(context, inner, real)
    a, d, k, n, grad, last = function.args
    mask = v.mask(last)
    weights = v.load_some(d, mask)
    with cgutils.for_range(inner, n) as loop:
        x = v.spread(inner.load(inner.gep(a, [loop.index])))
        v.store_some(inner.fmul(x, weights), inner.gep(grad, [inner.mul(loop.index, k)]), mask)
    inner.ret_void()
    return function


def _step(context: Any, real: Any, width: int, builder: Any, arguments: Any) -> Any:
    function, inner = once_in_module(builder, f"step_{width}_{real}", arguments)
    if inner is None:
        return function
    v = Vectors(context, inner, real)
    *samples, w, w_stride, n, s, s_stride, out, out_stride, backwards, fetch = function.args
    old, new, ahead = samples[:PAIR], samples[PAIR : 2 * PAIR], samples[2 * PAIR :]
    rows = [inner.gep(w, [inner.mul(w_stride, LONG(c))]) for c in range(width)]
    places, scale_places = (
        [[inner.add(inner.mul(stride, LONG(i)), LONG(c)) for i in range(PAIR)] for c in range(width)]
        for stride in (out_stride, s_stride)
    )
    scales = [[v.spread(inner.load(inner.gep(s, [place]))) for place in of_output] for of_output in scale_places]
    nothing = ir.Constant(v.vector, None)
    totals = [[cgutils.alloca_once_value(inner, nothing) for _ in of_output] for of_output in places]
    overlap = cgutils.alloca_once_value(inner, nothing)

    def step(load: Callable[[Any], Any], store: Callable[[Any, Any], None], at: Any) -> None:
        before, after = ([load(inner.gep(row, [at])) for row in pair] for pair in (old, new))
        with inner.if_then(fetch):
            for row in ahead:
                v.prefetch(inner.gep(row, [at]))
        one, other = after
        inner.store(v.multiply_add(one, other, inner.load(overlap)), overlap)
        for c in range(width):
            moved = load(inner.gep(rows[c], [at]))
            for x, scale in zip(before, scales[c], strict=True):
                moved = v.multiply_add(x, scale, moved)
            store(moved, inner.gep(rows[c], [at]))
            for x, total in zip(after, totals[c], strict=True):
                inner.store(v.multiply_add(moved, x, inner.load(total)), total)

    whole = inner.and_(n, LONG(-v.lanes))
    last = inner.sub(whole, LONG(v.lanes))
    with cgutils.for_range_slice(inner, LONG(0), whole, LONG(v.lanes), LONG) as (at, _):
        step(v.load, v.store, inner.select(backwards, inner.sub(last, at), at))
    with inner.if_then(inner.icmp_signed("<", whole, n)):
        mask = v.mask(inner.sub(n, whole))
        step(lambda place: v.load_some(place, mask), lambda value, place: v.store_some(value, place, mask), whole)
    left = [(inner.load(totals[c][i]), places[c][i]) for c in range(width) for i in range(PAIR)]
    left.append((inner.load(overlap), inner.mul(out_stride, LONG(PAIR))))
    while left:
        several = next(count for count in (4, 2, 1) if count <= len(left))  # sums over lanes are cheaper together
        total = v.sums([each for each, _ in left[:several]])
        for i, (_, place) in enumerate(left[:several]):
            inner.store(inner.extract_element(total, INT(i)), inner.gep(out, [place]))
        del left[:several]
    inner.ret_void()
    return function


def _on_one_row(emit: Callable[..., Any], tall: int) -> Callable[..., Any]:
    """The code of a tile (A, row, θ or d, j, last, out or grad): both matrices from column j on, and k is their width.

    `tall`: which of the arguments has a row for each feature.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        found = {i: Matrix(context, builder, signature.args[i], arguments[i]) for i in (0, 2, 5)}
        a, given, target = found.values()
        _, row, _, j, last, _ = arguments
        nought = LONG(0)
        passed = [a.at(row, nought), given.at(nought, j), target.width, found[tall].height, target.at(nought, j), last]
        builder.call(emit(context, context.get_value_type(signature.args[0].dtype), builder, passed), passed)
        return context.get_dummy_value()

    return generate


@intrinsic
def product_tile(typing_context: Any, A: Any, row: Any, theta: Any, j: Any, last: Any, out: Any) -> Any:
    """out[j : j + last] = Σ_f A[row, f] · theta[f, j : j + last], for `last` lanes at most."""
    return types.void(A, types.int64, theta, types.int64, types.int64, out), _on_one_row(_product, 2)


@intrinsic
def outer_tile(typing_context: Any, A: Any, row: Any, d: Any, j: Any, last: Any, grad: Any) -> Any:
    """grad[f, j : j + last] = A[row, f] · d[j : j + last], for `last` lanes at most."""
    return types.void(A, types.int64, d, types.int64, types.int64, grad), _on_one_row(_outer, 5)


@intrinsic
def step_tile(typing_context: Any, A: Any, rows: Any, start: Any, length: Any, W: Any, j: Any, width: Any, s: Any, out: Any,
              backwards: Any, fetch: Any) -> Any:  # fmt: skip
    """`step_tile` of `kernels.plain`, as instructions."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        real = context.get_value_type(signature.args[0].dtype)
        a, numbers, w, scales, target = (
            Matrix(context, builder, signature.args[i], arguments[i]) for i in (0, 1, 4, 7, 8)
        )
        _, _, start, length, _, j, width, _, _, backwards, fetch = arguments
        nought = LONG(0)
        samples = [builder.load(numbers.at(LONG(which), LONG(i))) for which in range(3) for i in range(PAIR)]
        given = [*(a.at(sample, start) for sample in samples), w.at(j, nought), w.width, length, scales.at(nought, j),
                 scales.width, target.at(nought, j), target.width, backwards, fetch]  # fmt: skip
        call_by_width(context, builder, width, lambda each: _step(context, real, each, builder, given), given)
        return context.get_dummy_value()

    whole, either = types.int64, types.boolean
    return types.void(A, rows, whole, whole, W, whole, whole, s, out, either, either), generate
