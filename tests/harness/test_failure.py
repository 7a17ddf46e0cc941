"""A run that fails leaves the others alone, and says why and where; run again, it alone runs."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from bench import TOYS, in_process, runs

from harness import frames


def test_a_run_that_raises_leaves_the_others_alone(toys, results, store, tmp_path):
    arguments = ["index=range(5)", "when=2", "behave=raise", f"once={tmp_path / 'once'}"]
    done = toys(*arguments)
    assert done.status == 1
    all_runs = runs(results)
    assert all_runs["status"].tolist() == ["FINISHED"] * 2 + ["FAILED"] + ["FINISHED"] * 2
    failed = all_runs.iloc[2]
    assert (failed["index"], failed["reason"]) == (2, "RuntimeError: the toy broke")
    history = frames.history(store, "runs")
    rows = history[(history["run_id"] == failed["run_id"]) & (history["metric"] == "train/value")]
    assert rows[["step", "value"]].to_numpy().tolist() == [[0, 1.0]]

    assert [artifact.path for artifact in store.client.list_artifacts(failed["run_id"])] == ["traceback.txt"]
    assert re.search(
        r"^\[3/5\] index=2: failed in .* s, .* s left; RuntimeError: the toy broke$", done.out, re.MULTILINE
    )
    assert "1 failed" in done.out
    named, reason, where = next(
        line.split(maxsplit=1)[0:1] + line.split(maxsplit=1)[1].rsplit(maxsplit=1)
        for line in done.out.splitlines()
        if line.startswith("  index=2 ")
    )
    assert (named, reason.strip()) == ("index=2", "RuntimeError: the toy broke")
    assert Path(where).is_relative_to(results)
    traceback = Path(where).read_text()
    assert traceback.startswith("Traceback (most recent call last):")
    assert "toys.py" in traceback
    assert traceback.rstrip().endswith("RuntimeError: the toy broke")

    again = toys(*arguments)
    assert again.status == 0
    assert "5 runs, 4 finished before, 1 to go" in again.out
    after = runs(results)
    others = all_runs["index"] != 2
    assert after["run_id"].tolist()[:4] == all_runs[others]["run_id"].tolist()
    assert after.iloc[4][["index", "status"]].tolist() == [2, "FINISHED"]  # in the place of the one that failed
    assert len(after) == 5


@pytest.mark.parametrize(
    ("behave", "reason"),
    [
        ("leave", "SystemExit: the toy left"),
        ("nonsense", "ValueError: could not convert string to float: 'high'"),
        ("misname", "ValueError: metric 'train/value (best)': should be a name of letters, digits and _-./: as in train/loss"),
    ],
)  # fmt: skip
def test_a_run_that_goes_wrong_in_another_way_is_a_failed_run_too(behave, reason, toys, results):
    """It does not end the sweep, and it is not taken for a failure of the store."""
    done = toys("index=range(3)", "when=1", f"behave={behave}")
    assert done.status == 1
    all_runs = runs(results)
    assert all_runs["status"].tolist() == ["FINISHED", "FAILED", "FINISHED"]
    assert all_runs["reason"][1] == reason
    assert not (results / "pending").exists()


@pytest.mark.parametrize("say", ["", "[bold]not markup[/bold] [/x]", "{braces} 100 %"])
def test_any_message_is_shown_as_it_is(say, toys, results):
    done = toys("index=0,1", "when=1", "behave=raise", f"say='{say}'")
    assert done.status == 1
    reason = f"RuntimeError: {say}" if say else "RuntimeError"
    assert runs(results)["reason"][1] == reason
    assert done.out.count(reason) >= 2  # as it happens, and in the table


def test_all_runs_may_fail(toys, results):
    done = toys("index=1", "when=1", "behave=raise")
    assert done.status == 1
    assert "1 run failed" in done.out
    assert (results / "reports" / "runs" / "index.html").exists()


@pytest.mark.parametrize("folder", ["with a space", "Übung", "it's [here] & there"])
def test_a_traceback_is_found_below_any_folder(folder, database, tmp_path):
    results = tmp_path / folder
    results.mkdir()
    (results / database.name).write_bytes(database.read_bytes())
    escaped = str(results).replace("'", r"\'")
    done = in_process([*TOYS, "index=1", "when=1", "behave=raise", f"results='{escaped}'"])
    assert done.status == 1
    where = next(results.rglob("traceback.txt"))
    assert str(where) in done.out
    assert len(runs(results)) == 1
