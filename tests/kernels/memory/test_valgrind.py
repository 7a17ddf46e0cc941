"""Against valgrind, which runs programs on a CPU of its own: its cache model, on small programs and on the compiled kernels."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import sys

import numba
import numpy as np
import pytest
import valgrind_passes as passes

from kernels.memory import Accesses, Cache, missed_by

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("valgrind") is None, reason="valgrind is not installed: apt-get install valgrind"),
]
PROGRAMS = {
    "true": ["/bin/true"],
    "echo": ["/bin/echo", "a", "b"],
    "expr": ["/usr/bin/expr", "17", "*", "4"],
    "sort": ["/usr/bin/sort", "--version"],
}
I1, D1, LL = Cache(16 << 10, 4), Cache(8 << 10, 2), Cache(128 << 10, 8)
NINE = ("Ir", "I1mr", "ILmr", "Dr", "D1mr", "DLmr", "Dw", "D1mw", "DLmw")


def valgrind(tool, command, *options, **environment):
    """What it writes to stderr and to stdout; its own files go to the folder it is run in."""
    return subprocess.run(
        ["valgrind", f"--tool={tool}", *options, *command],
        capture_output=True, text=True, check=True, env={**os.environ, "LC_ALL": "C", **environment},
    )  # fmt: skip


def as_option(cache):
    return f"{cache.size_bytes},{cache.ways},{cache.line_bytes}"


def cachegrind(command, folder, caches=(I1, D1, LL), **environment):
    """The nine counters, and what the program printed."""
    out = folder / "cachegrind.out"
    options = [f"--{name}={as_option(cache)}" for name, cache in zip(("I1", "D1", "LL"), caches, strict=True)]
    ran = valgrind("cachegrind", command, "--cache-sim=yes", f"--cachegrind-out-file={out}", *options, **environment)
    lines = out.read_text().splitlines()
    names = next(line for line in lines if line.startswith("events:")).split()[1:]
    counts = next(line for line in lines if line.startswith("summary:")).split()[1:]
    return dict(zip(names, map(int, counts), strict=True)), ran.stdout


def lackey(command):
    """Every access of the program: what kind (I, L, S or M), address, size."""
    text = valgrind("lackey", command, "--trace-mem=yes", "--basic-counts=no").stderr
    found = re.findall(r"^ ?([ILSM]) +([0-9a-f]+),(\d+)$", text, re.MULTILINE)
    kinds = np.array([kind for kind, _, _ in found])
    return kinds, np.array([int(at, 16) for _, at, _ in found], np.uint64), np.array([int(size) for *_, size in found])


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_replayed_program_has_the_nine_counters_of_cachegrind(name, tmp_path):
    """Instructions and data each through a first level of their own, and what those miss through the last, in its order."""
    kinds, addresses, sizes = lackey(PROGRAMS[name])
    missed = np.zeros(kinds.size, int)
    for mine, first in ((kinds == "I", I1), (kinds != "I", D1)):
        missed[mine] = missed_by(Accesses(addresses[mine], sizes[mine]), [first])
    further = missed > 0
    missed[further] += missed_by(Accesses(addresses[further], sizes[further]), [LL])
    counts = {}
    # What is read, changed and written again counts as a read.
    for mine, names in ((kinds == "I", NINE[:3]), (np.isin(kinds, ["L", "M"]), NINE[3:6]), (kinds == "S", NINE[6:])):
        counts |= dict(zip(names, (int((missed[mine] >= depth).sum()) for depth in range(3)), strict=True))
    expected, _ = cachegrind(PROGRAMS[name], tmp_path)
    assert counts == expected


# What this valgrind knows of x86: no AVX-512. Numba takes the name's features only where they are named as well.
FEATURES = "avx2 avx fma bmi bmi2 sse4.2 sse4.1 ssse3 sse3 popcnt f16c lzcnt movbe cx16"
CHOSEN = {
    "NUMBA_CPU_NAME": "x86-64-v3",
    "NUMBA_CPU_FEATURES": ",".join(f"+{name}" for name in FEATURES.split()),
    "NUMBA_NUM_THREADS": "1",
    "PYTHONHASHSEED": "0",
}
MORE = 12  # passes over one X than over the other
# Each takes minutes: of the eight, four in which every two settings come together.
PAIRWISE = [
    ("fused", "rows", "sequential"),
    ("fused", "columns", "shuffled"),
    ("epoch", "rows", "shuffled"),
    ("epoch", "columns", "sequential"),
]


@pytest.mark.skipif(numba.config.DISABLE_JIT, reason="plain Python has no machine code")
@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="the features are named as x86 has them")
@pytest.mark.parametrize(("work", "layout", "order"), PAIRWISE)
def test_compiled_kernels_miss_what_their_trace_says(work, layout, order, tmp_path):
    """Passes over a long X against as many over a short one, so that Python's own misses cancel: both levels, within 1 %."""

    def command(what, *numbers):
        # -P: tests/kernels is not to be taken for the kernels
        return [sys.executable, "-P", passes.__file__, what, work, layout, order, *map(str, numbers)]

    def alone(*given):
        done = subprocess.run(command(*given), check=True, capture_output=True, text=True, env={**os.environ, **CHOSEN})
        return [int(number) for number in done.stdout.split()]

    alone("run", 1, 1)  # compiled for that CPU, and kept
    first, last = passes.CACHES
    levels = first, first, last
    less, _ = cachegrind(command("run", 1 + MORE, 1), tmp_path, levels, **CHOSEN)
    more, places = cachegrind(command("run", 1, 1 + MORE), tmp_path, levels, **CHOSEN)
    counted = [sum(more[name] - less[name] for name in (f"{level}mr", f"{level}mw")) / MORE for level in ("D1", "DL")]
    assert counted == pytest.approx(alone("predict", *places.split()), rel=0.01)
