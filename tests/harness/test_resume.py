"""What is finished is not run again, and counts for every sweep it belongs to; what changed is."""

from __future__ import annotations

import shlex
import shutil

import pytest
from bench import TOYS, in_process, jobs, runs, values

from harness import frames, machine, sweeper
from harness.report.__main__ import main as report_main


def test_finished_runs_are_skipped(toys, results):
    assert "3 runs, 0 finished before, 3 to go" in toys("index=range(3)").out
    before = runs(results)
    again = toys("index=range(3)")
    assert "3 runs, 3 finished before, 0 to go" in again.out
    assert again.status == 0
    assert runs(results).equals(before)


def test_a_sweep_id_is_that_of_its_content(toys, results):
    """The order of values is not content; the sweep's name is."""
    toys("index=0,1,2")
    first = runs(results)["sweep"].unique().tolist()
    toys("index=2,0,1")
    assert runs(results)["sweep"].unique().tolist() == first
    one, two = (jobs("experiment=toy", f"index={values}") for values in ("0,1", "0,2"))
    assert sweeper.sweep_id("a", one) == sweeper.sweep_id("a", one[::-1]) != sweeper.sweep_id("b", one)
    assert sweeper.sweep_id("a", one) != sweeper.sweep_id("a", two)


def test_a_finished_run_belongs_to_all_sweeps_that_asked_for_it(toys, results, store):
    toys("index=0,1,2")
    first = runs(results)
    again = toys("index=1,2,3")
    assert "3 runs, 2 finished before, 1 to go" in again.out
    second = runs(results)
    assert second["index"].tolist() == [0, 1, 2, 3]
    assert second["run_id"].tolist()[:3] == first["run_id"].tolist()
    old, new = first["sweep"][0], second["sweep"][3]
    assert second["sweep"].tolist() == [old, f"{old} {new}", f"{old} {new}", new]
    assert second["start"][1] == first["start"][1]
    assert frames.runs(store, "runs", old)["index"].tolist() == [0, 1, 2]
    assert frames.runs(store, "runs", new)["index"].tolist() == [1, 2, 3]
    assert {run.data.params["index"] for run in store.search(store.experiment("runs"), new)} == {"1", "2", "3"}

    # the narrower report took the place of the other one, says so, and how to have that one again
    command = f"python -m harness.report sweep=runs id={old} results={results}"
    assert f"it replaces the report of other runs; to have that one again: {command}\n" in again.out
    shown = in_process(command.split()[3:], report_main)
    assert (shown.status, shown.err) == (0, "")
    assert frames.load(results, "runs")[0]["index"].tolist() == [0, 1, 2]
    for wrong in ("zz", "%", "0123456789ab"):
        refused = in_process([f"results={results}", "sweep=runs", f"id={wrong}"], report_main)
        assert refused.line == f"harness.report: id={wrong}: no such sweep of runs; should be an id that a report shows"
    assert "it replaces" not in toys("index=range(6)").out  # a report that holds all that was there


def test_the_command_of_a_run_runs_it_alone_beside_the_sweep(toys, results):
    toys("index=0,1", "name=pair")
    command = shlex.split(runs(results, "pair")["command"][1])
    assert command[:3] == ["python", "-m", "harness"]
    assert in_process(command[3:]).status == 0
    [alone] = values(results, "alone").values()
    assert alone == values(results, "pair")["index=1"]
    assert frames.load(results, "pair")[0]["index"].tolist() == [0, 1]


def test_other_names_are_other_sweeps(toys, results):
    toys("index=0,1")
    assert "2 runs, 0 finished before" in toys("index=0,1", "name=others").out
    assert len(runs(results)) == len(runs(results, "others")) == 2


def test_duplicates_are_dropped(toys, results):
    done = toys("index=0,1,0,1", "rate=0.5,0.5")
    assert done.out.startswith("sweep runs: 2 runs, 0 finished before, 2 to go; 6 duplicates dropped\n")
    assert len(runs(results)) == 2


def test_what_is_left_out_is_said_and_the_rest_is_run(toys, results):
    done = toys("behave='leave out'", "when=2", "index=range(4)")
    assert done.status == 0
    lines = done.out.splitlines()
    assert lines[0] == "sweep runs: 2 runs, 0 finished before, 2 to go"
    assert lines[1] == "left out, 2 runs: index: none above 1 here"
    assert sorted(runs(results)["index"]) == [0, 1]
    folder = results / "reports" / "runs"
    for again in (False, True):  # the store knows it for a report that is made anew
        if again:
            shutil.rmtree(folder)
            assert in_process(["sweep=runs", f"results={results}"], report_main).status == 0
        assert "<li>2 runs: index: none above 1 here</li>" in (folder / "index.html").read_text()
        assert "## Left out\n\n- 2 runs: index: none above 1 here\n" in (folder / "report.md").read_text()


def test_why_metrics_are_missing_is_said_where_one_looks(toys, results):
    done = toys("behave='not know'", "when=2", "index=range(4)")
    assert "no claim is decided by these runs\nnot known, 2 runs: toys have no clocks\n" in done.out
    assert runs(results)["unknown"].fillna("").tolist() == ["", "", "toys have no clocks", "toys have no clocks"]
    folder = results / "reports" / "runs"
    assert "<h3>Not known</h3>" in (folder / "index.html").read_text()
    assert "<li>2 runs: toys have no clocks</li>" in (folder / "index.html").read_text()
    assert "## Not known\n\n- 2 runs: toys have no clocks\n" in (folder / "report.md").read_text()


def test_changed_sources_are_run_again(toys, results, monkeypatch):
    toys("index=0,1")
    monkeypatch.setattr(machine, "source_digest", lambda: "of other sources")
    assert "2 runs, 0 finished before" in toys("index=0,1").out
    all_runs = runs(results)
    assert all_runs["source"].nunique() == all_runs["sweep"].nunique() == 2
    assert all_runs.groupby("index")["hash"].nunique().tolist() == [1, 1]


def test_another_machine_runs_for_itself(toys, results, monkeypatch):
    toys("index=0,1")
    monkeypatch.setattr(machine, "identity", lambda: "another")
    assert "2 runs, 0 finished before" in toys("index=0,1").out
    assert runs(results)["machine"].nunique() == 2


def test_changed_data_are_run_again(bench, results, tmp_path):
    """Data outside the configuration count by content, not by name or date."""
    data = tmp_path / "data.txt"
    read = [*TOYS[:2], "experiment=reader", f"data.path={data}"]
    data.write_text("one")
    assert "0 finished before" in bench(*read).out
    data.write_text("one")
    assert "1 finished before" in bench(*read).out
    data.write_text("other")
    assert "0 finished before" in bench(*read).out
    assert runs(results)["train/value"].tolist() == [3, 5]


def test_a_killed_or_failed_run_is_not_finished(toys, results, tmp_path):
    for behave in ("raise", "interrupt"):
        toys("index=1", "when=1", f"behave={behave}", f"once={tmp_path / behave}")
        assert (
            "1 run, 0 finished before" in toys("index=1", "when=1", f"behave={behave}", f"once={tmp_path / behave}").out
        )
    assert runs(results)["status"].tolist() == ["FINISHED", "FINISHED"]  # what they are now


@pytest.mark.parametrize("status", ["RUNNING", "SCHEDULED", "KILLED", "FAILED"])
def test_only_finished_counts(status, toys, results, store):
    toys("index=1")
    store.client.set_terminated(runs(results)["run_id"][0], status)
    assert "0 finished before" in toys("index=1").out


def test_a_run_deleted_in_the_ui_is_run_again(toys, results, store):
    toys("index=1")
    store.client.delete_run(runs(results)["run_id"][0])
    assert "0 finished before" in toys("index=1").out
    assert len(runs(results)) == 1


def test_a_sweep_deleted_in_the_ui_comes_back(toys, results, store):
    toys("index=1")
    store.client.delete_experiment(store.experiment("runs"))
    assert toys("index=2").status == 0
    assert 2 in runs(results)["index"].tolist()


def test_numbers_do_not_depend_on_what_ran_before(toys, results, database, tmp_path):
    toys("index=2,3")
    toys("index=0,1,2")
    toys("index=3,2,1,0", "name=others")
    assert values(results) == values(results, "others")
