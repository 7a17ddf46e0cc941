"""The only place that sets Numba's flags and the folder of its compiled code.

Numba's disk cache does not see that a function which was inlined from another file has changed. So compiled kernels
live in a folder named by a digest of every source file in `kernels/`: an edit opens a fresh folder, and a second
process finds what the first one compiled. A kernel with a loss or a layout from elsewhere is compiled anew in each
process, since the digest does not see its source. `NUMBA_CACHE_DIR` moves the folder; the user's cache folder is the default.
"""

from __future__ import annotations

import functools
import getpass
import hashlib
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, cast

import numba
from numba.extending import register_jitable

F = TypeVar("F", bound=Callable[..., Any])

# All of fast math but `nnan` and `ninf`: with those a NaN may vanish, and divergence has to show.
FASTMATH = {"nsz", "arcp", "contract", "afn", "reassoc"}
# False where NUMBA_DISABLE_JIT is set: kernels then run as the Python that they are written in.
COMPILED = not numba.config.DISABLE_JIT


def source_digest(folder: Path = Path(__file__).parent) -> str:
    """Digest (hex, 16 characters) of every Python file below `folder`, names included."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*.py")):
        digest.update(path.relative_to(folder).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


def user_cache() -> Path:
    """The user's cache folder for this project, by the convention of the operating system."""
    home = Path.home()
    if sys.platform == "darwin":
        base = home / "Library" / "Caches"
    elif sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA", home / "AppData" / "Local"))
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME") or home / ".cache")
    return base / "pystickonfire"


def cache_folder() -> Path:
    """Where this version of the kernels keeps its compiled code: a folder that can be written to."""
    chosen = os.environ.get("NUMBA_CACHE_DIR")
    folder = (Path(chosen) if chosen else user_cache() / "numba") / f"kernels-{source_digest()}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return folder
    except OSError:  # a read-only home: compile once per machine start rather than once per process
        return Path(tempfile.gettempdir()) / f"pystickonfire-{getpass.getuser()}" / folder.name


_FOLDER = str(cache_folder())


def _compile(signature: Any, parts: tuple[type, ...], **flags: Any) -> Callable[[F], F]:
    covered = all(part.__module__.startswith(f"{__package__}.") for part in parts)

    def decorate(function: F) -> F:
        # The cache folder is read when a function is decorated: set it for ours, leave it for everybody else's.
        before = numba.config.CACHE_DIR
        numba.config.CACHE_DIR = _FOLDER
        try:
            options = {"fastmath": FASTMATH, "cache": covered, "nogil": True, "error_model": "numpy", **flags}
            return cast(F, numba.njit(signature, **options)(function))
        finally:
            numba.config.CACHE_DIR = before

    return decorate


def parallel(signature: Any, *parts: type) -> Callable[[F], F]:
    """Compile at once for `signature`, with `prange` loops on all threads; cached on disk if all `parts` are ours."""
    return _compile(signature, parts, parallel=True)


def serial(signature: Any, *parts: type) -> Callable[[F], F]:
    """Compile at once for `signature`, on one thread; cached on disk if all `parts`, the classes it joins, are ours."""
    return _compile(signature, parts)


def once(factory: F) -> F:
    """Remember what the factory made for its arguments (`functools.cache`, with the factory's own signature kept)."""
    return cast(F, functools.cache(factory))


def inline(function: F) -> F:
    """Plain Python that is compiled into each kernel that calls it, with that kernel's flags."""
    return cast(F, register_jitable(function))


def inline_as_written(function: F) -> F:
    """Like `inline`, but without fast math: every operation is done, in the order it is written."""
    return cast(F, register_jitable(fastmath=False)(function))
