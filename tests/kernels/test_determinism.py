"""The same bits every time: twice in a row, on one thread and on two, in one process and in another."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import numba
import numpy as np
import pytest
from problems import problem

from kernels import layouts, losses, sums, threads

REPOSITORY = Path(__file__).resolve().parents[2]
COMBINATIONS = [
    (loss, layout, dtype) for loss in losses.ALL for layout in layouts.ALL for dtype in ("float64", "float32")
]
FEATURES = 64
PARTS = 4  # partial sums in a big batch: enough for two threads to finish in another order

compiled = pytest.mark.skipif(numba.config.DISABLE_JIT, reason="the plain-Python form has no threads")
two_threads = pytest.mark.skipif(numba.config.NUMBA_NUM_THREADS < 2, reason="this process has one thread only")


def big_problem(loss, layout, dtype):
    """A problem and a batch size, more than half the samples, that is cut into several partial sums."""
    outputs = problem(loss, m=1).theta.shape[1]
    batch = PARTS * sums.WORK_PER_PARTIAL // (FEATURES * outputs) + 1
    assert sums.partials(batch, FEATURES, outputs, np.dtype(dtype).itemsize) >= PARTS
    return problem(loss, layout, dtype, m=batch + batch // 2, n=FEATURES), batch


def digests(loss, layout, dtype):
    """The sha256 of the bits that each method gives, on a small and on a big problem."""
    dtype = np.dtype(dtype)
    found = {}
    for size, (p, batch) in {
        "small": (problem(loss, layout, dtype), 20),
        "big": big_problem(loss, layout, dtype),
    }.items():
        m, k = len(p.rows), p.theta.shape[1]
        rng = np.random.default_rng(3)
        order = rng.permutation(m)
        delta = p.objective.layout.arrange(rng.standard_normal((m, k)).astype(dtype))
        theta = p.theta.copy()
        results = {
            "forward": [p.objective.forward(p.X, p.theta)],
            "gradient": [p.objective.gradient(p.X, delta)],
            "value_and_grad": p.objective.value_and_grad(p.X, p.y, p.theta),
            "sgd_epoch": [p.objective.sgd_epoch(p.X, p.y, theta, batch, step_size=0.01, order=order), theta],
        }
        for method, arrays in results.items():
            bits = b"".join(np.asarray(array).tobytes() for array in arrays)
            found[f"{loss} {layout} {dtype} {size} {method}"] = hashlib.sha256(bits).hexdigest()
    return found


@pytest.mark.sampled(10)
@pytest.mark.parametrize(("loss", "layout", "dtype"), COMBINATIONS)
def test_twice_in_a_row(loss, layout, dtype):
    assert digests(loss, layout, dtype) == digests(loss, layout, dtype)


@pytest.mark.sampled(8)
@compiled
@two_threads
@pytest.mark.parametrize(("loss", "layout", "dtype"), COMBINATIONS)
def test_on_one_thread_and_on_two(loss, layout, dtype):
    with threads.using(1):
        alone = digests(loss, layout, dtype)
    for _ in range(3):  # two threads need not meet in the same way each time
        with threads.using(2):
            assert digests(loss, layout, dtype) == alone


@pytest.mark.slow
@compiled
def test_in_two_processes():
    """One process to each number of threads, for the whole matrix."""
    running = [
        subprocess.Popen(
            [sys.executable, __file__],
            env={
                **os.environ,
                "NUMBA_NUM_THREADS": str(count),
                "PYTHONPATH": os.pathsep.join([str(REPOSITORY), str(REPOSITORY / "tests")]),
            },
            stdout=subprocess.PIPE,
            text=True,
        )
        for count in (1, 2)
    ]
    alone, together = (json.loads(process.communicate()[0]) for process in running)
    assert alone.pop("threads") == 1
    assert together.pop("threads") == 2
    assert len(alone) == 8 * len(COMBINATIONS)
    assert alone == together


if __name__ == "__main__":
    answer = {"threads": numba.get_num_threads()}
    for combination in COMBINATIONS:
        answer |= digests(*combination)
    print(json.dumps(answer))
