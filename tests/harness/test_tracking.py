"""The store: complete, below the results folder, and honest about who died."""

from __future__ import annotations

import contextlib
import os
import socket
import sqlite3
import time
from pathlib import Path

import psutil
import pytest
from bench import record

from harness import machine, storage, tracking
from harness.contract import Row
from harness.tracking import Settings, Store, StoreError


def test_the_database_writes_ahead(store):
    """Set once, it stays: readers of the UI do not wait for a sweep, nor a sweep for them."""
    with contextlib.closing(sqlite3.connect(store.database)) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_other_databases_are_left_as_they_are():
    """The settings of SQLite's connections are for SQLite's alone: a listener hears of every engine in the process."""
    tracking._sqlite_settings(object(), None)


def test_a_new_store_is_all_in_its_folder(tmp_path, working_directory):
    made = Store(Settings(str(tmp_path / "a" / "b")))
    assert {path.name.removesuffix("-shm").removesuffix("-wal") for path in made.results.iterdir()} == {"mlflow.db"}
    assert made.uri == f"sqlite:///{tmp_path}/a/b/mlflow.db"
    assert list(working_directory.iterdir()) == []


def test_a_folder_is_taken_as_a_shell_would(monkeypatch, tmp_path, database):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "mlflow.db").write_bytes(database.read_bytes())
    assert tracking.existing(Settings("~/mine")).results == tmp_path / "mine"


def test_artifacts_lie_below_the_results(store):
    made = record("artful", [Row(0, {"train/x": 1.0})], texts={"note.txt": "é\n"}, status="FINISHED")
    store.begin(store.experiment("art"), made)
    store.end(made)
    where = store.artifact(made.run_id, "note.txt")
    assert where == str(store.results / "artifacts" / "art" / made.run_id / "artifacts" / "note.txt")
    assert Path(where).read_text(encoding="utf-8") == "é\n"


def test_an_artifact_of_a_server_keeps_its_address(store, monkeypatch):
    made = record("far")
    store.begin(store.experiment("art"), made)
    info = store.client.get_run(made.run_id)
    monkeypatch.setattr(store.client, "get_run", lambda run_id: info)
    info.info._artifact_uri = "mlflow-artifacts:/1/a%20b"
    assert store.artifact(made.run_id, "x") == "mlflow-artifacts:/1/a%20b/x"


def test_everything_is_written_whatever_the_size(store):
    """A batch holds 1000 metrics, 100 params and 100 tags at most."""
    rows = [Row(step, {"train/a": step / 3, "train/b": -step}) for step in range(1501)]
    params = {f"p{i}": str(i) for i in range(123)}
    made = record("large", rows, params=params, tags={f"t{i}": str(i) for i in range(123)}, status="FINISHED")
    store.begin(store.experiment("large"), made)
    store.end(made)
    data = store.client.get_run(made.run_id).data
    assert data.params == params
    assert {f"t{i}": str(i) for i in range(123)}.items() <= data.tags.items()
    for name, factor in (("train/a", 1 / 3), ("train/b", -1)):
        steps, values = zip(*store.metric_history(made.run_id, name), strict=True)
        assert steps == tuple(range(1501))
        assert values == pytest.approx([step * factor for step in range(1501)], rel=1e-15)


def test_a_record_is_written_in_parts_without_repeating_any(store):
    made = record("parts", [Row(0, {"train/a": 1.0})], params={"index": "1"})
    store.begin(store.experiment("parts"), made)
    store.write(made)
    assert made.written == 1
    made.rows.append(Row(1, {"train/a": 2.0}))
    made.tags["late"] = "yes"
    made.status = "FINISHED"
    store.end(made)
    assert store.metric_history(made.run_id, "train/a") == [(0, 1.0), (1, 2.0)]
    run = store.client.get_run(made.run_id)
    assert (run.info.status, run.data.tags["late"], run.data.params) == ("FINISHED", "yes", {"index": "1"})


def test_a_run_is_there_while_it_goes_on(store):
    made = record("going")
    before = time.time()
    store.begin(store.experiment("going"), made)
    run = store.client.get_run(made.run_id)
    assert (run.info.status, run.info.run_name) == ("RUNNING", "going")
    assert float(run.data.tags["heartbeat"]) >= int(before)


def test_of_two_sweeps_that_make_an_experiment_at_once_both_have_it(store, monkeypatch):
    find, create = store.client.get_experiment_by_name, store.client.create_experiment
    answers = [lambda name: None, find]  # it is not there when looked for, and there when made
    monkeypatch.setattr(store.client, "get_experiment_by_name", lambda name: answers.pop(0)(name))
    made = create("same")
    assert store.experiment("same") == made

    answers[:] = [lambda name: None] * 2
    with pytest.raises(StoreError, match=r"could not find or make experiment same in sqlite"):
        store.experiment("same")


# Who is dead


def dead_pid():
    return max(psutil.pids()) + 100_000


ALIVE = machine.process()
ELSEWHERE = {"host": "elsewhere.example", "pid": str(os.getpid()), "process_start": ALIVE["process_start"]}


@pytest.mark.parametrize(
    ("tags", "heartbeat", "dies"),
    [
        pytest.param(ALIVE, 0, False, id="this process"),
        pytest.param({**ALIVE, "pid": str(dead_pid())}, 0, True, id="no such process"),
        pytest.param({**ALIVE, "process_start": "12345.00"}, 0, True, id="another process of that number"),
        pytest.param({**ALIVE, "pid": "1"}, 0, True, id="the first process"),
        pytest.param({"host": ALIVE["host"]}, 0, True, id="no number"),
        pytest.param({**ALIVE, "pid": "many"}, 0, True, id="not a number"),
        pytest.param(ELSEWHERE, 0, False, id="elsewhere, heard of just now"),
        pytest.param(ELSEWHERE, tracking.SILENT_FOR_DEAD_S - 60, False, id="elsewhere, heard of lately"),
        pytest.param(ELSEWHERE, tracking.SILENT_FOR_DEAD_S + 60, True, id="elsewhere, silent"),
    ],
)
def test_only_the_dead_are_closed(tags, heartbeat, dies, store):
    experiment = store.experiment("reaped")
    made = record("running", tags=dict(tags))
    store.begin(experiment, made)
    store.client.set_tag(made.run_id, "heartbeat", f"{time.time() - heartbeat:.0f}")
    finished = record("finished", tags=dict(tags), status="FINISHED")
    store.begin(experiment, finished)
    store.end(finished)
    assert store.reap(experiment) == dies
    run = store.client.get_run(made.run_id)
    assert run.info.status == ("KILLED" if dies else "RUNNING")
    assert run.data.tags.get("reason") == ("its process died" if dies else None)
    assert store.client.get_run(finished.run_id).info.status == "FINISHED"


def test_a_run_that_nobody_signed_is_dead(store):
    """No host, no heartbeat: as somebody made it by hand, and left it."""
    experiment = store.experiment("reaped")
    store.client.create_run(experiment)
    assert store.reap(experiment) == 1


def test_is_alive():
    assert machine.is_alive(machine.process()) is True
    assert machine.is_alive({"host": socket.gethostname(), "pid": str(dead_pid()), "process_start": "0"}) is False
    assert machine.is_alive({"host": "elsewhere.example"}) is None
    assert machine.is_alive({}) is None


# Finding runs again


def test_pages_are_turned(store, monkeypatch):
    """A search gives 5000 runs at a time; here two."""
    experiment = store.experiment("many")
    for i in range(5):
        made = record(f"h{i}", status="FINISHED", tags={"machine": machine.identity()})
        store.begin(experiment, made)
        store.end(made)
    search = store.client.search_runs
    monkeypatch.setattr(store.client, "search_runs", lambda *a, max_results, **o: search(*a, max_results=2, **o))
    assert set(store.finished(experiment)) == {(f"h{i}", "s") for i in range(5)}


def test_the_last_sweep(store, tmp_path):
    with pytest.raises(StoreError, match=r"sweep=NAME: no such sweep in sqlite:///.*; none has run yet"):
        store.last()
    for number, (name, sweep) in enumerate([("a", "1"), ("b", "2"), ("a", "3")]):
        made = record(sweep, tags={"sweep": sweep}, status="FINISHED", end_ms=number + 1)
        store.begin(store.experiment(name), made)
        store.end(made)
    assert store.last("b") == (store.experiment("b"), "2", "b")  # no summary, as of a sweep that was stopped
    for name, sweep in (("b", "2"), ("a", "1")):
        store.summarise(store.experiment(name), sweep, name, "", {}, tmp_path / "report")
        time.sleep(0.01)
    assert store.last("a") == store.last() == (store.experiment("a"), "1", "a")
    assert store.last("b")[1] == "2"
    with pytest.raises(StoreError, match=r"sweep=c: no such sweep in sqlite:///.*; there are: a, b"):
        store.last("c")
    store.experiment("empty")
    with pytest.raises(StoreError, match=r"sweep=empty: no such sweep in sqlite:///.*; there are: a, b, empty"):
        store.last("empty")


def test_a_stores_place_on_the_command_line(store, tmp_path, monkeypatch):
    assert store.option() == f"results={store.results}"
    monkeypatch.chdir(tmp_path)
    assert store.option() == ""  # results/ below the working directory is the default
    store.results = tmp_path / "a b"
    assert store.option() == f"'results={tmp_path}/a b'"


def test_a_store_that_fails_says_what_it_was_doing(store, monkeypatch):
    def fails(*_, **__):
        try:
            raise sqlite3.OperationalError("disk I/O error\n[SQL: …]")
        except sqlite3.OperationalError as inner:
            raise tracking.MlflowException("(wrapped) and more") from inner

    monkeypatch.setattr(store.client, "log_batch", fails)
    with pytest.raises(StoreError, match=r"^tracking: could not log a run in sqlite:///.*/mlflow.db: disk I/O error$"):
        store.write(record("any"))


def test_a_server_keeps_no_database_here(tmp_path, monkeypatch):
    monkeypatch.setattr(storage, "reach", lambda uri: None)
    monkeypatch.setattr(tracking.mlflow, "MlflowClient", lambda tracking_uri: _Nothing())
    made = tracking.existing(Settings(str(tmp_path / "results"), "http://127.0.0.1:9"))
    assert (made.database, made.uri) == (None, "http://127.0.0.1:9")
    assert list(made.results.iterdir()) == []


class _Nothing:
    def search_experiments(self, max_results):
        return []
