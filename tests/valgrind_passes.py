"""Passes of the kernels for valgrind to look at, over a short X and over a long one, by the kernels alone: no door, no checks.

`python -P valgrind_passes.py run WORK LAYOUT ORDER SHORT_TIMES LONG_TIMES` prints where each X is. `… predict WORK LAYOUT ORDER
SHORT_ADDRESS LONG_ADDRESS` prints by how much more a long pass should miss in each of `CACHES` than a short one: in a
program of its own, since the kernels of both must be compiled for the same CPU.
"""

from __future__ import annotations

import sys

import numpy as np

from kernels import Objective, check
from kernels.memory import Cache, Problem, simulate, trace

# Where arrays lie in a page is malloc's choice: with so many ways in the first level it matters little, and the last one has
# room for a batch and θ with ease, but not for the long X.
CACHES = Cache(32 << 10, 64), Cache(1 << 23, 16)
SAMPLES = 160, 480
# What a tile finds on the stack, some twenty lines, is not part of a trace: the longer the rows, the less it counts.
FEATURES, CLASSES, BATCH = 6272, 10, 160
DTYPE = np.dtype(np.float32)


def visits(samples, order):
    return np.random.default_rng(0).permutation(samples) if order == "shuffled" else None


def run(work, layout, order, *times):
    f = Objective("softmax", layout=layout)
    for samples, count in zip(SAMPLES, times, strict=True):
        rng = np.random.default_rng(0)
        X = f.layout.arrange(rng.standard_normal((samples, FEATURES)).astype(DTYPE))
        y, theta, constants = (
            rng.integers(0, CLASSES, samples),
            np.zeros((FEATURES, CLASSES), DTYPE),
            f.loss.constants(DTYPE),
        )
        asked, batch = check.order(visits(samples, order), samples), BATCH if work == "epoch" else samples
        picks = f.layout.visiting(asked, batch, samples)
        factory = f.epoch_for(batch, theta, picks) if work == "epoch" else f.fused_for(samples, theta, picks)
        last = (batch, 1e-9) if work == "epoch" else (np.empty_like(theta),)
        kernel = factory(type(f.loss), type(f.layout), DTYPE)
        for _ in range(int(count)):
            kernel(X, y, picks, theta, constants, *last)
        print(X.ctypes.data)


def predict(work, layout, order, *addresses):
    f, misses = Objective("softmax", layout=layout), []
    for samples, address in zip(SAMPLES, addresses, strict=True):
        problem = Problem(
            work, f, samples, FEATURES, CLASSES, DTYPE.name, visits(samples, order), BATCH, address=int(address)
        )
        one = trace(problem)
        misses.append([level.misses for level in simulate(one, CACHES, whole_accesses=True, after=one)])
    print(*np.subtract(misses[1], misses[0]))


if __name__ == "__main__":
    {"run": run, "predict": predict}[sys.argv[1]](*sys.argv[2:])
