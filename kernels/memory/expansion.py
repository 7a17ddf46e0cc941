"""Loops over references, written out: the address of every access, as plain NumPy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kernels.memory.references import Loop, Reference, Trace
from kernels.memory.streams import Accesses


def expanded(trace: Trace, thread: int = 0) -> Accesses:
    """All accesses of one thread of the trace, one after the other."""
    pieces: list[NDArray[np.int64]] = [np.empty((0, 4), np.int64)]

    def add(body: Sequence[Loop | Reference], counters: tuple[Any, ...]) -> None:
        together: list[Reference] = []
        for each in body:
            if isinstance(each, Reference):
                together.append(each)
                continue
            pieces.append(_table(trace, together, counters))
            together = []
            if all(isinstance(inner, Reference) for inner in each.body):
                pieces.append(_table(trace, each.body, (*counters, np.arange(each.count))))
            else:
                for counter in range(each.count):
                    add(each.body, (*counters, counter))
        pieces.append(_table(trace, together, counters))

    add(trace.threads[thread], ())
    addresses, sizes, writes, operands = np.concatenate(pieces).T
    return Accesses(addresses.astype(np.uint64), sizes, writes, operands, trace.names)


def _table(trace: Trace, references: Sequence[Any], counters: tuple[Any, ...]) -> NDArray[np.int64]:
    """Address, size, whether it writes, and operand: of each reference for each of the last counter's values in turn."""
    turns = np.size(counters[-1]) if counters else 1
    table = np.empty((turns, len(references), 4), np.int64)
    for r, each in enumerate(references):
        address = each.base + _affine(each.strides, counters)
        if each.gather is not None:
            place = each.gather.start + _affine(each.gather.strides, counters)
            address = address + each.gather.index[place] * each.gather.stride
        table[:, r, 0] = address
        table[:, r, 1:] = each.size_bytes, each.write, trace.names.index(each.operand)
    return table.reshape(-1, 4)


def _affine(strides: tuple[int, ...], counters: tuple[Any, ...]) -> Any:
    return sum((stride * counter for stride, counter in zip(strides, counters, strict=False)), 0)
