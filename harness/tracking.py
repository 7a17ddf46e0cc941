"""The only importer of mlflow: where runs are kept, found again, and closed when their process has died.

A run costs three calls (create, one batch, terminate); a long one also writes what it has every few seconds. Where the
store fails in the middle of a sweep, the run is spooled to a JSON file, and the next sweep's start logs it.
"""

from __future__ import annotations

import logging
import os
import shlex
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from harness import machine, storage
from harness.contract import Row
from harness.storage import StoreError as StoreError  # raised by all that is here

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("MLFLOW_ALLOW_PICKLE_DESERIALIZATION", "false")

import mlflow
from mlflow.entities import Metric, Param, RunTag
from mlflow.exceptions import MlflowException
from sqlalchemy import event
from sqlalchemy.engine import Engine

METRICS_A_BATCH, PARAMS_A_BATCH, TAGS_A_BATCH = 900, 50, 50  # MLflow takes 1000, 100 and 100, and 1000 in all
NOTE_LENGTH = 8000  # of a tag's 8192
LEFT_OUT = "left_out"
SWEEP, SWEEPS_A_RUN = "sweep", 500  # a tag takes 8000 characters
RESOURCE_MISSING = "RESOURCE_DOES_NOT_EXIST"  # MLflow's name for it
FLUSH_EVERY_S = 5.0  # a killed run loses no more than this
SILENT_FOR_DEAD_S = 600.0  # a run on another host that has not written for this long counts as dead
DATABASE = "mlflow.db"

logging.getLogger("mlflow").setLevel(logging.ERROR)
logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)  # its tracebacks; the error itself is raised
logging.getLogger("alembic").setLevel(logging.ERROR)


@event.listens_for(Engine, "connect")
def _sqlite_settings(connection: Any, _: Any) -> None:
    """With the write-ahead log, a commit need not wait for the disk to be consistent; and a lock is waited for."""
    if isinstance(connection, sqlite3.Connection):
        connection.execute("PRAGMA synchronous=NORMAL")
        connection.execute(f"PRAGMA busy_timeout={int(1000 * storage.LOCK_WAIT_S)}")


@dataclass
class Record:
    """All there is to write down about one run."""

    name: str
    tags: dict[str, str]
    params: dict[str, str]
    rows: list[Row] = field(default_factory=list)
    start_ms: int = field(default_factory=lambda: int(time.time() * 1000))
    end_ms: int = 0
    status: str = "RUNNING"
    texts: dict[str, str] = field(default_factory=dict)  # artifacts, by file name
    run_id: str = ""
    written: int = 0  # how many of the rows are in the store already


@dataclass(frozen=True)
class Finished:
    """A finished run, and the sweeps that it belongs to, separated by spaces."""

    run_id: str
    sweeps: str


def of_sweep(sweep: str) -> str:
    """The search expression for the runs of a sweep."""
    return f"tags.kind = 'run' and tags.{SWEEP} LIKE '%{sweep}%'"


@dataclass(frozen=True)
class Settings:
    """`tracking` in the configuration: the results folder, and a server instead of the SQLite file in it."""

    results: str = "results"
    uri: str | None = None


class Store:
    """The runs of one MLflow store."""

    def __init__(self, settings: Settings) -> None:
        self.results = Path(settings.results).expanduser().absolute()
        storage.prepare_folder(self.results)
        self.database = None if settings.uri else self.results / DATABASE
        self.uri = settings.uri or f"sqlite:///{self.database}"
        if self.database:
            storage.make_database(self.database, _create_schema)
            storage.check_database(self.database)
        else:
            storage.reach(self.uri)
        try:
            self.client = mlflow.MlflowClient(tracking_uri=self.uri)
            self.client.search_experiments(max_results=1)
        except Exception as error:
            advice = "; move the file away, or choose another folder with results=FOLDER" if self.database else ""
            raise StoreError(f"tracking: cannot open {self.uri}: {storage.reason(error)}{advice}") from error

    def experiment(self, name: str) -> str:
        """Id of the MLflow experiment called `name`; made if it is not there, its artifacts below the results folder."""
        with self._one_line("find or make experiment " + name):
            found = self.client.get_experiment_by_name(name)
            if found is None:
                artifacts = None if self.database is None else (self.results / "artifacts" / name).as_uri()
                try:
                    return str(self.client.create_experiment(name, artifact_location=artifacts))
                except MlflowException:  # another sweep was faster
                    found = self.client.get_experiment_by_name(name)
                    if found is None:
                        raise
            if found.lifecycle_stage == "deleted":
                self.client.restore_experiment(found.experiment_id)
            return str(found.experiment_id)

    def finished(self, experiment_id: str) -> dict[tuple[str, str], Finished]:
        """The finished runs of this machine, by (configuration hash, source digest)."""
        wanted = f"attributes.status = 'FINISHED' and tags.kind = 'run' and tags.machine = '{machine.identity()}'"
        return {
            (run.data.tags["hash"], run.data.tags["source"]): Finished(run.info.run_id, run.data.tags.get(SWEEP, ""))
            for run in self._search(experiment_id, wanted)
        }

    def join(self, run: Finished, sweep: str) -> None:
        """Make a finished run one of a sweep's: its tag lists all the sweeps that it belongs to, the newest last."""
        sweeps = run.sweeps.split()
        if sweep not in sweeps:
            with self._one_line("set a tag"):
                self.client.set_tag(run.run_id, SWEEP, " ".join([*sweeps, sweep][-SWEEPS_A_RUN:]))

    def reap(self, experiment_id: str) -> int:
        """Close the runs that a dead process left RUNNING, as KILLED; how many there were."""
        dead = 0
        for run in self._search(experiment_id, "attributes.status = 'RUNNING'"):
            alive = machine.is_alive(run.data.tags)
            if alive is None:
                alive = time.time() - float(run.data.tags.get("heartbeat", 0)) < SILENT_FOR_DEAD_S
            if not alive:
                self.client.set_tag(run.info.run_id, "reason", "its process died")
                self.client.set_terminated(run.info.run_id, "KILLED")
                dead += 1
        return dead

    def _search(self, experiment_id: str, wanted: str) -> Iterator[Any]:
        token = None
        while True:
            page = self.client.search_runs([experiment_id], wanted, max_results=5000, page_token=token)
            yield from page
            token = page.token
            if not token:
                return

    def search(self, experiment_id: str, sweep: str | None = None) -> Iterator[Any]:
        """The runs (not summaries) of an MLflow experiment, of one sweep if given."""
        return self._search(experiment_id, of_sweep(sweep) if sweep else "tags.kind = 'run'")

    def metric_history(self, run_id: str, name: str) -> list[tuple[int, float]]:
        """(step, value) of a metric, in order."""
        return sorted((m.step, m.value) for m in self.client.get_metric_history(run_id, name))

    def artifact(self, run_id: str, name: str) -> str:
        """Where a run's artifact lies: a path, or a URI on a server."""
        uri = f"{self.client.get_run(run_id).info.artifact_uri}/{name}"
        return unquote(uri.removeprefix("file://")) if uri.startswith("file://") else uri

    def last(self, name: str | None = None) -> tuple[str, str, str]:
        """(experiment id, sweep id, name) of the newest sweep, of that name if given. Raises StoreError if there is none."""
        experiments = [e for e in self.client.search_experiments() if e.name != "Default"]
        wanted = [e.experiment_id for e in experiments if name in (None, e.name)]
        if wanted:
            newest = self.client.search_runs(
                wanted, "tags.kind = 'summary'", order_by=["attributes.end_time DESC"], max_results=1
            )
            newest = newest or self.client.search_runs(wanted, "tags.kind = 'run'", max_results=1)
            for run in newest:
                names = {e.experiment_id: e.name for e in experiments}
                return run.info.experiment_id, run.data.tags[SWEEP].split()[-1], names[run.info.experiment_id]
        there = f"there are: {', '.join(sorted(e.name for e in experiments))}" if experiments else "none has run yet"
        raise StoreError(f"sweep={name or 'NAME'}: no such sweep in {self.uri}; {there}")

    def _summary(self, experiment_id: str, sweep: str) -> Any:
        return next(self._search(experiment_id, f"tags.kind = 'summary' and tags.sweep = '{sweep}'"), None)

    def left_out(self, experiment_id: str, sweep: str) -> list[str]:
        """What the sweep did not run, and why, a line each: as its report was told when it was last run."""
        found = self._summary(experiment_id, sweep)
        return str(found.data.tags.get(LEFT_OUT, "")).splitlines() if found is not None else []

    def summarise(
        self,
        experiment_id: str,
        sweep: str,
        title: str,
        note: str,
        metrics: dict[str, float],
        folder: Path,
        left_out: Sequence[str] = (),
    ) -> None:
        """One run per sweep that carries the report: its Markdown as the note, verdicts as metrics, the folder as artifacts."""
        found = self._summary(experiment_id, sweep)
        with self._one_line("log the report"):
            if found is None:
                tags = {"kind": "summary", "sweep": sweep, "source": machine.source_digest(), **machine.process()}
                found = self.client.create_run(experiment_id, tags=tags, run_name=f"summary of {title}")
            run_id, now = found.info.run_id, int(time.time() * 1000)
            self.client.log_batch(
                run_id,
                metrics=[Metric(name, value, now, 0) for name, value in metrics.items()],
                tags=[
                    RunTag("mlflow.note.content", note[:NOTE_LENGTH]),
                    RunTag(LEFT_OUT, "\n".join(left_out)[:NOTE_LENGTH]),
                ],
            )
            self.client.log_artifacts(run_id, str(folder))
            self.client.set_terminated(run_id, "FINISHED")

    def option(self) -> str:
        """What a command line needs to find this store again; nothing for the default."""
        return "" if self.results == Path("results").absolute() else shlex.quote(f"results={self.results}")

    def holds(self, run_id: str) -> bool:
        """Whether there is a run of that id; it may have been made in a database that is gone."""
        if not run_id:
            return False
        with self._one_line("look for a run"):
            try:
                self.client.get_run(run_id)
                return True
            except MlflowException as error:
                if error.error_code == RESOURCE_MISSING:
                    return False
                raise

    def begin(self, experiment_id: str, record: Record) -> None:
        """Create the run; from here on it shows in the UI as RUNNING."""
        tags = {**record.tags, "heartbeat": f"{time.time():.0f}"}
        with self._one_line("create a run"):
            run = self.client.create_run(experiment_id, start_time=record.start_ms, tags=tags, run_name=record.name)
        record.run_id = run.info.run_id

    def write(self, record: Record) -> None:
        """Log what is not in the store yet: the rows since the last time, the tags as they are now, at first the params."""
        now = int(time.time() * 1000)
        metrics = [
            Metric(name, float(value), now, row.step)
            for row in record.rows[record.written :]
            for name, value in row.metrics.items()
        ]
        params = [] if record.written else [Param(key, value) for key, value in record.params.items()]
        tags = [RunTag(key, value) for key, value in {**record.tags, "heartbeat": str(now // 1000)}.items()]
        with self._one_line("log a run"):
            while metrics or params or tags:
                self.client.log_batch(
                    record.run_id, metrics[:METRICS_A_BATCH], params[:PARAMS_A_BATCH], tags[:TAGS_A_BATCH]
                )
                del metrics[:METRICS_A_BATCH], params[:PARAMS_A_BATCH], tags[:TAGS_A_BATCH]
        record.written = len(record.rows)

    def end(self, record: Record) -> None:
        """Write what is left, the artifacts, and the status."""
        self.write(record)
        with self._one_line("close a run"):
            for name, text in record.texts.items():
                self.client.log_text(record.run_id, text, name)
            self.client.set_terminated(record.run_id, record.status, end_time=record.end_ms)

    @contextmanager
    def _one_line(self, doing: str) -> Iterator[None]:
        try:
            yield
        except (MlflowException, OSError, sqlite3.Error) as error:
            raise StoreError(f"tracking: could not {doing} in {self.uri}: {storage.reason(error)}") from error


def _create_schema(uri: str) -> None:
    """Make MLflow's tables in an empty database; it does so when it is first asked anything."""
    mlflow.MlflowClient(tracking_uri=uri).search_experiments(max_results=1)


def existing(settings: Settings) -> Store:
    """The store that must be there: whoever looks for runs makes no empty one. Raises StoreError."""
    if not settings.uri and not (Path(settings.results).expanduser() / DATABASE).exists():
        raise StoreError(
            f"results={settings.results}: no runs there; run a sweep, or choose its folder with results=FOLDER"
        )
    return Store(settings)
