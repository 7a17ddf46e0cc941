"""A file in the folder is all that a new loss, noise or layout takes."""

from __future__ import annotations

import sys

import pytest

from kernels.siblings import pick, siblings


class Base:
    """Of the classes in the folder."""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A package on the path, to which files are added: its name and its path."""
    package = tmp_path / "room_of_siblings"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "base.py").write_text(f"from {__name__} import Base\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(sys.modules, __name__, sys.modules[__name__])
    yield package
    for module in [name for name in sys.modules if name.startswith("room_of_siblings")]:
        del sys.modules[module]


def add(folder, name, text):
    (folder / f"{name}.py").write_text(f"from room_of_siblings.base import Base\n{text}")


def found(folder):
    return siblings("room_of_siblings", [str(folder)], Base)


def test_each_file_is_found(folder):
    add(folder, "b_second", "class Second(Base):\n    name = 'second'\n")
    add(folder, "a_first", "class First(Base):\n    name = 'first'\nclass Unrelated: ...\n")
    add(folder, "c_heir", "from room_of_siblings.a_first import First\nclass Heir(First):\n    name = 'heir'\n")
    assert [(name, cls.__name__) for name, cls in found(folder).items()] == [
        ("first", "First"), ("second", "Second"), ("heir", "Heir"),
    ]  # fmt: skip


def test_a_class_without_a_name_is_refused(folder):
    add(folder, "nameless", "class Nameless(Base): ...\n")
    with pytest.raises(ImportError, match=r"^room_of_siblings.nameless.Nameless: has no name; should say name = …$"):
        found(folder)


def test_two_of_the_same_name_are_refused(folder):
    add(folder, "one", "class One(Base):\n    name = 'same'\n")
    add(folder, "two", "class Two(Base):\n    name = 'same'\n")
    with pytest.raises(ImportError, match=r"room_of_siblings.two.Two: its name 'same' is that of .*One"):
        found(folder)


def test_a_name_that_is_not_there():
    assert pick("loss", "one", {"one": Base}) is Base
    with pytest.raises(ValueError, match=r"^noise: 'three'; should be one of one, two, or a Noise object$"):
        pick("noise", "three", {"one": Base, "two": Base})
