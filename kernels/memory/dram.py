"""DRAM, as a memory controller sees it: banks with one open row each. An access finds its row open, none, or another one.

Where an address lies follows from the address mapping and from the page frames that the system gave out: a figure holds
under those alone. Policy: open page; a row stays open until another one of its bank is wanted, or the banks are refreshed.
Sources: B. Jacob et al., Memory Systems, 2008; gem5's names of mappings (`AddrMap`), from the highest bits to the lowest.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numba import types
from numpy.typing import ArrayLike

from kernels import check
from kernels._jit import inline, once, serial
from kernels.memory.geometry import PAGE_BYTES
from kernels.memory.streams import addresses_of
from kernels.signatures import Kernel, reads, writes

FIELDS = ("Ro", "Ra", "Ba", "Ch", "Co")
HIGHEST = 1 << 48  # bytes in one row of each bank: the row itself has the bits above


@dataclass(frozen=True)
class Dram:
    """Channels · ranks · banks, each with rows of `row_bytes`; all powers of two.

    `mapping` says which bits of an address, from the highest on, give the row, rank, bank, channel and column (a line):
    `RoRaBaChCo` (neighbours are in one row of one channel), `RoRaBaCoCh` (lines alternate between channels), `RoCoRaBaCh` (and
    between banks). `hashed`: the bank is XORed with the row's lowest bits, so that rows of one bank are apart
    (Z. Zhang et al., A permutation-based page interleaving scheme, 2000, doi:10.1109/MICRO.2000.898056).
    """

    channels: int = 2
    ranks: int = 1
    banks: int = 16
    row_bytes: int = 8192
    mapping: str = "RoRaBaCoCh"
    hashed: bool = False
    line_bytes: int = 64

    def __post_init__(self) -> None:
        for name in ("channels", "ranks", "banks", "row_bytes", "line_bytes"):
            number = check.whole(name, getattr(self, name))
            if number & (number - 1):
                raise ValueError(f"{name}: {number}; should be a power of two")
        if self.row_bytes < self.line_bytes:
            raise ValueError(f"row_bytes: {self.row_bytes}; should be at least a line, {self.line_bytes}")
        if (size := self.channels * self.ranks * self.banks * self.row_bytes) > HIGHEST:
            raise ValueError(f"channels · ranks · banks · row_bytes: {size}; should be at most {HIGHEST}")
        if (
            not isinstance(self.mapping, str)
            or sorted(self.fields) != sorted(FIELDS)
            or not self.mapping.startswith("Ro")
        ):
            raise ValueError(
                f"mapping: {self.mapping!r}; should be Ro, then Ra, Ba, Ch and Co in some order, as RoRaBaCoCh"
            )

    @property
    def fields(self) -> list[str]:
        """The mapping's fields, from the highest bits on."""
        return [self.mapping[at : at + 2] for at in range(0, len(self.mapping), 2)]

    def shifts(self) -> dict[str, tuple[int, int]]:
        """Where each field's bits begin, and how many there are; the row has all that are left."""
        sizes = {
            "Ra": self.ranks, "Ba": self.banks, "Ch": self.channels, "Co": self.row_bytes // self.line_bytes,
        }  # fmt: skip
        at, found = self.line_bytes.bit_length() - 1, {}
        for name in reversed(self.fields):
            bits = sizes.get(name, 1 << (64 - at)).bit_length() - 1
            found[name] = (at, bits)
            at += bits
        return found


@dataclass(frozen=True)
class RowBuffer:
    """Accesses whose row was open (hits), whose bank had no row open (empty), or had another (conflicts)."""

    hits: int
    empty: int
    conflicts: int
    line_bytes: int

    @property
    def accesses(self) -> int:
        """All of them."""
        return self.hits + self.empty + self.conflicts

    @property
    def activations(self) -> int:
        """Rows that were opened."""
        return self.empty + self.conflicts

    @property
    def hit_ratio(self) -> float:
        """Hits among the accesses; NaN where there is none."""
        return self.hits / self.accesses if self.accesses else float("nan")

    @property
    def activations_per_kib(self) -> float:
        """Rows opened for each 1024 bytes moved; NaN where none are."""
        return self.activations * 1024 / (self.accesses * self.line_bytes) if self.accesses else float("nan")


def row_buffer(
    addresses: ArrayLike,
    dram: Dram,
    frames: Literal["contiguous", "scattered"] = "contiguous",
    page_bytes: int = PAGE_BYTES,
    seed: int = 0,
    refresh_every: int | None = None,
) -> RowBuffer:
    """What the row buffers make of accesses to memory, each of a line: those that leave the last cache (`passed_on`).

    `frames`: pages lie in memory as they are numbered, or each somewhere at random, by the `seed`. After every
    `refresh_every` accesses all rows are closed, once (None: never).
    """
    given = addresses_of(addresses)
    page = check.whole("page_bytes", page_bytes)
    if page & (page - 1):
        raise ValueError(f"page_bytes: {page_bytes}; should be a power of two, as {PAGE_BYTES}")
    if frames not in ("contiguous", "scattered"):
        raise ValueError(f"frames: {frames!r}; should be contiguous or scattered")
    between = 0 if refresh_every is None else check.whole("refresh_every", refresh_every)
    key = np.random.SeedSequence(check.whole("seed", seed, least=0)).generate_state(1, np.uint64)[0]
    page_bits = page.bit_length() - 1 if frames == "scattered" else 0
    shifts = dram.shifts()
    table = np.array([shifts[name] for name in FIELDS], np.int64)
    rows_open = np.full(dram.channels * dram.ranks * dram.banks, -1, np.int64)
    hits, empty = _opening()(given, table, dram.hashed, between, page_bits, key, rows_open)
    return RowBuffer(hits, empty, given.size - hits - empty, dram.line_bytes)


@inline
def _frame(page, bits, key):
    """The frame of a page: a permutation of all numbers of so many bits, by two rounds of xor, shift and multiplication.

    Source of the multipliers: G. Steele, D. Lea, C. Flood, Fast splittable pseudorandom number generators, 2014.
    """
    half, all_of_them = np.uint64(bits // 2), (np.uint64(1) << np.uint64(bits)) - np.uint64(1)
    frame = (page ^ key) & all_of_them
    for multiplier in (np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)):
        frame = (frame ^ frame >> half) * multiplier & all_of_them
    return frame ^ frame >> half


@once
def _opening() -> Kernel:
    """`open_rows(addresses, fields (5, 2), hashed, refresh_every, page_bits, key, rows_open)` → (hits, empty).

    Pages of 2^page_bits bytes get frames by the `key`; with 0 bits all lie as they are numbered.
    """

    def open_rows(addresses, fields, hashed, refresh_every, page_bits, key, rows_open):
        at_row, at_rank, at_bank, at_channel = fields[0, 0], fields[1, 0], fields[2, 0], fields[3, 0]
        ranks, banks, channels = (1 << fields[1, 1]) - 1, (1 << fields[2, 1]) - 1, (1 << fields[3, 1]) - 1
        hits, empty, left = 0, 0, refresh_every
        within = (np.uint64(1) << np.uint64(page_bits)) - np.uint64(1)
        for address in addresses:
            each = address
            if page_bits:
                each = _frame(address >> np.uint64(page_bits), 64 - page_bits, key) << np.uint64(page_bits)
                each |= address & within
            row = np.int64(each >> np.uint64(at_row))
            bank = np.int64(each >> np.uint64(at_bank)) & banks
            rank, channel = (
                np.int64(each >> np.uint64(at_rank)) & ranks,
                np.int64(each >> np.uint64(at_channel)) & channels,
            )
            if hashed:
                bank ^= row & banks
            place = ((channel << fields[1, 1] | rank) << fields[2, 1]) | bank
            before = rows_open[place]
            hits += before == row
            empty += before < 0
            rows_open[place] = row
            left -= 1
            if left == 0:
                rows_open[:] = -1
                left = refresh_every
        return hits, empty

    whole, long = types.int64, types.uint64
    given = reads(long, 1), reads(whole, 2), types.boolean, whole, whole, long, writes(whole, 1)
    return serial(types.UniTuple(whole, 2)(*given))(open_rows)
