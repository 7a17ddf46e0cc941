"""Do the oracles notice? Every sign and every direction of a comparison in the losses is turned round, one at a time.

Each file in `kernels/losses` is parsed, one `+`, `−` or `<` is changed, and the changed file is run as plain Python. A
mutant that still agrees with the notes at the points below has survived: an error there would go unseen.
"""

from __future__ import annotations

import ast
import dataclasses
import inspect
import sys
import types
from pathlib import Path

import naive
import numpy as np
import pytest

from kernels import losses
from kernels.losses import Target, base

FOLDER = Path(base.__file__).parent
FILES = sorted(path for path in FOLDER.glob("*.py") if path.name not in ("__init__.py", "base.py"))
# Not formulas of value and δ: the bound on the curvature is held to the second derivative in test_losses.py.
ELSEWHERE = {"curvature", "__post_init__"}
# Survivors that cannot be told apart from the original: "file: before → after", and the reason why. There are none.
EQUIVALENT: dict[str, str] = {}

TURNED = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.USub: ast.UAdd,
    ast.Lt: ast.Gt, ast.Gt: ast.Lt, ast.LtE: ast.GtE, ast.GtE: ast.LtE,
}  # fmt: skip
# For each kind of target: points where the notes' formulas, as they stand, are good to 1e-9 in float64.
RESIDUALS = np.array([0.0, 1e-3, 0.4, 0.99, 1.3, 1.4, 2.2, 3.0, 40.0, 1e6])
LOGIT = np.array([0.0, 1e-3, 0.5, 1.0, 3.0, 8.0])
LOGITS = np.array([
    [0.3, -1.0, 2.0], [2.0, 0.1, -0.7], [-3.0, -2.5, -4.0], [1.0, 1.0, 1.0], [0.0, 4.0, 4.0],
    [710.0, 0.0, 700.0],  # e⁷¹⁰ overflows: only the largest logit may be taken out
])  # fmt: skip
COUNTS = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0], [2.0, 0.0, 3.0], [4.0, 1.0, 2.0]])


def points(target):
    """(H (m, k), y) to evaluate at."""
    if target is Target.REAL:
        residuals = np.concatenate([RESIDUALS, -RESIDUALS])
        y = np.where(np.arange(len(residuals)) % 2, 0.75, -2.5)
        y[residuals == 0] = 0.75
        return (residuals + y)[:, None], y
    if target is Target.BINARY:
        h = np.concatenate([LOGIT, -LOGIT])
        return np.repeat(h, 2)[:, None], np.tile([0.0, 1.0], len(h))
    targets = np.arange(3) if target is Target.CLASS else COUNTS
    return np.repeat(LOGITS, len(targets), axis=0), np.concatenate([targets] * len(LOGITS))


def sites(tree):
    """The nodes with a sign or a direction, in the functions of a file that make up value and δ."""
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and node.name not in ELSEWHERE]
    for node in (node for function in functions for node in ast.walk(function)):
        if isinstance(node, ast.BinOp | ast.AugAssign | ast.UnaryOp) and type(node.op) in TURNED:
            yield node
        elif isinstance(node, ast.Compare) and any(type(op) in TURNED for op in node.ops):
            assert len(node.ops) == 1, "a chain of comparisons: write it as two"
            yield node


def turn(node):
    """Turn the sign or the direction of one node round, in place."""
    if isinstance(node, ast.Compare):
        node.ops = [TURNED[type(node.ops[0])]()]
    else:
        node.op = TURNED[type(node.op)]()


def mutants(path):
    """(what was done, changed tree) for each site of a file."""
    source = path.read_text()
    for i in range(len(list(sites(ast.parse(source))))):
        tree = ast.parse(source)
        node = list(sites(tree))[i]
        before = ast.unparse(node)
        turn(node)
        yield f"{path.name}: {before} → {ast.unparse(node)}", tree


@pytest.fixture
def plain(monkeypatch):
    """Formulas as plain Python, whichever form the kernels are in."""
    monkeypatch.setattr("kernels._jit.inline", lambda function: function)
    monkeypatch.setattr("kernels.losses.base.inline", lambda function: function)


def run(path, tree, monkeypatch):
    """The loss classes of a changed file."""
    name = f"kernels.losses.{path.stem}"
    module = types.ModuleType(name)
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, name, module)  # where dataclasses look for it
        exec(compile(tree, str(path), "exec"), module.__dict__)
    return [each for each in vars(module).values() if isinstance(each, type) and each.__module__ == name]


def parameters(kind):
    """The loss with its defaults, and with others: no parameter may hide behind a 1, no form be for the small ones alone."""
    defaults = {field.name: field.default for field in dataclasses.fields(kind)}
    factors = (1, 1.7, 40) if defaults else (1,)
    return [kind(**{name: factor * value for name, value in defaults.items()}) for factor in factors]


def agrees(kind):
    """Whether value and δ are those of the notes, relative to their terms."""
    H, y = points(kind.target)
    known = inspect.signature(naive.losses_and_deltas).parameters
    for loss in parameters(kind):
        named = {name: value for name, value in dataclasses.asdict(loss).items() if name in known}
        values, deltas = naive.losses_and_deltas(kind.name, H, y, **named)
        assert np.isfinite(values).all(), "a point that the oracle cannot take"
        for samples in (np.arange(len(H))[None], np.arange(len(H))[:, None]):  # all at once, and one at a time
            for some in samples:
                measured, measured_deltas = np.empty(len(some)), H[some].T.copy()
                room = np.empty((base.SPARE, len(some)))
                with np.errstate(all="ignore"):
                    kind.block(measured_deltas, len(some), y[some], measured, np.array(loss.parameters), room)
                if not np.allclose(measured, values[some], rtol=1e-9, atol=1e-12):
                    return False
                if not np.allclose(measured_deltas.T, deltas[some], rtol=1e-9, atol=1e-12):
                    return False
    return True


def dies(path, tree, monkeypatch):
    try:
        return not all(agrees(kind) for kind in run(path, tree, monkeypatch))
    except AssertionError:
        raise
    except (ArithmeticError, ValueError):  # a changed sign under a root or a logarithm
        return True


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_changed_sign_is_noticed(path, plain, monkeypatch):
    originals = run(path, ast.parse(path.read_text()), monkeypatch)
    assert [kind.name for kind in originals] == [kind.name for kind in losses.ALL.values() if _file(kind) == path]
    assert originals, "a file without a loss: where are its formulas checked?"
    assert all(agrees(kind) for kind in originals)
    changed = list(mutants(path))
    assert changed
    survivors = [what for what, tree in changed if not dies(path, tree, monkeypatch) and what not in EQUIVALENT]
    assert not survivors, "\n".join(["these changes went unseen:", *survivors])


def _file(kind):
    return Path(inspect.getsourcefile(kind))


def test_the_list_of_equivalent_mutants_is_not_out_of_date():
    assert set(EQUIVALENT) <= {what for path in FILES for what, _ in mutants(path)}


def test_every_kind_of_site_is_turned():
    tree = ast.parse("def value(h, y, p):\n    h += y\n    return -h + y - p if h < y or h >= p else 0")
    turned = []
    for i in range(len(list(sites(tree)))):
        again = ast.parse(ast.unparse(tree))
        turn(list(sites(again))[i])
        turned.append(ast.unparse(again.body[0].body).replace("\n", "; "))
    assert sorted(turned) == sorted([
        "h -= y; return -h + y - p if h < y or h >= p else 0",
        "h += y; return -h + y + p if h < y or h >= p else 0",
        "h += y; return -h - y - p if h < y or h >= p else 0",
        "h += y; return +h + y - p if h < y or h >= p else 0",
        "h += y; return -h + y - p if h > y or h >= p else 0",
        "h += y; return -h + y - p if h < y or h <= p else 0",
    ])  # fmt: skip
