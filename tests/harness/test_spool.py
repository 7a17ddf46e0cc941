"""A run that was measured is not lost, whatever becomes of the store."""

from __future__ import annotations

import json

import pytest
from bench import record, runs, values
from mlflow.exceptions import MlflowException

from harness import runner, spool, tracking
from harness.contract import Row


@pytest.fixture
def break_store(monkeypatch):
    """`break_store(nth)`: the store refuses the nth run's last write, as of now."""

    def fail(nth):
        calls, works = [], tracking.mlflow.MlflowClient.log_batch

        def log_batch(self, run_id, metrics=(), params=(), tags=(), **rest):
            if metrics:
                calls.append(run_id)
            if len(calls) >= nth:
                raise tracking.MlflowException("(sqlite3.OperationalError) disk I/O error\nand more")
            return works(self, run_id, metrics, params, tags, **rest)

        monkeypatch.setattr(tracking.mlflow.MlflowClient, "log_batch", log_batch)
        return lambda: monkeypatch.setattr(tracking.mlflow.MlflowClient, "log_batch", works)

    return fail


def test_a_store_that_fails_in_the_middle_loses_nothing(toys, results, break_store):
    mend = break_store(3)
    stopped = toys("index=range(4)")
    assert stopped.status == 1
    kept = list((results / "pending").iterdir())
    assert len(kept) == 1
    assert stopped.err == (
        f"harness: tracking: could not log a run in sqlite:///{results}/mlflow.db: (sqlite3.OperationalError) disk I/O error;"
        f" the run 'index=2' is kept in {kept[0]}, and the next sweep logs it\n"
    )
    mend()
    assert runs(results)["status"].tolist() == ["FINISHED", "FINISHED", "RUNNING"]

    again = toys("index=range(4)")
    assert again.status == 0
    assert "4 runs, 3 finished before, 1 to go" in again.out
    assert "1 kept by an earlier sweep, logged" in again.out
    assert list((results / "pending").iterdir()) == []
    all_runs = runs(results)
    assert sorted(all_runs[all_runs["status"] == "FINISHED"]["index"]) == [0, 1, 2, 3]
    assert "kept" not in toys("index=range(4)").out

    toys("index=range(4)", "name=undisturbed")
    assert values(results) == values(results, "undisturbed")


def test_a_failed_run_is_kept_with_its_traceback(toys, results, break_store, store):
    mend = break_store(1)
    toys("index=1", "when=1", "behave=raise")
    mend()
    toys("index=5")
    failed = runs(results).query("status == 'FAILED'").iloc[0]
    assert (failed["index"], failed["reason"], failed["train/value"]) == (1, "RuntimeError: the toy broke", 0.5)
    assert [artifact.path for artifact in store.client.list_artifacts(failed["run_id"])] == ["traceback.txt"]


def test_a_store_that_fails_before_the_first_row_has_nothing_to_keep(toys, results, monkeypatch):
    def create_run(*_, **__):
        raise tracking.MlflowException("gone")

    monkeypatch.setattr(tracking.mlflow.MlflowClient, "create_run", create_run)
    refused = toys("index=1")
    assert refused.err == f"harness: tracking: could not create a run in sqlite:///{results}/mlflow.db: gone\n"
    assert not (results / "pending").exists()


def test_a_store_that_is_back_in_time_loses_nothing_either(toys, results, monkeypatch):
    """While a run is going, a write that fails is tried again with the next."""
    works, failed = tracking.Store.write, []

    def write(self, record):
        if len(record.rows) == 2:
            failed.append(record)
            raise tracking.StoreError("away")
        works(self, record)

    monkeypatch.setattr(tracking.Store, "write", write)
    monkeypatch.setattr(runner, "FLUSH_EVERY_S", 0)
    assert toys("index=1").status == 0
    assert len(failed) == 1
    assert len(values(results)["toy"]) == 3


def test_where_results_are_full_the_temporary_folder_takes_it(tmp_path, store):
    (store.results / spool.FOLDER).touch()  # no folder can be made here
    kept = record("full", [Row(0, {"train/value": 0.1})], status="FINISHED")
    file = spool.save(kept, "toys", store.results)
    assert file.is_relative_to(tmp_path / "pystickonfire")
    assert spool.save(kept, "toys", tmp_path / "other").is_relative_to(tmp_path / "other")
    assert list(spool.pending(tmp_path / "third")) == []  # no other folder's runs
    assert runner.recover(store) == (1, [])
    assert not file.exists()
    assert runs(store.results, "toys")["train/value"].tolist() == [0.1]


def test_where_nothing_can_be_written_the_loss_is_said(toys, results, break_store, tmp_path):
    break_store(1)
    (results / spool.FOLDER).touch()
    (tmp_path / "pystickonfire").touch()
    lost = toys("index=1")
    assert lost.err.count("\n") == 1
    assert "the run 'toy' is lost: " in lost.err
    assert f"could be written neither below {results} nor in {tmp_path}" in lost.err


def test_a_record_comes_back_to_the_last_bit(tmp_path):
    rows = [
        Row(0, {"train/a": 0.1 + 0.2, "train/nan": float("nan")}),
        Row(7, {"train/b": float("-inf"), "train/c": 5e-324}),
    ]
    made = record("bits", rows, status="FINISHED", end_ms=5, texts={"t.txt": "é\n"}, written=1)
    spool.save(made, "toys", tmp_path)
    [(file, experiment, back)] = spool.pending(tmp_path)
    assert (experiment, file.parent) == ("toys", tmp_path / spool.FOLDER)
    assert repr(back) == repr(made)


@pytest.mark.parametrize(
    "content", ["", "{", "[]", '{"record": {}}', '{"experiment": "x", "record": {"rows": [], "colour": 1}}']
)
def test_what_is_no_run_is_left_alone(content, tmp_path):
    (tmp_path / spool.FOLDER).mkdir()
    file = tmp_path / spool.FOLDER / "notes.json"
    file.write_text(content)
    assert list(spool.pending(tmp_path)) == []
    assert file.exists()


def test_a_run_that_no_store_takes_does_not_stand_in_the_way(toys, results):
    """It stays where it is, and is named; the other one is logged."""
    stuck = spool.save(record("stuck", [Row(0, {"train/a": 1.0})], params={"not a key?": "1"}), "toys", results)
    spool.save(record("well", [Row(0, {"train/a": 1.0})]), "toys", results)
    done = toys("index=1")
    assert done.status == 0
    assert f"1 kept by an earlier sweep, logged; 1 kept by an earlier sweep can't be logged: {stuck}" in done.out
    assert json.loads(stuck.read_text())["record"]["name"] == "stuck"


def test_a_kept_run_that_the_store_knows_goes_on_where_it_was(store):
    """No twin of it is made, and no row is written twice."""
    made = record("half", [Row(0, {"train/a": 1.0})])
    store.begin(store.experiment("toys"), made)
    store.write(made)
    made.rows.append(Row(1, {"train/a": 2.0}))
    made.status = "FINISHED"
    spool.save(made, "toys", store.results)
    assert runner.recover(store) == (1, [])
    assert runs(store.results, "toys")["run_id"].tolist() == [made.run_id]
    assert store.metric_history(made.run_id, "train/a") == [(0, 1.0), (1, 2.0)]


def test_a_kept_run_of_a_database_that_is_gone_is_logged_whole(store):
    made = record("orphan", [Row(0, {"train/a": 1.0}), Row(1, {"train/a": 2.0})], run_id="0" * 32, written=2)
    made.status = "FINISHED"
    spool.save(made, "toys", store.results)
    assert runner.recover(store) == (1, [])
    [run_id] = runs(store.results, "toys")["run_id"]
    assert store.metric_history(run_id, "train/a") == [(0, 1.0), (1, 2.0)]


def test_a_kept_run_waits_where_the_store_can_not_be_asked(store, monkeypatch):
    file = spool.save(record("waits", run_id="0" * 32), "toys", store.results)

    def fails(run_id):
        raise MlflowException("the server is busy")

    monkeypatch.setattr(store.client, "get_run", fails)
    assert runner.recover(store) == (0, [file])
    assert file.exists()
