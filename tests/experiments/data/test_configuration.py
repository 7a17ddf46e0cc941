"""Every file in conf/data and conf/noise makes the object that it names, with its defaults; ranges hold."""

from __future__ import annotations

import dataclasses
import inspect
import subprocess
import sys
from pathlib import Path

import pytest
from hydra.utils import get_class, instantiate
from omegaconf import OmegaConf
from pydantic import TypeAdapter, ValidationError

from experiments import data
from experiments.data import Data, Digits, Mnist, Synthetic, Table
from kernels import noises

CONF = Path(__file__).resolve().parents[3] / "conf"
SOURCES = {path.stem: path for path in sorted((CONF / "data").glob("*.yaml"))}
NOISES = {path.stem: path for path in sorted((CONF / "noise").glob("*.yaml"))}
NEEDED = {"path": "t.csv", "target": "y"}  # what a table has no default for


def composed(path, noise="gaussian"):
    config = OmegaConf.create({"noise": OmegaConf.load(NOISES[noise]), "data": OmegaConf.load(path)})
    for key, value in NEEDED.items():
        if OmegaConf.is_missing(config.data, key):
            config.data[key] = value
    return config


@pytest.mark.parametrize("path", SOURCES.values(), ids=SOURCES)
def test_a_source_has_all_its_settings_at_their_defaults(path):
    source = instantiate(composed(path).data)
    assert isinstance(source, Data)
    assert path.stem == (source.name if not isinstance(source, Table) else "table")
    config = OmegaConf.load(path)
    fields = {f.name: f.default for f in dataclasses.fields(source)}
    assert set(config) - {"_target_"} == set(fields)
    for name, default in fields.items():
        if default is not dataclasses.MISSING:
            value = getattr(source, name)
            assert (value, type(value)) == (default, type(default))


@pytest.mark.parametrize("path", NOISES.values(), ids=NOISES)
def test_a_noise_has_all_its_settings_at_their_defaults(path):
    noise = instantiate(OmegaConf.load(path))
    assert noise == noises.named(path.stem)
    assert set(OmegaConf.load(path)) - {"_target_"} == {f.name for f in dataclasses.fields(noise)}


def test_there_is_a_file_for_every_source_and_every_noise():
    sources = [c for c in vars(data).values() if inspect.isclass(c) and issubclass(c, Data) and c is not Data]
    assert {OmegaConf.load(path)["_target_"] for path in SOURCES.values()} == {
        f"experiments.data.{c.__name__}" for c in sources
    }
    assert set(NOISES) == set(noises.ALL)


@pytest.mark.parametrize("group", [SOURCES, NOISES], ids=["data", "noise"])
def test_every_file_opens_with_the_command_that_uses_it(group):
    for name, path in group.items():
        first = path.read_text().splitlines()[0]
        assert first.startswith("# ")
        assert "python -m harness" in first
        assert f"={name}" in first


@pytest.mark.parametrize("noise", NOISES)
def test_synthetic_samples_of_every_noise(noise):
    source = instantiate(composed(SOURCES["synthetic"], noise).data)
    source.check()
    assert len(source.load(0).X) == 1000
    assert source.kind is source.load(0).target


@pytest.mark.parametrize("path", SOURCES.values(), ids=SOURCES)
def test_annotations_are_ranges_that_can_be_checked(path):
    values = OmegaConf.to_container(composed(path).data, resolve=True)
    cls = get_class(values.pop("_target_"))
    if "noise" in values:
        values["noise"] = noises.Gaussian()
    made = TypeAdapter(cls).validate_python(values)
    assert type(made) is cls
    assert hash(made) == hash(cls(**values))
    assert made == cls(**values)


@pytest.mark.parametrize(
    ("cls", "settings", "field"),
    [
        (Digits, {"test_share": 1.0}, "test_share"),
        (Digits, {"test_share": -0.1}, "test_share"),
        (Mnist, {"samples": 0}, "samples"),
        (Synthetic, {"samples": 0}, "samples"),
        (Synthetic, {"features": 0}, "features"),
        (Synthetic, {"classes": 1}, "classes"),
        (Synthetic, {"condition": 0.5}, "condition"),
        (Synthetic, {"outliers": 1.0}, "outliers"),
        (Synthetic, {"outlier_size": 0.0}, "outlier_size"),
        (Table, NEEDED | {"task": "ordinal"}, "task"),
        (Table, {"path": "t.csv"}, "target"),
    ],
)
def test_values_out_of_range_are_refused_by_name(cls, settings, field):
    needed = {"noise": noises.Gaussian()} if cls is Synthetic else {}
    with pytest.raises(ValidationError) as caught:
        TypeAdapter(cls).validate_python(needed | settings)
    assert caught.value.errors()[0]["loc"][-1] == field


def test_a_sources_own_refusal_passes_through_in_one_line():
    with pytest.raises(ValidationError) as caught:
        TypeAdapter(Synthetic).validate_python({"noise": noises.Bernoulli(), "outliers": 0.1})
    assert caught.value.errors()[0]["msg"].startswith("Value error, outliers: 0.1 with bernoulli noise; should be 0")


def test_importing_the_sources_waits_for_no_library_that_only_some_need():
    slow = ("sklearn", "pandas", "pyarrow", "pooch", "requests", "rich")
    code = f"import sys, experiments.data; print([m for m in {slow} if m in sys.modules])"
    ran = subprocess.run([sys.executable, "-c", code], cwd=CONF.parent, capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"
