"""A small vocabulary of vector instructions, as LLVM has them: what the tiles of `kernels.simd` are written in.

A vector is as wide as the registers of the CPU that is compiled for: 64 bytes with AVX-512, 32 with AVX, else 16. Nothing
here is specific to one instruction set: LLVM picks the instructions, and fuses a product with the sum that it goes into
where the CPU can.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from llvmlite import ir
from numba.core import cgutils

BYTE, INT, LONG = ir.IntType(8), ir.IntType(32), ir.IntType(64)
# What `kernels._jit` allows all kernels, instruction by instruction.
FLAGS = ("nsz", "arcp", "contract", "afn", "reassoc")
KEEP_IN_L2 = 2  # the locality of a prefetch: 3 is the first level, 1 the last


def register_bytes(context: Any) -> int:
    """Width of the vector registers of the CPU that `context` compiles for."""
    features = context.codegen().magic_tuple()[2].split(",")
    return 64 if "+avx512f" in features else 32 if "+avx" in features else 16


class Vectors:
    """Instructions on vectors of one kind of number, put where `builder` stands; of so many `lanes`, or as registers have."""

    def __init__(self, context: Any, builder: Any, real: ir.Type, lanes: int | None = None) -> None:
        self.builder = builder
        self.real = real
        self.bytes = 4 if isinstance(real, ir.FloatType) else 8
        self.lanes = lanes or register_bytes(context) // self.bytes
        self.vector = ir.VectorType(real, self.lanes)

    def load(self, pointer: Any) -> Any:
        return self.builder.load(self.builder.bitcast(pointer, self.vector.as_pointer()), align=self.bytes)

    def store(self, value: Any, pointer: Any) -> None:
        self.builder.store(value, self.builder.bitcast(pointer, value.type.as_pointer()), align=self.bytes)

    def mask(self, count: Any, lanes: int | None = None) -> Any:
        """The lanes below `count`, of a vector or of so many `lanes`."""
        longs = ir.VectorType(LONG, lanes or self.lanes)
        return self.builder.icmp_signed("<", ir.Constant(longs, list(range(longs.count))), self.spread(count, longs))

    def load_some(self, pointer: Any, mask: Any) -> Any:
        """The lanes of the mask, zero elsewhere; nothing beyond them is read."""
        vector = ir.VectorType(self.real, mask.type.count)
        pointer = self.builder.bitcast(pointer, vector.as_pointer())
        kind = ir.FunctionType(vector, [pointer.type, INT, mask.type, vector])
        return self.builder.call(
            self._intrinsic("masked.load", kind, mask), [pointer, INT(self.bytes), mask, ir.Constant(vector, None)]
        )

    def store_some(self, value: Any, pointer: Any, mask: Any) -> None:
        pointer = self.builder.bitcast(pointer, value.type.as_pointer())
        kind = ir.FunctionType(ir.VoidType(), [value.type, pointer.type, INT, mask.type])
        self.builder.call(self._intrinsic("masked.store", kind, mask), [value, pointer, INT(self.bytes), mask])

    def add_some(self, value: Any, pointer: Any, mask: Any, add: Any) -> None:
        """Put the lanes of the mask there, or `add` them to what is there."""
        before = self.builder.select(add, self.load_some(pointer, mask), ir.Constant(value.type, None))
        self.store_some(self.builder.fadd(value, before), pointer, mask)

    def spread(self, value: Any, vector: ir.VectorType | None = None) -> Any:
        """A vector of one value in all lanes."""
        vector = vector or self.vector
        undefined = ir.Constant(vector, ir.Undefined)
        first = self.builder.insert_element(undefined, value, INT(0))
        return self.builder.shuffle_vector(first, undefined, ir.Constant(ir.VectorType(INT, vector.count), None))

    def multiply_add(self, x: Any, y: Any, total: Any) -> Any:
        return self.builder.fadd(total, self.builder.fmul(x, y, flags=FLAGS), flags=FLAGS)

    def sums(self, vectors: Sequence[Any]) -> Any:
        """The sum over lanes of each of some vectors, a power of two of them, as one vector: neighbours are added in pairs."""
        lanes_a_sum = self.lanes
        while len(vectors) > 1:
            join = self._pairs if lanes_a_sum > 1 else self._joined
            vectors = [join(u, v) for u, v in zip(vectors[::2], vectors[1::2], strict=True)]
            lanes_a_sum = max(lanes_a_sum // 2, 1)
        (total,) = vectors
        while lanes_a_sum > 1:
            total = self._pairs(total)
            lanes_a_sum //= 2
        return total

    def pushed(self, u: Any, value: Any) -> Any:
        """The lanes of `u`, each one further, and the value in front."""
        lanes = [u.type.count, *range(u.type.count - 1)]
        return self.builder.shuffle_vector(
            u, self.spread(value, u.type), ir.Constant(ir.VectorType(INT, u.type.count), lanes)
        )

    def _joined(self, u: Any, v: Any) -> Any:
        """The lanes of `u`, then those of `v`."""
        lanes = ir.VectorType(INT, 2 * u.type.count)
        return self.builder.shuffle_vector(u, v, ir.Constant(lanes, list(range(lanes.count))))

    def _pairs(self, u: Any, v: Any = None) -> Any:
        """Sums of neighbouring lanes: of `u` alone half as many as it has, of `u` and then `v` as many."""
        lanes = u.type.count // 2 if v is None else u.type.count
        other = ir.Constant(u.type, ir.Undefined) if v is None else v
        even, odd = (
            self.builder.shuffle_vector(
                u, other, ir.Constant(ir.VectorType(INT, lanes), [2 * i + o for i in range(lanes)])
            )
            for o in (0, 1)
        )
        return self.builder.fadd(even, odd, flags=FLAGS)

    def prefetch(self, pointer: Any) -> None:
        """Ask for the cache line at `pointer`, to be read; an address that is none does no harm."""
        pointer = self.builder.bitcast(pointer, BYTE.as_pointer())
        kind = ir.FunctionType(ir.VoidType(), [pointer.type, INT, INT, INT])
        function = cgutils.get_or_insert_function(self.builder.module, kind, "llvm.prefetch.p0")
        self.builder.call(function, [pointer, INT(0), INT(KEEP_IN_L2), INT(1)])

    def _intrinsic(self, name: str, kind: ir.FunctionType, mask: Any) -> Any:
        letter = "i" if isinstance(self.real, ir.IntType) else "f"
        suffix = f"v{mask.type.count}{letter}{8 * self.bytes}.p0"
        return cgutils.get_or_insert_function(self.builder.module, kind, f"llvm.{name}.{suffix}")
