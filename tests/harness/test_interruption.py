"""A sweep that is stopped in the middle, in any way, goes on where it was, to the same numbers."""

from __future__ import annotations

import shlex

import pytest
from bench import TOYS, in_process, runs, values

from harness import frames

SWEEP = ("index=range(40)", "when=17")
ENDS = {"kill": -9, "term": 143, "interrupt": 130, "lose": 130}


@pytest.fixture
def stopped(request, spawn, results, tmp_path):
    """(arguments, outcome): a sweep of 40 that was stopped in run 17 by the signal of that name, and how it ended."""
    arguments = [*SWEEP, f"behave={request.param}", f"once={tmp_path / 'once'}"]
    return arguments, spawn(*arguments), ENDS[request.param]


@pytest.mark.slow
@pytest.mark.parametrize("stopped", ENDS, indirect=True)
def test_a_stopped_sweep_goes_on_to_the_same_numbers(stopped, toys, store, results, tmp_path, database):
    arguments, ended, status = stopped
    assert ended.status == status
    before = runs(results)
    assert before["status"].value_counts().to_dict() == (
        {"FINISHED": 17, "RUNNING": 1} if status < 0 else {"FINISHED": 17, "KILLED": 1}
    )
    if status > 0:  # what was measured before the signal is kept, and how to go on is said
        killed = before[before["status"] == "KILLED"].iloc[0]
        assert (killed["index"], killed["train/value"], killed["reason"]) == (17, 17 * 0.5, "stopped by the user")
        said = ended.out.splitlines()[-1]
        assert said.startswith("stopped after 17 of 40 runs, all kept; to resume, run the same command again: ")
        command = shlex.split(said.partition("again: ")[2])

    again = toys(*arguments)
    assert again.status == 0
    assert (
        f"40 runs, 17 finished before, 23 to go{'; 1 left over by a dead process, closed' * (status < 0)}" in again.out
    )
    after = runs(results)
    assert after["status"].value_counts().to_dict() == {"FINISHED": 40}  # the one that was killed is none of them
    finished = after[after["status"] == "FINISHED"]
    assert sorted(finished["index"]) == list(range(40))
    kept = before[before["status"] == "FINISHED"]
    same = ["run_id", "start", "seconds", "train/value", "time/nothing_s", "sweep", "command"]
    assert after.merge(kept[same], on=same)["run_id"].tolist() == kept["run_id"].tolist()
    unfinished = before[before["status"] != "FINISHED"]["run_id"].item()
    assert store.client.get_run(unfinished).info.status == "KILLED"
    assert unfinished not in set(after["run_id"])
    assert after["sweep"].nunique() == 1

    undisturbed = in_process([*TOYS, *arguments, f"results={tmp_path / 'undisturbed'}"])
    assert undisturbed.status == 0
    assert values(results) == values(tmp_path / "undisturbed")

    if status > 0:  # the command that was said is the one that was typed
        assert command[:3] == ["python", "-m", "harness"]
        assert in_process(command[3:]).out.startswith("sweep runs: 40 runs, 40 finished before, 0 to go\n")


@pytest.mark.parametrize("behave", ["term", "interrupt", "lose"])
def test_a_signal_ends_this_process_as_it_should(behave, toys, results, tmp_path):
    """In this process, so that SIGTERM finds its old handler again, and coverage sees the way out."""
    ended = toys("index=range(4)", "when=2", f"behave={behave}", f"once={tmp_path / 'once'}")
    assert ended.status == ENDS[behave]
    assert "stopped after 2 of 4 runs" in ended.out
    assert runs(results)["status"].tolist() == ["FINISHED", "FINISHED", "KILLED"]


def test_a_long_run_that_is_killed_keeps_the_rows_it_had(spawn, store, results):
    """Every few seconds a run writes what it has; here after each row."""
    ended = spawn("index=3", "when=3", "behave=kill", before="from harness import runner\nrunner.FLUSH_EVERY_S = 0")
    assert ended.status == -9
    left = runs(results).iloc[0]
    assert (left["status"], left["train/value"], left["index"]) == ("RUNNING", 1.5, 3)
    assert frames.history(store, "runs").query("metric == 'train/value'")["step"].tolist() == [0]
    assert store.reap(store.experiment("runs")) == 1
    assert runs(results).iloc[0][["status", "reason"]].tolist() == ["KILLED", "its process died"]
    assert store.reap(store.experiment("runs")) == 0


def test_rows_written_along_the_way_are_not_written_twice(toys, results, store, monkeypatch):
    monkeypatch.setattr("harness.runner.FLUSH_EVERY_S", 0)
    assert toys("index=3", "rows=5").status == 0
    history = frames.history(store, "runs")
    assert history.query("metric == 'train/value'")["value"].tolist() == [1.5 + step / 7 for step in range(5)]
    assert not history.duplicated(["run_id", "metric", "step"]).any()
