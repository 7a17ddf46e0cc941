"""What is done to one set of a cache, as instructions: eight of its entries at a time, and no count of who holds the array.

(Numba counts the holders of an array wherever a function is given it: three times as long as what is done here.)
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from kernels.vectors import BYTE, LONG, Vectors

EIGHT = 8
BIT = ir.IntType(1)


class _Set(Vectors):
    """The entries of a set, and the one that is looked for: it may differ from what is there in its low bits."""

    def __init__(self, context: Any, builder: Any, signature: Any, arguments: Any) -> None:
        super().__init__(context, builder, LONG, EIGHT)
        entries, self._start, self._ways, self._entry, self._low = arguments[:5]
        self._data = context.make_array(signature.args[0])(context, builder, entries).data

    def at(self, way: Any) -> Any:
        """Where a way's entry is."""
        return self.builder.gep(self._data, [self.builder.add(self._start, way)])

    def is_same(self, held: Any) -> Any:
        return self.builder.icmp_unsigned("<=", self.builder.xor(held, self._entry), self._low)

    @contextmanager
    def eights(self) -> Iterator[tuple[Any, Any, Any, Any]]:
        """A loop over the ways by eights: the first of them, what they hold, and which of them has the entry, if any, else
        the last one there is; whether one has. The loop ends there.
        """
        builder, eight = self.builder, LONG(EIGHT)
        count = builder.lshr(builder.add(self._ways, LONG(EIGHT - 1)), LONG(3))
        with cgutils.for_range(builder, count) as loop:
            first = builder.mul(loop.index, eight)
            block = self.load(self.at(first))
            low = self.spread(self._low)
            same = builder.icmp_unsigned("<=", builder.xor(block, self.spread(self._entry)), low)
            left = builder.sub(self._ways, first)
            last = builder.sub(builder.select(builder.icmp_signed("<", left, eight), left, eight), LONG(1))
            bits = builder.zext(builder.bitcast(same, BYTE), LONG)
            which = builder.cttz(builder.or_(bits, builder.shl(LONG(1), last)), BIT(1))
            found = builder.trunc(builder.lshr(bits, which), BIT)
            yield first, block, which, found
            with builder.if_then(found):
                loop.do_break()


@intrinsic
def touch(typing_context: Any, entries: Any, start: Any, ways: Any, entry: Any, low: Any, kept: Any) -> Any:
    """Put an entry in front of its set; gives what was there but for the bits of `low`, or what goes since there is no room.

    Of what was there, the bits of `kept` are kept. (Behind the last set there have to be seven entries more.)
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        own, entry, kept = _Set(context, builder, signature, arguments), arguments[3], arguments[5]
        front = own.at(LONG(0))
        first_held = builder.load(front)
        carried = cgutils.alloca_once_value(builder, first_held)
        there = cgutils.alloca_once_value(builder, own.is_same(first_held))
        with builder.if_else(builder.load(there)) as (in_front, behind):
            with in_front:
                builder.store(builder.or_(entry, builder.and_(first_held, kept)), front)
            with behind:
                builder.store(entry, carried)
                with own.eights() as (first, block, which, found):
                    old = builder.load(own.at(builder.add(first, which)))
                    further = own.pushed(block, builder.load(carried))
                    lanes = ir.Constant(own.vector, list(range(EIGHT)))
                    moved = builder.icmp_signed("<=", lanes, own.spread(which))
                    own.store(builder.select(moved, further, block), own.at(first))
                    builder.store(old, carried)
                    builder.store(found, there)
                marks = builder.and_(builder.load(carried), kept)
                is_marked = builder.icmp_unsigned("!=", marks, LONG(0))
                with builder.if_then(builder.and_(builder.load(there), is_marked)):
                    builder.store(builder.or_(entry, marks), front)
        return builder.load(carried)

    long = types.uint64
    return long(entries, types.int64, types.int64, long, long, long), generate


@intrinsic
def mark(typing_context: Any, entries: Any, start: Any, ways: Any, entry: Any, low: Any, bits: Any) -> Any:
    """Set those bits of an entry, where it is; whether it is there."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        own, there = _Set(context, builder, signature, arguments), cgutils.alloca_once_value(builder, BIT(0))
        with own.eights() as (first, _, which, found), builder.if_then(found):
            at = own.at(builder.add(first, which))
            builder.store(builder.or_(builder.load(at), arguments[5]), at)
            builder.store(BIT(1), there)
        return builder.load(there)

    long = types.uint64
    return types.boolean(entries, types.int64, types.int64, long, long, long), generate


@intrinsic
def fetch(typing_context: Any, entries: Any, start: Any) -> Any:
    """Ask for the entries at a place, to be used soon."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        data = context.make_array(signature.args[0])(context, builder, arguments[0]).data
        Vectors(context, builder, LONG).prefetch(builder.gep(data, [arguments[1]]))
        return context.get_dummy_value()

    return types.void(entries, types.int64), generate
