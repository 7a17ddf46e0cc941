"""What the README shows works: its Python runs, its sweeps exist, its two commands are those of CI."""

from __future__ import annotations

import math
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def names_of(word):
    """What the README's piece of Python with that word in it leaves behind."""
    [code] = [code for code in re.findall(r"```python\n(.*?)```", README, re.DOTALL) if word in code]
    namespace = {}
    exec(compile(code, "README.md", "exec"), namespace)
    return namespace


def test_the_kernels_of_the_readme_run():
    there = names_of("sgd_epoch")
    assert there["value"] == pytest.approx(math.log(3))  # three classes, θ = 0
    assert there["theta"].any()


def test_the_simulators_of_the_readme_run():
    there = names_of("simulate")
    assert [there[level].misses for level in ("first", "second")] == [10_000, 10_000]  # every line once, and none again
    assert len(there["asked"]) == 10_000
    assert not there["written_back"].any()


def test_the_training_loop_of_the_readme_runs():
    there = names_of("loss.backward()")
    assert there["loss"].item() == pytest.approx(math.log(3), abs=0.5)
    assert all(p.grad is not None for p in there["model"].parameters())


def test_every_sweep_is_in_the_readme_and_the_other_way_round():
    listed = set(re.findall(r"^\| `(\w+)` \|", README, re.MULTILINE))
    assert listed == {path.stem for path in (ROOT / "conf" / "sweep").glob("*.yaml")}


def test_every_sweep_opens_with_the_command_that_runs_it():
    for path in (ROOT / "conf" / "sweep").glob("*.yaml"):
        assert f"python -m harness +sweep={path.stem}" in path.read_text(encoding="utf-8").splitlines()[1]


def test_two_commands_do_all_the_set_up():
    commands = re.findall(r"^python -m pip install -c .*$", README, re.MULTILINE)
    assert len(commands) == 2
    assert "+sweep=tour" in commands[0]
    assert commands[1].endswith("python -m pytest")
    assert "grep '^python -m pip install -c' README.md" in (ROOT / ".ci" / "run").read_text(encoding="utf-8")


def test_links_of_the_readme_lead_somewhere():
    for target in re.findall(r"\]\(([^)]+)\)", README):
        assert (ROOT / target).exists(), target
