"""The best constant of many samples, against SciPy's minimisers and order statistics, for losses of all kinds."""

from __future__ import annotations

import inspect
from dataclasses import dataclass, field

import numpy as np
import pytest
import scipy.optimize
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from kernels import losses, threads
from kernels._jit import inline
from kernels.location import CURVE, best_constants, shape_of
from kernels.losses import Absolute, Huber, Loss, Squared, StudentT, Target
from kernels.losses.base import elementwise

REAL = [name for name, loss in losses.ALL.items() if loss.target is Target.REAL]
RNG = np.random.default_rng(0)
SAMPLES = {
    "normal": RNG.standard_normal((40, 101)),
    "heavy": RNG.standard_t(1, (40, 100)),
    "skew": RNG.exponential(size=(40, 37)),
    "few": RNG.standard_normal((40, 3)),
    "one": RNG.standard_normal((40, 1)),
    "two": RNG.standard_normal((40, 2)),
    "far": 1e8 + RNG.standard_normal((40, 50)),
    "tiny": 1e-9 * RNG.standard_normal((40, 51)),
    "sorted": np.sort(RNG.standard_normal((40, 101)), axis=1),
    "ties": RNG.integers(0, 4, (40, 50)).astype(float),
    "equal": np.full((3, 9), 2.5),
    "two values": np.repeat([[0.0, 1.0]], 6, axis=1).reshape(1, 12),
}


def objective(loss, x, a):
    """Σ ℓ(a, x) for each of some a."""
    return np.array([loss.values(np.full(x.size, one), x).sum() for one in np.atleast_1d(a)])


@pytest.mark.parametrize("kind", SAMPLES)
def test_squared_is_the_mean_and_absolute_the_median(kind):
    x = SAMPLES[kind]
    size = np.abs(x).max()
    np.testing.assert_allclose(best_constants(Squared(), x), x.mean(axis=1), rtol=1e-12, atol=1e-13 * size)
    np.testing.assert_allclose(best_constants(Absolute(), x), np.median(x, axis=1), rtol=1e-14, atol=1e-15 * size)


@pytest.mark.parametrize("kind", [kind for kind in SAMPLES if kind != "far"])
@pytest.mark.parametrize("name", REAL)
def test_no_constant_nearby_is_better(kind, name):
    loss = losses.named(name)
    x = SAMPLES[kind][:8]
    scale = np.maximum(np.median(np.abs(x - np.median(x, axis=1, keepdims=True)), axis=1), 1e-12)
    for sample, a, width in zip(x, best_constants(loss, x), scale, strict=True):
        at, *near = objective(loss, sample, a + width * np.array([0, -1e-3, 1e-3, -0.1, 0.1]))
        assert at <= min(near) + 1e-13 * abs(at)


@pytest.mark.parametrize(
    "loss",
    [Huber(), Huber(0.1), Huber(30.0), Huber(0.003), StudentT(1.0, 1.5), StudentT(), StudentT(nu=20.0, scale=0.5)],
)
@pytest.mark.parametrize("kind", ["normal", "heavy", "skew", "two", "ties"])
def test_the_minimiser_is_scipys(loss, kind):
    for sample, found in zip(SAMPLES[kind][:4], best_constants(loss, SAMPLES[kind][:4]), strict=True):
        low, high = np.quantile(sample, [0.25, 0.75]) + np.array([-0.5, 0.5])
        grid = np.linspace(low, high, 200)
        start = grid[np.argmin(objective(loss, sample, grid))]
        expected = scipy.optimize.minimize_scalar(
            lambda a, sample=sample: objective(loss, sample, a)[0],
            bounds=(start - (high - low) / 100, start + (high - low) / 100), method="bounded", options={"xatol": 1e-10},
        )  # fmt: skip
        # a flat bottom has many minimisers; what counts is the objective
        assert objective(loss, sample, found)[0] <= expected.fun * (1 + 1e-12) + 1e-12


@pytest.mark.parametrize("bend", [1e-1, 1e-2, 1e-3, 1e-5])
@pytest.mark.parametrize("kind", ["normal", "heavy", "skew", "sorted"])
def test_huber_all_but_bent_is_the_median(bend, kind):
    """Between two numbers of a sample its Σδ is flat: secants lead nowhere."""
    x = SAMPLES[kind]
    low, high = (np.sort(x, axis=1)[:, (x.shape[1] - back) // 2] for back in (1, 0))
    found = best_constants(Huber(bend), x)
    assert (found >= low - bend).all()
    assert (found <= high + bend).all()


@inline
def pinball_value(h, y, p):
    return (h - y) * (1.0 - p[0]) if h > y else (y - h) * p[0]


@inline
def pinball_delta(h, y, p):
    if h > y:
        return 1.0 - p[0]
    return -p[0] if h < y else 0.0


@dataclass(frozen=True)
class Pinball(Loss):
    """The loss whose best constant is a quantile."""

    level: float = 0.25
    name = "pinball"
    target = Target.REAL
    block = elementwise(pinball_value, pinball_delta)

    @property
    def parameters(self):
        return (self.level,)

    @property
    def curvature(self):
        return np.inf


@inline
def both_value(h, y, p):
    return abs(h - y) + 0.5 * (h - y) * (h - y)


@inline
def both_delta(h, y, p):
    r = h - y
    return r + 1.0 if r > 0 else (r - 1.0 if r < 0 else 0.0)


@dataclass(frozen=True)
class Both(Loss):
    """δ jumps, and is no step."""

    unused: float = field(default=1.0)
    name = "both"
    target = Target.REAL
    block = elementwise(both_value, both_delta)

    @property
    def curvature(self):
        return np.inf


@pytest.mark.sampled(2)
@pytest.mark.parametrize("level", [0.1, 0.25, 0.9])
@pytest.mark.parametrize("kind", ["normal", "heavy", "skew", "few", "sorted", "ties", "equal"])
def test_a_step_that_is_not_in_the_middle_gives_a_quantile(level, kind):
    loss, x = Pinball(level), SAMPLES[kind][:8]
    for sample, a in zip(x, best_constants(loss, x), strict=True):
        best = objective(loss, sample, sample).min()  # one of the minimisers is a number of the sample
        assert objective(loss, sample, a)[0] <= best * (1 + 1e-13) + 1e-15


@pytest.mark.parametrize("kind", ["normal", "heavy", "skew", "few", "ties"])
def test_a_jump_that_is_no_step(kind):
    x = SAMPLES[kind][:5]
    for sample, a in zip(x, best_constants(Both(), x), strict=True):
        found = scipy.optimize.minimize_scalar(
            lambda t, sample=sample: objective(Both(), sample, t)[0], bounds=(sample.min() - 1, sample.max() + 1),
            method="bounded", options={"xatol": 1e-12},
        )  # fmt: skip
        assert objective(Both(), sample, a)[0] <= found.fun * (1 + 1e-9)  # δ jumps at the minimum: it is found to 1e-10


@settings(deadline=None, max_examples=60)
@given(arrays(float, st.tuples(st.integers(1, 3), st.integers(1, 12)), elements=st.integers(-5, 5).map(float)))
def test_medians_of_samples_with_ties(x):
    np.testing.assert_array_equal(best_constants(Absolute(), x), np.median(x, axis=1))


@pytest.mark.parametrize("name", REAL)
def test_the_same_on_any_number_of_threads(name):
    x = SAMPLES["heavy"]
    found = best_constants(losses.named(name), x)
    with threads.using(1):
        np.testing.assert_array_equal(best_constants(losses.named(name), x), found)


@pytest.mark.parametrize("name", REAL)
@pytest.mark.parametrize("shift", [-3.0, 100.0])
def test_what_is_shifted_has_its_minimiser_shifted(name, shift):
    x = SAMPLES["normal"]
    found = best_constants(losses.named(name), x + shift)
    np.testing.assert_allclose(found, best_constants(losses.named(name), x) + shift, rtol=1e-9, atol=1e-9)


def test_a_delta_that_falls_is_taken_for_no_mean_and_no_quantile():
    """With the wrong sign everywhere Σδ is 0 at the mean still, which is no minimum."""
    for kind in (Squared, Absolute):
        formula = inspect.getmodule(kind).delta
        block = elementwise(inspect.getmodule(kind).value, inline(lambda h, y, p, formula=formula: -formula(h, y, p)))
        wrong = dataclass(frozen=True)(type(f"Wrong{kind.__name__}", (kind,), {"block": block}))()
        assert shape_of(wrong)[1] == CURVE
        assert shape_of(kind())[1] != CURVE
