"""Walks and chases: they go where they say, by the same instructions in either direction."""

from __future__ import annotations

import platform
import re

import numba
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numba import types
from refusals import refused

from kernels import _jit, traversal
from kernels.signatures import reads
from kernels.traversal import LINE_BYTES, blank, chase, cycle, walk

compiled = pytest.mark.skipif(numba.config.DISABLE_JIT, reason="plain Python is not compiled")


@pytest.mark.parametrize("gap", [0, 3, 8])
@pytest.mark.parametrize("side", [8, 24, 64])
@pytest.mark.parametrize("lanes", ["scalar", "vector"])
@pytest.mark.parametrize("by", ["rows", "columns"])
def test_a_walk_goes_over_every_number_once_and_over_nothing_between(by, lanes, side, gap):
    A = blank(side, lanes, gap)
    A.base[:] = np.nan  # and over the gaps
    A[:] = np.random.default_rng(0).integers(0, 1 << 20, A.shape)
    assert A.shape == (side, side * (8 if lanes == "vector" else 1))
    assert A.strides[0] == (A.shape[1] + gap) * 8
    assert A.ctypes.data % LINE_BYTES == 0
    assert walk(A, by, lanes)() == A.sum()


@compiled
@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="names of x86's instructions")
def test_one_number_at_a_time_is_not_turned_into_vectors_and_one_line_is():
    packed, single = (re.compile(rf"\bv?add{kind}\b") for kind in ("pd", "sd"))

    class Foreign:
        """Keeps the kernel from the disk, whose code can't be looked at."""

    def looked_at(step):
        def walk(A, side, far, near):
            return step(A, side, far, near)

        signature = types.float64(reads(types.float64, 1), types.int64, types.int64, types.int64)
        return "".join(_jit.serial(signature, Foreign)(walk).inspect_asm().values())

    code = {"scalar": looked_at(traversal._step_by_numbers), "vector": looked_at(traversal._step_by_lines)}
    assert single.search(code["scalar"])
    assert not packed.search(code["scalar"])
    assert packed.search(code["vector"])


@given(st.integers(1, 300), st.integers(0, 2**32 - 1))
def test_a_chase_comes_to_every_line_before_it_is_back(lines, seed):
    following, at, met = cycle(lines, seed), 0, []
    for _ in range(lines):
        met.append(at // 8)
        at = int(following[at])
    assert at == 0
    assert sorted(met) == list(range(lines))


def test_a_chase_is_through_as_many_bytes_as_are_asked_for():
    call, lines = chase(64 * 1024)
    assert lines * LINE_BYTES == 64 * 1024
    assert call() == 0


NONSENSE = {
    "side: 12; should be a multiple of 8": lambda: blank(12, "scalar"),
    "gap: -1; should be a whole number of at least 0": lambda: blank(8, "scalar", -1),
    "by: 'rings'; should be rows or columns": lambda: walk(blank(8, "scalar"), "rings", "scalar"),
    "lanes: 'tensor'; should be scalar or vector": lambda: walk(blank(8, "scalar"), "rows", "tensor"),
    "size_bytes: 63; should be a whole number of at least 64": lambda: chase(63),
}


@pytest.mark.parametrize("message", NONSENSE)
def test_nonsense_is_refused_in_one_line(message):
    with refused(message):
        NONSENSE[message]()
