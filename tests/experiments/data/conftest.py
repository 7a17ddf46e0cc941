"""A small MNIST of random pixels, written by hand from the format's description, and no other MNIST in sight."""

from __future__ import annotations

import gzip
import struct

import numpy as np
import pytest

from experiments.data import base, mnist

TRAIN, TEST, SIDE = 30, 12, 4


@pytest.fixture
def write_idx():
    """`write_idx(path, array)` writes an IDX file of unsigned bytes, gzip if the name says so."""

    def write(path, array):
        data = struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.tobytes()
        path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)

    return write


@pytest.fixture
def small_mnist(tmp_path, write_idx):
    """`small_mnist(suffix=".gz")` writes the four files; it gives their folder and the arrays that they hold."""

    def write(suffix="", folder="small"):
        root = tmp_path / folder
        root.mkdir(parents=True)
        rng = np.random.default_rng(5)
        arrays = {}
        for part, count in (("train", TRAIN), ("t10k", TEST)):
            arrays[f"{part}-images-idx3-ubyte"] = rng.integers(0, 256, (count, SIDE, SIDE), np.uint8)
            arrays[f"{part}-labels-idx1-ubyte"] = rng.integers(0, 10, count, np.uint8)
        for name, array in arrays.items():
            write_idx(root / (name + suffix), array)
        return root, arrays

    return write


@pytest.fixture
def nowhere(monkeypatch, tmp_path):
    """No MNIST beside the checkout, an empty cache, no mirror. The cache folder."""
    cache = tmp_path / "cache" / "mnist"
    monkeypatch.setattr(mnist, "BESIDE", ())
    monkeypatch.setattr(mnist, "MIRRORS", ())
    monkeypatch.setattr(mnist, "_cache", lambda: cache)
    base._loaded.cache_clear()  # before a download the stamp is the published one, and these tests publish their own
    yield cache
    base._loaded.cache_clear()
