"""The tiles of `kernels.simd` as instructions: a function of LLVM for each shape of tile, called by the kernels.

These are Numba intrinsics: they write the intermediate code themselves, where Numba would compile Python.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from kernels.vectors import LONG, Vectors, register_bytes

# Rows of A, or vectors of its columns, in a tile of several outputs; where there is one output, twice as many.
TALL, SLIM = 4, 8
SEVERAL = 2  # outputs, at least
NOTHING = ir.VoidType()


def widest(context: Any) -> int:
    """AVX-512 and the ARM CPUs have 32 vector registers, others 16."""
    triple = context.codegen().magic_tuple()[0]
    return 5 if register_bytes(context) == 64 or triple.startswith(("aarch64", "arm64")) else 3


@intrinsic
def outputs_per_tile(typing_context: Any, A: Any) -> Any:
    """A constant of the CPU: totals of four vectors each for so many outputs fit into its registers."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return LONG(widest(context))

    return types.int64(A), generate


@intrinsic
def lanes(typing_context: Any, A: Any) -> Any:
    """A constant of the CPU and of A's kind of number."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return LONG(Vectors(context, builder, context.get_value_type(signature.args[0].dtype)).lanes)

    return types.int64(A), generate


class Matrix:
    """The data of a C-contiguous array, and the way to its elements."""

    def __init__(self, context: Any, builder: Any, kind: Any, value: Any) -> None:
        array = context.make_array(kind)(context, builder, value)
        self.builder, self.data = builder, array.data
        lengths = cgutils.unpack_tuple(builder, array.shape)
        self.height, self.width = lengths[0], lengths[-1]

    def at(self, row: Any, column: Any) -> Any:
        return self.builder.gep(self.data, [self.builder.add(self.builder.mul(row, self.width), column)])


def call_by_number(
    builder: Any, number: Any, numbers: range, function: Callable[[int], Any], arguments: Sequence[Any]
) -> None:
    """Call the function for `number`, one of `numbers`, which is known only when the kernel runs."""
    after = builder.append_basic_block("after")
    choice = builder.switch(number, after)
    for each in numbers:
        block = builder.append_basic_block(f"number{each}")
        choice.add_case(LONG(each), block)
        with builder.goto_block(block):
            builder.call(function(each), arguments)
            builder.branch(after)
    builder.position_at_end(after)


def call_by_width(
    context: Any, builder: Any, width: Any, function: Callable[[int], Any], arguments: Sequence[Any], least: int = 1
) -> None:
    """Call the function for `width`, a number of outputs in a tile, `least` or more."""
    call_by_number(builder, width, range(least, widest(context) + 1), function, arguments)


def once_in_module(builder: Any, name: str, kinds: Sequence[Any], result: Any = NOTHING) -> tuple[Any, Any]:
    """The function of that name in this module, and a builder for its body if it has none yet."""
    module = builder.module
    if name in module.globals:
        return module.globals[name], None
    function = ir.Function(module, ir.FunctionType(result, [kind.type for kind in kinds]), name)
    function.linkage = "internal"
    return function, ir.IRBuilder(function.append_basic_block("entry"))


def _dots_function(context: Any, real: Any, height: int, width: int, builder: Any, arguments: Sequence[Any]) -> Any:
    """`height` rows of A times `width` rows of B, along both, of which `some` rows are wanted.

    A pointer each row of A and each that comes next, B, its stride, out, its stride, some, length, add, half.
    """
    function, inner = once_in_module(builder, f"dots_{height}x{width}_{real}", arguments)
    if inner is None:
        return function
    v = Vectors(context, inner, real)
    *a, b, b_stride, out, out_stride, some, length, add, half = function.args
    a, next_rows = a[:height], a[height:]
    b_rows = [inner.gep(b, [inner.mul(b_stride, LONG(c))]) for c in range(width)]
    totals = [
        [cgutils.alloca_once_value(inner, ir.Constant(v.vector, None)) for _ in range(height)] for _ in range(width)
    ]

    def step(load: Callable[[Any], Any], at: Any) -> None:
        rows = [load(inner.gep(pointer, [at])) for pointer in a]
        for c in range(width):
            y = load(inner.gep(b_rows[c], [at]))
            for r in range(height):
                inner.store(v.multiply_add(rows[r], y, inner.load(totals[c][r])), totals[c][r])

    def fetch(at: Any) -> None:
        for pointer in next_rows:
            v.prefetch(inner.gep(pointer, [at]))

    paired, whole = inner.and_(length, LONG(-2 * v.lanes)), inner.and_(length, LONG(-v.lanes))
    with cgutils.for_range_slice(inner, LONG(0), paired, LONG(2 * v.lanes), LONG) as (at, _):
        fetch(at)
        with inner.if_then(inner.not_(half)):
            fetch(inner.add(at, LONG(v.lanes)))
        step(v.load, at)
        step(v.load, inner.add(at, LONG(v.lanes)))
    with inner.if_then(inner.icmp_signed("<", paired, whole)):
        fetch(paired)
        step(v.load, paired)
    with inner.if_then(inner.icmp_signed("<", whole, length)):
        fetch(whole)
        mask = v.mask(inner.sub(length, whole))
        step(lambda pointer: v.load_some(pointer, mask), whole)
    wanted = v.mask(some, height)
    for c in range(width):
        target = inner.gep(out, [inner.mul(out_stride, LONG(c))])
        v.add_some(v.sums([inner.load(each) for each in totals[c]]), target, wanted, add)
    inner.ret_void()
    return function


@intrinsic(prefer_literal=True)
def dot_tile(typing_context: Any, A: Any, rows: Any, ahead: Any, beyond: Any, first: Any, height: Any, some: Any,
             offset: Any, length: Any, B: Any, j: Any, width: Any, out: Any, at: Any, add: Any, half: Any) -> Any:  # fmt: skip
    """`dot_tile`, as instructions; `height` is a literal."""
    if not isinstance(height, types.IntegerLiteral):
        return None
    tall = height.literal_value
    kinds = (A, rows, ahead, types.int64, types.int64, height, types.int64, types.int64, types.int64, B, types.int64,
             types.int64, out, types.int64, types.boolean, types.boolean)  # fmt: skip

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        real = context.get_value_type(signature.args[0].dtype)
        a, numbers, later, b, target = (
            Matrix(context, builder, signature.args[i], arguments[i]) for i in (0, 1, 2, 9, 12)
        )
        _, _, _, beyond, first, _, some, offset, length, _, j, width, _, at, add, half = arguments
        last = builder.sub(some, LONG(1))
        within = [builder.select(builder.icmp_signed("<", LONG(r), last), LONG(r), last) for r in range(tall)]
        samples = [
            (builder.load(builder.gep(listed.data, [builder.add(first, r)])), column)
            for listed, column in ((numbers, offset), (later, builder.add(offset, beyond)))
            for r in within
        ]
        given = [*(a.at(*place) for place in samples), b.at(j, LONG(0)), b.width, target.at(j, at), target.width, some,
                 length, add, half]  # fmt: skip

        def function(width: int) -> Any:
            return _dots_function(context, real, tall, width, builder, given)

        if tall > TALL:
            builder.call(function(1), given)
        else:
            call_by_width(context, builder, width, function, given, SEVERAL)
        return context.get_dummy_value()

    return types.void(*kinds), generate


def _mixture_function(context: Any, real: Any, vectors: int, width: int, builder: Any, arguments: Sequence[Any]) -> Any:
    """`vectors` vectors of `width` rows of out, plus rows of A weighed by those of S: A, its stride, rows, count, S, …"""
    function, inner = once_in_module(builder, f"mixture_{vectors}x{width}_{real}", arguments)
    if inner is None:
        return function
    v = Vectors(context, inner, real)
    a, a_stride, rows, ahead, beyond, count, s, s_stride, out, out_stride, last, half = function.args
    partial = vectors == 1
    mask = v.mask(last) if partial else None

    def load(pointer: Any) -> Any:
        return v.load_some(pointer, mask) if partial else v.load(pointer)

    places = [
        [inner.gep(out, [inner.add(inner.mul(out_stride, LONG(c)), LONG(i * v.lanes))]) for i in range(vectors)]
        for c in range(width)
    ]
    nothing = ir.Constant(v.vector, None)
    totals = [[cgutils.alloca_once_value(inner, nothing) for _ in of_output] for of_output in places]
    weights = [inner.gep(s, [inner.mul(s_stride, LONG(c))]) for c in range(width)]
    with cgutils.for_range(inner, count) as loop:
        row = inner.gep(a, [inner.mul(inner.load(inner.gep(rows, [loop.index])), a_stride)])
        xs = [load(inner.gep(row, [LONG(i * v.lanes)])) for i in range(vectors)]
        later = inner.gep(a, [inner.add(inner.mul(inner.load(inner.gep(ahead, [loop.index])), a_stride), beyond)])
        lines = [inner.gep(later, [LONG(i * v.lanes)]) for i in range(vectors)]
        for line in lines[1::2] or lines:
            v.prefetch(line)
        if vectors > 1:
            with inner.if_then(inner.not_(half)):
                for line in lines[::2]:
                    v.prefetch(line)
        for c in range(width):
            weight = v.spread(inner.load(inner.gep(weights[c], [loop.index])))
            for i in range(vectors):
                inner.store(v.multiply_add(xs[i], weight, inner.load(totals[c][i])), totals[c][i])
    for of_output, of_total in zip(places, totals, strict=True):
        for place, total in zip(of_output, of_total, strict=True):
            grown = inner.fadd(load(place), inner.load(total))
            if partial:
                v.store_some(grown, place, mask)
            else:
                v.store(grown, place)
    inner.ret_void()
    return function


@intrinsic(prefer_literal=True)
def mixture_tile(typing_context: Any, A: Any, rows: Any, ahead: Any, beyond: Any, first: Any, count: Any, offset: Any,
                 S: Any, j: Any, width: Any, out: Any, at: Any, vectors: Any, last: Any, half: Any) -> Any:  # fmt: skip
    """`mixture_tile`, as instructions; `vectors` is a literal."""
    if not isinstance(vectors, types.IntegerLiteral):
        return None
    several = vectors.literal_value
    kinds = (A, rows, ahead, types.int64, types.int64, types.int64, types.int64, S, types.int64, types.int64, out,
             types.int64, vectors, types.int64, types.boolean)  # fmt: skip

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        real = context.get_value_type(signature.args[0].dtype)
        a, numbers, later, s, target = (
            Matrix(context, builder, signature.args[i], arguments[i]) for i in (0, 1, 2, 7, 10)
        )
        _, _, _, beyond, first, count, offset, _, j, width, _, at, _, last, half = arguments
        numbers, later = (builder.gep(each.data, [first]) for each in (numbers, later))
        given = [a.at(LONG(0), offset), a.width, numbers, later, beyond, count, s.at(j, first), s.width,
                 target.at(j, at), target.width, last, half]  # fmt: skip

        def function(width: int) -> Any:
            return _mixture_function(context, real, several, width, builder, given)

        call_by_width(context, builder, width, function, given, SEVERAL)
        return context.get_dummy_value()

    return types.void(*kinds), generate
