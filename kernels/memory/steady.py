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
SAMPLES = 256
# What is larger than the last cache by this factor leaves nothing there that would be found again.
BEYOND = 2


@dataclass(frozen=True)
class Steady:
    """A piece of a pass in the long run: what came before, the piece itself, and how many numbers of X it visits."""

    before: Trace
    piece: Trace
    elements: float


def steady(problem: Problem, last: Cache, most: int = MOST) -> Steady:
    """A piece of the pass, and what to simulate before it; `last` is the last of the caches that it is for.

    Raises NoTrace where the work is left to BLAS.
    """
    with uncollected():
        recorded = record(problem, most, SAMPLES if problem.objective.layout.features_first else 0)
    if recorded.is_whole:
        visited = problem.samples if problem.order is None else len(problem.order)
        return Steady(recorded.trace, recorded.trace, visited * problem.features)
    before, piece, samples = _halves(recorded)
    left = _left_over(problem, last)
    bodies = ((*left, *before.threads[0]), *before.threads[1:])
    return Steady(Trace(bodies, OPERANDS), piece, samples * problem.features / recorded.team)


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


def _left_over(problem: Problem, last: Cache) -> tuple[Loop, ...]:
    """The lines of X, once each in about the order of visit; nothing where the last cache can't hold them for long."""
    layout, itemsize = problem.objective.layout, np.dtype(problem.dtype).itemsize
    rows, columns = layout.shape(problem.samples, problem.features)
    row, line = (problem.leading or columns) * itemsize, last.line_bytes
    if rows * columns * itemsize > BEYOND * last.size_bytes:
        return ()
    if layout.features_first and problem.order is None:
        block = type(layout).samples_per_block(problem.features, itemsize, True) * itemsize
        blocks, lines = -(-columns * itemsize // block), -(-block // line)
        return (Loop(blocks, (Loop(rows, (Loop(lines, (Reference("X", START, (block, row, line)),)),)),)),)
    lines = -(-columns * itemsize // line)
    if layout.features_first or problem.order is None:
        return (Loop(rows, (Loop(lines, (Reference("X", START, (row, line)),)),)),)
    gather = Gather(problem.order, row, 0, (1,))
    return (Loop(len(problem.order), (Loop(lines, (Reference("X", START, (0, line), gather=gather),)),)),)
