"""Which room may know which: the arrows of the design, read off the imports of every module."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
OURS = ("experiments", "harness", "hydra_plugins", "kernels")
MODULES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
    for room in OURS
    for path in sorted((ROOT / room).rglob("*.py"))
    if "notebooks" not in path.parts
}


def imports(name: str) -> set[str]:
    """All that a module imports, wherever in it and be it for types alone: `harness.timing`, `numpy`."""
    path = MODULES[name]
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            up = package.rsplit(".", node.level - 1)[0] if node.level else ""
            module = ".".join(filter(None, [up, node.module]))
            # `from harness import timing` names a module, `from harness.timing import measure` does not
            found |= {f"{module}.{a.name}" if f"{module}.{a.name}" in MODULES else module for a in node.names}
    return found - {"__future__"}


def ours(name: str) -> set[str]:
    return {module for module in imports(name) if module.split(".")[0] in OURS}


def theirs(name: str) -> set[str]:
    """Top-level names of other people's libraries, the standard one left out."""
    return {module.split(".")[0] for module in imports(name)} - set(OURS) - set(sys.stdlib_module_names)


def room(name: str) -> list[str]:
    return [module for module in MODULES if module.split(".")[0] == name]


def test_there_are_modules_in_every_room():
    assert all(len(room(name)) >= 1 for name in OURS)
    assert {"harness.sweeper", "harness.report", "kernels.losses.huber", "hydra_plugins.bench_sweeper"} <= set(MODULES)


@pytest.mark.parametrize("name", room("harness"))
def test_the_harness_knows_no_experiment_and_no_kernel(name):
    """Hydra's `_target_` is the only link."""
    assert all(module.split(".")[0] == "harness" for module in ours(name))


def test_the_contract_imports_nothing_of_ours():
    assert ours("harness.contract") == set()


@pytest.mark.parametrize("name", room("kernels"))
def test_kernels_know_numpy_and_numba_only(name):
    assert all(module.split(".")[0] == "kernels" for module in ours(name))
    of_blas = {"threadpoolctl"} if name in ("kernels.blas", "kernels.ceilings") else set()
    erf = {"scipy"} if name == "kernels.autodiff.functions.elementwise" else set()  # NumPy has none
    assert theirs(name) <= {"numpy", "numba", "llvmlite"} | of_blas | erf


@pytest.mark.parametrize("name", room("experiments"))
def test_experiments_know_kernels_and_the_contract(name):
    allowed = {"harness.contract", "harness.estimates", "harness.timing"}
    assert all(module.split(".")[0] in ("experiments", "kernels") or module in allowed for module in ours(name))
    assert not {"mlflow", "hydra", "omegaconf"} & theirs(name)


@pytest.mark.parametrize("name", room("hydra_plugins"))
def test_plugins_are_thin(name):
    assert all(module.split(".")[0] == "harness" for module in ours(name))


@pytest.mark.parametrize("name", MODULES)
def test_one_module_alone_imports_mlflow(name):
    assert ("mlflow" in theirs(name)) == (name == "harness.tracking")


@pytest.mark.parametrize("name", room("harness"))
def test_hydra_stays_where_configurations_are(name):
    """Runs, timing, the store and frames can be used without it."""
    with_hydra = {
        "harness.__main__",
        "harness.config",
        "harness.expand",
        "harness.messages",
        "harness.sweeper",
    }
    assert not {"hydra", "omegaconf"} & theirs(name) or name in with_hydra
