"""A sweep from its first line to its last: expand, check every job, skip what is finished, run the rest, report.

Nothing is started before every job has been checked, and nothing that was finished is run again: a run is known by the
hash of its configuration, the digest of the sources and the machine it ran on.
"""

from __future__ import annotations

import hashlib
import shlex
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra.core.config_loader import ConfigLoader
from omegaconf import DictConfig, OmegaConf
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from harness import machine, runner
from harness.config import ConfigurationError, Job, as_text, choice, job
from harness.contract import LeftOut, counted, described, varying
from harness.expand import Expansion, Point
from harness.progress import SweepProgress
from harness.stopping import Stopped, signals_stop
from harness.tracking import Record, Settings, Store

COMMAND = "python -m harness"
NO_NAMES = ("..", "Default")  # Default: MLflow's own, with artifacts in the working directory


@dataclass(frozen=True)
class Named:
    """A job with its grid and name in this sweep, what is logged of its settings, and the command that runs it alone."""

    job: Job
    grid: str
    name: str
    params: Mapping[str, str]
    command: str


def sweep(
    loader: ConfigLoader,
    master: DictConfig,
    params: Mapping[str, str] | None,
    grids: Mapping[str, Mapping[str, str | None]] | None,
    arguments: Sequence[str],
    command: str = COMMAND,
) -> int:
    """Run the sweep that the command line asks for; returns the exit status, 1 if a run failed.

    `command` is what the user typed, said again where a sweep that was stopped can be resumed.

    Raises ConfigurationError or StoreError, in one line each, before anything has run.
    """
    console = Console(soft_wrap=True)
    hydra_overrides = OmegaConf.to_container(master.hydra.overrides.hydra)
    assert isinstance(hydra_overrides, list)
    points = list(Expansion(loader, "config", [str(o) for o in hydra_overrides], params, grids, arguments))
    if not points:
        raise ConfigurationError("the sweep is empty: each swept key needs at least one value")
    checks, left_out = checked(points)
    jobs = named(checks, _alone(master, several=bool(grids)))
    title = _title(points)
    store = Store(Settings(**_tracking(points[0].config)))
    recovered, stuck = runner.recover(store)
    experiment_id = store.experiment(title)
    reaped = store.reap(experiment_id)
    finished = store.finished(experiment_id)
    id_ = sweep_id(title, [n.job for n in jobs])
    source = machine.source_digest()
    waiting = [n for n in jobs if (n.job.hash, source) not in finished]
    opening = _opening(title, len(checks), len(jobs), len(waiting), recovered, stuck, reaped)
    console.print(opening, highlight=False, markup=False)
    absent = [f"{counted(count, 'run')}: {reason}" for reason, count in left_out.items()]
    for line in absent:
        console.print(f"left out, {line}", highlight=False, markup=False)
    for n in jobs:  # a run that an earlier sweep finished belongs to this one too
        if (n.job.hash, source) in finished:
            store.join(finished[n.job.hash, source], id_)
    with signals_stop():
        failed = _run_all(waiting, store, title, id_, command, console)
    from harness import report  # pandas and plotly are not needed before

    report.publish(store, title, id_, console, absent)
    if failed:
        _print_failures(failed, store, console)
    return 1 if failed else 0


def checked(points: Sequence[Point]) -> tuple[list[tuple[Point, Job]], Counter[str]]:
    """Every point with its job, and why others are left out.

    Raises ConfigurationError with the first problem, and how many points have one.
    """
    kept, left_out, problems = [], Counter[str](), []
    for point in points:
        try:
            kept.append((point, job(point.config)))
        except LeftOut as none:
            left_out[str(none)] += 1
        except ConfigurationError as error:
            problems.append(str(error))
    if not kept and not problems:
        problems = list(left_out.elements())
    if problems:
        others = f" ({len(problems)} of {len(points)} jobs can't run; nothing was run)" if len(points) > 1 else ""
        raise ConfigurationError(problems[0] + others)
    return kept, left_out


def named(checks: Sequence[tuple[Point, Job]], alone: Sequence[str] = ()) -> list[Named]:
    """Each distinct job once, named by the settings that vary between the jobs of its experiment in its grid.

    `alone`: what a command line needs besides the point's overrides, to run nothing but the job.
    """
    distinct: dict[str, tuple[Point, Job]] = {}
    for point, one in checks:
        distinct.setdefault(one.hash, (point, one))
    parts_of: dict[tuple[str, str], list[Mapping[str, str]]] = {}
    for point, one in distinct.values():
        parts_of.setdefault((one.target, point.grid), []).append(one.settings)
    keys_of = {part: varying(settings) for part, settings in parts_of.items()}
    result = []
    for point, one in distinct.values():
        experiment, keys = choice(one.target), keys_of[one.target, point.grid]
        parts = [experiment] if len(keys_of) > 1 else []
        parts += [described(key, one.settings[key]) for key in keys if key in one.settings]
        overrides = [override for override in point.overrides if not (alone and override.startswith("name="))]
        command = f"{COMMAND} {shlex.join([*alone, *overrides])}"
        result.append(
            Named(one, point.grid, " ".join(parts) or experiment, {"experiment": experiment, **one.settings}, command)
        )
    return result


def _alone(master: DictConfig, several: bool) -> list[str]:
    """The arguments that are no settings: folders of configuration and what was said to Hydra; grids are put aside.

    The sweep of that one run has a name of its own, so that it does not take the place of the report it was found in.
    """
    sources = master.hydra.runtime.config_sources
    folders = [part for s in sources if s.provider == "command-line" for part in ("--config-dir", s.path)]
    return [*folders, *master.hydra.overrides.hydra, *(["hydra.sweeper.grids=null"] if several else []), "name=alone"]


def sweep_id(title: str, jobs: Sequence[Job]) -> str:
    """The same command on the same sources has the same id, so that a resumed sweep is the one that was stopped."""
    content = "\0".join([title, machine.source_digest(), *sorted(one.hash for one in jobs)])
    return hashlib.sha256(content.encode()).hexdigest()[:12]


def _tracking(config: DictConfig) -> dict[str, Any]:
    settings = OmegaConf.to_container(config.tracking, resolve=True)
    assert isinstance(settings, dict)
    return {str(key): value for key, value in settings.items() if key != "_target_"}


def _title(points: Sequence[Point]) -> str:
    """The sweep's name, which also names a folder. Raises ConfigurationError; also where runs would land in several places."""
    sweeps = dict.fromkeys(
        text for point in points for text in point.overrides if text.lstrip("+").startswith("sweep=")
    )
    if len(sweeps) > 1:
        raise ConfigurationError(f"{' '.join(sweeps)}: one sweep at a time")
    for key in ("name", "results"):
        values = dict.fromkeys(as_text(point.config[key]) for point in points)
        if len(values) > 1:
            raise ConfigurationError(f"{key}={','.join(values)}: can't be swept; all runs of a sweep land in one place")
        if set(values) & {"null", ""}:
            raise ConfigurationError(f"{key}={next(iter(values))}: should be a name for a folder")
    title = str(points[0].config.name)
    if Path(title).name != title or title in NO_NAMES:
        raise ConfigurationError(f"name={title}: should be a name for a folder, without a path")
    return title


def _opening(
    title: str, points: int, jobs: int, waiting: int, recovered: int, stuck: Sequence[Path], reaped: int
) -> str:
    said = [f"sweep {title}: {counted(jobs, 'run')}, {jobs - waiting} finished before, {waiting} to go"]
    if points > jobs:
        said.append(f"{counted(points - jobs, 'duplicate')} dropped")
    if reaped:
        said.append(f"{reaped} left over by a dead process, closed")
    if recovered:
        said.append(f"{recovered} kept by an earlier sweep, logged")
    if stuck:
        said.append(f"{len(stuck)} kept by an earlier sweep can't be logged: {', '.join(map(str, stuck))}")
    return "; ".join(said)


def _run_all(
    waiting: Sequence[Named], store: Store, title: str, id_: str, command: str, console: Console
) -> list[tuple[str, Record]]:
    """Run each job; the failed ones by name. When stopped, say how to resume, and stop."""
    failed = []
    with SweepProgress(len(waiting), console) as progress:
        try:
            for n in waiting:
                progress.start(n.name)
                tags = {"sweep": id_, "grid": n.grid, "mlflow.note.content": f"`{n.command}`", "command": n.command}
                record = runner.run(n.job, n.name, n.params, tags, store, title)
                if record.status != "FINISHED":
                    failed.append((n.name, record))
                progress.done(record.status, record.tags.get("reason", ""))
        except (KeyboardInterrupt, Stopped):
            console.print(
                f"stopped after {progress.completed} of {len(waiting)} runs, all kept; "
                f"to resume, run the same command again: {command}",
                highlight=False, markup=False,
            )  # fmt: skip
            raise
    return failed


def _print_failures(failed: Sequence[tuple[str, Record]], store: Store, console: Console) -> None:
    table = Table(title=f"{len(failed)} failed", title_style="bold red", title_justify="left", box=SIMPLE_HEAD)
    for column in ("run", "reason", "traceback"):
        table.add_column(column, no_wrap=True)
    for name, record in failed:
        where = store.artifact(record.run_id, runner.TRACEBACK)
        table.add_row(Text(name), Text(record.tags["reason"]), Text(where))
    # as wide as it has to be: a path that is broken over lines can't be copied
    Console(file=console.file, width=10_000, force_terminal=console.is_terminal).print(table)
