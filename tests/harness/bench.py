"""The command line in this process, and what it left in the store."""

from __future__ import annotations

import contextlib
import io
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from hydra import initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.types import RunMode
from omegaconf import OmegaConf

import harness.__main__
from harness import frames, sweeper
from harness.expand import Expansion, Point
from harness.tracking import Record, Settings, Store

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
CONF = ROOT / "conf"
TOYS = ("--config-dir", str(HERE / "conf"), "experiment=toy")


@dataclass(frozen=True)
class Outcome:
    """How a command ended."""

    status: int
    out: str
    err: str

    @property
    def line(self) -> str:
        """The one line of a refusal: nothing else was said, and no traceback."""
        assert self.status in (1, 2)
        assert self.out == ""
        assert self.err.count("\n") == 1
        return self.err.strip()


def in_process(arguments, main=harness.__main__.main) -> Outcome:
    """`main` with those arguments, as Python would end it: a text as exit status goes to stderr, and means 1."""
    out, err = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        patch.setattr(sys, "argv", ["harness", *arguments])
        patch.setenv("HYDRA_FULL_ERROR", "0")
        try:
            main()
            status = 0
        except SystemExit as end:
            status = end.code or 0
    if isinstance(status, str):
        return Outcome(1, out.getvalue(), err.getvalue() + status + "\n")
    return Outcome(status, out.getvalue(), err.getvalue())


def spawned(*arguments: str, before: str = "") -> Outcome:
    """A sweep of toys in a process of its own; `before` is Python that runs first."""
    code = f"{before}\nfrom harness.__main__ import main\nmain()"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(HERE)]), "COLUMNS": "200"}
    done = subprocess.run(
        [sys.executable, "-c", code, *TOYS, *arguments], env=environment, capture_output=True, text=True, timeout=60
    )
    return Outcome(done.returncode, done.stdout, done.stderr)


def runs(results: Path, name: str = "runs"):
    """All runs of the sweeps of that name, finished or not, oldest first."""
    return frames.runs(Store(Settings(str(results))), name)


def values(results: Path, name: str = "runs") -> dict[str, list[tuple[str, int, str]]]:
    """Each finished run's metrics at all steps but for timings, by its name: what has to be the same to the last bit."""
    store = Store(Settings(str(results)))
    all_runs, history = frames.runs(store, name), frames.history(store, name)
    finished = all_runs.loc[all_runs["status"] == "FINISHED", ["run_id", "name"]]
    kept = history[~history["metric"].str.startswith("time/")].merge(finished, on="run_id")
    return {
        str(name): [(row.metric, row.step, row.value.hex()) for row in of_run.itertuples()]
        for name, of_run in kept.sort_values(["metric", "step"]).groupby("name")
    }


def expansion(*arguments: str, folder: Path | None = HERE / "conf") -> list[Point]:
    """The points of a command line; `folder`: of more configuration."""
    more = [f"hydra.searchpath=[file://{folder}]"] if folder else []
    with initialize_config_dir(str(CONF), version_base="1.3"):
        loader = GlobalHydra.instance().config_loader()
        master = loader.load_configuration("config", [*more, *arguments], RunMode.MULTIRUN)
        said, task = (OmegaConf.to_container(master.hydra.overrides[kind]) for kind in ("hydra", "task"))
        axes = master.hydra.sweeper
        return list(Expansion(loader, "config", said, axes.params, axes.grids, task))


def jobs(*arguments: str, **options):
    """The checked jobs of a command line."""
    return [job for _, job in sweeper.checked(list(expansion(*arguments, **options)))[0]]


def named(*arguments: str, **options):
    """The named jobs of a command line."""
    points = expansion(*arguments, **options)
    return sweeper.named(sweeper.checked(points)[0])


def record(name="one", rows=(), **changes) -> Record:
    """A run to be logged, with the tags that frames expect."""
    tags = {
        "kind": "run",
        "hash": name,
        "experiment": "toys.Toy",
        "source": "s",
        "machine": "m",
        "sweep": "w",
        "grid": "",
    }
    made = Record(name, {**tags, **changes.pop("tags", {})}, changes.pop("params", {"index": "1"}), list(rows))
    for key, value in changes.items():
        setattr(made, key, value)
    return made
