"""Runs as pandas frames: one row a run, or one row a run, metric and step.

For the SQLite store the tables are read directly: 5,000 runs take half a second, where MLflow's search takes ten. That
is no public schema, so a test holds it, and whatever the fast road can't read goes through the API, as servers do.
"""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import numpy as np
import pandas as pd

from harness import machine
from harness.contract import NULL, counted
from harness.tracking import Store

# Tags that become columns, and under which name: `experiment` is a setting's column already.
TAGS = {name: name for name in ("machine", "source", "hash", "sweep", "grid", "command", "reason")}
TAGS["experiment"] = "experiment_class"

LARGEST = sys.float_info.max  # what MLflow keeps instead of infinity


def runs(store: Store, experiment: str, sweep: str | None = None) -> pd.DataFrame:
    """A row for each run of the MLflow experiment (of one sweep, if given), oldest first.

    Of several attempts at the same thing (configuration, sources, machine) the one that finished, else the newest.

    Columns: `run_id name status start seconds machine source hash sweep grid command reason experiment_class unknown`, then the
    settings (numbers as numbers, `null` as missing), then the last value of each metric. `unknown`: why metrics are missing.
    """
    return _settled(_wide(*_tables(store, experiment, sweep, history=False)))


def history(store: Store, experiment: str, sweep: str | None = None) -> pd.DataFrame:
    """Every metric of every run at every step: columns `run_id metric step value`."""
    return _tables(store, experiment, sweep, history=True)[3]


def load(results: str | Path = "results", sweep: str = "tour") -> tuple[pd.DataFrame, pd.DataFrame]:
    """(runs, history) of a sweep's newest report, from the Parquet files beside it."""
    folder = Path(results) / "reports" / sweep
    if not (folder / "runs.parquet").exists():
        raise FileNotFoundError(f"{folder}: no report; run `python -m harness +sweep={sweep}` first")
    return pd.read_parquet(folder / "runs.parquet"), pd.read_parquet(folder / "history.parquet")


Tables = tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame, pd.DataFrame]


def _tables(store: Store, experiment: str, sweep: str | None, history: bool) -> Tables:
    """(infos, params, tags, metrics) in long form."""
    tables = None
    if store.database is not None:
        with suppress(sqlite3.Error, pd.errors.DatabaseError):
            tables = _from_sqlite(store.database, experiment, sweep, history)
    infos, params, tags, metrics = tables or _from_api(store, experiment, sweep, history)
    metrics["value"] = metrics["value"].replace({LARGEST: np.inf, -LARGEST: -np.inf})
    return infos, params, tags, metrics


def _from_sqlite(database: Path, experiment: str, sweep: str | None, history: bool) -> Tables:
    chosen = """
        select r.run_uuid from runs r join experiments e on e.experiment_id = r.experiment_id
        join tags k on k.run_uuid = r.run_uuid and k.key = 'kind' and k.value = 'run'
        where e.name = :experiment and r.lifecycle_stage = 'active'
    """
    if sweep is not None:
        chosen += (
            " and exists (select 1 from tags s where s.run_uuid = r.run_uuid and s.key = 'sweep'"
            " and ' ' || s.value || ' ' like '% ' || :sweep || ' %')"
        )
    given = {"experiment": experiment, "sweep": sweep}
    value = "case when is_nan then null else value end"  # MLflow keeps a NaN as 0 and a mark
    connection = sqlite3.connect(f"file:{database}?mode=ro", uri=True)
    try:
        infos = pd.read_sql_query(
            "select run_uuid run_id, name, status, start_time, end_time from runs"
            f" where run_uuid in ({chosen}) order by start_time",
            connection, params=given,
        )  # fmt: skip
        params = pd.read_sql_query(
            f"select run_uuid run_id, key, value from params where run_uuid in ({chosen})", connection, params=given
        )
        tags = pd.read_sql_query(
            f"select run_uuid run_id, key, value from tags where run_uuid in ({chosen})", connection, params=given
        )
        table = "metrics" if history else "latest_metrics"
        metrics = pd.read_sql_query(
            f"select run_uuid run_id, key metric, step, {value} value from {table} where run_uuid in ({chosen})"
            " order by run_uuid, key, step",
            connection, params=given,
        )  # fmt: skip
    finally:
        connection.close()
    return infos, params, tags, metrics


def _from_api(store: Store, experiment: str, sweep: str | None, history: bool) -> Tables:
    infos, params, tags, metrics = [], [], [], []
    for run in store.search(store.experiment(experiment), sweep):
        info = run.info
        infos.append((info.run_id, info.run_name, info.status, info.start_time, info.end_time))
        params += [(info.run_id, key, value) for key, value in run.data.params.items()]
        tags += [(info.run_id, key, value) for key, value in run.data.tags.items()]
        for name, value in run.data.metrics.items():
            steps = store.metric_history(info.run_id, name) if history else [(0, value)]
            metrics += [(info.run_id, name, step, v) for step, v in steps]
    return (
        pd.DataFrame(infos, columns=["run_id", "name", "status", "start_time", "end_time"]).sort_values("start_time"),
        pd.DataFrame(params, columns=["run_id", "key", "value"]),
        pd.DataFrame(tags, columns=["run_id", "key", "value"]),
        pd.DataFrame(metrics, columns=["run_id", "metric", "step", "value"]),
    )


def _wide(infos: pd.DataFrame, params: pd.DataFrame, tags: pd.DataFrame, metrics: pd.DataFrame) -> pd.DataFrame:
    frame = infos.set_index("run_id")
    frame["start"] = pd.to_datetime(frame.pop("start_time"), unit="ms", utc=True)
    frame["seconds"] = (pd.to_datetime(frame.pop("end_time"), unit="ms", utc=True) - frame["start"]).dt.total_seconds()
    known = (
        tags[tags["key"].isin(TAGS)].pivot(index="run_id", columns="key", values="value").reindex(columns=list(TAGS))
    )
    frame = frame.join(known.rename(columns=TAGS))
    why_null = tags[tags["key"].str.startswith(NULL)].sort_values("key").groupby("run_id")["value"]
    frame["unknown"] = why_null.agg("\n".join).reindex(frame.index).astype("str")
    settings = params.pivot(index="run_id", columns="key", values="value")
    frame = frame.join(settings.apply(_typed))
    values = metrics.pivot(index="run_id", columns="metric", values="value")
    return frame.join(values).reset_index()


def _settled(frame: pd.DataFrame) -> pd.DataFrame:
    """One row for each thing that was tried: a run that was killed is no result once another has finished it."""
    order = frame.assign(_finished=frame["status"] == "FINISHED").sort_values(["_finished", "start"], kind="stable")
    kept = order.drop_duplicates(["hash", "source", "machine"], keep="last").index
    return frame.loc[kept.sort_values()].reset_index(drop=True)


def _typed(column: pd.Series) -> pd.Series:
    """Numbers as numbers; `null` as missing."""
    known = column.mask(column == "null")
    try:
        numbers = pd.to_numeric(known)
    except ValueError:
        return known
    return known if numbers.dtype == object else numbers  # an int of more than 64 bits stays text


def why_unknown(runs: pd.DataFrame) -> list[str]:
    """The reasons why metrics are missing, and in how many runs, a line each."""
    reasons = runs["unknown"].dropna().astype(str).str.split("\n").explode()
    return [f"{counted(count, 'run')}: {reason}" for reason, count in reasons.value_counts(sort=False).items()]


def comparable(runs: pd.DataFrame) -> pd.DataFrame:
    """The rows whose numbers may be pooled: of runs that finished, on this machine."""
    return runs[(runs["status"] == "FINISHED") & (runs["machine"] == machine.identity())]


def subset(frame: pd.DataFrame, wanted: Iterable[str]) -> pd.DataFrame:
    """The rows of those runs, without the columns that say nothing about any of them."""
    return frame[frame["run_id"].isin(list(wanted))].dropna(axis="columns", how="all").reset_index(drop=True)
