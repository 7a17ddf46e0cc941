"""What the primitives of the kernels ask of memory: a stand-in for each, which writes down loops of references.

Those of `kernels.plain` (tiles), of `kernels.sums` and `kernels.blocks` (loops over numbers), and those by which threads share out
their work. The names are theirs, and so are the arguments; arrays are `kernels.memory.tracing.Tracer`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from kernels import plain
from kernels._jit import COMPILED, target_context
from kernels.memory.groups import Groups
from kernels.memory.references import Gather, Loop, Reference
from kernels.memory.sharing import Sharing
from kernels.memory.tracing import Around, Listed, Tape, Tracer

if COMPILED:
    from kernels.tiles import widest
    from kernels.vectors import register_bytes


@cache
def _register_bytes() -> int:
    return register_bytes(target_context())


@cache
def _widest() -> int:
    return widest(target_context())


class Primitives(Sharing):
    """The stand-ins, which write to a tape; `team` is how many threads each have a part of every sample."""

    def __init__(self, tape: Tape) -> None:
        super().__init__(tape)
        self._ahead, self._latest = False, [-1] * tape.threads

    def stand_ins(self) -> dict[str, Any]:
        """By the names that they stand for."""
        own = {name: getattr(self, name) for name in dir(self) if not name.startswith("_")}
        del own["stand_ins"], own["team"]
        groups = Groups(self._tape, self.lanes)
        return own | {
            "zeros": self.empty,
            "seat": lambda: self._tape.thread,
            "COMPILED": True,
            "dots": Around(groups.dots),
            "mixtures": Around(groups.mixtures),
            "visit": Around(self._until_enough),
            "alone": Around(self._until_enough),
        }

    # Arrays

    def empty(self, shape: Any, dtype: Any) -> Any:
        """Whole numbers and flags are known; what is computed with is not."""
        kind = np.dtype(dtype).kind
        if kind == "f":
            return Tracer(self._tape, "work", _lengths(shape), dtype)
        return Listed(self._tape, "work", np.zeros(shape, dtype)) if kind == "i" else np.zeros(shape, dtype)

    def folded(self, A: Tracer, shape: Any) -> Tracer:
        return Tracer(self._tape, A.operand, _lengths(shape), A.dtype, A.address)

    # The CPU at hand

    def lanes(self, A: Tracer) -> int:
        return _register_bytes() // A.itemsize if COMPILED else plain.lanes(A)

    def outputs_per_tile(self, A: Tracer) -> int:
        return _widest() if COMPILED else plain.outputs_per_tile(A)

    # Tiles

    def dot_tile(self, A, rows, ahead, beyond, first, height, some, offset, length, B, j, width, out, at, add, half):
        own = [rows.values.item(first + min(r, some - 1)) for r in range(height)]
        self._tape.add(Loop(some, self._numbers(rows, ahead, first)))

        def of_vectors(v: int, numbers: int, *stride: int) -> tuple[Reference, ...]:
            a = (A.reference((row, offset + v), *stride, numbers=numbers) for row in own)
            b = (B.reference((j + c, v), *stride, numbers=numbers) for c in range(width))
            return (*a, *b)

        self._along(A, length, of_vectors)
        self._add_to(out, (j, at), width, 1, some)

    def mixture_tile(self, A, rows, ahead, beyond, first, count, offset, S, j, width, out, at, vectors, last, half):
        lanes = self.lanes(A)
        numbers = [lanes if vectors > 1 else last] * vectors
        a = [self._of_rows(A, rows, first, count, offset + i * lanes, n) for i, n in enumerate(numbers)]
        s = [S.reference((j + c, first), S.step(1)) for c in range(width)]
        self._tape.add(Loop(count, (*self._numbers(rows, ahead, first), *a, *s)))
        self._add_to(out, (j, at), width, vectors, numbers[0])

    def slim_dot_tile(self, A, rows, ahead, beyond, count, offset, length, B, out, at, add):
        pieces = self._pieces(A, length)
        self._tape.add(*(B.reference((0, v), numbers=n) for v, n in pieces))
        a = (self._of_rows(A, rows, 0, count, offset + v, n) for v, n in pieces)
        self._tape.add(Loop(count, (*self._numbers(rows, ahead, 0), *a)))
        for r in range(0, count, plain.SLIM):
            self._add_to(out, (0, at + r), 1, 1, min(plain.SLIM, count - r))

    def slim_mixture_tile(self, A, rows, ahead, beyond, first, count, offset, last, S, out, at):
        pieces = self._pieces(A, last)
        a = (self._of_rows(A, rows, first, count, offset + v, n) for v, n in pieces)
        self._tape.add(Loop(count, (*self._numbers(rows, ahead, first), S.reference((0, first), S.step(1)), *a)))
        for v, n in pieces:
            self._add_to(out, (0, at + v), 1, 1, n)

    def product_tile(self, A, row, theta, j, last, out):
        x, weights = A.reference((row, 0), A.step(1)), theta.reference((0, j), theta.step(0), numbers=last)
        self._tape.add(Loop(theta.shape[0], (x, weights)), out.reference((0, j), numbers=last, write=True))

    def outer_tile(self, A, row, d, j, last, grad):
        x, to = A.reference((row, 0), A.step(1)), grad.reference((0, j), grad.step(0), numbers=last, write=True)
        self._tape.add(d.reference((0, j), numbers=last), Loop(grad.shape[0], (x, to)))

    def step_tile(self, A, rows, start, length, W, j, width, scales, out, backwards, fetch):
        own = [rows[turn, i] for turn in (0, 1) for i in range(plain.PAIR)]

        def of_vectors(v: int, numbers: int, *stride: int) -> tuple[Reference, ...]:
            samples = (A.reference((row, start + v), *stride, numbers=numbers) for row in own)
            weights = (
                W.reference((j + c, v), *stride, numbers=numbers, write=write)
                for c in range(width)
                for write in (False, True)
            )
            return (*samples, *weights)

        self._tape.add(*(scales.reference((i, j + c)) for c in range(width) for i in range(plain.PAIR)))
        self._along(A, length, of_vectors, backwards)
        self._tape.add(*(out.reference((i, j + c), write=True) for c in range(width) for i in range(plain.PAIR)))

    def total_tile(self, G, parts, start, stop, weight, as_step, out):
        k, sums = G.shape[1], G.step(0)
        for v, n in self._pieces(G, stop - start, start):
            to: tuple[Reference | Loop, ...]
            if as_step:
                to = tuple(out.reference((0, v), out.step(0), numbers=n, write=write) for write in (False, True))
            else:
                to = (Loop(n, (out.reference((v, 0), out.step(1), out.step(0), write=True),)),)
            self._tape.add(Loop(k, (Loop(parts, (G.reference((0, 0, v), G.step(1), sums, numbers=n),)), *to)))
        return 0.0

    # Loops over numbers

    def turn(self, theta, start, stop, W):
        read = theta.reference((start, 0), theta.step(0), theta.step(1))
        write = W.reference((0, 0), W.step(1), W.step(0), write=True)
        self._tape.add(Loop(stop - start, (Loop(theta.shape[1], (read, write)),)))

    def turn_back(self, W, start, stop, theta):
        read = W.reference((0, 0), W.step(1), W.step(0))
        write = theta.reference((start, 0), theta.step(0), theta.step(1), write=True)
        self._tape.add(Loop(stop - start, (Loop(theta.shape[1], (read, write)),)))

    def clear(self, G, part):
        self._through(G[part], write=True)

    def blank(self, H, count):
        self._through(H[:, :count], write=True)

    def copy_samples(self, X, picks, count, room):
        index = Gather(picks.values[:count].copy(), X.step(1), 0, (0, 1))
        x = Reference(X.operand, X.address, (X.step(0), 0), X.itemsize, gather=index)
        to = room.reference((0, 0), room.step(1), room.step(0), write=True)
        self._tape.add(Loop(X.shape[0], (Loop(count, (picks.reference((0,), 0, picks.step(0)), x, to)),)))

    def copy_sample(self, X, sample, start, stop, buffer, slot):
        to = buffer.reference((slot, start), buffer.step(1), write=True)
        self._tape.add(Loop(stop - start, (X.reference((start, sample), X.step(0)), to)))

    def together(self, shares, H, count):
        for s in range(shares.shape[0]):
            self._through(shares[s, : H.shape[0], :count])
        self._through(H[:, :count], write=True)

    def rescale(self, H, count, scale):
        self._through(H[:, :count], write=True)

    def spoilt(self, H, count):
        self._through(H[:, :count])
        return 0.0

    def all_finite(self, A):
        self._through(A)
        return True

    def total_size(self, x):
        self._tape.add(Loop(len(x), (x.reference((0,), x.step(0)),)))
        return 0.0

    def add_weighed(self, total, v, count, weight):
        self._tape.add(Loop(count, (v.reference((0,), v.step(0)),)))
        return 0.0

    def finite(self, x):
        return True

    # Samples

    def pick(self, order, start, end, count, picks):
        if not self._ahead:  # of two lists, the block's own comes first, then the one of what is fetched
            self._tape.begin(count)
        self._ahead = not self._ahead
        places = np.minimum(np.arange(start, start + count), end - 1)
        picks.values[:count] = order.values[places] if order.size else places
        fresh = min(count, end - int(places[0]))  # the others are the last one again
        for first, some, along in ((0, fresh, order.itemsize), (fresh, count - fresh, 0)):
            read = (order.reference((places[first],), along),) if order.size and some else ()
            self._tape.add(Loop(some, (*read, picks.reference((first,), picks.step(0), write=True))))

    def nth(self, order, t, samples):
        t, own = min(t, samples - 1), self._tape.thread
        if t > self._latest[own]:
            self._latest[own] = t
            if t % plain.PAIR == 0:
                self._tape.begin(plain.PAIR)
        return order[t] if order.size else t

    def take(self, y, sample, targets, r, k):
        numbers = k if y.ndim == 2 else 1
        for array, index, write in ((y, sample, False), (targets, r, True)):
            self._tape.add(array.reference((index, 0)[: array.ndim], numbers=numbers, write=write))
        return True

    def block(self, H, count, y, v, p, spare):
        part = H[:, :count]
        self._through(part)
        self._through(part, write=True)
        self._tape.add(Loop(count, (y.reference((0, 0)[: y.ndim], y.step(0), numbers=y.size // len(y)),)))
        self._tape.add(Loop(count, (v.reference((0,), v.step(0), write=True),)))

    # What they have in common

    def _along(
        self, A: Tracer, length: int, of_vectors: Callable[..., tuple[Reference, ...]], backwards: bool = False
    ) -> None:
        """`of_vectors(where, numbers, stride)` for each whole vector of a row, from either end on; then for what is left."""
        lanes = self.lanes(A)
        whole, stride = length // lanes, lanes * A.itemsize
        first, step = ((whole - 1) * lanes, -stride) if backwards and whole else (0, stride)
        self._tape.add(Loop(whole, of_vectors(first, lanes, step)))
        if whole * lanes < length:
            self._tape.add(*of_vectors(whole * lanes, length - whole * lanes))

    def _pieces(self, A: Tracer, length: int, start: int = 0) -> list[tuple[int, int]]:
        """Vectors of a row: where each starts, and its numbers."""
        lanes = self.lanes(A)
        return [(v, min(lanes, start + length - v)) for v in range(start, start + length, lanes)]

    def _of_rows(self, A: Tracer, rows: Any, first: int, count: int, column: int, numbers: int) -> Reference:
        """So many numbers of each of some rows: of neighbours by a stride, of others by their list."""
        own = rows.values[first : first + count].copy()  # the kernel writes the next block's there
        if (np.diff(own) == 1).all():
            return A.reference((own.item(0), column), A.step(0), numbers=numbers)
        gather = Gather(own, A.step(0), 0, (1,))
        return Reference(A.operand, A.at(0, column), (), numbers * A.itemsize, gather=gather)

    def _numbers(self, rows: Listed, ahead: Listed, first: int) -> tuple[Reference, Reference]:
        """Which row is next, and which one is fetched meanwhile."""
        return rows.reference((first,), rows.step(0)), ahead.reference((first,), ahead.step(0))

    def _add_to(self, out: Tracer, index: tuple[int, int], height: int, vectors: int, numbers: int) -> None:
        """So many vectors of so many rows are read, and written again."""
        steps = out.step(0), numbers * out.itemsize
        each = tuple(out.reference(index, *steps, numbers=numbers, write=write) for write in (False, True))
        self._tape.add(Loop(height, (Loop(vectors, each),)))

    def _through(self, A: Tracer, write: bool = False) -> None:
        """A vector after the other, of each row."""
        flat = A if A.ndim == 2 else Tracer(self._tape, A.operand, (1, A.size), A.dtype, A.address)
        lanes, (height, length) = self.lanes(A), flat.shape
        whole = length // lanes
        vectors = flat.reference((0, 0), flat.step(0), lanes * A.itemsize, numbers=lanes, write=write)
        body: tuple[Loop | Reference, ...] = (Loop(whole, (vectors,)),)
        if whole * lanes < length:
            body += (flat.reference((0, whole * lanes), flat.step(0), numbers=length - whole * lanes, write=write),)
        self._tape.add(Loop(height, body))


def _lengths(shape: Any) -> tuple[int, ...]:
    return (int(shape),) if isinstance(shape, int | np.integer) else tuple(shape)
