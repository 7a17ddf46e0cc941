"""A small MNIST of random pixels, written by hand from the format's description, and a cache folder of the test's own."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path

import numpy as np
import pytest

from experiments.data import mnist

TRAIN, TEST, SIDE = 30, 12, 4


@pytest.fixture
def small_mnist(tmp_path):
    """`small_mnist(packed=True)` writes the four files and gives their folder, and the arrays that they hold."""

    def write(packed=False, folder="small"):
        root = Path(tmp_path / folder)
        root.mkdir()
        rng = np.random.default_rng(5)
        arrays = {}
        for part, count in (("train", TRAIN), ("t10k", TEST)):
            arrays[f"{part}-images-idx3-ubyte"] = rng.integers(0, 256, (count, SIDE, SIDE), np.uint8)
            arrays[f"{part}-labels-idx1-ubyte"] = rng.integers(0, 10, count, np.uint8)
        for name, array in arrays.items():
            data = idx_bytes(array)
            (root / (name + ".gz" * packed)).write_bytes(gzip.compress(data) if packed else data)
        return root, arrays

    return write


def idx_bytes(array):
    header = struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape)
    return header + array.tobytes()


@pytest.fixture
def nowhere(monkeypatch, tmp_path):
    """No MNIST beside the checkout, none in the cache, no mirror: the cache folder, in the temporary folder."""
    monkeypatch.setattr(mnist, "BESIDE", ())
    monkeypatch.setattr(mnist, "MIRRORS", ())
    cache = tmp_path / "cache" / "mnist"
    monkeypatch.setattr(mnist, "_cache", lambda: cache)
    return cache
