"""Loops over references, walked through line by line, against the same accesses one by one."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from naive_caches import NaiveCaches, same
from refusals import refused

from kernels.memory import Cache, Gather, Loop, Reference, Trace, simulate
from kernels.memory.expansion import expanded


@st.composite
def references(draw, depth):
    """Streams of all kinds of stride, some close together, some through a list."""
    strides = tuple(
        draw(st.sampled_from([-64, -4, 0, 1, 3, 4, 8, 12, 64, 100, 256])) for _ in range(draw(st.integers(0, depth)))
    )
    gather = None
    if draw(st.integers(0, 3)) == 0:
        moves = tuple(draw(st.integers(0, 1)) for _ in range(draw(st.integers(0, depth))))
        rng = np.random.default_rng(draw(st.integers(0, 99)))
        gather = Gather(rng.integers(0, 50, 4000), draw(st.sampled_from([4, 64, 100])), draw(st.integers(0, 9)), moves)
    return Reference(
        draw(st.sampled_from(["X", "theta", "H"])),
        1_000_000 + draw(st.integers(0, 40)) * draw(st.sampled_from([1, 4, 64, 256])),
        strides,
        draw(st.sampled_from([1, 4, 8, 12, 16, 64, 80])),
        draw(st.booleans()),
        gather,
    )


@st.composite
def bodies(draw, depth=0):
    found = []
    for _ in range(draw(st.integers(0 if depth else 1, 4))):
        if depth < 3 and draw(st.integers(0, 2)) == 0:
            found.append(Loop(draw(st.sampled_from([0, 1, 2, 5, 30])), draw(bodies(depth=depth + 1))))
        else:
            found.append(draw(references(depth)))
    return tuple(found)


@st.composite
def loops(draw):
    """References alone in one loop: what is walked through by jumps."""
    count = draw(st.integers(1, 5))
    return (Loop(draw(st.integers(1, 150)), tuple(draw(references(1)) for _ in range(count))),)


@st.composite
def caches(draw):
    line = draw(st.sampled_from([16, 32, 64]))
    return [
        Cache(line * ways * sets, ways, line)
        for ways, sets in ((draw(st.integers(1, 12)), draw(st.integers(1, 8))) for _ in range(2))
    ]


@given(st.one_of(bodies(), loops()), caches(), st.booleans())
@settings(max_examples=200)
def test_jumping_from_line_to_line_changes_nothing(body, levels, whole):
    """Grouped = ungrouped, exactly, and both are what the textbook counts."""
    trace = Trace.of(*body)
    each = expanded(trace)
    walked, one_by_one = (simulate(stream, levels, whole_accesses=whole) for stream in (trace, each))
    assert walked == one_by_one
    naive = NaiveCaches(levels, whole)
    for access in zip(each.addresses, each.sizes, each.writes, each.operands, strict=True):
        naive.access(*(number.item() for number in access))
    assert same(walked, naive, trace.names)


@given(loops(), st.integers(1, 6))
@settings(max_examples=20)
def test_a_loop_that_is_longer_than_a_piece_goes_on_where_it_was(body, ways):
    (loop,) = body
    trace, levels = Trace.of(Loop(3000, loop.body)), [Cache(64 * 8 * ways, ways), Cache(1 << 13, 4)]
    assert simulate(trace, levels) == simulate(expanded(trace), levels)


def test_accesses_are_counted_by_operand():
    trace = Trace.of(
        Loop(
            3,
            (Reference("X", 0, (64,)), Loop(4, (Reference("H", 0, (0, 4)), Reference("X", 64)))),
        )
    )
    assert trace.accesses() == {"X": 15, "H": 12}
    (level,) = simulate(trace, [Cache(1024, 2)])
    assert {name: counts.accesses for name, counts in level.operands.items()} == {"X": 15, "H": 12}


def test_each_thread_has_its_own_caches_and_all_have_the_last_one():
    """Both read the same 16 lines: each misses all of them, memory gives each once."""
    body = (Loop(256, (Reference("X", 0, (4,)),)),)
    near, far = simulate(Trace((body, body)), [Cache(512, 1), Cache(4096, 4, shared=True)])
    assert (near.accesses, near.misses, far.accesses, far.misses) == (512, 32, 32, 16)
    _, apart = simulate(Trace((body, body)), [Cache(512, 1), Cache(4096, 4)])
    assert apart.misses == 32


def test_threads_take_turns():
    """Each of two threads goes through 3/4 of a cache that they share, again and again: together they are too much for it."""
    lines = 3 * 4096
    loop = Loop(5, (Loop(lines, (Reference("X", 0, (0, 64)),)),))
    other = Loop(5, (Loop(lines, (Reference("X", lines * 64, (0, 64)),)),))
    cache = [Cache(64, 1), Cache(64 * 16384, 16, shared=True)]
    assert simulate(Trace.of(loop), cache)[1].misses == lines
    assert simulate(Trace(((loop,), (other,))), cache)[1].misses > 6 * lines


def test_more_operands_than_are_told_apart_are_refused():
    with refused("names: 9, operand0, operand1"):
        Trace.of(*(Reference(f"operand{i}", 0) for i in range(9)))


def test_an_operand_that_has_no_name_is_refused():
    with refused("names: X, H; should have theta too"):
        Trace(((Reference("theta", 0),),), ("X", "H"))


def test_strides_without_a_loop_are_refused():
    with refused("strides: (4, 4) of X; should be 1 at most, one for each loop around it"):
        simulate(Trace.of(Loop(3, (Reference("X", 0, (4, 4)),))), [Cache(64, 1)])


@pytest.mark.parametrize("count", [-1, 2.5])
def test_a_count_that_is_none_is_refused(count):
    with refused(f"count: {count}; should be a whole number of at least 0"):
        simulate(Trace.of(Loop(count, (Reference("X", 0),))), [Cache(64, 1)])


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        (Reference("X", 100, (-64,)), "addresses of X: -0x1c..0x64; should be in 0..0x3fffffffffffffff"),
        (Reference("X", 1 << 61, (1 << 60,)), "addresses of X: 0x2000000000000000..0x4000000000000000; should be in"),
        (Reference("X", 0, gather=Gather(np.arange(2), 4, 0, (1,))), "gather of X: places 0..2; should be in 0..1"),
        (Reference("X", 0, gather=Gather(np.array([-1]), 4)), "addresses of X: -0x4..-0x4; should be in 0.."),
        (Reference("X", 0, size_bytes=0), "size_bytes of X: 0; should be a whole number of at least 1"),
    ],
)
def test_references_to_nowhere_are_refused(reference, message):
    with refused(message):
        simulate(Trace.of(Loop(3, (reference,))), [Cache(64, 1)])
