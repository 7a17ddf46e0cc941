"""The results folder and the database in it: there, whole, writable, and with room; or one line that says what is not."""

from __future__ import annotations

import os
import shutil
import socket
import sqlite3
import tempfile
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from urllib.parse import urlsplit

LOCK_WAIT_S = 10.0
SERVER_WAIT_S = 5.0
NOT_IN_ADDRESSES = "%?#"
ROOM_BYTES = 16 << 20  # a sweep is not started on less free disk


class StoreError(RuntimeError):
    """The store can't be used: one line that says what, where and what would help."""


def prepare_folder(folder: Path) -> None:
    """Make the results folder and see that it can be written to and that there is room. Raises StoreError."""
    if set(str(folder)) & set(NOT_IN_ADDRESSES):
        raise StoreError(
            f"results: {folder} has one of {NOT_IN_ADDRESSES} in its name, which MLflow takes for something else"
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise StoreError(
            f"results: {folder} cannot be written to ({error.strerror}); choose a folder of yours with results=FOLDER"
        ) from error
    free = shutil.disk_usage(folder).free
    if free < ROOM_BYTES:
        raise StoreError(
            f"results: {folder} is on a full disk, {free / 2**20:.1f} MiB free; a sweep wants {ROOM_BYTES >> 20} MiB"
            " at least: make room, or choose another folder with results=FOLDER"
        )


def make_database(database: Path, create_schema: Callable[[str], None]) -> None:
    """Make the database if it is not there: aside, and then moved in whole, so that no other process sees half of it.

    MLflow builds its schema in some fifty migrations. Two processes that do so in one file break it for good, and so
    does one that is killed in between. Of several that are made at the same time, the first to be moved in stays.
    """
    if database.exists() and database.stat().st_size:
        return
    with tempfile.TemporaryDirectory(dir=database.parent, prefix=".new-") as aside:
        made = Path(aside) / database.name
        try:
            create_schema(f"sqlite:///{made}")
            with closing(sqlite3.connect(made)) as connection:
                connection.execute("PRAGMA journal_mode=WAL")
        except Exception as error:
            raise StoreError(f"tracking: cannot make {database}: {reason(error)}") from error
        if database.exists() and not database.stat().st_size:
            database.unlink()
        with suppress(FileExistsError):
            _move_in(made, database)


def _move_in(made: Path, database: Path) -> None:
    """Give `made` the name `database` if nothing has it. Raises FileExistsError."""
    try:
        os.link(made, database)
    except FileExistsError:
        raise
    except OSError:  # a file system without links; os.rename would do, but that it replaces what is there
        if database.exists():
            raise FileExistsError(database) from None
        made.replace(database)


def reach(uri: str) -> None:
    """See that something listens at a server's address: MLflow's own client tries for minutes. Raises StoreError."""
    address = urlsplit(uri)
    if address.scheme not in ("http", "https"):
        return
    port = address.port or (443 if address.scheme == "https" else 80)
    try:
        socket.create_connection((address.hostname or "", port), timeout=SERVER_WAIT_S).close()
    except OSError as error:
        raise StoreError(
            f"tracking: no server answers at {uri} ({error.strerror or error}); start it (mlflow server), or correct tracking.uri"
        ) from error


def check_database(database: Path) -> None:
    """See that the database is one, and that it can be written to within LOCK_WAIT_S. Raises StoreError."""
    try:
        connection = sqlite3.connect(database, timeout=LOCK_WAIT_S, isolation_level=None)
        try:
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("ROLLBACK")
        finally:
            connection.close()
    except sqlite3.Error as error:
        advice = "another program holds it: wait for it or end it" if "locked" in str(error) else "move it away"
        raise StoreError(
            f"tracking: {database}: {error}; {advice}, or choose another folder with results=FOLDER"
        ) from error


def reason(error: BaseException) -> str:
    """The first line of what the innermost library said."""
    while error.__cause__ is not None:
        error = error.__cause__
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
