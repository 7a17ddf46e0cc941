"""A store for each test: a copied database saves the two seconds of making one."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # bench and toys

import bench as benches

from harness.tracking import Settings, Store

# What MLflow does to SQLAlchemy is not ours to mend.
THEIRS = "ignore:The ``noload`` loader strategy:DeprecationWarning"


def pytest_collection_modifyitems(items) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.filterwarnings(THEIRS))


@pytest.fixture(scope="session")
def database(tmp_path_factory) -> Path:
    """A new MLflow database with nothing in it."""
    store = Store(Settings(str(tmp_path_factory.mktemp("template"))))
    with contextlib.closing(sqlite3.connect(store.database)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return store.database


@pytest.fixture
def results(tmp_path, database) -> Path:
    """A results folder in which nothing has run yet."""
    folder = tmp_path / "results"
    folder.mkdir()
    shutil.copy(database, folder)
    return folder


@pytest.fixture(autouse=True)
def working_directory(tmp_path, monkeypatch) -> Iterator[Path]:
    """An empty one, in which nothing is left; what is spooled to the temporary folder stays in the test's own."""
    folder = tmp_path / "cwd"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    yield folder
    assert not {"mlruns", "mlflow.db", "outputs", "multirun"} & {path.name for path in folder.iterdir()}


@pytest.fixture
def bench(results):
    """`bench("experiment=train", …)`: that command, in this process, on `results`."""
    return lambda *arguments: benches.in_process([*arguments, f"results={results}"])


@pytest.fixture
def toys(bench):
    """`toys("index=range(3)", …)`: a sweep of toys."""
    return lambda *arguments: bench(*benches.TOYS, *arguments)


@pytest.fixture
def spawn(results):
    """The same in a process of its own; `before` is Python that runs first."""
    return lambda *arguments, before="": benches.spawned(*arguments, f"results={results}", before=before)


@pytest.fixture
def store(results) -> Store:
    return Store(Settings(str(results)))
