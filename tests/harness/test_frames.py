"""Runs as frames: SQLite's tables read directly give what MLflow's API gives; this guards the schema."""

from __future__ import annotations

import math
import sqlite3

import numpy as np
import pandas as pd
import pytest
from bench import record, runs

from harness import frames
from harness.contract import META, Row, axes, settings


@pytest.fixture
def varied(store):
    """A store with every kind of run and value: finished or not, NaN, infinite, null, of two sweeps, and a summary."""
    experiment = store.experiment("varied")
    for number, made in enumerate(
        [
            record("a", [Row(0, {"train/x": 0.1}), Row(2, {"train/x": 0.3, "test/y": math.nan}), Row(1, {"train/x": 0.2})],
                   params={"index": "1", "batch_size": "64", "loss": "huber", "limit": "null", "loss.delta": "1.5"}),
            record("b", [Row(0, {"train/x": math.inf, "test/y": 5e-324}), Row(3, {"train/x": math.nan})],
                   params={"index": "2", "batch_size": "null", "loss": "squared", "limit": "null"}, tags={"sweep": "other"}),
            record("c", [Row(0, {"train/x": -math.inf})], status="FAILED", tags={"reason": "ValueError: Übel"},
                   params={"index": "10", "batch_size": "1e-05", "loss": "null", "limit": "null"}),
            record("d", params={}, status="KILLED"),
            record("e", [Row(0, {"train/z": 1e300, "train/x": 1 / 3})], status="RUNNING"),
        ]
    ):  # fmt: skip
        made.start_ms = 1_700_000_000_000 + 1000 * number
        made.end_ms = made.start_ms + 1234
        made.status = {"RUNNING": "FINISHED"}.get(made.status, made.status)
        store.begin(experiment, made)
        store.end(made)
    store.begin(experiment, record("still going", start_ms=1_700_000_100_000))
    store.summarise(experiment, "w", "varied", "note", {"verdict/x": 1.0}, store.results / "nothing here")
    store.client.delete_run(_deleted(store, experiment))
    return store


def _deleted(store, experiment):
    gone = record("gone", [Row(0, {"train/x": 7.0})])
    store.begin(experiment, gone)
    store.end(gone)
    return gone.run_id


@pytest.fixture
def by_api(monkeypatch):
    """From now on the fast road fails, as it would with another schema."""

    def other_schema(*_):
        raise sqlite3.OperationalError("no such table: runs")

    return lambda: monkeypatch.setattr(frames, "_from_sqlite", other_schema)


@pytest.mark.parametrize("sweep", [None, "w", "other", "none"])
def test_both_roads_are_the_same(sweep, varied, by_api):
    fast = frames.runs(varied, "varied", sweep), frames.history(varied, "varied", sweep)
    by_api()
    slow = frames.runs(varied, "varied", sweep), frames.history(varied, "varied", sweep)
    assert len(fast[0]) == {None: 6, "w": 5, "other": 1, "none": 0}[sweep]
    pd.testing.assert_frame_equal(*(runs for runs, _ in (fast, slow)), check_dtype=sweep != "none")
    order = ["run_id", "metric", "step"]
    pd.testing.assert_frame_equal(
        *(history.sort_values(order).reset_index(drop=True) for _, history in (fast, slow)), check_dtype=sweep != "none"
    )


@pytest.mark.parametrize("road", ["sqlite", "api"])
def test_a_wide_frame_has_types(road, varied, by_api):
    if road == "api":
        by_api()
    frame = frames.runs(varied, "varied").set_index("name")
    assert list(frame.index) == ["a", "b", "c", "d", "e", "still going"]
    assert frame["index"].tolist()[:3] == [1, 2, 10]
    assert frame["batch_size"].tolist()[0::2][:2] == [64, 1e-5]
    assert frame["batch_size"].isna().tolist()[:3] == [False, True, False]
    assert pd.api.types.is_numeric_dtype(frame["batch_size"])
    assert frame["loss"].tolist()[:2] == ["huber", "squared"]
    assert frame["loss"].isna()["c"]
    assert frame["limit"].isna().all()
    assert frame["loss.delta"]["a"] == 1.5
    assert frame["status"].tolist() == ["FINISHED", "FINISHED", "FAILED", "KILLED", "FINISHED", "RUNNING"]
    assert frame["reason"]["c"] == "ValueError: Übel"
    assert frame["start"]["b"] == pd.Timestamp("2023-11-14 22:13:21", tz="UTC")
    assert frame["seconds"]["a"] == 1.234
    assert math.isnan(frame["seconds"]["still going"])
    # the last step's value, not the last written
    assert frame["train/x"]["a"] == 0.3
    assert math.isnan(frame["test/y"]["a"])
    assert math.isnan(frame["train/x"]["b"])
    assert frame["test/y"]["b"] == 5e-324
    assert frame["train/x"]["c"] == -math.inf
    assert set(META) - {"name"} <= set(frame.reset_index())
    assert settings(frame.reset_index()) == ["batch_size", "index", "limit", "loss", "loss.delta"]


@pytest.mark.parametrize("road", ["sqlite", "api"])
def test_the_history_is_complete(road, varied, by_api):
    if road == "api":
        by_api()
    history = frames.history(varied, "varied")
    names = frames.runs(varied, "varied").set_index("run_id")["name"]
    assert list(history.columns) == ["run_id", "metric", "step", "value"]
    found = {(names[r.run_id], r.metric, r.step): r.value for r in history.itertuples()}
    assert found.pop(("a", "test/y", 2)) != found.pop(("b", "train/x", 3))  # NaN both
    assert found == {
        ("a", "train/x", 0): 0.1, ("a", "train/x", 1): 0.2, ("a", "train/x", 2): 0.3,
        ("b", "train/x", 0): math.inf, ("b", "test/y", 0): 5e-324, ("c", "train/x", 0): -math.inf,
        ("e", "train/z", 0): 1e300, ("e", "train/x", 0): 1 / 3,
    }  # fmt: skip


def test_a_number_too_large_for_a_machine_stays_text(toys, results):
    assert toys(f"seed=1,{10**23}").status == 0
    assert runs(results)["seed"].tolist() == ["1", str(10**23)]


def test_no_runs_at_all(store):
    store.experiment("empty")
    for sweep in (None, "any"):
        assert len(frames.runs(store, "empty", sweep)) == len(frames.history(store, "empty", sweep)) == 0
        assert set(META) <= set(frames.runs(store, "empty", sweep))


def test_an_experiment_that_is_not_there(store, by_api):
    assert len(frames.runs(store, "nowhere")) == 0
    by_api()
    assert len(frames.runs(store, "nowhere")) == 0


def test_a_database_of_another_schema_is_read_by_the_api(toys, results, store):
    toys("index=0,1")
    with sqlite3.connect(results / "mlflow.db") as connection:
        connection.execute("alter table latest_metrics rename column value to worth")
    connection.close()
    with pytest.raises(pd.errors.DatabaseError):
        frames._from_sqlite(store.database, "runs", None, False)


def test_load_reads_the_newest_report(toys, results, store):
    toys("index=0,1", "rate=0.5,1.0")
    loaded, history = frames.load(results, "runs")
    pd.testing.assert_frame_equal(loaded, runs(results), check_dtype=False)
    pd.testing.assert_frame_equal(history, frames.history(store, "runs"))
    assert axes(loaded) == ["index", "rate"]


def test_load_says_what_to_do_first(tmp_path, working_directory):
    with pytest.raises(FileNotFoundError, match=r"reports/tour: no report; run `python -m harness \+sweep=tour` first"):
        frames.load()
    with pytest.raises(FileNotFoundError, match="no report"):
        frames.load(tmp_path, "batch")


def test_a_subset_has_no_column_that_says_nothing():
    frame = pd.DataFrame({"run_id": ["a", "b", "c"], "x": [1.0, np.nan, 2.0], "y": [np.nan, 3.0, np.nan]})
    assert frames.subset(frame, ["a", "c"]).to_dict("list") == {"run_id": ["a", "c"], "x": [1.0, 2.0]}
    assert frames.subset(frame, []).empty


def test_five_thousand_runs_are_read_soon(store):
    """Not a timing test: that the number of queries does not grow with the runs."""
    queries = []

    def counted(sql, *arguments, **options):
        queries.append(sql)
        return original(sql, *arguments, **options)

    original = pd.read_sql_query
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pd, "read_sql_query", counted)
        frames.runs(store, "any")
    assert len(queries) == 4
