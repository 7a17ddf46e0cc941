"""One sample at a time: what a call on one row, and an epoch of batches of one, spend their time in.

    product_tile   out[j] = Σ_f A[row, f] · theta[f, j]                                 θ (n, k) as the caller has it
    outer_tile     grad[f, j] = A[row, f] · d[j]
    step_tile      W[j, f] += s[j] · A[old, f], then out[j] = Σ_f W[j, f] · A[new, f]    θ as (k, n)

The last one joins a step of SGD with the next sample's logits: θ, which fills the first-level cache, is gone through once.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

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
    old, new, ahead, w, n, s, out, backwards = function.args
    rows = [inner.gep(w, [inner.mul(n, LONG(c))]) for c in range(width)]
    scales = [v.spread(inner.load(inner.gep(s, [LONG(c)]))) for c in range(width)]
    totals = [cgutils.alloca_once_value(inner, ir.Constant(v.vector, None)) for _ in range(width)]

    def step(load: Callable[[Any], Any], store: Callable[[Any, Any], None], at: Any) -> None:
        before, after = load(inner.gep(old, [at])), load(inner.gep(new, [at]))
        v.prefetch(inner.gep(ahead, [at]))
        for c in range(width):
            place = inner.gep(rows[c], [at])
            moved = v.multiply_add(before, scales[c], load(place))
            store(moved, place)
            inner.store(v.multiply_add(moved, after, inner.load(totals[c])), totals[c])

    whole = inner.and_(n, LONG(-v.lanes))
    last = inner.sub(whole, LONG(v.lanes))
    with cgutils.for_range_slice(inner, LONG(0), whole, LONG(v.lanes), LONG) as (at, _):
        step(v.load, v.store, inner.select(backwards, inner.sub(last, at), at))
    with inner.if_then(inner.icmp_signed("<", whole, n)):
        mask = v.mask(inner.sub(n, whole))
        step(lambda place: v.load_some(place, mask), lambda value, place: v.store_some(value, place, mask), whole)
    done = 0
    for several in (4, 2, 1):  # sums over lanes are cheaper together
        while width - done >= several:
            total = v.sums([inner.load(each) for each in totals[done : done + several]])
            for c in range(several):
                inner.store(inner.extract_element(total, INT(c)), inner.gep(out, [LONG(done + c)]))
            done += several
    inner.ret_void()
    return function


def _on_one_row(emit: Callable[..., Any]) -> Callable[..., Any]:
    """The code of a tile (A, row, θ or d, j, last, out or grad): both matrices from column j on, and k is their width."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        a, given, target = (Matrix(context, builder, signature.args[i], arguments[i]) for i in (0, 2, 5))
        _, row, _, j, last, _ = arguments
        nought = LONG(0)
        passed = [a.at(row, nought), given.at(nought, j), target.width, a.width, target.at(nought, j), last]
        builder.call(emit(context, context.get_value_type(signature.args[0].dtype), builder, passed), passed)
        return context.get_dummy_value()

    return generate


@intrinsic
def product_tile(typing_context: Any, A: Any, row: Any, theta: Any, j: Any, last: Any, out: Any) -> Any:
    """out[j : j + last] = Σ_f A[row, f] · theta[f, j : j + last], for `last` lanes at most."""
    return types.void(A, types.int64, theta, types.int64, types.int64, out), _on_one_row(_product)


@intrinsic
def outer_tile(typing_context: Any, A: Any, row: Any, d: Any, j: Any, last: Any, grad: Any) -> Any:
    """grad[f, j : j + last] = A[row, f] · d[j : j + last], for `last` lanes at most."""
    return types.void(A, types.int64, d, types.int64, types.int64, grad), _on_one_row(_outer)


@intrinsic
def step_tile(typing_context: Any, A: Any, old: Any, new: Any, ahead: Any, W: Any, j: Any, width: Any, s: Any,
              out: Any, backwards: Any) -> Any:  # fmt: skip
    """W[j, f] += s[j] · A[old, f] and out[j] = Σ_f W[j, f] · A[new, f], for `width` outputs from j on; row `ahead` is next."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        real = context.get_value_type(signature.args[0].dtype)
        a, w, scales, target = (Matrix(context, builder, signature.args[i], arguments[i]) for i in (0, 4, 7, 8))
        _, old, new, ahead, _, j, width, _, _, backwards = arguments
        nought = LONG(0)
        given = [*(a.at(row, nought) for row in (old, new, ahead)), w.at(j, nought), w.width, scales.at(nought, j),
                 target.at(nought, j), backwards]  # fmt: skip
        call_by_width(context, builder, width, lambda each: _step(context, real, each, builder, given), given)
        return context.get_dummy_value()

    kinds = (A, types.int64, types.int64, types.int64, W, types.int64, types.int64, s, out, types.boolean)
    return types.void(*kinds), generate
