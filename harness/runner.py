"""One run: warm up, iterate its rows, hand them on; keep what there is when it fails, is stopped, or can't be logged."""

from __future__ import annotations

import re
import time
import traceback
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from harness import machine, spool
from harness.config import Job
from harness.contract import WHOLE_RUN, Row
from harness.stopping import Stopped, stop_if_asked
from harness.tracking import FLUSH_EVERY_S, Record, Store, StoreError

TRACEBACK = "traceback.txt"
METRIC = re.compile(r"[\w: -][\w.: -]*(/[\w: -][\w.: -]*)*")


def run(job: Job, name: str, params: Mapping[str, str], tags: Mapping[str, str], store: Store, sweep: str) -> Record:
    """Run the job and log it to the MLflow experiment `sweep`; the record says how it ended.

    A run that raises ends as FAILED, its traceback an artifact and its reason a tag. A run that is stopped ends as
    KILLED, and the exception goes on. Raises StoreError if the store failed; the run is spooled then.
    """
    record = Record(
        name=name,
        params=dict(params),
        tags={"kind": "run", "hash": job.hash, "experiment": job.target, "source": machine.source_digest(),
              "machine": machine.identity(), **machine.process(), **tags},
    )  # fmt: skip
    try:
        store.begin(store.experiment(sweep), record)
        try:
            _iterate(job, record, store)
            record.status = "FINISHED"
        except (KeyboardInterrupt, Stopped):
            record.status, record.tags["reason"] = "KILLED", "stopped by the user"
            raise
        except (Exception, SystemExit) as error:
            record.status, record.tags["reason"] = "FAILED", reason(error)
            record.texts[TRACEBACK] = traceback.format_exc()
        finally:
            record.end_ms = int(time.time() * 1000)
            store.end(record)
    except StoreError as error:
        if not record.rows:
            raise
        try:
            kept = f"is kept in {spool.save(record, sweep, store.results)}, and the next sweep logs it"
        except OSError as full:
            kept = f"is lost: {full}"
        raise StoreError(f"{error}; the run {name!r} {kept}") from error
    return record


def _iterate(job: Job, record: Record, store: Store) -> None:
    start = time.perf_counter()
    job.experiment.warm_up()
    stop_if_asked()
    record.rows.append(Row(WHOLE_RUN, {"time/compile_s": time.perf_counter() - start}))
    record.tags |= job.experiment.tags()
    flushed = time.monotonic()
    for row in job.experiment.run():
        record.rows.append(_checked(row))
        stop_if_asked()
        if time.monotonic() - flushed > FLUSH_EVERY_S:
            with suppress(StoreError):  # the store may be back by the end of the run; nothing is lost till then
                store.write(record)
            flushed = time.monotonic()


def _checked(row: Row) -> Row:
    """The row in plain numbers. Raises ValueError for what no store would take: it is the run that is wrong, not the store."""
    for name in row.metrics:
        if not METRIC.fullmatch(name):
            raise ValueError(f"metric {name!r}: should be a name of letters, digits and _-./: as in train/loss")
    return Row(int(row.step), {name: float(value) for name, value in row.metrics.items()})


def reason(error: BaseException) -> str:
    """One line for a failure: the exception's name and the first line of its message."""
    message = str(error).strip().splitlines()
    return f"{type(error).__name__}: {message[0]}" if message else type(error).__name__


def recover(store: Store) -> tuple[int, list[Path]]:
    """Log the runs that an earlier sweep had to spool: how many there were, and the files that the store does not take."""
    count, stuck = 0, []
    for file, experiment, record in spool.pending(store.results):
        try:
            if not store.holds(record.run_id):
                record.written = 0
                store.begin(store.experiment(experiment), record)
            store.end(record)
        except StoreError:
            stuck.append(file)
            continue
        file.unlink()
        count += 1
    return count, stuck
