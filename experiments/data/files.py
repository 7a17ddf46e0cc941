"""Files as bytes: unpacked, identified by their content, and complained about in one line."""

from __future__ import annotations

import functools
import gzip
import hashlib
import zlib
from pathlib import Path

GZIP = b"\x1f\x8b"
DIGEST_LENGTH = 16  # hex digits: chance never makes two files the same, and a tag stays readable


def contents(path: Path) -> bytes:
    """What the file holds, unpacked if it is gzip: by its first bytes, for browsers unpack and keep the name."""
    try:
        data = path.read_bytes()
        return gzip.decompress(data) if data[:2] == GZIP else data
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise ValueError(f"{path}: corrupt gzip ({error}); should be fetched anew") from error
    except OSError as error:
        raise ValueError(f"{path}: {error.strerror or error}; should be a readable file") from error


def digest(path: Path) -> str:
    """SHA-256, shortened, of what the file holds: the same for the plain and for any gzip version of it."""
    status = path.stat()
    return _digest(path.resolve(), status.st_size, status.st_mtime_ns)


@functools.lru_cache(maxsize=64)
def _digest(path: Path, size: int, mtime_ns: int) -> str:
    """Asked for every job of a sweep; unpacked once for as long as size and time stay."""
    return hashlib.sha256(contents(path)).hexdigest()[:DIGEST_LENGTH]
