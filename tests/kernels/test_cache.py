"""The disk cache: a second process finds what the first compiled, an edit is never missed, and a folder is always found."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numba
import pytest

import kernels
from kernels import _jit

PACKAGE = Path(kernels.__file__).parent

compiled = pytest.mark.skipif(numba.config.DISABLE_JIT, reason="plain Python is not compiled")

REPORT = """
import json, numba, numpy as np
before = numba.config.CACHE_DIR
from kernels import Objective, _jit, layouts, losses, passes
kernel = passes.fused(losses.Huber, layouts.Rows, np.dtype("float64"))
value, _ = Objective("huber").value_and_grad(np.array([[1.0], [3.0]]), [0.0, 0.0], np.array([1.0]))
print(json.dumps({
    "hits": sum(kernel.stats.cache_hits.values()), "misses": sum(kernel.stats.cache_misses.values()),
    "value": value, "folder": _jit._FOLDER, "source": _jit.__file__,
    "config": [before, numba.config.CACHE_DIR], "stored in": kernel.stats.cache_path,
}))
"""


@pytest.fixture
def copy(tmp_path):
    """A copy of the kernels that a test may edit."""
    shutil.copytree(PACKAGE, tmp_path / "copy" / "kernels", ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path / "copy" / "kernels"


def report(copy, code=REPORT, **environment):
    """What a new process says that imports the copy; a variable of None is taken out of its environment."""
    merged = {**os.environ, "PYTHONPATH": str(copy.parent), "PYTHONDONTWRITEBYTECODE": "1", **environment}
    answer = subprocess.run(
        [sys.executable, "-c", code], env={k: v for k, v in merged.items() if v is not None},
        cwd=copy.parent, check=True, capture_output=True, text=True,
    )  # fmt: skip
    return json.loads(answer.stdout)


@pytest.mark.slow
@compiled
def test_the_second_process_finds_what_the_first_compiled_until_a_formula_changes(copy, tmp_path):
    """The formula is inlined from another file than the kernel's own, which Numba's cache alone would not notice."""
    cache = str(tmp_path / "cache")
    first = report(copy, NUMBA_CACHE_DIR=cache)
    assert Path(first["source"]).parent == copy
    assert Path(first["folder"]).parent == Path(cache)
    assert Path(first["stored in"]).is_relative_to(first["folder"])
    assert (first["hits"], first["misses"]) == (0, 1)
    inside, outside = 0.5, 1.345 * (3 - 0.5 * 1.345)
    assert first["value"] == pytest.approx((inside + outside) / 2, rel=1e-15)

    second = report(copy, NUMBA_CACHE_DIR=cache)
    assert (second["hits"], second["misses"]) == (1, 0)
    assert second["value"] == first["value"]

    formula = copy / "losses" / "huber.py"
    edited = formula.read_text().replace("real(0.5) * residual * residual", "real(2.5) * residual * residual")
    assert edited != formula.read_text()
    formula.write_text(edited)
    third = report(copy, NUMBA_CACHE_DIR=cache)
    assert (third["hits"], third["misses"]) == (0, 1)
    assert third["value"] == pytest.approx((5 * inside + outside) / 2, rel=1e-15)
    for each in (first, second, third):
        assert each["config"] == [cache, cache]  # as the user had it


FIRST = """
import json, numpy as np
from kernels import Objective
rng = np.random.default_rng(0)
X, theta = rng.standard_normal((40, 5)), np.zeros((5, 3))
y, delta, f = rng.integers(0, 3, 40), rng.standard_normal((40, 3)), Objective("softmax")
print(json.dumps(np.abs({call}).sum().item()))
"""
PASSES = {
    "forward": "f.forward(X, theta + 1)",
    "gradient": "f.gradient(X, delta)",
    "fused": "f.value_and_grad(X, y, theta)[1]",
    "fused, by slices": "f.value_and_grad(np.tile(X, (5, 100)), np.tile(y, 5), np.zeros((500, 3)))[1]",
    "fused, one sample": "f.value_and_grad(X[:1], y[:1], theta)[1]",
    "epoch": "[f.sgd_epoch(X, y, theta, 8, 0.1)]",
    "epoch, one by one": "[f.sgd_epoch(X, y, theta, 1, 0.1)]",
}


@pytest.mark.slow
@compiled
@pytest.mark.parametrize("name", PASSES)
def test_any_pass_may_be_the_first_of_its_process_compiled_or_read_from_the_disk(name, copy, tmp_path):
    """A symbol that is not known yet would end the process."""
    first, second = (
        report(copy, FIRST.replace("{call}", PASSES[name]), NUMBA_CACHE_DIR=str(tmp_path)) for _ in range(2)
    )
    assert first == second > 0


FOREIGN = """
from dataclasses import dataclass
from kernels import losses
from kernels._jit import inline
from kernels.losses.base import elementwise

@inline
def value(h, y, p):
    return 2.0 * (h - y)

@dataclass(frozen=True)
class Foreign(losses.Loss):
    name, target, block = "foreign", losses.Target.REAL, elementwise(value, value)
"""
CALL = "from foreign import Foreign; print(Foreign().values([3.0], [1.0])[0])"


@compiled
def test_a_formula_from_elsewhere_is_never_stale(copy, tmp_path):
    """No digest of ours sees the file of a loss that is not ours, so its kernels are not cached."""
    cache, formula = str(tmp_path / "cache"), copy.parent / "foreign.py"
    formula.write_text(FOREIGN)
    assert report(copy, CALL, NUMBA_CACHE_DIR=cache) == 4
    formula.write_text(FOREIGN.replace("2.0", "7.0"))
    assert report(copy, CALL, NUMBA_CACHE_DIR=cache) == 14


CACHED = """
import json, numba
before = numba.config.CACHE_DIR
from kernels import _jit
open("double.py", "w").write("def double(x):\\n    return 2 * x\\n")
from double import double
kernel = _jit.serial("float64(float64)")(double)
print(json.dumps({
    "value": kernel(4.0), "folder": _jit._FOLDER, "stored in": kernel.stats.cache_path,
    "config": [before, numba.config.CACHE_DIR],
}))
"""


@compiled
def test_a_cache_folder_that_cannot_be_made_is_replaced_by_a_temporary_one(copy, tmp_path):
    in_the_way, temporary = tmp_path / "file", tmp_path / "tmp"
    in_the_way.write_text("a file where the folder should be")
    temporary.mkdir()
    answer = report(copy, CACHED, NUMBA_CACHE_DIR=str(in_the_way), TMPDIR=str(temporary), TEMP=str(temporary))
    assert answer["value"] == 8
    assert Path(answer["folder"]).is_relative_to(temporary)
    assert Path(answer["stored in"]).is_relative_to(temporary)
    assert list(Path(answer["stored in"]).glob("*.nbc"))
    assert answer["config"] == [str(in_the_way)] * 2


@compiled
def test_without_the_variable_the_users_cache_folder_is_used(copy, tmp_path):
    homes = {name: str(tmp_path / name) for name in ("HOME", "XDG_CACHE_HOME", "LOCALAPPDATA")}
    answer = report(copy, CACHED, NUMBA_CACHE_DIR=None, **homes)
    assert Path(answer["folder"]).is_relative_to(tmp_path)
    assert "pystickonfire" in Path(answer["folder"]).parts
    assert list(Path(answer["stored in"]).glob("*.nbc"))
    assert answer["config"] == [""] * 2


def test_the_folder_is_named_by_the_sources(monkeypatch, tmp_path):
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "chosen"))
    assert _jit.cache_folder() == tmp_path / "chosen" / f"kernels-{_jit.source_digest()}"
    assert list(_jit.cache_folder().iterdir()) == []  # the probe is gone


def test_a_folder_that_cannot_be_made_or_written_to(monkeypatch, tmp_path):
    """Root may write anywhere, so the path is made impossible rather than forbidden."""
    (tmp_path / "file").touch()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "file" / "below"))
    fallback = _jit.cache_folder()
    assert fallback.is_relative_to(tmp_path / "tmp")
    assert fallback.name == f"kernels-{_jit.source_digest()}"

    def refuse(**_):
        raise PermissionError("read-only")

    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "read-only"))
    monkeypatch.setattr(tempfile, "TemporaryFile", refuse)
    assert _jit.cache_folder() == fallback


@pytest.mark.parametrize(
    ("platform", "variables", "expected"),
    [
        ("linux", {}, "home/.cache/pystickonfire"),
        ("linux", {"XDG_CACHE_HOME": ""}, "home/.cache/pystickonfire"),
        ("linux", {"XDG_CACHE_HOME": "{root}/xdg"}, "xdg/pystickonfire"),
        ("darwin", {}, "home/Library/Caches/pystickonfire"),
        ("win32", {}, "home/AppData/Local/pystickonfire"),
        ("win32", {"LOCALAPPDATA": "{root}/local"}, "local/pystickonfire"),
    ],
)
def test_the_users_cache_folder_on_each_system(monkeypatch, tmp_path, platform, variables, expected):
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setattr(Path, "home", lambda: tmp_path / "home")
    for name in ("XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value.format(root=tmp_path))
    assert _jit.user_cache() == tmp_path / expected


def test_the_digest_sees_every_edit_and_every_name(tmp_path):
    (tmp_path / "losses").mkdir()
    one = tmp_path / "losses" / "one.py"
    one.write_text("a = 1\n")
    digests = [_jit.source_digest(tmp_path)]
    one.write_text("a = 2\n")
    digests.append(_jit.source_digest(tmp_path))
    one.rename(tmp_path / "losses" / "other.py")
    digests.append(_jit.source_digest(tmp_path))
    (tmp_path / "two.py").touch()
    digests.append(_jit.source_digest(tmp_path))
    assert len(set(digests)) == len(digests)
    (tmp_path / "notes.txt").write_text("no source")
    (tmp_path / "autodiff").mkdir()
    (tmp_path / "autodiff" / "tape.py").write_text("no kernel")
    assert _jit.source_digest(tmp_path) == digests[-1]


def test_nothing_in_autodiff_is_compiled():
    """It is not in the digest."""
    for path in Path(_jit.__file__).with_name("autodiff").rglob("*.py"):
        assert not re.search(r"\bnumba\b|_jit", path.read_text()), path


def test_numbas_configuration_is_left_as_the_user_had_it():
    """After the imports above, and after a compilation that failed."""
    assert os.environ["NUMBA_CACHE_DIR"] == numba.config.CACHE_DIR
    if not numba.config.DISABLE_JIT:
        with pytest.raises(numba.core.errors.TypingError):
            _jit.serial("float64(float64)")(lambda x: x.no_such_attribute)
    assert os.environ["NUMBA_CACHE_DIR"] == numba.config.CACHE_DIR
