"""The fingerprint: what sysfs says and no more; and the digest of the sources that results depend on."""

from __future__ import annotations

import importlib.metadata
import shutil
import subprocess
from pathlib import Path

import pytest
from bench import ROOT

from harness import machine

# As on a Zen 4: level, type, size, ways, line.
ZEN4 = {
    "index0": ("1", "Data", "32K", "8", "64"), "index1": ("1", "Instruction", "32K", "8", "64"),
    "index2": ("2", "Unified", "1024K", "8", "64"), "index3": ("3", "Unified", "32768K", "16", "64"),
}  # fmt: skip
FILES = ("level", "type", "size", "ways_of_associativity", "coherency_line_size")


@pytest.fixture
def sysfs(tmp_path):
    """A processor's cache folder, as the kernel lays it out."""
    for index, contents in ZEN4.items():
        (tmp_path / "cache" / index).mkdir(parents=True)
        for name, content in zip(FILES, contents, strict=True):
            (tmp_path / "cache" / index / name).write_text(content + "\n")
    (tmp_path / "cache" / "uevent").touch()
    return tmp_path / "cache"


def test_caches_are_read(sysfs):
    assert machine.caches(sysfs) == {
        "l1d": "32K, 8 ways, 64 B lines", "l1i": "32K, 8 ways, 64 B lines",
        "l2": "1024K, 8 ways, 64 B lines", "l3": "32768K, 16 ways, 64 B lines",
    }  # fmt: skip


@pytest.mark.parametrize("missing", FILES)
def test_a_cache_that_is_not_described_is_left_out(missing, sysfs):
    (sysfs / "index2" / missing).unlink()
    assert set(machine.caches(sysfs)) == {"l1d", "l1i", "l3"}


def test_without_sysfs_nothing_is_guessed(tmp_path):
    assert machine.caches(tmp_path / "nowhere") == {}


def test_the_fingerprint_says_what_is_there():
    facts = machine.fingerprint()
    assert {"cpu", "cores", "memory_gib", "os", "python", "version.numpy", "version.numba", "version.mlflow"} <= set(
        facts
    )
    assert facts["version.numpy"] == importlib.metadata.version("numpy")
    assert all(isinstance(value, str) and value for value in facts.values())
    assert int(facts["cores"]) >= 1


def test_the_processor_has_a_name_without_proc_too(monkeypatch):
    named = machine._cpu_model()
    assert named

    def unreadable(*_, **__):
        raise PermissionError

    monkeypatch.setattr(Path, "read_text", unreadable)
    assert machine._cpu_model()


def test_a_processor_of_another_kind_has_a_name(monkeypatch):
    monkeypatch.setattr(Path, "read_text", lambda self: "Hardware: BCM2835\nModel\t\t: Raspberry Pi 4\n")
    assert machine._cpu_model() == "Raspberry Pi 4"
    monkeypatch.setattr(Path, "read_text", lambda self: "processor: 0\n")
    assert machine._cpu_model()


def test_an_identity_is_of_what_decides_a_timing(monkeypatch):
    facts = dict(machine.fingerprint())
    first = machine.identity()
    assert first == machine.identity()
    assert len(first) == 8

    def with_facts(**changed):
        monkeypatch.setattr(machine, "fingerprint", lambda: {**facts, **changed})
        return machine.identity()

    for key in ("version.mlflow", "version.pandas", "os", "memory_gib"):
        assert with_facts(**{key: "of another day"}) == first
    for key in ("cpu", "cores", "threads", "cache.l2", "python", "version.numpy", "version.numba"):
        assert with_facts(**{key: "of another machine"}) != first


# Sources


@pytest.fixture
def sources(tmp_path, monkeypatch):
    """A copy of the sources, which the machine takes for its own: the folder, and their digest as of now."""
    root = tmp_path / "copy"
    for name in ("experiments", "kernels", "harness"):
        shutil.copytree(ROOT / name, root / name, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(machine, "__file__", str(root / "harness" / "machine.py"))
    return root, machine.source_digest.__wrapped__


def test_a_copy_has_the_same_digest(sources):
    assert sources[1]() == machine.source_digest()


@pytest.mark.parametrize(
    "file", ["kernels/losses/huber.py", "experiments/train.py", "experiments/data/base.py", "harness/timing.py"]
)
def test_an_edit_of_what_results_depend_on_changes_the_digest(file, sources):
    root, digest = sources
    before = digest()
    path = root / file
    text = path.read_text()
    path.write_text(text + "\n")
    assert digest() != before
    path.write_text(text)
    assert digest() == before


@pytest.mark.parametrize(
    "file", ["harness/sweeper.py", "harness/report/page.py", "experiments/notebooks/new.py", "kernels/notes.txt"]
)
def test_an_edit_of_anything_else_does_not(file, sources):
    root, digest = sources
    before = digest()
    (root / file).parent.mkdir(exist_ok=True)
    (root / file).write_text("# new\n")
    assert digest() == before


def test_new_and_renamed_files_count(sources):
    root, digest = sources
    seen = {digest()}
    new = root / "kernels" / "losses" / "new.py"
    new.write_text("# new\n")
    seen.add(digest())
    new.rename(new.with_name("other.py"))
    seen.add(digest())
    assert len(seen) == 3


# The revision


@pytest.fixture
def revision(tmp_path, monkeypatch):
    """`git_revision` of a folder that is no checkout yet."""
    (tmp_path / "tree" / "harness").mkdir(parents=True)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    monkeypatch.setattr(machine, "__file__", str(tmp_path / "tree" / "harness" / "machine.py"))
    return tmp_path / "tree", machine.git_revision.__wrapped__


@pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
def test_a_revision_is_marked_where_files_were_changed(revision):
    root, git_revision = revision
    assert git_revision() == ""
    git = ["git", "-C", str(root), "-c", "user.name=n", "-c", "user.email=e"]
    (root / "file").write_text("one")
    for command in (["init", "-q"], ["add", "file"], ["commit", "-qm", "first", "--no-verify"]):
        subprocess.run([*git, *command], check=True, capture_output=True)
    clean = git_revision()
    assert len(clean) == 12
    assert int(clean, 16) >= 0
    (root / "file").write_text("two")
    assert git_revision() == clean + "+"


def test_without_git_there_is_no_revision(revision, monkeypatch):
    def not_found(*_, **__):
        raise FileNotFoundError("git")

    monkeypatch.setattr(machine.subprocess, "run", not_found)
    assert revision[1]() == ""
