"""Teams: threads that go through an epoch together, each with features of its own, and meet at every batch.

To be woken takes a thread some 5 µs; to meet on a board in memory takes 0.1 µs. So an epoch is one parallel loop, and its
threads pass one another their shares of the logits. A thread that comes to the loop too late stays away, and where there
are fewer cores than threads, so that one waits for another that does not run, the first one goes on alone: who does the
work has no bearing on the result. On a board, each number has a cache line:

    ARRIVED   how many have come              PARTED        the turn after which number 0 goes on alone
    SETTLED   the team's size                 TURNS + i     the turn that number i has come to
"""

from __future__ import annotations

import numpy as np

from kernels._jit import COMPILED, inline
from kernels.arrays import zeros

if COMPILED:
    from kernels.atomics import add, read, rest, write
else:
    from kernels.plain import add, read, rest, write

LINE = 128 // 8  # numbers from one to the next: caches fetch lines in pairs
ARRIVED, SETTLED, PARTED, TURNS = 0, LINE, 2 * LINE, 3 * LINE
CLOSED = 1 << 32
# How often a board is looked at, some 20 µs, before the core is left to others; and before nobody else may join, where there is
# a whole epoch to do.
LOOKS, PATIENCE = 1 << 10, 1 << 13
# A team parts after so many waits that were longer than that, and one more for each so many turns.
LONG_WAITS, TURNS_A_WAIT = 3, 256


@inline
def board_for(threads):
    """The board of a team of so many at most."""
    return zeros(TURNS + LINE * threads, np.int64)


@inline
def most(board):
    """How many can be in the team."""
    return (board.size - TURNS) // LINE


@inline
def join(board, patience):
    """The member's number and the team's size; size 0 for one that comes too late. Number 0 looks out for others so often."""
    if most(board) == 1:
        return 0, 1
    number, looks = add(board, ARRIVED, 1), 0
    if number == 0:
        while read(board, ARRIVED) < most(board) and looks < patience:
            looks += 1
            rest(looks < LOOKS)
        write(board, SETTLED, add(board, ARRIVED, CLOSED))
    if number >= CLOSED:
        return 0, 0
    while read(board, SETTLED) == 0:
        looks += 1
        rest(looks < LOOKS)
    return number, read(board, SETTLED)


@inline
def meet(board, number, size, turn, waits):
    """Waits until all members have come to `turn`: what they wrote before can then be read. Returns its long waits so far."""
    if size == 1:
        return waits
    if number == 0 and waits > LONG_WAITS + turn // TURNS_A_WAIT:
        write(board, PARTED, turn)
    write(board, TURNS + LINE * number, turn)
    looks = 0
    for other in range(size):
        while read(board, TURNS + LINE * other) < turn:
            looks += 1
            rest(looks < LOOKS)
    return waits + 1 if looks >= LOOKS else waits


@inline
def staying(board, number, size, turn):
    """The team's size after `turn`: as before, or 1 for number 0 and 0 for the others if they part."""
    if size == 1 or read(board, PARTED) != turn:
        return size
    meet(board, number, size, turn + 1, 0)
    return 1 if number == 0 else 0
