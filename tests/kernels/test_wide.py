"""A wide θ goes to BLAS: the same answers, the same bits on any number of threads, the same refusals."""

from __future__ import annotations

import re
from contextlib import nullcontext

import naive
import numba
import numpy as np
import pytest
from problems import DTYPES, LAYOUTS, problem, relative_error
from threadpoolctl import threadpool_info, threadpool_limits

from kernels import chunks, threads, wide

WIDE_LOSSES = ["softmax", "multinomial"]
TOLERANCE = {np.float32: 2e-5, np.float64: 1e-12}
compiled = pytest.mark.skipif(
    numba.config.DISABLE_JIT, reason="the plain-Python form has no threads and no BLAS of its own"
)
# one group, several with a last one that is shorter, several chunks with the last one shorter
SAMPLES = [1, 5, chunks.GROUP, 3 * chunks.GROUP + 1, 2 * chunks.CHUNK + 7]


@pytest.fixture
def always(monkeypatch):
    """Every problem counts as wide."""
    monkeypatch.setattr(wide, "pays", lambda samples, theta: True)
    monkeypatch.setattr(wide, "WIDE_BYTES", 0)


def order_of(kind, m):
    return None if kind == "in turn" else np.random.default_rng(5).integers(0, m, m + 3)


@pytest.mark.sampled(12)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("loss", WIDE_LOSSES)
@pytest.mark.parametrize("visit", ["in turn", "in an order"])
@pytest.mark.parametrize("m", SAMPLES)
def test_both_passes_and_the_loss_agree_with_the_formulas(always, m, visit, loss, layout, dtype):
    p, order = problem(loss, layout, dtype, m=m, n=19, k=37), order_of(visit, m)
    rows, y = (p.rows, p.y) if order is None else (p.rows[order], p.y[order])
    value, grad = p.objective.value_and_grad(p.X, p.y, p.theta, order)
    should, gradient = naive.value_and_grad(loss, rows, y, p.theta64)
    assert value == pytest.approx(should, rel=TOLERANCE[dtype])
    assert relative_error(grad, gradient) < TOLERANCE[dtype]
    H = p.objective.forward(p.X, p.theta, order)
    assert relative_error(p.objective.layout.arrange(H), rows @ p.theta64) < TOLERANCE[dtype]
    delta = np.random.default_rng(1).standard_normal((len(rows), 37)).astype(dtype)
    total = p.objective.gradient(p.X, p.objective.layout.arrange(delta), order)
    assert relative_error(total, rows.T @ delta.astype(float)) < TOLERANCE[dtype]


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("batch", [64, chunks.CHUNK, chunks.CHUNK + 100])
def test_an_epoch_agrees_with_the_formulas(always, batch, layout):
    p = problem("softmax", layout, m=2 * chunks.CHUNK + 300, n=9, k=11)
    order = np.random.default_rng(2).permutation(len(p.rows))
    theta = p.theta.copy()
    mean = p.objective.sgd_epoch(p.X, p.y, theta, batch, 0.1, order)
    expected, should = naive.sgd_epoch("softmax", p.rows, p.y, p.theta64, batch, 0.1, order)
    assert mean == pytest.approx(should, rel=1e-12)
    assert relative_error(theta, expected) < 1e-12


def test_what_is_wide():
    small, large = np.empty((784, 10), np.float32), np.empty((784, 1000), np.float32)
    assert not wide.pays(60000, small)
    assert wide.pays(256, large)
    assert not wide.pays(1, large)


@compiled
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_the_same_bits_on_any_number_of_threads(layout, dtype):
    p = problem("softmax", layout, dtype, m=1100, n=1031, k=301)
    delta = p.objective.layout.arrange((p.rows @ p.theta64).astype(dtype))
    assert wide.pays(len(p.rows), p.theta)

    def bits(count, of_blas):
        with threads.using(count), threadpool_limits(of_blas) if of_blas else nullcontext():
            theta = p.theta.copy()
            mean = p.objective.sgd_epoch(p.X, p.y, theta, 256, 0.01)
            value, grad = p.objective.value_and_grad(p.X, p.y, p.theta)
            H = p.objective.forward(p.X, p.theta)
            gradient = p.objective.gradient(p.X, delta)
        return [np.asarray(each).tobytes() for each in (mean, theta, value, grad, H, gradient)]

    expected = bits(1, 1)
    for count in {1, numba.config.NUMBA_NUM_THREADS}:
        for of_blas in (None, 1, 2):
            assert bits(count, of_blas) == expected


@compiled
def test_blas_has_its_threads_back_afterwards(always):
    p = problem("softmax", m=70, n=19, k=37)
    before = [library["num_threads"] for library in threadpool_info()]
    p.objective.value_and_grad(p.X, p.y, p.theta)
    assert [library["num_threads"] for library in threadpool_info()] == before


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize(
    ("name", "bad", "says"),
    [
        ("X", np.nan, "X: nan at"),
        ("X", np.inf, "X: inf at"),
        ("theta", np.nan, "theta: nan at"),
        ("theta", -np.inf, "theta: -inf at"),
        ("y", 37, "y: 37 at [0]; should be integers in 0..36"),
        ("y", -1, "y: -1 at [0]; should be integers in 0..36"),
    ],
)
def test_bad_values_are_refused(always, layout, name, bad, says):
    p = problem("softmax", layout, m=70, n=19, k=37)
    given = {"X": p.X, "y": p.y, "theta": p.theta}
    given[name].flat[0] = bad
    before = p.theta.copy()
    for method in (
        p.objective.value_and_grad,
        lambda **given: p.objective.sgd_epoch(**given, batch_size=64, step_size=0.1),
    ):
        with pytest.raises(ValueError, match=re.escape(says)):
            method(**given)
        assert np.array_equal(p.theta, before, equal_nan=True)


def test_a_loss_that_overflows_comes_back_as_it_is(always):
    p = problem("softmax", m=70, n=19, k=37)
    value, _ = p.objective.value_and_grad(p.X * 1e200, p.y, p.theta * 1e200)
    assert not np.isfinite(value)
