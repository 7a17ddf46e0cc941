"""What was found once is kept on disk, for the next process: numbers by their names, a file for each thing asked."""

from __future__ import annotations

import contextlib
import hashlib
import json
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path


def kept(folder: Path, asked: object, find: Callable[[], Mapping[str, float]]) -> dict[str, float]:
    """What `find` finds, or found when something of the same `repr` was asked before, in whichever process.

    A file that is damaged, or can't be read, counts as none; where none can be written, nothing is kept.
    """
    file = folder / f"{hashlib.sha256(repr(asked).encode()).hexdigest()[:32]}.json"
    with contextlib.suppress(OSError, ValueError, AttributeError):
        return {name: float(value) for name, value in json.loads(file.read_bytes()).items()}
    found = {name: float(value) for name, value in find().items()}
    with contextlib.suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=folder, suffix=".part", delete=False) as part:
            json.dump(found, part)
        Path(part.name).replace(file)  # at once: another process sees all of it, or none
    return found
