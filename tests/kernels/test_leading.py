"""X whose rows are apart in memory: the very same answers, nothing of what lies between is looked at, and nothing is copied."""

from __future__ import annotations

import tracemalloc

import numba
import numpy as np
import pytest
from problems import LAYOUTS, LOSSES, problem

from kernels import wide

GAP = 5
# One sample, a few, more than a block, more than a team takes; and features for two slices.
SIZES = [(1, 7), (6, 7), (203, 7)]
if not numba.config.DISABLE_JIT:  # plain Python has no teams, and would take long
    SIZES.append((1500, 300))


def apart(X, gap=GAP):
    """X with NaN between its rows, and behind the last one."""
    room = np.full((X.shape[0], X.shape[1] + gap), np.nan, X.dtype)
    room[:, : X.shape[1]] = X
    return room[:, : X.shape[1]]


def answers(f, X, y, theta, order):
    """All that the door gives for X."""
    k, samples = theta.shape[1], f.layout.samples(X.shape) if order is None else len(order)
    deltas = np.cos(np.arange(samples * k, dtype=X.dtype)).reshape(f.layout.shape(samples, k))
    yield f.forward(X, theta, order)
    yield f.gradient(X, deltas, order)
    yield from f.value_and_grad(X, y, theta, order)
    yield from f.value_and_grad(X, y, theta)  # the second time by the shorter way
    for batch in (1, 32, 10**6):
        moved = theta.copy()
        yield f.sgd_epoch(X, y, moved, batch, 0.01, order)
        yield moved


def alike(p, order):
    for given, expected in zip(
        answers(p.objective, apart(p.X), p.y, p.theta, order),
        answers(p.objective, p.X, p.y, p.theta, order),
        strict=True,
    ):
        np.testing.assert_array_equal(given, expected)


LARGE = pytest.mark.slow  # seconds each


@pytest.mark.sampled(14)
@pytest.mark.parametrize("size", [pytest.param(s, marks=[LARGE] * (s[0] > 1000), id=str(s)) for s in SIZES])
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("loss", LOSSES)
def test_rows_that_are_apart_give_the_same_bits(loss, layout, size):
    m, n = size
    p = problem(loss, layout, np.float32, m, n)
    for order in (None, np.random.default_rng(1).permutation(m)):
        alike(p, order)


@pytest.mark.slow
@pytest.mark.parametrize("layout", LAYOUTS)
def test_so_they_do_where_blas_forms_the_products(layout, monkeypatch):
    monkeypatch.setattr(wide, "pays", lambda samples, theta: True)
    for order in (None, np.random.default_rng(1).permutation(203)):
        alike(problem("softmax", layout), order)


@pytest.mark.skipif(numba.config.DISABLE_JIT, reason="plain Python makes objects of its own")
@pytest.mark.parametrize("layout", LAYOUTS)
def test_no_copy_is_made(layout):
    p = problem("softmax", layout, np.float32, 4000, 300)
    X = apart(p.X)
    p.objective.value_and_grad(X, p.y, p.theta)
    tracemalloc.start()
    p.objective.value_and_grad(X, p.y, p.theta)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < X.nbytes / 10


def test_a_shape_that_does_not_fit_is_refused_though_the_rows_are_long_enough():
    p = problem("softmax")
    room = np.zeros((p.X.shape[0], p.X.shape[1] + GAP))
    for _ in range(2):
        p.objective.value_and_grad(p.X, p.y, p.theta)
        with pytest.raises(ValueError, match=r"theta: shape \(7, 5\); should be \(12, 5\)"):
            p.objective.value_and_grad(room, p.y, p.theta)
        with pytest.raises(ValueError, match=r"y: shape \(202,\); should be \(203,\)"):
            p.objective.value_and_grad(p.X, p.y[:-1], p.theta)


def test_what_is_bad_is_named_by_its_place_in_x():
    p = problem("softmax")
    X = apart(p.X)
    X[2, 3] = np.inf
    with pytest.raises(ValueError, match=r"X: inf at \[2, 3\]; should be finite"):
        p.objective.value_and_grad(X, p.y, p.theta)
