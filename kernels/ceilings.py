"""What this machine can do at best, measured: how fast memory is read, how fast BLAS multiplies, what waking threads costs.

    read     the sum of a float32 array far larger than any cache                bytes/s
    triad    a ← b + s·c, three such arrays (McCalpin's STREAM)                  bytes/s, of all three
    gemm     C = AB of square matrices, by the BLAS that NumPy has               2n³ flop/s, float32 and float64
    fork     an empty parallel region                                            s

What one thread does, several can do as well, the others idle: where they get into each other's way, its rate is theirs.
`measured(threads)` takes them in a process of its own, once: BLAS's threads go on spinning for a while after their work,
and would slow down whatever is timed next.

Sources: J. D. McCalpin, Memory bandwidth and machine balance, 1995; S. Williams et al., Roofline, 2009,
doi:10.1145/1498765.1498785.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from functools import cache, partial
from typing import Any

import numpy as np
from numba import prange, types
from threadpoolctl import threadpool_limits

from kernels import threads
from kernels._jit import named, once, parallel
from kernels.signatures import Kernel, reads, writes

ARRAY_BYTES = 1 << 28
SQUARE = 1024
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

    def roof(self, flop: float, size: float, dtype: np.dtype[Any]) -> float:
        """The roofline: flop/s that work of so much arithmetic, which reads `size` bytes from memory, can reach at most.

        min(the gemm rate of `dtype`, flop / size · read bandwidth)
        """
        return min(self.gemm_flop_per_s(dtype), flop / size * self.read_bytes_per_s)

    def gemm_flop_per_s(self, dtype: np.dtype[Any]) -> float:
        """The gemm rate of float32 or float64."""
        return self.sgemm_flop_per_s if dtype == np.float32 else self.dgemm_flop_per_s


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
    x, b, c = (np.ones(ARRAY_BYTES // 4, np.float32) for _ in range(3))
    gemm = {}
    with threads.using(count), threadpool_limits(count, user_api="blas"):
        read = ARRAY_BYTES / _shortest(lambda: _read()(x))
        triad = 3 * ARRAY_BYTES / _shortest(lambda: _triad()(x, b, c, np.float32(0.5)))
        fork = _shortest(lambda: _fork()(REGIONS, count)) / REGIONS
        for dtype in (np.float32, np.float64):
            A, out = np.ones((SQUARE, SQUARE), dtype), np.empty((SQUARE, SQUARE), dtype)
            gemm[dtype] = 2 * SQUARE**3 / _shortest(partial(np.matmul, A, A, out=out))
    return Ceilings(count, read, triad, gemm[np.float32], gemm[np.float64], fork)


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
