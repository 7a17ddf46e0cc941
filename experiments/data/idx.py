"""The IDX format: bytes 0, 0, type code, number of axes d; d big-endian 4-byte lengths; the data, last axis fastest.

Every complaint is a ValueError of one line: the file, what is wrong, what would be right.
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from experiments.data.files import contents

UNSIGNED_BYTES = 0x08
TYPES = {0x08: "unsigned bytes", 0x09: "signed bytes", 0x0B: "int16", 0x0C: "int32", 0x0D: "float32", 0x0E: "float64"}


def read(path: Path, ndim: int) -> NDArray[np.uint8]:
    """The unsigned bytes in an IDX file, plain or gzip, as an array of `ndim` axes; read-only."""
    data = contents(path)
    header = 4 + 4 * ndim
    if len(data) < 4 or data[:2] != b"\0\0" or data[2] not in TYPES:
        raise ValueError(f"{path}: starts with bytes {data[:4].hex(' ') or '(none)'}; an IDX file starts with 00 00 08")
    if data[2] != UNSIGNED_BYTES:
        raise ValueError(
            f"{path}: holds {TYPES[data[2]]} (type code {data[2]:#04x}); should hold unsigned bytes (0x08)"
        )
    if data[3] != ndim:
        raise ValueError(f"{path}: has {_axes(data[3])}; should have {_axes(ndim)}: are images and labels swapped?")
    if len(data) < header:
        raise ValueError(f"{path}: truncated, {len(data)} bytes; its header alone should have {header}")
    shape = tuple(int(length) for length in np.frombuffer(data, ">u4", ndim, offset=4))
    promised, found = math.prod(shape), len(data) - header
    if promised == 0:
        raise ValueError(f"{path}: says that it holds {' × '.join(map(str, shape))} bytes; should hold at least one")
    if found != promised:
        wrong = f"truncated, {found} bytes of data" if found < promised else f"{found - promised} bytes after the data"
        raise ValueError(
            f"{path}: {wrong}; should be {' × '.join(map(str, shape))} = {promised} bytes and nothing more"
        )
    return np.frombuffer(data, np.uint8, offset=header).reshape(shape)


def _axes(count: int) -> str:
    return f"{count} axis" if count == 1 else f"{count} axes"
