"""The matrix product of the machine's BLAS, called from kernels: the one that NumPy came with, or else SciPy's.

Within `one_thread` each call stays on the thread that makes it: the kernels' own threads share out the work, in pieces
that do not depend on their number. BLAS's own cuts do, and its bits with them.
"""

from __future__ import annotations

import ctypes
import functools
from contextlib import AbstractContextManager
from typing import Any

from llvmlite import binding as llvm
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import get_cython_function_address, intrinsic
from threadpoolctl import ThreadpoolController

from kernels.tiles import Matrix
from kernels.vectors import BYTE, LONG

# By the kind of number: the name that BLAS gives it. Builds with 64-bit integers, or for one owner, decorate it.
NAMES = {types.float32: "sgemm", types.float64: "dgemm"}
DECORATIONS = ("scipy_{}_64_", "{}_64_", "{}64_", "scipy_{}_", "{}_")


def _symbol(real: types.Float) -> str:
    return f"{__package__}_{NAMES[real]}"


@functools.cache
def link(real: types.Float) -> None:
    """Make BLAS known to the linker: to be called before a kernel that multiplies is compiled, or read from the disk."""
    llvm.add_symbol(_symbol(real), _address(NAMES[real]))


def _address(name: str) -> int:
    """Where the product begins in memory."""
    libraries = sorted(_libraries().info(), key=lambda library: "numpy" not in library["filepath"])
    for library in libraries:
        exported = ctypes.CDLL(library["filepath"])
        for decorated in (each.format(name) for each in DECORATIONS):
            if hasattr(exported, decorated):
                return ctypes.cast(getattr(exported, decorated), ctypes.c_void_p).value or 0
    return int(get_cython_function_address("scipy.linalg.cython_blas", name))


@functools.cache
def _libraries() -> ThreadpoolController:
    return ThreadpoolController().select(user_api="blas")


def one_thread() -> AbstractContextManager[Any]:
    """Within, every BLAS of this process is on the thread that calls it."""
    limit: AbstractContextManager[Any] = _libraries().limit(limits=1)
    return limit


@intrinsic
def gemm(
    typing_context: Any, rows: Any, columns: Any, depth: Any, scale: Any, A: Any, a: Any, a_turned: Any, B: Any, b: Any,
    b_turned: Any, keep: Any, C: Any, c: Any,
) -> Any:  # fmt: skip
    """C[c…] = keep · C[c…] + scale · op(A)[rows, depth] · op(B)[depth, columns], each from the element at (i, j) on.

    `a`, `b` and `c` are those (i, j); op turns A or B where `…_turned`, a bool, says so. `scale`, `keep`: of C's kind.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        real = context.get_value_type(signature.args[11].dtype)
        rows, columns, depth, scale, _, a, a_turned, _, b, b_turned, keep, _, c = arguments
        A, B, C = (Matrix(context, builder, signature.args[i], arguments[i]) for i in (4, 7, 11))
        corners = [m.at(*cgutils.unpack_tuple(builder, at, 2)) for m, at in ((A, a), (B, b), (C, c))]

        def reference(number: Any, kind: ir.Type = LONG) -> Any:
            """BLAS takes all that it is told by reference; one with 32-bit integers reads the lower half of a 64-bit one."""
            slot = cgutils.alloca_once(builder, kind)
            builder.store(number, slot)
            return slot

        def turn(flag: Any) -> Any:
            return reference(builder.select(flag, BYTE(ord("T")), BYTE(ord("N"))), BYTE)

        # A matrix in C order is its transpose to BLAS: Cᵀ = op(B)ᵀ op(A)ᵀ.
        given = [
            turn(b_turned), turn(a_turned), reference(columns), reference(rows), reference(depth),
            reference(scale, real), corners[1], reference(B.width), corners[0], reference(A.width),
            reference(keep, real), corners[2], reference(C.width),
        ]  # fmt: skip
        kind = ir.FunctionType(ir.VoidType(), [each.type for each in given])
        function = cgutils.get_or_insert_function(builder.module, kind, _symbol(signature.args[11].dtype))
        builder.call(function, given)
        return context.get_dummy_value()

    place = types.UniTuple(types.int64, 2)
    whole, real = types.int64, C.dtype
    return types.void(
        whole, whole, whole, real, A, place, types.boolean, B, place, types.boolean, real, C, place
    ), generate
