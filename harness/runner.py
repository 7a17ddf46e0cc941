"""One run: warm up, iterate its rows, hand them on; keep what there is when it fails, is stopped, or can't be logged."""

from __future__ import annotations

import time
import traceback
from collections.abc import Mapping
from contextlib import suppress

from harness import machine, spool
from harness.config import Job
from harness.contract import Row
from harness.tracking import FLUSH_EVERY_S, Record, Store, StoreError

TRACEBACK = "traceback.txt"


class Stopped(BaseException):
    """SIGTERM, as an exception: like KeyboardInterrupt, it is not an error of the run that it ends."""


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
        except Exception as error:
            record.status, record.tags["reason"] = "FAILED", reason(error)
            record.texts[TRACEBACK] = traceback.format_exc()
        finally:
            record.end_ms = int(time.time() * 1000)
            store.end(record)
    except StoreError as error:
        if not record.rows:
            raise
        file = spool.save(record, sweep, store.results)
        raise StoreError(f"{error}; the run {name!r} is kept in {file}, and the next sweep logs it") from error
    return record


def _iterate(job: Job, record: Record, store: Store) -> None:
    start = time.perf_counter()
    job.experiment.warm_up()
    record.rows.append(Row(0, {"time/compile_s": time.perf_counter() - start}))
    record.tags |= job.experiment.tags()
    flushed = time.monotonic()
    for row in job.experiment.run():
        record.rows.append(row)
        if time.monotonic() - flushed > FLUSH_EVERY_S:
            with suppress(StoreError):  # the store may be back by the end of the run; nothing is lost till then
                store.write(record)
            flushed = time.monotonic()


def reason(error: BaseException) -> str:
    """One line for a failure: the exception's name and the first line of its message."""
    message = str(error).strip().splitlines()
    return f"{type(error).__name__}: {message[0]}" if message else type(error).__name__


def recover(store: Store) -> int:
    """Log the runs that an earlier sweep had to spool; how many there were."""
    count = 0
    for file, experiment, record in spool.pending(store.results):
        record.run_id, record.written = "", 0
        record.end_ms = record.end_ms or int(time.time() * 1000)
        store.begin(store.experiment(experiment), record)
        store.end(record)
        file.unlink()
        count += 1
    return count
