"""From a configuration to a checked job: types, settings as text, and the hash that says whether it has run already."""

from __future__ import annotations

import dataclasses
import pydoc
from dataclasses import dataclass

import pytest
import toys
from bench import expansion, jobs

from experiments.backends.numba import Numba
from harness import config
from harness.config import ConfigurationError, as_text, choice, content_hash, job, nearest
from harness.contract import Count, Experiment
from kernels import losses


def one(*arguments):
    [only] = jobs(*arguments)
    return only


# Objects


def test_the_fields_are_the_configuration():
    made = one("loss=huber", "loss.delta=2", "batch_size=null", "step_size=3")
    experiment = made.experiment
    assert made.target == "experiments.train.Train"
    assert experiment.loss == losses.Huber(delta=2.0)
    assert experiment.batch_size is None
    assert (experiment.step_size, type(experiment.step_size)) == (3.0, float)
    assert experiment.backend is Numba
    assert experiment.epochs == 10  # through ${profile.epochs}


def test_a_list_becomes_a_tuple(tmp_path):
    (tmp_path / "t.csv").write_text("a,b,c,y\n" + "".join(f"{i},{i * i},{i},{i / 3}\n" for i in range(9)))
    made = one("data=table", f"data.path={tmp_path / 't.csv'}", "data.target=y", "data.drop=[b,c]")
    assert made.experiment.data.drop == ("b", "c")
    assert made.settings["data.drop"] == "[b,c]"


def test_a_partial_takes_arguments_along():
    call = config._build("builtins.int", {"_partial_": True, "base": 2}, "")
    assert call("101") == 5


@dataclass(frozen=True)
class Checked:
    """Refuses in three ways: a range, a check of its own, and a missing value."""

    number: Count
    other: int = 0

    def __post_init__(self):
        if self.other == 13:
            raise ValueError("other: 13;\n  should be lucky")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"number": 0}, "loss.number=0: should be greater than or equal to 1"),
        ({"number": "x"}, "loss.number=x: should be a valid integer, unable to parse string as an integer"),
        ({"number": None}, "loss.number=null: should be a valid integer"),
        ({}, "loss.number: not set"),
        ({"number": 1, "numbr": 2}, "loss.numbr: test_config.Checked has no such setting; did you mean 'number'?"),
        ({"number": 1, "other": 13}, "loss.other: 13; should be lucky"),
    ],
)
def test_an_object_is_refused_in_one_line(arguments, message, monkeypatch):
    monkeypatch.setattr(config, "locate", {"test_config.Checked": Checked}.__getitem__)
    with pytest.raises(ConfigurationError) as refused:
        config._build("test_config.Checked", arguments, "loss.")
    assert str(refused.value) == message


def test_a_setting_that_the_file_forgot_is_named():
    [point] = expansion("experiment=toy", "~rate")
    with pytest.raises(ConfigurationError, match=r"rate: not set; toys.Toy needs it, see conf/experiment/"):
        job(point.config)


def test_what_a_reference_lacks_is_named_by_its_own_key():
    [point] = expansion("noise=student_t")
    point.config.noise.nu = "???"
    with pytest.raises(ConfigurationError, match=r"^noise.nu: not set; give it on the command line, noise.nu=…"):
        job(point.config)


@pytest.mark.parametrize(
    "target", ["nowhere.Train", "experiments.train.Trian", "experiments.nowhere.X", "experiments.train", "X"]
)
def test_a_class_that_is_not_there_is_one_line(target):
    with pytest.raises(ConfigurationError, match=f"^_target_={target}: there is no such class; should be importable"):
        config.locate(target)


def test_a_module_that_fails_to_import_shows_where(tmp_path, monkeypatch):
    (tmp_path / "broken_toys.py").write_text("import nowhere_at_all\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(pydoc.ErrorDuringImport, match="nowhere_at_all"):
        config.locate("broken_toys.Toy")


# Settings as text


def test_settings_stand_under_the_keys_that_set_them():
    settings = one("noise=student_t", "noise.nu=5", "loss=huber", "threads=1").settings
    assert settings["noise"] == "student_t"
    assert (settings["noise.nu"], settings["noise.scale"]) == ("5", "1.0")
    assert (settings["loss"], settings["loss.delta"]) == ("huber", "1.345")
    assert (settings["data"], settings["data.samples"]) == ("synthetic", "1000")
    assert (settings["layout"], settings["backend"]) == ("rows", "numba")
    assert (settings["target_loss"], settings["batch_size"], settings["threads"]) == ("null", "64", "1")
    assert not any(
        key.startswith(("data.noise", "profile", "tracking", "name", "results", "experiment")) for key in settings
    )


def test_each_setting_can_be_said_again_on_the_command_line():
    """The settings of a run, typed back, make the same run."""
    first = one("noise=student_t", "loss=huber", "batch_size=null", "data.bias=true", "step_size=1e-5")
    known = {key: value for key, value in first.settings.items() if key != "backend"}
    groups = [f"{key}={value}" for key, value in known.items() if f"{key}." in " ".join(known) or key == "layout"]
    values = [f"{key}={value}" for key, value in known.items() if f"{key}={value}" not in groups]
    assert one(*groups, *values).hash == first.hash


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "null"), (True, "true"), (False, "false"), (1e-5, "1e-05"), (64, "64"), ("huber", "huber"), ([1, None], "[1,null]"),
     (("a", True), "[a,true]"), ([], "[]")],
)  # fmt: skip
def test_values_as_text(value, text):
    assert as_text(value) == text


def test_names_of_choices():
    assert choice("kernels.losses.StudentT") == "student_t"
    assert choice("experiments.train.Train") == "train"
    assert choice("toys.Figured") == "figured"


@pytest.mark.parametrize(
    ("name", "known", "said"),
    [
        ("batch_sise", ["batch_size", "seed"], "; did you mean 'batch_size'?"),
        ("qq", ["b", "a"], "; known: a, b"),
        ("qq", [], ""),
    ],
)
def test_the_nearest_name(name, known, said):
    assert nearest(name, known) == said


# The hash


def test_unused_groups_do_not_matter():
    digits = [one("data=digits", "loss=softmax", f"noise={noise}").hash for noise in ("gaussian", "laplace")]
    assert digits[0] == digits[1]
    synthetic = [one(f"noise={noise}").hash for noise in ("gaussian", "laplace")]
    assert synthetic[0] != synthetic[1]


def test_where_things_are_kept_does_not_matter(tmp_path):
    assert one("seed=3").hash == one("seed=3", "name=other", f"results={tmp_path}", "tracking=server").hash


def test_what_the_value_came_from_does_not_matter():
    assert one("profile=smoke").hash == one("epochs=2").hash == one("profile.epochs=2").hash != one("epochs=3").hash


def test_the_order_of_keys_does_not_matter():
    values = {"index": 1, "rate": 0.5, "nested": {"a": 1, "b": 2}}
    turned = {"nested": {"b": 2, "a": 1}, "rate": 0.5, "index": 1}
    assert content_hash("toys.Toy", values, toys.Toy()) == content_hash("toys.Toy", turned, toys.Toy())


@pytest.mark.parametrize(
    "override", ["seed=1", "batch_size=32", "noise.scale=2", "data.samples=999", "loss=huber", "layout=columns"]
)
def test_every_setting_of_the_experiment_matters(override):
    assert one(override).hash != one().hash


def test_the_experiment_matters():
    assert one("experiment=toy").hash != one("experiment=figured").hash


def test_a_nested_setting_matters_in_its_own_node_only():
    assert one("experiment=likelihood", "noise.scale=2").hash != one("experiment=likelihood").hash


def test_outside_data_count_by_their_stamp(tmp_path):
    file = tmp_path / "data"
    hashes = []
    for content in ("one", "two", "one"):
        file.write_text(content)
        hashes.append(one("experiment=reader", f"data.path={file}").hash)
    assert hashes[0] == hashes[2] != hashes[1]


def test_a_job_is_immutable():
    made = one("experiment=toy")
    with pytest.raises(dataclasses.FrozenInstanceError):
        made.hash = "0"
    assert isinstance(made.experiment, Experiment)


def test_an_experiment_without_run_says_so():
    with pytest.raises(NotImplementedError, match=r"Experiment has no run\(\)"):
        Experiment().run()
    assert Experiment().tags() == {}
    Experiment().check()
    Experiment().warm_up()
