"""What is finished is not run again, and counts for every sweep it belongs to; what changed is."""

from __future__ import annotations

import pytest
from bench import TOYS, jobs, runs, values

from harness import machine, sweeper


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


def test_a_finished_run_belongs_to_the_newest_sweep_that_asks_for_it(toys, results):
    toys("index=0,1,2")
    first = runs(results)
    assert "3 runs, 2 finished before, 1 to go" in toys("index=1,2,3").out
    second = runs(results)
    assert second["index"].tolist() == [0, 1, 2, 3]
    assert second["run_id"].tolist()[:3] == first["run_id"].tolist()
    assert second["sweep"].nunique() == 2
    assert second["sweep"].tolist()[1:] == second["sweep"].tolist()[3:] * 3
    assert (second["sweep"][0], second["start"][1]) == (first["sweep"][0], first["start"][1])


def test_other_names_are_other_sweeps(toys, results):
    toys("index=0,1")
    assert "2 runs, 0 finished before" in toys("index=0,1", "name=others").out
    assert len(runs(results)) == len(runs(results, "others")) == 2


def test_duplicates_are_dropped(toys, results):
    done = toys("index=0,1,0,1", "rate=0.5,0.5")
    assert done.out.startswith("sweep runs: 2 runs, 0 finished before, 2 to go; 6 duplicates dropped\n")
    assert len(runs(results)) == 2


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
    assert runs(results)["status"].tolist() == ["FAILED", "FINISHED", "KILLED", "FINISHED"]


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
