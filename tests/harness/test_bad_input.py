"""Whatever the user can mend is one line that says what is wrong and what would be right; and nothing has run."""

from __future__ import annotations

import contextlib
import re
import sqlite3
from collections import namedtuple

import pytest
from bench import TOYS, in_process, runs

from harness import storage, ui
from harness.report.__main__ import main as report_main

REFUSED = {
    "group": (["lossx=huber"], "lossx: no such setting; did you mean 'loss'?"),
    "option": (["loss=hubr"], "loss=hubr: there is no such loss; did you mean 'huber'?"),
    "option, far off": (["loss=zzz"], "loss=zzz: there is no such loss; known: absolute, huber, "),
    "option, swept": (["loss=huber,hubr"], "loss=hubr: there is no such loss; did you mean 'huber'?"),
    "option that is a number": (["loss=3"], "loss=3: should be the name of an option"),
    "option that is a number, swept": (["seed=1", "layout=rows", "loss=3,4"], "loss=3,4: should be the name of an option"),
    "option, beside a list": (["batch_size=16,64", "noise=nope"], "noise=nope: there is no such noise; known: "),
    "key, beside a list": (["layout=rows,columns", "lss=huber"], "lss: no such setting; did you mean 'loss'?"),
    "a list where one is shown": (["--cfg=job", "batch_size=16,64"], "batch_size=16,64: a list of values makes a sweep"),
    "no option": (["loss="], "loss=: there is no such loss; known: "),
    "experiment": (["experiment=trian"], "experiment=trian: there is no such experiment; did you mean 'train'?"),
    "key": (["batch_sise=3"], "batch_sise: no such setting; did you mean 'batch_size'?"),
    "key, swept": (["batch_sise=3,4"], "batch_sise: no such setting here; did you mean 'batch_size'?"),
    "key, nothing near": (["qqq=3"], "qqq: no such setting; known: backend, "),
    "nested key": (["loss=huber", "loss.detla=3"], "loss.detla: no such setting; did you mean 'delta'?"),
    "nested key, swept": (["data.sampels=3,4"], "data.sampels: no such setting here; did you mean 'samples'?"),
    "nested key of another option": (["loss.delta=1,2"], "loss.delta: no such setting here"),
    "key of a reference": (["data.noise.scale=3"], "data.noise.scale: no such setting"),
    "group of another experiment": (["experiment=likelihood", "loss=huber"], "loss: what was chosen has no such group"),
    "swept with ++": (["+sweep=batch", "++batch_size=3"], "++batch_size: ++ would add runs to the swept values of batch_size"),
    "sweep without plus": (["sweep=tour"], "sweep=…: a sweep is added, with a plus: +sweep=…"),
    "sweep": (["+sweep=tuor"], "sweep=tuor: there is no such sweep; did you mean 'tour'?"),
    "added key": (["+foo=3"], "foo: no such setting here; known: backend, "),
    "forced key": (["++foo=3"], "foo: no such setting here; known: backend, "),
    "added key that is there": (["+batch_size=3"], "Could not append to config. An item is already at 'batch_size'."),
    "no experiment": (["~experiment"], "experiment: not set; should be one of conf/experiment/"),
    "zero": (["batch_size=0"], "batch_size=0: should be greater than or equal to 1"),
    "negative": (["step_size=-1"], "step_size=-1: should be greater than 0"),
    "NaN": (["step_size=nan"], "step_size=nan: should be "),
    "fraction": (["epochs=1.5"], "epochs=1.5: should be a valid integer, got a number with a fractional part"),
    "word": (["batch_size=many"], "batch_size=many: should be a valid integer"),
    "nothing": (["batch_size="], "batch_size=: should be a valid integer"),
    "not in the list": (["dtype=float16"], "dtype=float16: should be 'float32' or 'float64'"),
    "nested range": (["loss=huber", "loss.delta=-1"], "loss.delta: -1.0; should be a finite number above 0"),
    "of a nested node": (["data.test_share=1"], "data.test_share=1: should be less than 1"),
    "loss against noise": (["noise=bernoulli"], "loss=squared takes real numbers, but the data (or their noise) give labels"),
    "loss against data": (["loss=logistic", "data=digits"], "loss=logistic takes labels 0 or 1, but the data (or their noise) "),
    "one of many": (["batch_size=1,2,0,-3"], "batch_size=0: should be greater than or equal to 1 (2 of 4 jobs can't run; "),
    "not set": (["data=table"], "data.path: not set; give it on the command line, data.path=…"),
    "no file": (["data=table", "data.path=x.csv", "data.target=y"], "data.path=x.csv: no file "),
    "no values": (["seed=range(0)"], "the sweep is empty: each swept key needs at least one value"),
    "no key": (["=3"], "'=3': there is no key; should be key=value"),
    "no value": (["batch_size"], "'batch_size': not a setting; should be key=value"),
    "no end": (["batch_size=[1"], "batch_size=[1: the value cannot be read; brackets should be closed and not empty"),
    "no choice": (["seed=choice()"], "seed=choice(): the value cannot be read; brackets should be closed and not empty"),
    "no quotes": (["data.path=~/x"], "data.path=~/x: the value cannot be read; should be in quotes, 'data.path=\"~/x\"'"),
    "no list": (["step_size=interval(0,1)"], "step_size=interval(0,1): has no end of values; should list them"),
    "no number": (["step_size=nan"], "step_size=nan: should be finite"),
    "infinite": (["step_size=inf"], "step_size=inf: should be finite"),
    "a target that is none": (["target_loss=nan"], "target_loss=nan: should be finite"),
    "true for one": (["batch_size=true"], "batch_size=true: should be a number"),
    "a number for a name": (["data=table", "data.path=x.csv", "data.target=1"], "data.target=1: should be text, in quotes "),
    "another noise's": (["noise.nu=3"], "noise.nu: what was chosen has no such setting; it goes with noise=student_t"),
    "nobody's": (["noise.sclae=3"], "noise.sclae: no such setting; did you mean 'scale'?"),
    "a loss's": (["loss=huber", "delta=2"], "delta: no such setting; did you mean loss.delta?"),
    "a group's here": (["scale=2"], "scale: no such setting; did you mean noise.scale?"),
    "two groups' here": (["scale=2", "loss=student_t"], "scale: no such setting; did you mean loss.scale or noise.scale?"),
    "the data's": (["samples=20"], "samples: no such setting; did you mean data.samples?"),
    "another's group": (["experiment=peers", "data=digits"], "data: what was chosen has no such group; it goes with experiment="),
    "two sweeps": (["+sweep=tour", "+sweep=scaling"], "+sweep=…: one sweep at a time"),
    "a list of sweeps": (["+sweep=tour,scaling"], "+sweep=tour +sweep=scaling: one sweep at a time"),
    "another experiment's": (["rounds=2"], "rounds: what was chosen has no such setting; it goes with experiment=layout, "),
    "too much": (["data.samples=1000000000000"], "data.samples=1000000000000, data.features=10: X would take 74506 GiB; should"),
    "no such file of configuration": (["--config-name=foo"], "--config-name=foo: there is no such file in conf/"),
    "resolve": (["--resolve"], "--resolve: goes with --cfg or --help alone"),
    "mode": (["hydra.mode=RUN"], "hydra.mode: stays MULTIRUN; a single run is a sweep of one"),
    "no name": (["name=null"], "name=null: should be a name for a folder"),
    "name with a path": (["name=a/b"], "name=a/b: should be a name for a folder, without a path"),
    "name of the folder above": (["name=.."], "name=..: should be a name for a folder, without a path"),
    "name of MLflow's own": (["name=Default"], "name=Default: should be a name for a folder"),
    "name, swept": (["name=a,b"], "name=a,b: can't be swept; all runs of a sweep land in one place"),
    "refused by check": ([*TOYS, "behave=refuse", "when=1", "index=range(3)"], "index: 1; should be anything else (1 of 3 jobs"),
    "left out, all of them": ([*TOYS, "behave='leave out'", "when=1", "index=1,2"], "index: none above 0 here (2 of 2 jobs"),
    "refused by a stamp": ([*TOYS[:2], "experiment=reader", "data.path=gone"], "data.path=gone: no such file"),
    "class": (["experiment._target_=toys.Tyo"], "_target_=toys.Tyo: there is no such class; should be importable, "),
    "reserved name": ([*TOYS[:2], "experiment=reserved"], "seconds: reports use this name; toys.Reserved should call its "),
    "in no part": ([*TOYS[:2], "+sweep=parts", "+foo=3"], "foo: no such setting in any part of the sweep; known: behave, "),
    "in no part, swept": ([*TOYS[:2], "+sweep=parts", "widht=1,2"], "widht: no such setting in any part of the sweep; did you "),
}  # fmt: skip


@pytest.mark.parametrize(("arguments", "message"), REFUSED.values(), ids=REFUSED)
def test_bad_input_is_one_line_and_nothing_is_made(arguments, message, tmp_path):
    results = tmp_path / "fresh"
    refused = in_process([*arguments, f"results={results}"])
    assert refused.line.startswith(f"harness: {message}")
    assert not results.exists()


@pytest.mark.parametrize(
    ("folder", "message"),
    [("null", "results=null: should be a name for a folder"), ("", "results=: should be a name for a folder"),
     ("'a?b'", "has one of %?# in its name"), ("a%20b", "has one of %?# in its name")],
)  # fmt: skip
def test_a_folder_that_can_not_be_one(folder, message, working_directory):
    refused = in_process([*TOYS, f"results={folder}"])
    assert message in refused.line
    assert list(working_directory.iterdir()) == []


def test_a_group_of_ones_own_is_named(tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "one.yaml").write_text("# @package _global_\nseed: 7\n")
    folder = ["--config-dir", str(tmp_path), f"results={tmp_path / 'fresh'}"]
    assert in_process([*folder, "mine=one"]).line.startswith("harness: mine: no such group here; ")
    assert in_process([*folder, "+mine=3"]).line == "harness: a group: should be the name of an option"
    assert in_process([*folder, "+mine=two"]).line == "harness: mine=two: there is no such mine; known: one"


def test_results_that_can_not_be_written(tmp_path):
    (tmp_path / "file").touch()
    refused = in_process([*TOYS, f"results={tmp_path / 'file'}"])
    assert re.fullmatch(
        r"harness: results: .*/file cannot be written to \(File exists\); .*results=FOLDER", refused.line
    )


def test_results_that_can_not_be_written_to(tmp_path, monkeypatch):
    """As of a folder of somebody else's; the tests may run as root, who can write anywhere."""

    def read_only(dir):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(storage.tempfile, "TemporaryFile", read_only)
    refused = in_process([*TOYS, f"results={tmp_path / 'fresh'}"])
    assert "cannot be written to (Permission denied)" in refused.line


def test_a_database_that_is_locked(toys, results, monkeypatch):
    monkeypatch.setattr(storage, "LOCK_WAIT_S", 0.1)
    with contextlib.closing(sqlite3.connect(results / "mlflow.db", isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        refused = toys("index=1")
        assert "database is locked; another program holds it: wait for it or end it" in refused.line
        other.execute("ROLLBACK")
    assert len(runs(results)) == 0


def test_a_database_that_is_none(toys, results):
    (results / "mlflow.db").write_text("these are notes, and they are long enough not to be an empty database" * 100)
    assert re.search(r"mlflow.db: file is not a database; move it away, or choose another folder", toys("index=1").line)


def test_a_database_that_mlflow_does_not_know(toys, results):
    with contextlib.closing(sqlite3.connect(results / "mlflow.db")) as connection:
        connection.execute("update alembic_version set version_num = 'of the year 2100'")
        connection.commit()
    assert f"tracking: cannot open sqlite:///{results}/mlflow.db: " in toys("index=1").line


def test_a_full_disk(toys, results, monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(storage.shutil, "disk_usage", lambda folder: usage(1 << 30, 1 << 30, 5 << 19))
    refused = toys("index=1")
    assert (
        "is on a full disk, 2.5 MiB free; a sweep wants 16 MiB at least: make room, or choose another" in refused.line
    )
    monkeypatch.undo()
    assert len(runs(results)) == 0


# The report's and the UI's command lines


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            [],
            "sweep=NAME is missing; usage: python -m harness.report sweep=NAME [id=ID] [results=FOLDER] [uri=MLFLOW_SERVER]",
        ),
        (["sweap=tour"], "sweap=tour: not an option; did you mean 'sweep'? (usage: python -m harness.report "),
        (["tour"], "tour: not an option; "),
        (["sweep=tour"], "results=results: no runs there; run a sweep, or choose its folder with results=FOLDER"),
    ],
)
def test_a_report_that_can_not_be(arguments, message, working_directory):
    assert in_process(arguments, report_main).line.startswith(f"harness.report: {message}")
    assert list(working_directory.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["port=80"], "port=80: should be a number in 1024..65535"),
        (["port=²"], "port=²: should be a number in 1024..65535"),
        (["port=http"], "port=http: should be a number in 1024..65535"),
        (["prot=5000"], "prot=5000: not an option; did you mean 'port'? (usage: python -m harness.ui "),
        ([], "results=results: no runs there; run a sweep, or choose its folder with results=FOLDER"),
    ],
)
def test_a_ui_that_can_not_be(arguments, message, working_directory):
    assert in_process(arguments, ui.main).line.startswith(f"harness.ui: {message}")
    assert list(working_directory.iterdir()) == []


@pytest.mark.parametrize("main", [report_main, ui.main])
def test_a_sweep_that_never_ran(main, toys, results):
    chosen = ["sweep=toru", f"results={results}"]
    assert in_process(chosen, main).line.endswith(
        f"sweep=toru: no such sweep in sqlite:///{results}/mlflow.db; none has run yet"
    )
    toys("index=1", "name=tour")
    toys("index=1", "name=batch")
    assert in_process(chosen, main).line.endswith("mlflow.db; there are: batch, tour")


@pytest.mark.parametrize(
    ("main", "usage"), [(report_main, "python -m harness.report sweep=NAME"), (ui.main, "python -m harness.ui")]
)
@pytest.mark.parametrize("flag", ["-h", "--help"])
def test_usage(main, usage, flag):
    shown = in_process([flag], main)
    assert (shown.status, shown.err) == (0, "")
    assert shown.out.startswith(usage)
