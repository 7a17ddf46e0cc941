"""Against valgrind, which runs programs on a CPU of its own: its cache model, on small programs."""

from __future__ import annotations

import os
import re
import shutil
import subprocess

import numpy as np
import pytest

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


def valgrind(tool, command, *options):
    """What it writes to stderr and to stdout; its own files go to the folder it is run in."""
    return subprocess.run(
        ["valgrind", f"--tool={tool}", *options, *command],
        capture_output=True, text=True, check=True, env={**os.environ, "LC_ALL": "C"},
    )  # fmt: skip


def as_option(cache):
    return f"{cache.size_bytes},{cache.ways},{cache.line_bytes}"


def cachegrind(command, folder):
    """The nine counters."""
    out = folder / "cachegrind.out"
    options = [f"--{name}={as_option(cache)}" for name, cache in zip(("I1", "D1", "LL"), (I1, D1, LL), strict=True)]
    valgrind("cachegrind", command, "--cache-sim=yes", f"--cachegrind-out-file={out}", *options)
    lines = out.read_text().splitlines()
    names = next(line for line in lines if line.startswith("events:")).split()[1:]
    counts = next(line for line in lines if line.startswith("summary:")).split()[1:]
    return dict(zip(names, map(int, counts), strict=True))


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
    assert counts == cachegrind(PROGRAMS[name], tmp_path)
