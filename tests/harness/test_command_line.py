"""The command line as a user meets it: a sweep, the help, tab completion, and how soon each starts."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys

import pytest
from bench import CONF, HERE, ROOT, TOYS, in_process, named, runs

import harness.__main__
from harness import frames, sweeper

HEAVY = ("numba", "mlflow", "pandas", "plotly", "sklearn", "scipy", "pydantic")


def test_a_sweep_leaves_every_run_complete(toys, results, store):
    """Nothing of the 50 ms a run is saved by leaving something out."""
    done = toys("index=range(20)", "rate=0.25,0.5,1.0")
    assert (done.status, done.err) == (0, "")
    all_runs, history = runs(results), frames.history(store, "runs")
    assert len(all_runs) == all_runs["name"].nunique() == all_runs["hash"].nunique() == 60
    assert set(all_runs["status"]) == {"FINISHED"}
    assert sorted(zip(all_runs["index"], all_runs["rate"], strict=True)) == [
        (i, r) for i in range(20) for r in (0.25, 0.5, 1)
    ]
    settings = ["index", "rate", "rows", "pause", "behave", "when", "say", "seed", "experiment"]
    assert all_runs[settings].notna().all(axis=None)
    assert all_runs[["machine", "source", "sweep", "command", "seconds", "start"]].notna().all(axis=None)
    steps = history[history["metric"] == "train/value"].groupby("run_id")["step"].apply(list)
    assert steps.to_dict() == {run_id: [0, 1, 2] for run_id in all_runs["run_id"]}
    for row in all_runs.itertuples():
        assert all_runs.loc[row.Index, "train/value"] == row.index * row.rate + 2 / 7
    assert "60 runs finished" in done.out


@pytest.mark.parametrize("sweep", ["pair", "parts"])
def test_the_command_of_a_run_runs_nothing_else(sweep, bench, results):
    """Whoever reads a run's command in MLflow can repeat that run, of a sweep of one grid or of several."""
    assert bench(*TOYS[:2], f"+sweep={sweep}", "seed=1").status == 0
    of_sweep = runs(results, sweep)
    assert set(of_sweep["status"]) == {"FINISHED"}
    for run in of_sweep[::3].itertuples():
        start = f"python -m harness {shlex.join(TOYS[:2])} "
        assert run.command.startswith(start)
        again = named(*shlex.split(run.command.removeprefix(start)))
        assert [(one.job.hash, one.job.target) for one in again] == [(run.hash, run.experiment_class)]


def test_help_names_every_group_and_every_sweep(bench):
    done = in_process(["--help"])
    assert (done.status, done.err) == (0, "")
    for group in CONF.iterdir():
        if group.is_dir() and group.name != "hydra":
            options = ", ".join(sorted(path.stem for path in group.glob("*.yaml")))
            assert f"{group.name}: {options}\n" in done.out
    for key in ("batch_size: 64", "step_size: 0.1", "results: results"):
        assert key in done.out


def test_cfg_prints_the_configuration_of_a_run():
    done = in_process(["--cfg", "job", "loss=huber", "batch_size=32"])
    assert done.status == 0
    assert "batch_size: 32" in done.out
    assert "_target_: kernels.losses.Huber" in done.out


@pytest.mark.parametrize("arguments", [[], ["--help"], ["--cfg", "job"]], ids=["import", "help", "cfg"])
def test_a_light_start_waits_for_no_heavy_library(arguments):
    code = (
        "import atexit, sys, harness.__main__ as m\n"
        f"atexit.register(lambda: print([name for name in {HEAVY} if name in sys.modules], file=sys.stderr))\n"
        + ("m.main()" if arguments else "")
    )
    done = subprocess.run([sys.executable, "-c", code, *arguments], cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "[]\n")


def test_bad_input_in_a_process_of_its_own_is_one_line_on_stderr():
    done = subprocess.run([sys.executable, "-m", "harness", "loss=hubr"], cwd=ROOT, capture_output=True, text=True)
    expected = "harness: loss=hubr: there is no such loss; did you mean 'huber'?\n"
    assert (done.returncode, done.stdout, done.stderr) == (1, "", expected)


def test_an_error_of_ours_shows_its_traceback(monkeypatch, toys):
    """What the user can't mend is not worded away."""

    def broken(*_):
        raise RuntimeError("a bug")

    monkeypatch.setattr(sweeper, "Expansion", broken)
    with pytest.raises(RuntimeError, match="a bug"):
        toys("index=1")


def test_hydras_own_switch_shows_the_traceback_of_a_refusal(monkeypatch, results):
    monkeypatch.setattr(sys, "argv", ["harness", *TOYS, "rate=-1", f"results={results}"])
    monkeypatch.setenv("HYDRA_FULL_ERROR", "1")
    with pytest.raises(sweeper.ConfigurationError, match="rate=-1: should be greater than 0"):
        harness.__main__.main()


def test_a_configuration_folder_of_ones_own_is_in_the_command_again(toys, results):
    toys("index=3")
    assert f"--config-dir {HERE / 'conf'} " in runs(results)["command"].iloc[0]


# Tab completion works through the console script only: Hydra asks the shell what stands on the line.


def completed(line, monkeypatch):
    monkeypatch.setenv("COMP_LINE", line)
    monkeypatch.setenv("COMP_POINT", str(len(line)))
    monkeypatch.setenv("PATH", str(ROOT), prepend=os.pathsep)
    done = in_process(["-sc", "query=bash"])
    assert (done.status, done.err) == (0, "")
    return done.out.split()


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("harness loss=h", ["loss=huber"]),
        ("harness noise=", [f"noise={path.stem}" for path in sorted((CONF / "noise").glob("*.yaml"))]),
        ("harness +sweep=", [f"+sweep={path.stem}" for path in sorted((CONF / "sweep").glob("*.yaml"))]),
        ("harness +sweep=tour batch_s", ["batch_size="]),
        ("harness loss=huber loss.d", ["loss.delta="]),
    ],
)
def test_tab_completes(line, offered, monkeypatch):
    assert sorted(completed(line, monkeypatch)) == offered


def test_the_completion_of_each_shell_can_be_installed():
    for shell in ("bash", "zsh", "fish"):
        done = in_process(["-sc", f"install={shell}"])
        assert done.status == 0
        assert done.out.strip()
