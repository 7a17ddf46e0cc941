"""Row buffers against a dictionary of open rows, and the mappings against their names."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from refusals import refused

from kernels.memory import Dram, row_buffer

MAPPINGS = ("RoRaBaChCo", "RoRaBaCoCh", "RoCoRaBaCh")


def powers(most):
    return st.integers(0, most).map(lambda bits: 1 << bits)


@st.composite
def drams(draw):
    sizes = draw(powers(2)), draw(powers(1)), draw(powers(3)), 64 * draw(powers(5))
    return Dram(*sizes, draw(st.sampled_from(MAPPINGS)), draw(st.booleans()))


def place(dram, address):
    """(row, bank and what it is in): the address's digits, from the lowest on, in a number system of the mapping's own."""
    sizes = {"Ra": dram.ranks, "Ba": dram.banks, "Ch": dram.channels, "Co": dram.row_bytes // dram.line_bytes}
    rest, found = address // dram.line_bytes, {}
    for field in reversed([dram.mapping[i : i + 2] for i in (0, 2, 4, 6, 8)]):
        found[field], rest = (rest, 0) if field == "Ro" else (rest % sizes[field], rest // sizes[field])
    bank = found["Ba"] ^ (found["Ro"] % dram.banks) if dram.hashed else found["Ba"]
    return found["Ro"], (found["Ch"], found["Ra"], bank)


@given(drams(), st.integers(0, 2**32), st.sampled_from([None, 1, 7]))
def test_it_counts_what_open_rows_are_found(dram, seed, refresh_every):
    addresses = np.random.default_rng(seed).integers(0, 1 << 16, 300)
    opened, hits, empty = {}, 0, 0
    for i, address in enumerate(addresses.tolist()):
        if refresh_every and i and i % refresh_every == 0:
            opened.clear()
        row, bank = place(dram, address)
        hits += opened.get(bank) == row
        empty += bank not in opened
        opened[bank] = row
    found = row_buffer(addresses, dram, refresh_every=refresh_every)
    assert (found.hits, found.empty, found.conflicts) == (hits, empty, 300 - hits - empty)


@pytest.mark.parametrize("mapping", MAPPINGS)
def test_a_walk_through_memory_opens_each_row_once(mapping):
    """A megabyte in turn: 128 rows of 8 KiB, wherever neighbours are sent to."""
    addresses = np.arange(0, 1 << 20, 64, dtype=np.uint64)
    found = row_buffer(addresses, Dram(2, 1, 16, 8192, mapping))
    assert found.activations == 128
    assert found.hit_ratio == 1 - 128 / addresses.size
    assert found.activations_per_kib == 1 / 8


def test_rows_of_one_bank_are_apart_where_the_bank_is_hashed():
    """Two rows in turn, of the same bank by their bits: conflicts all the time, or none."""
    dram = Dram(1, 1, 16, 8192, "RoRaBaChCo")
    step = 8192 * 16
    addresses = np.tile(np.array([0, step], np.uint64), 50)
    assert row_buffer(addresses, dram).conflicts == 99
    assert row_buffer(addresses, Dram(1, 1, 16, 8192, "RoRaBaChCo", hashed=True)).conflicts == 0


def test_pages_that_are_scattered_open_more_rows():
    """What lies in two pages of a row side by side lies in two rows, as good as always."""
    addresses = np.arange(0, 1 << 20, 64, dtype=np.uint64)
    dram = Dram(1, 1, 16, 8192, "RoRaBaChCo")
    scattered = row_buffer(addresses, dram, "scattered", seed=1)
    assert row_buffer(addresses, dram).activations == 128
    assert 250 <= scattered.activations <= 256
    assert scattered == row_buffer(addresses, dram, "scattered", seed=1)


def test_nothing_asked_is_no_ratio():
    found = row_buffer(np.empty(0, np.uint64), Dram())
    assert np.isnan(found.hit_ratio)
    assert np.isnan(found.activations_per_kib)


NONSENSE = {
    "banks: 12; should be a power of two": lambda: Dram(banks=12),
    "mapping: None; should be Ro, then": lambda: Dram(mapping=None),
    "channels · ranks · banks · row_bytes: 4611686018427387904; should be at most": lambda: Dram(1, 1, 1, 1 << 62),
    "channels: 0; should be a whole number of at least 1": lambda: Dram(channels=0),
    "row_bytes: 32; should be at least a line, 64": lambda: Dram(row_bytes=32),
    "mapping: 'RoRaBaCo'; should be Ro, then Ra, Ba, Ch and Co in some order": lambda: Dram(mapping="RoRaBaCo"),
    "mapping: 'CoRaBaChRo'; should be Ro, then": lambda: Dram(mapping="CoRaBaChRo"),
    "frames: 'huge'; should be contiguous or scattered": lambda: row_buffer([0], Dram(), "huge"),
    "page_bytes: 5000; should be a power of two": lambda: row_buffer([0], Dram(), page_bytes=5000),
    "refresh_every: 0; should be a whole number of at least 1": lambda: row_buffer([0], Dram(), refresh_every=0),
    "addresses: -8; should be 0 or more": lambda: row_buffer([-8], Dram()),
}


@pytest.mark.parametrize("message", NONSENSE)
def test_nonsense_is_refused_in_one_line(message):
    with refused(message):
        NONSENSE[message]()
