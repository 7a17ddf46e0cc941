"""IDX files, plain and gzip, and each way in which one can be broken: one line that names the file."""

from __future__ import annotations

import gzip
import os
import re
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from experiments.data import idx
from experiments.data.files import digest


def written(path, data):
    path.write_bytes(data)
    return path


def header(*shape, code=8, zeros=0):
    return struct.pack(f">HBB{len(shape)}I", zeros, code, len(shape), *shape)


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
@given(array=hnp.arrays(np.uint8, hnp.array_shapes(min_dims=1, max_dims=4, max_side=5)), fast=st.just(True))
def test_what_was_written_is_read(tmp_path_factory, pack, array, fast):
    path = written(tmp_path_factory.getbasetemp() / "any.idx", pack(header(*array.shape) + array.tobytes()))
    assert np.array_equal(idx.read(path, array.ndim), array)


GOOD = header(2, 3) + bytes(6)
BROKEN = {
    "empty": (b"", r"starts with bytes \(none\); an IDX file starts with 00 00 08"),
    "html": (b"<!DOCTYPE html>", r"starts with bytes 3c 21 44 4f; an IDX file starts with 00 00 08"),
    "magic": (header(2, 3, zeros=1) + bytes(6), r"starts with bytes 00 01 08 02; an IDX file starts with 00 00 08"),
    "unknown type": (header(2, 3, code=7) + bytes(6), r"starts with bytes 00 00 07 02; .*"),
    "other type": (header(2, 3, code=12) + bytes(24), r"holds int32 \(type code 0x0c\); should hold unsigned bytes .*"),
    "axes": (header(6) + bytes(6), r"has 1 axis; should have 2 axes: are images and labels swapped\?"),
    "header": (GOOD[:9], r"truncated, 9 bytes; its header alone should have 12"),
    "truncated": (GOOD[:-1], r"truncated, 5 bytes of data; should be 2 × 3 = 6 bytes and nothing more"),
    "header only": (GOOD[:12], r"truncated, 0 bytes of data; should be 2 × 3 = 6 bytes and nothing more"),
    "trailing": (GOOD + b"abc", r"3 bytes after the data; should be 2 × 3 = 6 bytes and nothing more"),
    "no samples": (header(0, 3), r"says that it holds 0 × 3 bytes; should hold at least one"),
    "enormous": (header(2**32 - 1, 2**32 - 1), r"truncated, 0 bytes of data; should be 4294967295 × 4294967295 = .*"),
}


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
@pytest.mark.parametrize(("data", "message"), BROKEN.values(), ids=BROKEN)
def test_each_break_is_one_line(tmp_path, data, message, pack):
    path = written(tmp_path / "broken.idx", pack(data))
    with pytest.raises(ValueError, match=rf"^{re.escape(str(path))}: {message}$"):
        idx.read(path, ndim=2)


@pytest.mark.parametrize(
    "harm",
    [
        lambda z: z[:-9],
        lambda z: z[:15],
        lambda z: z[:3],
        lambda z: z[:30] + bytes([z[30] ^ 255]) + z[31:],
        lambda z: z + b"x",
    ],
    ids=["cut", "cut early", "cut in the header", "a byte changed", "trailing"],
)
def test_corrupt_gzip_is_one_line(tmp_path, harm):
    noise = np.random.default_rng(0).bytes(1000)
    path = written(tmp_path / "a.gz", harm(gzip.compress(header(10, 100) + noise)))
    with pytest.raises(ValueError, match=rf"^{re.escape(str(path))}: corrupt gzip \([^\n]*\); should be fetched anew$"):
        idx.read(path, ndim=2)


def test_what_is_no_file_is_one_line(tmp_path):
    with pytest.raises(ValueError, match=r"^\S+: Is a directory; should be a readable file$"):
        idx.read(tmp_path, 2)


def test_digest_is_of_the_content_and_follows_a_change(tmp_path):
    plain, packed = written(tmp_path / "a", GOOD), written(tmp_path / "b.gz", gzip.compress(GOOD))
    assert digest(plain) == digest(packed)
    before = digest(plain)
    written(plain, GOOD[:-1] + b"\1")
    os.utime(plain, ns=(1, 1))  # in case the clock did not tick
    assert digest(plain) != before
