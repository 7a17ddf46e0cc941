"""Accesses one by one, from an array of addresses: into the caches chunk by chunk, or each to the level that has it."""

from __future__ import annotations

import numpy as np
from numba import types

from kernels._jit import inline, linked, once, serial
from kernels.memory.lru import CHUNK, FLAGS, MASK, OFFSET, SETS, SHIFT, WAYS, draining, event_of, line_of, set_of, touch
from kernels.signatures import Kernel, reads, writes


@inline
def put(buffer, count, first, last, code, whole, chosen):
    """Events for the lines first … last of one access, at buffer[count …]: their number, all told.

    `whole`: they belong together. `chosen[line % classes]`: whether lines of that class are looked at.
    """
    for line in range(first, last + np.uint64(1)):
        if chosen[np.int64(line & np.uint64(chosen.size - 1))]:
            buffer[np.uint64(count)] = event_of(line, code, whole and line < last)
            count += 1
    return count


@inline
def extended(kept, size, more, count):
    """`kept` with more[:count] from `size` on: the same array, or a larger copy where there is no room."""
    if size + count > kept.size:
        larger = np.empty(2 * (size + count), kept.dtype)
        larger[:size] = kept[:size]
        kept = larger
    kept[size : size + count] = more[:count]
    return kept


_FLAGS, _NONE = np.uint64(FLAGS), np.uint64(0)
# The buffers, the entries of all caches, what is known of these, what is counted; and how often each operand is asked for.
_STATE = (
    writes(types.uint64, 2),
    writes(types.uint64, 1),
    reads(types.int64, 2),
    writes(types.int64, 3),
    writes(types.int64, 1),
)


@once
def passing() -> Kernel:
    """`pass_on(buffers, count, entries, table, counts, keep, kept, size)` → (kept, size): drain, and keep what is left over."""
    drain = draining()

    def pass_on(buffers, count, entries, table, counts, keep, kept, size):
        row, count = drain(buffers, count, entries, table, counts)
        if keep:
            kept = extended(kept, size, buffers[row], count)
            size += count
        return kept, size

    return inline(pass_on)


@once
def feeding() -> Kernel:
    """`feed(addresses, sizes, codes, shift, whole, chosen, keep, buffers, entries, table, counts, asked)` → what is left over.

    `sizes` and `codes` are empty, for accesses of one byte and for reads of operand 0, or one for each address; lines are
    2^shift bytes. What is left over goes beyond the last level: it is kept if it is to be.
    """
    pass_on, take = passing(), taking()

    def feed(addresses, sizes, codes, shift, whole, chosen, keep, buffers, entries, table, counts, asked):
        kept, size, done = np.empty(CHUNK if keep else 0, np.uint64), 0, 0
        while done < addresses.size:
            done, count = take(addresses, sizes, codes, done, shift, whole, chosen, buffers[0], asked)
            kept, size = pass_on(buffers, count, entries, table, counts, keep, kept, size)
        return kept[:size]

    whole, flag, long = types.int64, types.boolean, types.uint64
    given = reads(long, 1), reads(whole, 1), reads(whole, 1), whole, flag, reads(flag, 1), flag
    return serial(writes(long, 1)(*given, *_STATE))(feed)


@once
def taking() -> Kernel:
    """`take(addresses, sizes, codes, done, shift, whole, chosen, buffer, asked)` → (done, count): a chunk of accesses as events."""

    def take(addresses, sizes, codes, done, shift, whole, chosen, buffer, asked):
        count, long = 0, np.uint64(shift)
        while done < addresses.size and count < CHUNK:
            address = addresses[done]
            first, code = address >> long, codes[done] if codes.size else 0
            last = (address + np.uint64(sizes[done] - 1)) >> long if sizes.size else first
            asked[code >> 3] += 1 if whole else np.int64(last - first) + 1
            count = put(buffer, count, first, last, code, whole, chosen)
            done += 1
        return done, count

    whole, flag, long = types.int64, types.boolean, types.uint64
    given = reads(long, 1), reads(whole, 1), reads(whole, 1), whole, whole, flag, reads(flag, 1)
    pair = types.UniTuple(whole, 2)
    return linked(take, pair(*given, writes(long, 1), writes(whole, 1)), makes_arrays=False)


@once
def finding() -> Kernel:
    """`find(addresses, sizes, shift, entries, table, depths)`: depths[i] is how many levels do not have access i, in its turn.

    An access that spans lines counts as one. It is missed where one of them is, and then all go to the next level.
    """

    def find(addresses, sizes, shift, entries, table, depths):
        long = np.uint64(shift)
        for i in range(addresses.size):
            address = addresses[i]
            first = address >> long
            last = (address + np.uint64(sizes[i] - 1)) >> long if sizes.size else first
            depth = 0
            while depth < table.shape[0]:
                known, missed = table[depth], False
                for each in range(first, last + np.uint64(1)):
                    event = event_of(each >> np.uint64(known[SHIFT]), 0, False)
                    start = known[OFFSET] + set_of(line_of(event), known[SETS], known[MASK]) * known[WAYS]
                    missed |= touch(entries, start, known[WAYS], event, _FLAGS, _NONE) ^ event > _FLAGS
                if not missed:
                    break
                depth += 1
            depths[i] = depth

    whole, long = types.int64, types.uint64
    given = reads(long, 1), reads(whole, 1), whole, writes(long, 1), reads(whole, 2), writes(types.uint8, 1)
    return serial(types.void(*given))(find)
