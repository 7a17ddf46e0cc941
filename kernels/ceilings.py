"""What this machine can do at best, measured: how fast memory is read, how fast BLAS multiplies, what waking threads costs.

    read     the sum of a float32 array far larger than any cache                bytes/s
    triad    a ← b + s·c, three such arrays (McCalpin's STREAM)                  bytes/s, of all three
    gemm     C = AB of square matrices, by the BLAS that NumPy has               2n³ flop/s, float32 and float64
    fork     an empty parallel region                                            s

What one thread does, several can do as well, the others idle: where they get into each other's way, its rate is theirs.
`measured(threads)` takes them in a process of its own, once: BLAS's threads go on spinning for a while after their work,
and would slow down whatever is timed next. What shares a machine with others has no rate to keep: `reading`, `adding`
and `multiplying` are the same work to be timed again beside what is held against it.

Sources: J. D. McCalpin, Memory bandwidth and machine balance, 1995; S. Williams et al., Roofline, 2009,
doi:10.1145/1498765.1498785.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from functools import cache, partial
from typing import Any

import numpy as np
from numba import prange, types
from numpy.typing import DTypeLike
from threadpoolctl import threadpool_limits

from kernels import threads
from kernels._jit import named, once, parallel
from kernels.signatures import Kernel, reads, writes

READ_BYTES = 1 << 28
TRIAD_BYTES = 3 * READ_BYTES
SQUARE = 1024
GEMM_FLOP = 2 * SQUARE**3
REGIONS = 1000
ROUNDS = 7
PIECES = 64


@dataclass(frozen=True)
class Ceilings:
    """The most that so many threads of this machine do in a second; `fork_join_s` is how long they take to wake and meet."""

    threads: int
    read_bytes_per_s: float
    triad_bytes_per_s: float
    sgemm_flop_per_s: float
    dgemm_flop_per_s: float
    fork_join_s: float

    def roof(self, intensity: float, dtype: np.dtype[Any]) -> float:
        """The roofline: the flop/s that work of so many flop a byte read from memory can reach at most."""
        return roofline(intensity, self.gemm_flop_per_s(dtype), self.read_bytes_per_s)

    def gemm_flop_per_s(self, dtype: np.dtype[Any]) -> float:
        """What products of large matrices of that kind of number reach."""
        return self.sgemm_flop_per_s if dtype == np.float32 else self.dgemm_flop_per_s


def roofline(intensity: float, gemm_flop_per_s: float, read_bytes_per_s: float) -> float:
    """min(gemm rate, intensity · read bandwidth), in flop/s; the intensity in flop/byte."""
    return min(gemm_flop_per_s, intensity * read_bytes_per_s)


def reading() -> Callable[[], object]:
    """A call that reads `READ_BYTES` of memory, more than any cache holds, by as many threads as Numba has."""
    x = np.ones(READ_BYTES // 4, np.float32)
    return lambda: _read()(x)


def adding() -> Callable[[], object]:
    """A call of the triad, which moves `TRIAD_BYTES` through memory, by as many threads as Numba has."""
    a, b, c = (np.ones(READ_BYTES // 4, np.float32) for _ in range(3))
    return lambda: _triad()(a, b, c, np.float32(0.5))


def multiplying(dtype: DTypeLike) -> Callable[[], object]:
    """A call that does `GEMM_FLOP` in a product of square matrices, by as many threads as BLAS has."""
    A, out = np.ones((SQUARE, SQUARE), dtype), np.empty((SQUARE, SQUARE), dtype)
    return partial(np.matmul, A, A, out=out)


@contextmanager
def working(count: int) -> Iterator[None]:
    """Within, Numba and BLAS have so many threads. Raises ValueError if there are not so many."""
    with threads.using(count), threadpool_limits(count, user_api="blas"):
        yield


@cache
def measured(count: int) -> Ceilings:
    """The ceilings of `count` threads of this machine now: takes some seconds, in a process of its own.

    Raises ValueError if there are not so many threads.
    """
    with threads.using(count):
        pass
    command = [sys.executable, "-m", __name__, str(count)]
    answer = subprocess.run(command, capture_output=True, text=True, check=True)
    return Ceilings(**json.loads(answer.stdout.splitlines()[-1]))


def take(count: int) -> Ceilings:
    """Measure, in this process."""
    there = _rates(count)
    if count == 1:
        return there
    alone = asdict(_rates(1))
    rates = {name: max(rate, alone[name]) for name, rate in asdict(there).items() if name.endswith("_per_s")}
    return replace(there, **rates)


def _rates(count: int) -> Ceilings:
    """What so many threads do, all at work."""
    with working(count):
        read = READ_BYTES / _shortest(reading())
        triad = TRIAD_BYTES / _shortest(adding())
        sgemm, dgemm = (GEMM_FLOP / _shortest(multiplying(dtype)) for dtype in (np.float32, np.float64))
        fork = _shortest(lambda: _fork()(REGIONS, count)) / REGIONS
    return Ceilings(count, read, triad, sgemm, dgemm, fork)


def _shortest(call: Callable[[], object]) -> float:
    """Seconds of the fastest of some calls: a ceiling is what can be reached."""
    call()
    seconds = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - start)
    return min(seconds)


@once
def _read() -> Kernel:
    def read(x):  # type: ignore[no-untyped-def]  # Numba infers them
        sums = np.zeros(PIECES)
        for piece in prange(PIECES):
            own = x[x.size * piece // PIECES : x.size * (piece + 1) // PIECES]
            total = own.dtype.type(0)
            for i in range(own.size):
                total += own[i]
            sums[piece] = total
        return sums.sum()

    return parallel(types.float64(reads(types.float32, 1)))(named(read, "ceiling"))


@once
def _triad() -> Kernel:
    def triad(a, b, c, s):  # type: ignore[no-untyped-def]  # Numba infers them
        for piece in prange(PIECES):
            start, stop = a.size * piece // PIECES, a.size * (piece + 1) // PIECES
            to, one, other = a[start:stop], b[start:stop], c[start:stop]
            for i in range(to.size):
                to[i] = one[i] + s * other[i]

    array = reads(types.float32, 1)
    signature = types.void(writes(types.float32, 1), array, array, types.float32)
    return parallel(signature)(named(triad, "ceiling"))


@once
def _fork() -> Kernel:
    def fork(regions, count):  # type: ignore[no-untyped-def]  # Numba infers them
        marks = np.zeros(count)
        for region in range(regions):
            for thread in prange(count):
                marks[thread] = region
        return marks.sum()

    return parallel(types.float64(types.int64, types.int64))(named(fork, "ceiling"))


if __name__ == "__main__":
    print(json.dumps(asdict(take(int(sys.argv[1])))))
