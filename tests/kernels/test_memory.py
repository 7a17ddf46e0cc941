"""What a call takes beside X, y, θ and the order: no copy of X, and no more partial sums than threads can use."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numba
import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
REFS, STATUS = Path("/proc/self/clear_refs"), Path("/proc/self/status")
# The kernel counts the pages of a process some dozens at a time.
COUNTED_TOGETHER = 1 << 18

pytestmark = [
    pytest.mark.skipif(numba.config.DISABLE_JIT, reason="plain Python makes objects of its own"),
    pytest.mark.skipif(
        not os.access(REFS, os.W_OK), reason="the system does not say how much memory was in use at most"
    ),
]

PROGRAM = """
import sys
import numpy as np
from pathlib import Path
from kernels import Objective

def status(key):
    return next(1024 * int(line.split()[1]) for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(key))

loss, m, n, k, layout, order = sys.argv[1:]
m, n, k = int(m), int(n), int(k)
rng = np.random.default_rng(0)
f = Objective(loss, layout=layout)
visits = rng.permutation(m) if order == "shuffled" else None
for dtype in ("float32", "float64"):
    X = rng.standard_normal((m, n) if layout == "rows" else (n, m), np.float32).astype(dtype)
    y = rng.integers(0, k, m) if loss == "softmax" else rng.standard_normal(m).astype(dtype)
    theta = np.zeros((n, k), dtype)
    for call in (
        lambda: f.value_and_grad(X, y, theta, visits),
        lambda: f.sgd_epoch(X, y, theta, 256, 1e-9, visits),
        lambda: f.sgd_epoch(X, y, theta, 2048, 1e-9, visits),
    ):
        call()
        Path("/proc/self/clear_refs").write_text("5")
        before = status("VmRSS")
        call()
        print(status("VmHWM") - before)
"""

SHAPES = [
    ("softmax", 12000, 784, 10),
    ("huber", 50000, 100, 1),
    ("softmax", 3000, 2048, 10),
    ("softmax", 6000, 1500, 200),
]


@pytest.mark.slow
@pytest.mark.parametrize(("loss", "m", "n", "k"), SHAPES)
@pytest.mark.parametrize("layout", ["rows", "columns"])
@pytest.mark.parametrize("order", ["sequential", "shuffled"])
def test_a_call_takes_little_beside_its_arguments(loss, m, n, k, layout, order):
    # every array is given back to the system at once, so that the next one counts
    environment = {**os.environ, "MALLOC_MMAP_THRESHOLD_": "4096", "MALLOC_ARENA_MAX": "1"}
    command = [sys.executable, "-c", PROGRAM, *map(str, (loss, m, n, k, layout, order))]
    done = subprocess.run(command, env=environment, cwd=REPOSITORY, capture_output=True, text=True, check=True)
    taken = [int(line) for line in done.stdout.split()]
    assert len(taken) == 6
    # an epoch over columns sorts the order, batch by batch
    ordered = 8 * m if (layout, order) == ("columns", "shuffled") else 0
    for itemsize, (fused, *epochs) in ((4, taken[:3]), (8, taken[3:])):
        allowed = 3 * numba.config.NUMBA_NUM_THREADS * n * k * itemsize + (1 << 20) + COUNTED_TOGETHER
        assert allowed + ordered < m * n * itemsize / 2  # a copy of X would show
        assert fused <= allowed
        assert max(epochs) <= allowed + ordered
