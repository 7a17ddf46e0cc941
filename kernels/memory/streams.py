"""What is given to a simulator: accesses one by one, checked, as arrays that compiled code takes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kernels.memory.geometry import Cache
from kernels.memory.lru import LAST_LINE, OPERANDS
from kernels.memory.references import Trace

NOTHING = np.empty(0, np.int64)


@dataclass(frozen=True)
class Accesses:
    """Accesses in their order: address, and one for all or one for each: size in bytes, whether it writes, which operand.

    `operands` are numbers into `names`.
    """

    addresses: ArrayLike
    sizes: ArrayLike = 1
    writes: ArrayLike = False
    operands: ArrayLike = 0
    names: tuple[str, ...] = ("X",)


Stream = Trace | Accesses | ArrayLike


def stream_of(given: Stream) -> Trace | Accesses:
    return given if isinstance(given, Trace | Accesses) else Accesses(given)


def addresses_of(given: ArrayLike) -> NDArray[np.uint64]:
    """A list of addresses, checked."""
    addresses = _whole("addresses", given).astype(np.uint64, copy=False)
    if addresses.ndim != 1:
        raise ValueError(f"addresses: shape {addresses.shape}; should be 1-d")
    return np.ascontiguousarray(addresses)


def lines_of(stream: Accesses | ArrayLike, line_bytes: int) -> NDArray[np.uint64]:
    """The lines that accesses use, in their order: of one that spans lines, all."""
    given = stream if isinstance(stream, Accesses) else Accesses(stream)
    shift = np.uint64(Cache(line_bytes, 1, line_bytes).line_bytes.bit_length() - 1)
    addresses, sizes, _ = arrays_of(given, int(shift))
    first = addresses >> shift
    if not sizes.size:
        return first
    count = 1 + (((addresses + (sizes - 1).astype(np.uint64)) >> shift) - first).astype(np.int64)
    within = np.arange(int(count.sum())) - np.repeat(np.cumsum(count) - count, count)
    return np.repeat(first, count) + within.astype(np.uint64)


def arrays_of(stream: Accesses, shift: int) -> tuple[NDArray[np.uint64], NDArray[np.int64], NDArray[np.int64]]:
    """Addresses, sizes and codes (`kernels.memory.lru`); the last two empty where each is of one byte, or a read of operand 0."""
    addresses = addresses_of(stream.addresses)
    sizes, writes, operands = (
        _for_each(name, getattr(stream, name), addresses.size) for name in ("sizes", "writes", "operands")
    )
    if sizes.size and sizes.min() < 1:
        raise ValueError(f"sizes: {sizes.min()}; should be 1 or more bytes")
    if operands.size and operands.max() >= min(len(stream.names), OPERANDS):
        should = f"below {min(len(stream.names), OPERANDS)}, the number of names"
        raise ValueError(f"operands: {operands.max()}; should be {should}, and {OPERANDS} at most")
    if writes.size and writes.max() > 1:
        raise ValueError(f"writes: {writes.max()}; should be True or False")
    highest = int(addresses.max(initial=0)) + int(sizes.max(initial=1)) - 1
    most = min((LAST_LINE + 1 << shift) - 1, 2**64 - 1)
    if highest > most:
        raise ValueError(f"addresses: up to {highest:#x}; should be up to {most:#x}, with lines of {1 << shift} bytes")
    codes = operands << 3 | writes
    return addresses, _spread(sizes, addresses.size, but=1), _spread(codes, addresses.size, but=0)


def _whole(name: str, given: ArrayLike) -> NDArray[Any]:
    array = np.asarray(given)
    if array.dtype.kind not in "biu" and array.size:
        raise ValueError(f"{name}: {array.dtype}; should be whole numbers of 0 or more, as uint64")
    if array.dtype.kind == "i" and array.size and array.min() < 0:
        raise ValueError(f"{name}: {array.min()}; should be 0 or more")
    return array


def _for_each(name: str, given: ArrayLike, count: int) -> NDArray[np.int64]:
    array = _whole(name, given)
    if array.shape not in ((), (count,)):
        raise ValueError(f"{name}: shape {array.shape}; should be ({count},), one for each address, or a single number")
    return np.ascontiguousarray(array, np.int64)


def _spread(numbers: NDArray[np.int64], count: int, but: int) -> NDArray[np.int64]:
    """So many of them; none where all are what is taken for granted."""
    return NOTHING if (numbers == but).all() else np.ascontiguousarray(np.broadcast_to(numbers, count))
