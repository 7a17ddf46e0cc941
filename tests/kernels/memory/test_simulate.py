"""`simulate` against the textbook's caches: random accesses, random geometries; and what it refuses."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from naive_caches import NaiveCaches, same
from refusals import refused

from kernels.memory import (
    Accesses,
    Cache,
    LongAgo,
    Matrix,
    Walk,
    fully_associative,
    missed_by,
    passed_on,
    simulate,
    tlb,
)

NAMES = ("X", "theta", "H")


@st.composite
def hierarchies(draw, most=3, alike=False):
    """One cache or some, each at least as large as the one before; any number of sets."""
    found, line = [], 2 ** draw(st.integers(3, 6))
    for _ in range(draw(st.integers(1, most))):
        ways, sets = draw(st.integers(1, 9)), draw(st.integers(1, 12))
        found.append(Cache(line * ways * sets, ways, line))
        line *= 1 if alike else draw(st.sampled_from([1, 1, 2]))
    return found


@st.composite
def streams(draw):
    """Accesses that come back to some places, of all sizes, some of them writes."""
    count, room = draw(st.integers(0, 400)), draw(st.sampled_from([200, 2_000, 20_000]))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    return Accesses(
        rng.integers(0, room, count).astype(np.uint64),
        rng.choice([1, 4, 8, 64], count),
        rng.random(count) < 0.3,
        rng.integers(0, len(NAMES), count),
        NAMES,
    )


def textbook(stream, caches, whole=False):
    naive = NaiveCaches(caches, whole)
    for each in zip(stream.addresses, stream.sizes, stream.writes, stream.operands, strict=True):
        naive.access(*(number.item() for number in each))
    return naive


@given(streams(), hierarchies(), st.booleans())
def test_it_counts_what_the_textbook_counts(stream, caches, whole):
    assert same(simulate(stream, caches, whole_accesses=whole), textbook(stream, caches, whole), NAMES)


@given(streams(), hierarchies())
def test_what_goes_to_memory_is_what_the_textbook_sends_there(stream, caches):
    addresses, written_back = passed_on(stream, caches)
    assert list(zip(addresses.tolist(), written_back.tolist(), strict=True)) == textbook(stream, caches).beyond


@given(streams(), hierarchies())
def test_each_access_is_missed_by_as_many_levels_as_are_counted(stream, caches):
    depths = missed_by(stream, caches)
    levels = simulate(stream, caches, whole_accesses=True)
    assert [int((depths > i).sum()) for i in range(len(caches))] == [level.misses for level in levels]


@given(streams(), streams(), hierarchies())
def test_what_came_before_leaves_the_caches_as_they_are_and_is_not_counted(before, stream, caches):
    parts = (
        np.concatenate([getattr(before, of), getattr(stream, of)])
        for of in ("addresses", "sizes", "writes", "operands")
    )
    both, first = simulate(Accesses(*parts, NAMES), caches), simulate(before, caches)
    for found, total, already in zip(simulate(stream, caches, after=before), both, first, strict=True):
        for name in ("accesses", "hits", "misses", "evictions", "write_backs"):
            assert getattr(found, name) == getattr(total, name) - getattr(already, name)


@given(st.integers(0, 2**32), hierarchies())
def test_what_came_long_ago_is_in_the_last_level_as_if_it_had_gone_through_all(seed, caches):
    """Lines that come once, in any order; then as much as fills the nearer levels; then some of all that."""
    rng, line = np.random.default_rng(seed), caches[-1].line_bytes
    long_ago = (line * rng.permutation(300)).astype(np.uint64)
    near, room = caches[0].line_bytes, sum(cache.size_bytes for cache in caches[:-1])
    lately = (1000 * line + np.arange(0, room, near)).astype(np.uint64)
    stream = rng.choice(np.concatenate([long_ago, lately]), 200)
    straight = simulate(stream, caches, after=(LongAgo(long_ago), lately))
    assert straight == simulate(stream, caches, after=(long_ago, lately))


def test_the_public_door_takes_addresses():
    """Four lines in a cache of two sets of one way: 0 and 128 take turns in the first set."""
    (level,) = simulate(np.array([0, 8, 128, 0, 64, 72], np.uint64), [Cache(128, 1)])
    assert (level.accesses, level.hits, level.misses, level.evictions, level.write_backs) == (6, 2, 4, 2, 0)


def test_many_accesses_pass_through_in_pieces():
    """More of them than the engine takes at a time; a level's order of use outlives a piece."""
    rng = np.random.default_rng(0)
    stream = Accesses(rng.integers(0, 1 << 16, 20_000).astype(np.uint64), 8, rng.random(20_000) < 0.2)
    caches = [Cache(1 << 11, 4), Cache(1 << 13, 8), Cache(3 << 13, 12)]
    naive = NaiveCaches(caches)
    for address, write in zip(stream.addresses.tolist(), stream.writes.tolist(), strict=True):
        naive.access(address, 8, write)
    assert same(simulate(stream, caches), naive, ("X",))


def test_addresses_up_to_the_last_line_are_told_apart():
    """64-bit addresses are kept whole: those that differ in the highest bits alone are different lines."""
    top = np.array([0, 1 << 63, (1 << 63) + (1 << 40), 1 << 40, 0, 1 << 63], np.uint64)
    assert simulate(top, [Cache(64 * 4, 4)])[0].misses == 4
    assert simulate(top, [Cache(64 * 3, 3)])[0].misses == 6


def test_a_tlb_is_a_cache_of_pages():
    pages = np.arange(0, 80 * 4096, 4096, dtype=np.uint64)
    assert simulate(np.tile(pages, 2), [tlb(64, 4)])[0].misses == 160
    assert simulate(np.tile(pages[:64], 2), [tlb(64, 4)])[0].misses == 64


def test_a_fully_associative_cache_has_one_set():
    cache = fully_associative(1024)
    assert (cache.sets, cache.ways, cache.lines) == (1, 16, 16)


@pytest.mark.parametrize("ways", [1, 8])
def test_a_sample_of_sets_gives_an_estimate_with_its_error(ways):
    rng = np.random.default_rng(1)
    stream = rng.integers(0, 1 << 18, 50_000).astype(np.uint64)
    caches = [Cache(1 << 14, ways), Cache(1 << 17, 16)]
    exact, estimates = simulate(stream, caches), simulate(stream, caches, sets_share=0.25)
    for level, estimate in zip(exact, estimates, strict=True):
        assert level.misses_standard_error == 0
        assert 0 < estimate.misses_standard_error < 0.05 * level.misses
        assert abs(estimate.misses - level.misses) < 4 * estimate.misses_standard_error
    assert estimates[0].accesses == 50_000


def test_of_all_sets_the_sample_is_exact():
    stream = np.arange(0, 1 << 16, 32, dtype=np.uint64)
    caches = [Cache(1 << 12, 4)]
    assert simulate(stream, caches, sets_share=1.0) == simulate(stream, caches)


NONSENSE = {
    "ways: 0; should be a whole number of at least 1": lambda: Cache(1024, 0),
    "size_bytes: 1000; should be a multiple of 512, ways · line_bytes = 8 · 64": lambda: Cache(1000, 8),
    "size_bytes: -64; should be a whole number of at least 1": lambda: Cache(-64, 1),
    "line_bytes: 0; should be a whole number of at least 1": lambda: fully_associative(1024, 0),
    "size_bytes: 'x'; should be a whole number of at least 1": lambda: fully_associative("x"),
    "by: 'foo'; should be rows or columns": lambda: Walk(Matrix(2, 2, 4), by="foo"),
    "line_bytes: 48; should be a power of two, as 64": lambda: Cache(96, 2, 48),
    "ways: 2.0; should be a whole number of at least 1": lambda: Cache(128, 2.0),
    "entries: 10; should be a multiple of the ways, 4": lambda: tlb(10, 4),
    "page_bytes: 5000; should be a power of two, as 4096": lambda: tlb(8, 4, 5000),
    "caches: []; should be a list of at least one Cache, from the nearest on": lambda: simulate([0], []),
    "caches: None; should be a list of at least one Cache, from the nearest on": lambda: simulate([0], None),
    "caches: lines of 32 bytes; should be of at least 64, as of the level before it": lambda: simulate(
        [0], [Cache(64, 1), Cache(64, 1, 32)]
    ),
    "caches: one that is not shared behind one that is; should be shared as well": lambda: simulate(
        [0], [Cache(64, 1, shared=True), Cache(64, 1)]
    ),
    "addresses: float64; should be whole numbers of 0 or more, as uint64": lambda: simulate([0.5], [Cache(64, 1)]),
    "addresses: -1; should be 0 or more": lambda: simulate([-1], [Cache(64, 1)]),
    "addresses: shape (1, 2); should be 1-d": lambda: simulate([[0, 1]], [Cache(64, 1)]),
    "addresses: up to 0xffffffffffffffff; should be up to 0xffffffffffffffbf, with lines of 64 bytes": lambda: simulate(
        np.array([2**64 - 1], np.uint64), [Cache(64, 1)]
    ),
    "sizes: 0; should be 1 or more bytes": lambda: simulate(Accesses([0], 0), [Cache(64, 1)]),
    "sizes: shape (2,); should be (1,), one for each address, or a single number": lambda: simulate(
        Accesses([0], [1, 2]), [Cache(64, 1)]
    ),
    "operands: 1; should be below 1, the number of names, and 8 at most": lambda: simulate(
        Accesses([0], operands=1), [Cache(64, 1)]
    ),
    "writes: 2; should be True or False": lambda: simulate(Accesses([0], writes=2), [Cache(64, 1)]),
    "sets_share: 2.0; should be 1 at most": lambda: simulate([0], [Cache(64, 1)], sets_share=2.0),
    "sets_share: 0; should be a finite number above 0": lambda: simulate([0], [Cache(64, 1)], sets_share=0),
    "sets_share: 0.5; should be 1, for these sets can't be divided alike: 3 of 64-byte lines": lambda: simulate(
        [0], [Cache(192, 1)], sets_share=0.5
    ),
    "whole_accesses: True; should be False with sets_share, since accesses span sets": lambda: simulate(
        [0], [Cache(128, 1)], True, 0.5
    ),
}


@pytest.mark.parametrize("message", NONSENSE)
def test_nonsense_is_refused_in_one_line(message):
    with refused(message):
        NONSENSE[message]()
