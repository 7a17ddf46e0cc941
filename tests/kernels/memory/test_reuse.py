"""Reuse distances: one pass over the accesses is all fully associative caches at once."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from refusals import refused

from kernels.memory import Loop, Reference, Trace, fully_associative, reuse_distance, simulate


@given(st.integers(0, 2**32), st.integers(0, 500), st.sampled_from([100, 1000, 10_000]), st.sampled_from([16, 64]))
def test_its_misses_are_those_of_fully_associative_caches(seed, count, room, line):
    addresses = np.random.default_rng(seed).integers(0, room, count).astype(np.uint64)
    distances = reuse_distance(addresses, line)
    assert distances.accesses == count
    for lines in (1, 2, 3, 5, 8, 20, 50, 200):
        (level,) = simulate(addresses, [fully_associative(line * lines, line)])
        assert distances.misses(lines) == level.misses


@given(st.lists(st.integers(0, 9), max_size=60))
def test_a_distance_is_the_number_of_other_lines_in_between(lines):
    distances = reuse_distance(np.array(lines, np.uint64) * np.uint64(64))
    expected, first = {}, 0
    for i, line in enumerate(lines):
        before = [j for j in range(i) if lines[j] == line]
        if before:
            distance = len(set(lines[before[-1] + 1 : i]))
            expected[distance] = expected.get(distance, 0) + 1
        first += not before
    assert distances.first_uses == first
    assert {d: int(n) for d, n in enumerate(distances.counts) if n} == expected


def test_a_cyclic_walk_is_found_again_where_all_of_it_fits():
    trace = Trace.of(Loop(3, (Loop(20, (Reference("X", 0, (0, 64)),)),)))
    distances = reuse_distance(trace)
    assert (distances.misses(19), distances.misses(20)) == (60, 20)


def test_an_access_that_spans_lines_uses_each():
    assert reuse_distance(Trace.of(Reference("X", 60, size_bytes=72))).first_uses == 3


def test_the_order_of_several_threads_is_not_known():
    with refused("stream: 2 threads; should be one, whose order of accesses is known"):
        reuse_distance(Trace(((Reference("X", 0),), (Reference("X", 0),))))
