"""What every loss, noise and layout keeps to, those of other people included."""

from __future__ import annotations

import dataclasses
import inspect
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from problems import LAYOUTS, problem

from kernels import Objective, layouts, losses, noises
from kernels._jit import inline
from kernels.losses import Loss, Target
from kernels.losses.base import elementwise

ROOMS = {"loss": losses, "noise": noises, "layout": layouts}
KINDS = [
    pytest.param(room, name, kind, id=f"{word}-{name}")
    for word, room in ROOMS.items()
    for name, kind in room.ALL.items()
]


@pytest.mark.parametrize(("room", "name", "kind"), KINDS)
def test_a_component_has_a_name_a_file_and_defaults(room, name, kind):
    component = room.named(name)
    assert type(component) is kind
    assert kind.name == name
    assert getattr(room, kind.__name__) is kind
    assert Path(inspect.getsourcefile(kind)).stem == name
    assert inspect.getdoc(kind)
    assert inspect.getmodule(kind).__doc__


@pytest.mark.parametrize(("room", "name", "kind"), KINDS)
def test_a_component_is_a_value(room, name, kind):
    """Frozen, hashable and equal to its like: it can be a configuration, and a key."""
    component = room.named(name)
    assert component == kind()
    assert hash(component) == hash(kind())
    for field in [field.name for field in dataclasses.fields(kind)] or ["name"]:
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(component, field, 1)


@pytest.mark.parametrize("word", ROOMS)
def test_there_is_no_file_without_its_component(word):
    room = ROOMS[word]
    files = {path.stem for path in Path(room.__file__).parent.glob("*.py")} - {"__init__", "base"}
    assert files == set(room.ALL)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_layout_knows_its_own_shapes(layout):
    arrangement = layouts.named(layout)
    rows = np.arange(12.0).reshape(4, 3)
    X = arrangement.arrange(rows)
    assert X.flags.c_contiguous
    assert arrangement.shape(4, 3) == X.shape
    assert arrangement.samples(X.shape) == 4
    assert arrangement.width(X.shape) == 3
    assert arrangement.samples((4,)) == 4  # one number for each sample
    assert arrangement.width((4,)) == 1
    assert np.shares_memory(arrangement.arrange(X if layout == "rows" else X.T), X)  # no copy where none is needed


@inline
def value(h, y, p):
    return np.log(np.cosh((h - y) / p[0]))


@inline
def delta(h, y, p):
    return np.tanh((h - y) / p[0]) / p[0]


@dataclass(frozen=True)
class LogCosh(Loss):
    """A loss that is not ours: ℓ = log cosh(r/s)."""

    scale: float = 2.0

    name = "log_cosh"
    target = Target.REAL
    block = elementwise(value, delta)

    @property
    def parameters(self):
        return (self.scale,)


@pytest.mark.slow
@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_loss_from_elsewhere_is_all_that_a_new_loss_takes(layout):
    p = problem("squared", layout, m=40)
    f = Objective(LogCosh(), layout)
    value, grad = f.value_and_grad(p.X, p.y, p.theta)
    residual = (p.rows @ p.theta64)[:, 0] - p.y
    assert value == pytest.approx(np.log(np.cosh(residual / 2)).mean(), rel=1e-12)
    np.testing.assert_allclose(grad[:, 0], p.rows.T @ np.tanh(residual / 2) / 2 / 40, rtol=1e-12)


def test_what_a_loss_and_a_layout_must_state():
    with pytest.raises(NotImplementedError, match=r"^Loss states no curvature bound"):
        _ = losses.Loss().curvature
    bare = layouts.Layout()
    for missing in (
        lambda: bare.shape(1, 1),
        lambda: bare.samples((1, 1)),
        lambda: bare.width((1, 1)),
        lambda: bare.arrange(np.ones((1, 1))),
    ):
        with pytest.raises(NotImplementedError, match=r"^Layout states no "):
            missing()


def test_what_a_noise_must_state():
    bare, h = noises.Noise(), np.zeros(3)
    for missing in (lambda: bare.sample(h, None), lambda: bare.log_density(h, h), bare.matched_loss):
        with pytest.raises(NotImplementedError, match=r"^Noise "):
            missing()
