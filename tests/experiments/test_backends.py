"""Backends: each of conf/backend, with every loss, layout and dtype, against the kernels and against the notes' formulas."""

from __future__ import annotations

import functools
import importlib
import importlib.util
import os
from types import SimpleNamespace

import naive
import numpy as np
import pytest
from peers_by_name import FILES, NAMES, made
from problems import LOSSES, in_layout, problem, relative_error

from experiments import backends
from experiments.passes import Passes
from harness.contract import LeftOut
from kernels import layouts, losses, threads

# The compiler takes seconds a graph, and compiles the functions that are tested eager in full: two problems are enough of it.
COMPILED = {("softmax", "rows", np.float32), ("huber", "columns", np.float64)}
# Sums of some thirty terms of order 1, each to a unit in the last place (1e-16, 6e-8) or a few; what a step changes is
# carried to the next, and thirty steps at most add up their errors.
TOLERANCE = {np.float64: 1e-12, np.float32: 2e-5}
SAMPLES = 30
# A permutation with repeats; more than a quarter of the samples, below which JAX goes another way.
ORDER = np.random.default_rng(5).integers(0, SAMPLES, 25)


def case(name, loss, layout, dtype, m=SAMPLES, n=7):
    """A backend and its problem: X, y, θ as the backend holds them, and the NumPy arrays they were."""
    p = problem(loss, layout, dtype, m=m, n=n, k=3)
    f = made(name, p.objective.loss, p.objective.layout)
    y = p.y.astype(dtype) if p.y.dtype.kind == "f" else p.y
    return SimpleNamespace(
        p=p, f=f, X=f.native(p.X), y=f.native(y), theta=f.native(p.theta), tolerance=TOLERANCE[dtype]
    )


def spared(name, loss, layout, dtype):
    """Whether a library that takes seconds to compile a problem is spared this one.

    JAX meets each loss in both layouts and in both dtypes, though not in all four combinations.
    """
    if name == "torch_compiled":
        return (loss, layout, dtype) not in COMPILED
    return (
        name.startswith("jax") and (list(losses.ALL).index(loss) + (layout == "rows") + (dtype is np.float32)) % 2 == 1
    )


def supports(f, work, batch_size=None):
    try:
        f.check(work, batch_size)
    except ValueError:
        return False
    return True


# XLA takes seconds for each of the tuned forms: they are CI's.
@pytest.fixture(params=[pytest.param(name, marks=[pytest.mark.slow] * (name == "jax_tuned")) for name in NAMES])
def name(request):
    return request.param


def test_every_file_is_one_of_the_backends_and_the_other_way_round():
    assert set(FILES) == set(backends.find())


@pytest.mark.sampled(5)
def test_the_two_products(name, layout, dtype):
    if name == "torch_compiled":  # they are PyTorch's own, compiled or not
        return
    c = case(name, "softmax", layout, dtype)
    Delta = np.random.default_rng(2).standard_normal((SAMPLES, 3)).astype(dtype)
    for order in (None, ORDER):
        visited = np.arange(SAMPLES) if order is None else order
        if supports(c.f, "forward"):
            H = c.f.forward(c.X, c.theta, c.f.native(order))
            assert np.asarray(H).dtype == dtype
            assert relative_error(H, c.p.objective.forward(c.p.X, c.p.theta, order)) <= c.tolerance
            assert relative_error(H, in_layout(layout, c.p.rows[visited] @ c.p.theta64)) <= c.tolerance
        if supports(c.f, "gradient"):
            deltas = np.ascontiguousarray(in_layout(layout, Delta[visited]))
            G = c.f.gradient(c.X, c.f.native(deltas), c.f.native(order))
            assert np.asarray(G).dtype == dtype
            assert relative_error(G, c.p.objective.gradient(c.p.X, deltas, order)) <= c.tolerance
            assert relative_error(G, c.p.rows[visited].T @ Delta[visited].astype(float)) <= c.tolerance


@pytest.mark.sampled(12)
@pytest.mark.parametrize("loss", LOSSES)
def test_value_and_gradient(name, loss, layout, dtype):
    if spared(name, loss, layout, dtype):
        return
    c = case(name, loss, layout, dtype)
    if not supports(c.f, "fused"):
        with pytest.raises(ValueError, match=r"backend: .*; should be one of"):
            c.f.value_and_grad(c.X, c.y, c.theta)
        return
    for order in (None, ORDER):
        visited = np.arange(SAMPLES) if order is None else order
        value, grad = c.f.value_and_grad(c.X, c.y, c.theta, c.f.native(order))
        ours, our_grad = c.p.objective.value_and_grad(c.p.X, c.p.y, c.p.theta, order)
        expected, expected_grad = naive.value_and_grad(loss, c.p.rows[visited], c.p.y[visited], c.p.theta64)
        assert np.asarray(grad).dtype == dtype
        assert np.asarray(grad).shape == c.p.theta.shape
        assert float(value) == pytest.approx(ours, rel=c.tolerance)
        assert float(value) == pytest.approx(expected, rel=c.tolerance)
        assert relative_error(grad, our_grad) <= c.tolerance
        assert relative_error(grad, expected_grad) <= c.tolerance


# 1 has a form of its own, 7 leaves a smaller last batch and is narrow, 25 and 30 are one batch of all.
EPOCHS = [(1, None), (7, ORDER), (SAMPLES, None)]
MORE_EPOCHS = [(1, ORDER), (7, None), (20, None), (25, ORDER)]


@pytest.mark.sampled(5)
@pytest.mark.parametrize("loss", LOSSES)
def test_sgd_epoch(name, loss, layout, dtype):
    if spared(name, loss, layout, dtype):
        return
    c = case(name, loss, layout, dtype)
    # what depends on batch and order does not depend on the loss
    more = MORE_EPOCHS if loss in ("softmax", "squared") and dtype is np.float32 and name != "torch_compiled" else []
    epochs = EPOCHS if dtype is np.float32 else EPOCHS[:2]  # JAX compiles each anew
    for batch_size, order in epochs + more:
        theta = c.p.theta.copy()
        if not supports(c.f, "epoch", batch_size):
            with pytest.raises(ValueError, match=r"backend: .*; should be"):
                c.f.sgd_epoch(c.X, c.y, theta, batch_size, 0.05, c.f.native(order))
            continue
        met = c.f.sgd_epoch(c.X, c.y, theta, batch_size, 0.05, c.f.native(order))
        ours = c.p.theta.copy()
        our_met = c.p.objective.sgd_epoch(c.p.X, c.p.y, ours, batch_size, 0.05, order)
        expected, expected_met = naive.sgd_epoch(loss, c.p.rows, c.p.y, c.p.theta64, batch_size, 0.05, order)
        assert isinstance(met, float)
        assert relative_error(theta, ours) <= c.tolerance
        assert relative_error(theta, expected) <= c.tolerance
        if name != "sklearn":  # which keeps no losses
            assert met == pytest.approx(our_met, rel=c.tolerance)
            assert met == pytest.approx(expected_met, rel=c.tolerance)


@pytest.mark.parametrize("name", ["numpy_tuned", "torch_tuned", "jax_tuned"])
def test_a_batch_of_several_blocks(name, layout, monkeypatch):
    """Three whole blocks and a smaller one: the same sums."""
    if name == "jax_tuned":
        pytest.importorskip("jax")
        monkeypatch.setattr(importlib.import_module("experiments.backends._jax_tuned"), "BLOCK", 6 * 8)
    else:
        monkeypatch.setattr(backends.find()[name], "block", 6 * 8)
    c = case(name, "softmax", layout, np.float64, n=6)  # a shape of its own, which no compiled pass is kept of
    for order in (None, ORDER, ORDER[:6]):
        visited = np.arange(SAMPLES) if order is None else order
        value, grad = c.f.value_and_grad(c.X, c.y, c.theta, c.f.native(order))
        expected, expected_grad = naive.value_and_grad("softmax", c.p.rows[visited], c.p.y[visited], c.p.theta64)
        assert float(value) == pytest.approx(expected, rel=c.tolerance)
        assert relative_error(grad, expected_grad) <= c.tolerance
        H = c.f.forward(c.X, c.theta, c.f.native(order))
        assert relative_error(H, in_layout(layout, c.p.rows[visited] @ c.p.theta64)) <= c.tolerance
        G = c.f.gradient(c.X, H, c.f.native(order))
        assert relative_error(G, c.p.rows[visited].T @ in_layout(layout, np.asarray(H))) <= c.tolerance
    theta = c.p.theta.copy()
    c.f.sgd_epoch(c.X, c.y, theta, 19, 0.05)
    assert relative_error(theta, naive.sgd_epoch("softmax", c.p.rows, c.p.y, c.p.theta64, 19, 0.05)[0]) <= c.tolerance


@pytest.mark.parametrize("name", [n for n in NAMES if n not in ("torch_compiled", "numba")])
@pytest.mark.parametrize("loss", ["softmax", "multinomial", "logistic"])
def test_logits_that_would_overflow(name, loss):
    """Values and gradients stay finite where e^h does not."""
    c = case(name, loss, "rows", np.float32)
    if supports(c.f, "fused"):
        value, grad = c.f.value_and_grad(c.X, c.y, c.f.native(np.float32(100) * c.p.theta))
        expected, expected_grad = c.p.objective.value_and_grad(c.p.X, c.p.y, np.float32(100) * c.p.theta)
        assert float(value) == pytest.approx(expected, rel=c.tolerance)
        assert relative_error(grad, expected_grad) <= 1e-4  # of logits of some hundred, e^h has 1e-5 of its digits


@pytest.mark.parametrize("name", [n for n in NAMES if n != "torch_compiled"])
def test_inputs_are_left_alone(name, layout):
    c = case(name, "softmax", layout, np.float32)
    before = c.p.X.copy(), c.p.y.copy(), c.p.theta.copy()
    c.f.value_and_grad(c.X, c.y, c.theta)
    if supports(c.f, "epoch", 7):
        c.f.sgd_epoch(c.X, c.y, c.p.theta.copy(), 7, 0.1, c.f.native(ORDER))
    for array, copy in zip((c.p.X, c.p.y, c.p.theta), before, strict=True):
        np.testing.assert_array_equal(array, copy)


def test_passes_times_every_backend_or_says_why_not(name):
    e = Passes(
        loss=losses.Squared(), layout=layouts.Rows(), backend=functools.partial(made, name), samples=40, features=5,
        classes=1, batch_size=20, order="shuffled", rounds=1,
    )  # fmt: skip
    if name == "sklearn":
        with pytest.raises(ValueError, match=r"backend: sklearn has no forward pass of its own"):
            e.check()
        return
    if name.startswith("jax") and threads.available() != len(os.sched_getaffinity(0)):
        with pytest.raises(LeftOut, match=r"what JAX starts with"):
            e.check()
        return
    e.check()
    e.warm_up()
    measured = list(e.run())[-1].metrics
    assert all(measured[f"time/{work}_s"] > 0 for work in ("forward", "gradient", "fused", "epoch"))
