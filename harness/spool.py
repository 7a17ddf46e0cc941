"""Where a run goes that could not be logged: a JSON file, which the next sweep's start logs and removes."""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

from harness.contract import Row
from harness.tracking import Record

FOLDER = "pending"


def _folders(results: Path) -> tuple[Path, Path]:
    """Below `results`, and in the temporary folder: there under a name of its own for each results folder."""
    own = hashlib.sha256(str(results).encode()).hexdigest()[:12]
    return results / FOLDER, Path(tempfile.gettempdir()) / "pystickonfire" / FOLDER / own


def save(record: Record, experiment: str, results: Path) -> Path:
    """Write the record below `results`, or in the temporary folder where that is full; returns the file."""
    content = json.dumps({"experiment": experiment, "record": asdict(record)})
    name = f"{record.tags.get('hash', 'run')}-{record.start_ms}.json"
    for folder in _folders(results):
        try:
            folder.mkdir(parents=True, exist_ok=True)
            file = folder / name
            file.write_text(content)
            return file
        except OSError:
            continue
    raise OSError(f"{name} could be written neither below {results} nor in {tempfile.gettempdir()}")


def pending(results: Path) -> Iterator[tuple[Path, str, Record]]:
    """(file, experiment, record) of each run that waits to be logged; a file that is no such run is left alone."""
    for folder in _folders(results):
        for file in sorted(folder.glob("*.json")):
            try:
                content = json.loads(file.read_text())
                fields = content["record"]
                fields["rows"] = [Row(row["step"], row["metrics"]) for row in fields["rows"]]
                yield file, content["experiment"], Record(**fields)
            except (OSError, ValueError, KeyError, TypeError):
                continue
