"""Set-associative LRU caches, one level behind another, in compiled code.

What is asked of a cache is an event: the number of a line, and in its low bits for which operand, and what.

    line << LOW | operand << 3 | what       what: WRITE, BACK, JOINED, or AGAIN, as below; 0: a read

A level takes a list of events and makes the list for the next one: the lines that it did not hold, and before each the
line that had to make way for it, if that was written to. So a level's tables stay in the cache of the machine that
simulates while thousands of events pass through them. Each set is a list, what was used last in front.
"""

from __future__ import annotations

import numpy as np
from numba import types

from kernels._jit import COMPILED, inline, linked, once
from kernels.signatures import Kernel, reads, writes

if COMPILED:
    from kernels.memory.sets import EIGHT as EIGHT
    from kernels.memory.sets import fetch, mark
    from kernels.memory.sets import touch as touch
else:
    from kernels.plain import EIGHT as EIGHT
    from kernels.plain import fetch, mark
    from kernels.plain import touch as touch

LOW, OPERANDS, CLASSES = 6, 8, 64
# The line is brought here by a write; it comes from the level before, which gives it up, and was written to; the next
# event belongs to the same access; it is known to be here, and is used again.
WRITE, BACK, JOINED = 1, 2, 4
AGAIN = BACK | JOINED
FLAGS = (1 << LOW) - 1
EMPTY = np.uint64(2**64 - 1)
# The largest line number that there can be.
LAST_LINE = 2 ** (64 - LOW) - 2
# What is counted, of each level, class of sets and operand. (Sets are told apart for an estimate from some of them.)
MISSES, EVICTIONS, WRITE_BACKS = range(3)
# What is known of a level: where its entries start, its sets, their number less one if it is a power of two, else −1, its
# ways, and by how many bits its lines are longer than those of the first level.
OFFSET, SETS, MASK, WAYS, SHIFT = range(5)
# A drain takes place when so many events have come together.
CHUNK = 4096
# Of more entries than so many, those of an event further ahead are fetched.
NEAR, AHEAD = 1 << 14, 8

_LOW, _FLAGS, _DIRTY, _KEPT = np.uint64(LOW), np.uint64(FLAGS), np.uint64(WRITE), np.uint64(FLAGS & ~AGAIN)
_WHAT, _WRITE, _BACK, _JOINED = np.uint64(7), np.uint64(WRITE), np.uint64(BACK), np.uint64(JOINED)
_OPERAND, _THREE, _AGAIN = np.uint64(OPERANDS - 1), np.uint64(3), np.uint64(AGAIN)
_CLASS = np.uint64((CLASSES - 1) * OPERANDS)


@inline
def event_of(line, code, joined):
    """The event of an access to a line; `code` is operand << 3, and WRITE for a write."""
    return np.uint64(line) << _LOW | np.uint64(code) | (_JOINED if joined else np.uint64(0))


@inline
def place_of(event, owner):
    """Where the count is of an operand, that of `owner`, and of a class of sets: the lowest bits of the event's line."""
    return event >> _THREE & _CLASS | owner >> _THREE & _OPERAND


@inline
def line_of(event):
    return event >> _LOW


@inline
def set_of(line, sets, mask):
    """Which set may hold the line."""
    return np.int64(line & np.uint64(mask)) if mask >= 0 else np.int64(line % np.uint64(sets))


@once
def draining() -> Kernel:
    """`drain(buffers (3, …), count, entries, table (levels, 5), counts (levels, 3, CLASSES · OPERANDS))` → (row, count).

    Takes the events in buffers[0] through all levels; what leaves the last one is buffers[row, :count].
    """

    def drain(buffers, count, entries, table, counts):
        source = 0
        for level in range(table.shape[0]):
            to = 1 if source != 1 else 2
            misses, evictions, write_backs = counts[level, MISSES], counts[level, EVICTIONS], counts[level, WRITE_BACKS]
            count = pass_through(
                buffers[source], count, buffers[to], entries, table[level], misses, evictions, write_backs
            )
            source = to
        return source, count

    whole, long = types.int64, types.uint64
    signature = types.UniTuple(whole, 2)(writes(long, 2), whole, writes(long, 1), reads(whole, 2), writes(whole, 3))
    return linked(drain, signature, makes_arrays=False)


@inline
def pass_through(events, count, out, entries, known, misses, evictions, write_backs):
    """One level: how many events it has for the next one, in `out`. What is counted is so by class of sets and operand."""
    # Places are unsigned: of others Numba asks each time whether they count from the end.
    offset, sets, mask, ways = known[OFFSET], known[SETS], known[MASK], known[WAYS]
    longer, n, i, begin, missed = np.uint64(known[SHIFT]), 0, 0, 0, False
    soon = AHEAD if sets * ways > NEAR else count
    while i < count:
        if i + soon < count:
            start = offset + set_of(events[np.uint64(i + soon)] >> _LOW >> longer, sets, mask) * ways
            fetch(entries, start)
            fetch(entries, start + ways - 1)
        event = events[np.uint64(i)]
        line, what = event >> _LOW >> longer, event & _WHAT
        start = offset + set_of(line, sets, mask) * ways
        entry = line << _LOW | event & _KEPT
        i += 1
        if what & _BACK:
            if what & _AGAIN == _AGAIN:
                touch(entries, start, ways, entry & ~_WRITE, _FLAGS, _DIRTY)
            elif not mark(entries, start, ways, entry, _FLAGS, _DIRTY):
                write_backs[place_of(event, event)] += 1
                out[np.uint64(n)] = event
                n += 1
            begin = i
            continue
        old = touch(entries, start, ways, entry, _FLAGS, _DIRTY)
        if old ^ entry > _FLAGS:
            missed = True
            if old != EMPTY:
                owner = place_of(event, old)
                evictions[owner] += 1
                if old & _DIRTY:
                    write_backs[owner] += 1
                    out[np.uint64(n)] = (line_of(old) << longer) << _LOW | old & _FLAGS & ~_WRITE | _BACK
                    n += 1
        if what & _JOINED:
            continue
        if missed:
            misses[place_of(event, event)] += 1
            for each in range(begin, i - 1):
                out[np.uint64(n)] = events[np.uint64(each)] & ~_WRITE
                n += 1
            out[np.uint64(n)] = event & ~_WRITE
            n += 1
        begin, missed = i, False
    return n
