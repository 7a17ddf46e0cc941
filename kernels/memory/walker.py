"""Loops over references, walked through: every change of a line, in its order, becomes an event for the caches.

Where no reference has changed its line since the last time around, all are hits, and nothing is asked: the walk jumps to
the next change. That is exact while the first cache can hold the lines of all references at once in a single set: none of
them evicts another's. What has been in use all along is used again, in the caches' books, before anything could be evicted in its
place: whenever a reference leaves a line, those that stay in its set are touched. Otherwise every access is an event.
"""

from __future__ import annotations

import numpy as np
from numba import types

from kernels._jit import inline, linked, once, serial
from kernels.memory.accesses import passing, put
from kernels.memory.lru import AGAIN, CHUNK, MASK, SETS, WAYS, event_of, set_of
from kernels.memory.references import BASE, BEGIN, CODE, COLUMNS, END, GATHER, LIST, NO_LIST, POSITION, SIZE
from kernels.signatures import Kernel, reads, writes

# A thread hands over to the next one after so many events.
TURN = 1024
# What is known of a reference while its loop runs: where it began, and by how much it moves on; its place in its list, and
# by how much that moves on; the lines that it is at, and their sets; the turn in which it next changes them, and after how
# many turns it does so again, if that is always the same, else 0.
START, STEP, PLACE, ALONG, HEAD, TAIL, HEAD_SET, TAIL_SET, NEXT, EVERY = range(10)


@inline
def begin(references, first, many, lists, counters, depth, now):
    """Where the references are when their loop begins; `depth` loops are around it."""
    loops = (references.shape[1] - COLUMNS) // 2
    for r in range(many):
        row = references[first + r]
        address, place = row[BASE], row[POSITION]
        for d in range(depth):
            address += counters[d] * row[COLUMNS + d]
            place += counters[d] * row[COLUMNS + loops + d]
        now[r, START], now[r, STEP] = address, row[COLUMNS + depth]
        now[r, PLACE], now[r, ALONG] = place, row[COLUMNS + loops + depth]
        if row[LIST] != NO_LIST and now[r, ALONG] == 0:
            now[r, START] += lists[row[LIST] + place] * row[GATHER]


@inline
def address_of(row, lists, now, t):
    """Where a reference is in turn t."""
    address = now[START] + t * now[STEP]
    if row[LIST] != NO_LIST and now[ALONG] != 0:
        address += lists[row[LIST] + now[PLACE] + t * now[ALONG]] * row[GATHER]
    return address


@inline
def turns_until_change(address, size, step, line_bytes, most):
    """After how many turns the first or the last of `size` bytes is on another line."""
    if step == 0:
        return most
    head, tail = address & (line_bytes - 1), (address + size - 1) & (line_bytes - 1)
    if step > 0:
        return min(-(-(line_bytes - head) // step), -(-(line_bytes - tail) // step))
    return min(head // -step, tail // -step) + 1


@inline
def again(buffer, count, now, many, leaver, its_set, codes, chosen):
    """Touch the lines in the set of the one that `leaver` leaves."""
    for other in range(many):
        if other != leaver:
            if now[other, HEAD_SET] == its_set:
                line = np.uint64(now[other, HEAD])
                count = put(buffer, count, line, line, codes[other, CODE] | AGAIN, False, chosen)
            if now[other, TAIL_SET] == its_set and now[other, TAIL] != now[other, HEAD]:
                line = np.uint64(now[other, TAIL])
                count = put(buffer, count, line, line, codes[other, CODE] | AGAIN, False, chosen)
    return count


@inline
def move(now, address, size, shift, sets, mask):
    """Note the lines that a reference is at."""
    head, tail = address >> shift, (address + size - 1) >> shift
    now[HEAD], now[TAIL] = head, tail
    now[HEAD_SET] = set_of(np.uint64(head), sets, mask)
    now[TAIL_SET] = now[HEAD_SET] if head == tail else set_of(np.uint64(tail), sets, mask)


@inline
def stream(row, turn, turns, shift, chosen, buffer, count, now, sets, mask, asked):
    """One reference alone, from line to line: nothing else is in use beside it."""
    every, begin = now[EVERY], turn
    address, step = now[START] + turn * now[STEP], every * now[STEP]  # as long as a line, or as some
    steps = min(-(-(turns - turn) // every), CHUNK - count)
    if chosen.size == 1:
        event, further = event_of(address >> shift, row[CODE], False), event_of(step >> shift, 0, False)
        for i in range(steps):
            buffer[np.uint64(count + i)] = event + np.uint64(i) * further
        count += steps
    else:
        for i in range(steps):
            line = np.uint64(address + i * step >> shift)
            count = put(buffer, count, line, line, row[CODE], False, chosen)
    turn += steps * every
    move(now, address + (steps - 1) * step, row[SIZE], shift, sets, mask)
    now[NEXT] = turn
    turn = min(turn, turns)
    asked[row[CODE] >> 3] += turn - begin
    return turn, count


@once
def walking() -> Kernel:
    """`walk(program…, shift, whole, chosen, keep, buffers, entries, tables, counts, asked)` → what is left over.

    `tables` (threads, levels, 5): the caches of each thread. Threads take turns. The rest is as in `accesses.feeding`.
    """
    pass_on, run = passing(), running()

    def walk(
        operations, references, lists, ranges, depth, most, shift, whole, chosen, keep,
        buffers, entries, tables, counts, asked,
    ):  # fmt: skip
        threads = ranges.shape[0]
        at, level = ranges[:, 0].copy(), np.zeros(threads, np.int64)
        counters, begins = np.zeros((threads, depth + 1), np.int64), np.zeros((threads, depth + 1), np.int64)
        now = np.zeros((most, EVERY + 1), np.int64)
        kept, size, busy = np.empty(CHUNK if keep else 0, np.uint64), 0, True
        while busy:
            busy = False
            for thread in range(threads):
                count, table, loops, left = 0, tables[thread], counters[thread], TURN
                while at[thread] < ranges[thread, 1] and (threads == 1 or left > 0):
                    operation, here = operations[at[thread]], level[thread]
                    if operation[0] == BEGIN:
                        loops[here], begins[thread, here] = 0, at[thread]
                        level[thread] += 1
                    elif operation[0] == END:
                        loops[here - 1] += 1
                        if loops[here - 1] < operations[begins[thread, here - 1], 1]:
                            at[thread] = begins[thread, here - 1]
                        else:
                            level[thread] -= 1
                    else:
                        turn, turns, first, many = 0, operation[1], operation[2], operation[3] - operation[2]
                        begin(references, first, many, lists, loops, here, now)
                        while turn < turns:
                            left += count
                            turn, count = run(
                                references, first, many, lists, turn, turns, shift, whole, chosen, buffers[0], count,
                                table[0], now, asked,
                            )  # fmt: skip
                            left -= count
                            if count >= CHUNK:
                                kept, size = pass_on(buffers, count, entries, table, counts, keep, kept, size)
                                count = 0
                    at[thread] += 1
                kept, size = pass_on(buffers, count, entries, table, counts, keep, kept, size)
                busy |= at[thread] < ranges[thread, 1]
        return kept[:size]

    whole, flag, long = types.int64, types.boolean, types.uint64
    program = reads(whole, 2), reads(whole, 2), reads(whole, 1), reads(whole, 2), whole, whole
    state = writes(long, 2), writes(long, 1), reads(whole, 3), writes(whole, 3), writes(whole, 1)
    return serial(writes(long, 1)(*program, whole, flag, reads(flag, 1), flag, *state))(walk)


@once
def running() -> Kernel:
    """`run(references, first, many, lists, turn, turns, shift, whole, chosen, buffer, count, known, now, asked)` → (turn, count).

    Goes on from `turn` until the loop ends or the buffer is full.
    """

    def run(references, first, many, lists, turn, turns, shift, whole, chosen, buffer, count, known, now, asked):
        own, line_bytes = references[first : first + many], 1 << shift
        sets, mask, lines, regular = known[SETS], known[MASK], 0, True
        for r in range(many):
            size = own[r, SIZE]
            aligned = now[r, START] % size == 0 and now[r, STEP] % size == 0 and line_bytes % size == 0
            lines += 1 if aligned else 2
            regular &= now[r, ALONG] == 0 and size <= line_bytes
            step, every = now[r, STEP], np.int64(0)
            if aligned and step > 0:
                if step % line_bytes == 0:
                    every = np.int64(1)
                elif line_bytes % step == 0 and now[r, START] % step == 0:
                    every = line_bytes // step
            now[r, EVERY] = every
        if not regular or lines > known[WAYS] or turns == 1:
            while turn < turns and count < CHUNK:
                for r in range(many):
                    address = address_of(own[r], lists, now[r], turn)
                    head, tail = address >> shift, (address + own[r, SIZE] - 1) >> shift
                    asked[own[r, CODE] >> 3] += 1 if whole else tail - head + 1
                    count = put(buffer, count, np.uint64(head), np.uint64(tail), own[r, CODE], whole, chosen)
                turn += 1
            return turn, count
        last = False
        while turn < turns and count < CHUNK:
            if many == 1 and turn > 0 and now[0, EVERY] > 0:
                turn, count = stream(own[0], turn, turns, shift, chosen, buffer, count, now[0], sets, mask, asked)
                last = True
                continue
            following, last = turns, True
            for r in range(many):
                if turn == 0 or now[r, NEXT] == turn:
                    address, size = now[r, START] + turn * now[r, STEP], own[r, SIZE]
                    if turn > 0:
                        head, tail = now[r, HEAD_SET], now[r, TAIL_SET]
                        count = again(buffer, count, now, many, r, head, own, chosen)
                        if tail != head:
                            count = again(buffer, count, now, many, r, tail, own, chosen)
                    move(now[r], address, size, shift, sets, mask)
                    begins, ends = np.uint64(now[r, HEAD]), np.uint64(now[r, TAIL])
                    count = put(buffer, count, begins, ends, own[r, CODE], whole, chosen)
                    stays = now[r, EVERY]
                    if turn == 0 or stays == 0:
                        stays = turns_until_change(address, size, now[r, STEP], line_bytes, turns)
                    stays = min(stays, turns - turn)
                    now[r, NEXT] = turn + stays
                    asked[own[r, CODE] >> 3] += stays if whole else stays * (now[r, TAIL] - now[r, HEAD] + 1)
                else:
                    last = False
                following = min(following, now[r, NEXT])
            last &= turn == turns - 1
            turn = following
        if turn >= turns and not last:  # as they were used in the last turn
            for r in range(many):
                count = again_all(buffer, count, now[r], own[r, CODE], chosen)
        return turn, count

    whole, flag, long = types.int64, types.boolean, types.uint64
    given = reads(whole, 2), whole, whole, reads(whole, 1), whole, whole, whole, flag, reads(flag, 1)
    state = writes(long, 1), whole, reads(whole, 1), writes(whole, 2), writes(whole, 1)
    return linked(run, types.UniTuple(whole, 2)(*given, *state), makes_arrays=False)


@inline
def again_all(buffer, count, now, code, chosen):
    """Touch the lines of one reference."""
    head, tail = np.uint64(now[HEAD]), np.uint64(now[TAIL])
    return put(buffer, count, head, tail, code | AGAIN, False, chosen)
