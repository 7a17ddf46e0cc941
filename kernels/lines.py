"""Whole cache lines added up by vectors: a walk from one line to another, as instructions."""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from kernels.vectors import LONG, Vectors

# Numbers in a line of float64; and lines that are added to totals of their own, since an addition waits for the one before it.
LANES, IN_FLIGHT = 8, 4


@intrinsic
def add_lines(typing_context: Any, A: Any, at: Any, near: Any, count: Any) -> Any:
    """Σ of `count` lines, a multiple of 4, from A[at] on, each `near` numbers further than the one before it."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        data = context.make_array(signature.args[0])(context, builder, arguments[0]).data
        _, at, near, count = arguments
        v = Vectors(context, builder, ir.DoubleType(), LANES)
        totals = [cgutils.alloca_once_value(builder, ir.Constant(v.vector, None)) for _ in range(IN_FLIGHT)]
        with cgutils.for_range_slice(builder, LONG(0), count, LONG(IN_FLIGHT), LONG) as (line, _):
            for i, total in enumerate(totals):
                place = builder.add(at, builder.mul(builder.add(line, LONG(i)), near))
                builder.store(builder.fadd(builder.load(total), v.load(builder.gep(data, [place]))), total)
        one, two, three, four = (builder.load(total) for total in totals)
        every = v.sums([builder.fadd(builder.fadd(one, two), builder.fadd(three, four))])
        return builder.extract_element(every, ir.Constant(ir.IntType(32), 0))

    return types.float64(A, types.int64, types.int64, types.int64), generate
