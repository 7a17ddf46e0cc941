"""Tiles that are alike, as one loop: they differ in where they begin, by as much each time. Written once, not once for each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kernels import plain
from kernels.memory.references import Gather, Loop, Reference
from kernels.memory.tracing import Tape, Tracer

Body = tuple[Loop | Reference, ...]


class Groups:
    """Stand-ins for `dots` and `mixtures` of `kernels.simd` around these themselves: whole groups of tiles, then the rest."""

    def __init__(self, tape: Tape, lanes: Callable[[Tracer], int]) -> None:
        self._tape, self._lanes = tape, lanes

    def dots(self, dots: Callable[..., Any]) -> Callable[..., Any]:
        """Groups of neighbouring rows, one after the other."""

        def run(A, rows, ahead, beyond, count, offset, length, B, out, at, add, half):
            k = B.shape[0]
            height = plain.SLIM if k == 1 else plain.TALL
            is_slim, done = k == 1 and length <= plain.SLIM * self._lanes(A), 0
            if not is_slim and count >= 2 * height:
                picks = rows.values[:count].copy()  # the kernel writes the next block's there
                neighbours = (np.diff(picks) == 1).all()
                first = rows if neighbours else rows.instead(np.arange(height))
                with self._tape.aside() as body:
                    dots(A, first, ahead, beyond, height, offset, length, B, out, at, add, half)
                lists = ((rows, height * rows.step(0)), (ahead, height * ahead.step(0)))
                moves = ((A, height * A.step(0) if neighbours else 0), *lists, (out, height * out.step(1)))
                done = count - count % height
                tiles = _moving(body, moves)
                self._tape.add(Loop(count // height, tiles if neighbours else _picked(tiles, A, picks, height)))
            if done < count:
                dots(A, rows[done:], ahead[done:], beyond, count - done, offset, length, B, out, at + done, add, half)

        return run

    def mixtures(self, mixtures: Callable[..., Any]) -> Callable[..., Any]:
        """Groups of vectors, one after the other."""

        def run(A, rows, ahead, beyond, first, count, offset, length, S, out, at, half):
            wide, done = (plain.SLIM if S.shape[0] == 1 else plain.TALL) * self._lanes(A), 0
            if length >= 2 * wide:
                with self._tape.aside() as body:
                    mixtures(A, rows, ahead, beyond, first, count, offset, wide, S, out, at, half)
                done = length - length % wide
                self._tape.add(
                    Loop(length // wide, _moving(body, ((A, wide * A.itemsize), (out, wide * out.itemsize))))
                )
            if done < length:
                mixtures(A, rows, ahead, beyond, first, count, offset + done, length - done, S, out, at + done, half)

        return run


def _moving(body: Sequence[Loop | Reference], moves: Sequence[tuple[Tracer, int]]) -> Body:
    """What is in a loop around: each time, what is of one of the arrays is so many bytes further on."""

    def moved(part: Reference) -> Reference:
        by = next((by for array, by in moves if array.address <= part.base < array.end), 0)
        old = part.gather
        gather = old and Gather(old.index, old.stride, old.start, (0, *old.strides))
        return part._replace(strides=(by, *part.strides), gather=gather)

    return _each(body, moved)


def _picked(body: Sequence[Loop | Reference], A: Tracer, picks: NDArray[np.int64], height: int) -> Body:
    """What is in a loop around: each time, rows 0, 1, … of A stand for the next of those that are picked."""

    def picked(part: Reference) -> Reference:
        if not A.address <= part.base < A.end:
            return part
        row = (part.base - A.address) // A.step(0)
        return part._replace(base=part.base - row * A.step(0), gather=Gather(picks, A.step(0), row, (height,)))

    return _each(body, picked)


def _each(body: Sequence[Loop | Reference], change: Callable[[Reference], Reference]) -> Body:
    """The body with each of its references changed."""
    return tuple(
        Loop(part.count, _each(part.body, change)) if isinstance(part, Loop) else change(part) for part in body
    )
