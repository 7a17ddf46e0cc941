"""What a pass misses in the long run, when it is taken again and again: for each number of X that it visits.

A small pass is simulated whole, after itself. Of a long one some blocks are: the caches first get what an earlier pass leaves
in them of X, as far as they can hold it, and the first half of the blocks; what the second half misses is counted.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kernels._jit import uncollected
from kernels.memory.geometry import Cache
from kernels.memory.references import Gather, Loop, Reference, Trace
from kernels.memory.trace import OPERANDS, START, Problem, Recording, record

# Loops and references of each thread that are written down.
MOST = 1000
# Where samples lie side by side, so many at least: some dozen lines of them.
SAMPLES = 128
# So many times what the last cache holds is enough to fill it.
ENOUGH = 2


@dataclass(frozen=True)
class Steady:
    """A piece of a pass in the long run: what came before, the piece itself, and how many numbers of X it visits.

    `lately`: the end of what came before, which is enough for small caches.
    """

    before: Trace
    piece: Trace
    elements: float
    lately: Trace


def steady(problem: Problem, last: Cache, most: int = MOST) -> Steady:
    """A piece of the pass, and what to simulate before it; `last` is the last of the caches that it is for.

    Raises NoTrace where the work is left to BLAS.
    """
    with uncollected():
        recorded = record(problem, most, SAMPLES if problem.objective.layout.features_first else 0)
    if recorded.is_whole:
        visited = problem.samples if problem.order is None else len(problem.order)
        return Steady(recorded.trace, recorded.trace, visited * problem.features, recorded.trace)
    before, piece, samples = _halves(recorded)
    left = (*_left_over(problem, last), *_lines_of(recorded, last))
    bodies = ((*left, *before.threads[0]), *before.threads[1:])
    return Steady(Trace(bodies, OPERANDS), piece, samples * problem.features / recorded.team, before)


def _halves(recorded: Recording) -> tuple[Trace, Trace, int]:
    """The recording up to where each thread has seen half of its samples, the rest, and how many the threads visit in that."""
    first, rest, samples = [], [], 0
    for body, marks in zip(recorded.trace.threads, recorded.marks, strict=True):
        middle = next((mark for mark in marks if 2 * mark.samples >= marks[-1].samples), None)
        cut = middle.length if middle else len(body)
        first.append(body[:cut])
        rest.append(body[cut:])
        samples += marks[-1].samples - middle.samples if middle else 0
    return Trace(tuple(first), OPERANDS), Trace(tuple(rest), OPERANDS), samples


def _lines_of(recorded: Recording, last: Cache) -> tuple[Loop, ...]:
    """The lines of y, H and the order, once each: the last cache holds them, or a part of them that is soon gone."""
    line = last.line_bytes
    return tuple(
        Loop(-(-size // line), (Reference(operand, address, (line,)),))
        for operand, address, size in recorded.lists
        if size <= last.size_bytes
    )


def _left_over(problem: Problem, last: Cache) -> tuple[Loop, ...]:
    """Lines of X that an earlier pass may have left: all of them, or those of the samples that came last.

    Of what is larger and was gone through in turn, nothing is found again.
    """
    layout, itemsize = problem.objective.layout, np.dtype(problem.dtype).itemsize
    rows, columns = layout.shape(problem.samples, problem.features)
    row, line = (problem.leading or columns) * itemsize, last.line_bytes
    lines = -(-columns * itemsize // line)
    fits = rows * columns * itemsize <= last.size_bytes
    if problem.order is not None and not (fits and layout.features_first):
        each = (rows if layout.features_first else lines) * line
        picks = problem.order[-(ENOUGH * last.size_bytes // each + 1) :]
        if layout.features_first:
            of_sample = Loop(rows, (Reference("X", START, (0, row), gather=Gather(picks, itemsize, 0, (1,))),))
        else:
            of_sample = Loop(lines, (Reference("X", START, (0, line), gather=Gather(picks, row, 0, (1,))),))
        return (Loop(len(picks), (of_sample,)),)
    if rows * columns * itemsize > ENOUGH * last.size_bytes:
        return ()
    if layout.features_first and problem.order is None:
        block = type(layout).samples_per_block(problem.features, itemsize, True) * itemsize
        blocks, of_block = -(-columns * itemsize // block), -(-block // line)
        return (Loop(blocks, (Loop(rows, (Loop(of_block, (Reference("X", START, (block, row, line)),)),)),)),)
    return (Loop(rows, (Loop(lines, (Reference("X", START, (row, line)),)),)),)
