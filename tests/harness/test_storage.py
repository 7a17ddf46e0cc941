"""The results folder and its database: made whole or not at all, by however many sweeps at once."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import socket
import sqlite3

import pytest

from harness import storage
from harness.storage import StoreError, make_database, reach
from harness.tracking import Settings, Store

TOGETHER = 3


def _open(results, barrier, said):
    barrier.wait()
    try:
        store = Store(Settings(str(results)))
        store.experiment("same")
        said.put(len(store.client.search_experiments()))
    except Exception as error:
        said.put(repr(error))


@pytest.mark.slow
def test_sweeps_that_start_at_once_in_a_fresh_folder_share_one_whole_database(tmp_path):
    context = multiprocessing.get_context("spawn")
    barrier, said = context.Barrier(TOGETHER), context.Queue()
    processes = [context.Process(target=_open, args=(tmp_path / "r", barrier, said)) for _ in range(TOGETHER)]
    for process in processes:
        process.start()
    found = [said.get(timeout=60) for _ in processes]
    for process in processes:
        process.join(60)
    assert found == [2] * TOGETHER  # MLflow's own and ours
    assert [path.name for path in (tmp_path / "r").glob(".new-*")] == []


def _schema(uri):
    with contextlib.closing(sqlite3.connect(uri.removeprefix("sqlite:///"))) as connection:
        connection.execute("create table runs (id)")


def _tables(database):
    with contextlib.closing(sqlite3.connect(database)) as connection:
        return [name for (name,) in connection.execute("select name from sqlite_master")]


def test_a_database_that_is_there_stays(tmp_path):
    database = tmp_path / "mlflow.db"
    make_database(database, _schema)
    before = database.read_bytes()

    def never(uri):
        raise AssertionError(uri)

    make_database(database, never)
    assert database.read_bytes() == before


def test_an_empty_file_is_no_database(tmp_path):
    database = tmp_path / "mlflow.db"
    database.touch()
    make_database(database, _schema)
    assert _tables(database) == ["runs"]


def test_of_two_that_are_made_at_once_the_first_stays(tmp_path):
    database = tmp_path / "mlflow.db"

    def slower(uri):
        make_database(database, _schema)
        with contextlib.closing(sqlite3.connect(uri.removeprefix("sqlite:///"))) as connection:
            connection.execute("create table late (id)")

    make_database(database, slower)
    assert _tables(database) == ["runs"]
    assert list(tmp_path.glob(".new-*")) == []


@pytest.mark.parametrize("there", [False, True])
def test_a_file_system_without_links(there, tmp_path, monkeypatch):
    def refuses(source, target):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(storage.os, "link", refuses)
    database = tmp_path / "mlflow.db"

    def schema(uri):
        if there:
            database.write_text("of another process")
        _schema(uri)

    make_database(database, schema)
    assert database.read_bytes().startswith(b"of another" if there else b"SQLite format 3")


def test_what_stops_half_way_leaves_nothing(tmp_path):
    def breaks(uri):
        _schema(uri)
        raise sqlite3.OperationalError("disk I/O error")

    with pytest.raises(StoreError, match=r"^tracking: cannot make .*/r.db: disk I/O error$"):
        make_database(tmp_path / "r.db", breaks)
    assert not (tmp_path / "r.db").exists()
    assert list(tmp_path.glob(".new-*")) == []


def test_a_server_that_is_not_there_is_one_line_at_once(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        reach(f"http://127.0.0.1:{port}")
    with pytest.raises(StoreError, match=rf"tracking: no server answers at http://127.0.0.1:{port} \(.*\); start it"):
        Store(Settings(str(tmp_path / "results"), f"http://127.0.0.1:{port}"))


def test_other_addresses_are_mlflows_to_open():
    reach("databricks://profile")
    reach("file:///tmp")


def test_a_reason_without_words_is_the_kind_of_error():
    assert storage.reason(TimeoutError()) == "TimeoutError"
    assert os.strerror(28) in storage.reason(OSError(28, os.strerror(28)))
