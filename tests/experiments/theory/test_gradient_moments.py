"""Moments of the samples' gradients, and what SGD does in expectation: against every sequence of batches there is, and SciPy."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace

import naive
import numpy as np
import pytest
import scipy.linalg
from hypothesis import given, settings
from hypothesis import strategies as st
from problems import problem as random_problem

from experiments.data import Synthetic
from experiments.fitting.optimum import minimise
from experiments.theory.gradient_moments import (
    curvatures,
    draw,
    moments,
    problem,
    quadratic,
    share_of_variance,
)
from experiments.theory.sgd import Recursion, lyapunov, recursion, steps_to
from kernels import losses, noises

SMOOTH = [name for name in losses.ALL if losses.named(name).curvature < math.inf]


def each_gradient(name, p):
    """v (m, nk): each sample's own gradient, by the oracle."""
    return np.array(
        [
            naive.value_and_grad(name, p.rows[i : i + 1], p.y[i : i + 1], p.theta64)[1].ravel()
            for i in range(len(p.rows))
        ]
    )


def hessian(name, p, step=1e-5):
    """H (nk, nk) by central differences of the oracle's gradient."""
    columns = []
    for unit in np.eye(p.theta64.size):
        away = step * unit.reshape(p.theta64.shape)
        up, down = (naive.value_and_grad(name, p.rows, p.y, p.theta64 + sign * away)[1].ravel() for sign in (1, -1))
        columns.append((up - down) / (2 * step))
    return np.array(columns)


def test_moments_are_those_of_the_samples_own_gradients(loss):
    p = random_problem(loss, m=60, n=4, k=3)
    v = each_gradient(loss, p)
    found = moments(p.objective.loss, p.rows, p.y, p.theta64)
    sigma = np.cov(v.T, bias=True)
    np.testing.assert_allclose(found.gradient.ravel(), v.mean(axis=0), atol=1e-12)
    assert found.total_variance == pytest.approx(np.trace(sigma), rel=1e-10)
    assert found.noise_scale == pytest.approx(np.trace(sigma) / np.sum(v.mean(axis=0) ** 2), rel=1e-10)
    if loss not in SMOOTH:
        assert math.isnan(found.curved_noise_scale)
        return
    H, g = hessian(loss, p), v.mean(axis=0)
    assert found.curvature_along == pytest.approx(g @ H @ g, rel=1e-4)
    assert found.curvature_of_noise == pytest.approx(np.trace(H @ sigma), rel=1e-4)


def test_the_curvature_of_softmax_is_that_of_the_textbook():
    p = random_problem("softmax", m=20, n=4, k=3)
    logits = p.rows @ p.theta64
    Z = naive.softmax(logits)
    expected = np.array([np.diag(z) - np.outer(z, z) for z in Z])
    np.testing.assert_allclose(curvatures(losses.Softmax(), logits, p.y), expected, atol=1e-9)
    with pytest.raises(ValueError, match="loss=absolute: its δ jumps; should be a loss with a curvature"):
        curvatures(losses.Absolute(), logits[:, :1], p.y.astype(float))


def test_squared_loss_alone_is_quadratic():
    assert {name for name in losses.ALL if quadratic(losses.named(name))} == {"squared"}


@settings(max_examples=30, deadline=None)
@given(st.integers(2, 5), st.data(), st.booleans())
def test_the_variance_of_a_batch_is_that_of_all_batches_there_are(m, data, replacement):
    """Every batch of a small population, once: an exact expectation."""
    B = data.draw(st.integers(1, 3 if replacement else m))
    v = np.random.default_rng(m * 10 + B).standard_normal((m, 2))
    every = itertools.product(range(m), repeat=B) if replacement else itertools.combinations(range(m), B)
    means = np.array([v[list(batch)].mean(axis=0) for batch in every])
    np.testing.assert_allclose(means.mean(axis=0), v.mean(axis=0), atol=1e-12)
    expected = np.mean(np.sum((means - v.mean(axis=0)) ** 2, axis=1))
    total = np.mean(np.sum((v - v.mean(axis=0)) ** 2, axis=1))
    assert share_of_variance(B, m, replacement) * total == pytest.approx(expected, abs=1e-12)


def test_no_batch_is_all_samples():
    assert share_of_variance(None, 100, True) == 0
    assert share_of_variance(100, 100, False) == 0
    assert share_of_variance(1, 1, False) == 0


def test_each_sample_is_as_likely_as_any_other():
    rng = np.random.default_rng(1)
    for replacement in (True, False):
        counts = np.bincount(np.concatenate([draw(rng, 20, 5, replacement) for _ in range(4000)]), minlength=20)
        assert np.abs(counts - 1000).max() < 5 * math.sqrt(1000)
    assert len(set(draw(rng, 20, 20, False))) == 20


def small(m=4, n=2, seed=0):
    rng = np.random.default_rng(seed)
    X, w, delta = rng.standard_normal((m, n)), rng.uniform(0.5, 2, m), rng.standard_normal(m)
    delta -= w * (X @ np.linalg.solve(X.T @ (w[:, None] * X), X.T @ delta))  # so that 0 is the optimum: Xᵀδ = 0
    return Recursion(np.eye(n), X, w, delta)


@pytest.mark.parametrize(("B", "replacement", "steps"), [(1, True, 4), (2, True, 2), (2, False, 3), (4, False, 3)])
def test_the_recursion_is_the_mean_over_every_sequence_of_batches(B, replacement, steps):
    r, start, step = small(), np.array([1.0, -0.5]), 0.2
    every = itertools.product(range(4), repeat=B) if replacement else itertools.combinations(range(4), B)
    batches, ends = [list(batch) for batch in every], [start]
    for _ in range(steps):
        ends = [e - step * r.X[b].T @ (r.w[b] * (r.X[b] @ e) + r.delta[b]) / B for e in ends for b in batches]
    expected = np.mean([0.5 * e @ r.hessian @ e for e in ends])
    z = np.concatenate([[1.0], start, [1.0, -0.5, 0.25]])
    for _ in range(steps):
        z = r.matrix(step, share_of_variance(B, 4, replacement)) @ z
    assert r.gap_of(z[3:]) == pytest.approx(expected, rel=1e-12)
    np.testing.assert_allclose(z[1:3], np.mean(ends, axis=0), atol=1e-12)


def test_the_floor_is_where_the_recursion_comes_to_rest():
    r, step, share = small(m=30, n=3), 0.05, 1.0
    A = r.matrix(step, share)
    z = np.linalg.matrix_power(A, 20_000) @ np.concatenate([[1.0], np.zeros(9)])
    assert r.floor(step, share) == pytest.approx(r.gap_of(z[4:]), rel=1e-9)
    t = r.settling(step, share, 0.01)
    after = np.linalg.matrix_power(A, t) @ np.concatenate([[1.0], np.zeros(9)])
    assert 0.99 <= r.gap_of(after[4:]) / r.floor(step, share) < 1


def test_beyond_the_edge_there_is_no_floor():
    r = small(m=30, n=3)
    assert r.edge(0.0) == pytest.approx(2 / np.linalg.eigvalsh(r.hessian)[-1])
    edges = [r.edge(share) for share in (1.0, 1 / 4, 1 / 16, 1 / 256, 0.0)]
    assert edges == sorted(edges)  # the larger the batch, the larger the step it allows, up to 2/L
    for share, edge in zip((1.0, 1 / 4), edges, strict=False):
        assert math.isfinite(r.floor(0.99 * edge, share))
        assert math.isinf(r.floor(1.01 * edge, share))


def test_without_noise_the_path_is_gradient_descent():
    p = problem(Synthetic(noise=noises.Gaussian(), samples=100, features=3), losses.Squared(), 0)
    level = p.level(0.9)
    theta, steps = np.zeros((3, 1)), 0
    while naive.value_and_grad("squared", p.X, p.y, theta)[0] > level:
        theta = theta - 0.3 * naive.value_and_grad("squared", p.X, p.y, theta)[1]
        steps += 1
    assert steps_to(p, 0.3, 0.0, level, 1000) == steps > 3
    assert steps_to(p, 0.3, 0.0, level, steps - 1) == math.inf
    assert steps_to(p, 50.0, 0.0, level, 1000) == math.inf
    huber = problem(Synthetic(noise=noises.Gaussian(), samples=100, features=3), losses.Huber(), 0)
    assert math.isnan(steps_to(huber, 0.3, 0.0, huber.level(0.9), 1000))  # no quadratic


def test_what_no_sample_reaches_never_moves():
    """A feature that is the sum of two others, and one that is always 0: H is singular, and no such direction is known."""
    p = problem(Synthetic(noise=noises.Gaussian(), samples=100, features=3), losses.Squared(), 0)
    wide = np.column_stack([p.X, p.X[:, 0] + p.X[:, 1], np.zeros(100)])
    singular = replace(p, X=wide, optimum=minimise(p.loss, wide, p.y))
    r = recursion(singular)
    assert r.X.shape[1] == 3
    assert 0 < r.floor(0.1, 1.0) < math.inf


@pytest.mark.parametrize(
    ("loss", "noise"), [(losses.Softmax(), noises.Categorical()), (losses.Logistic(), noises.Bernoulli())]
)
def test_lyapunovs_equation_is_scipys(loss, noise):
    p = problem(Synthetic(noise=noise, samples=300, features=3), loss, 0)
    shape = p.optimum.theta.shape
    deltas = loss.deltas(p.X @ p.optimum.theta, p.y).reshape(len(p.X), -1)
    v = np.einsum("mi,mj->mij", p.X, deltas).reshape(len(p.X), -1)
    H = np.array(
        [
            (
                naive.value_and_grad(loss.name, p.X, p.y, p.optimum.theta + d.reshape(shape))[1]
                - naive.value_and_grad(loss.name, p.X, p.y, p.optimum.theta - d.reshape(shape))[1]
            ).ravel()
            / 2e-5
            for d in 1e-5 * np.eye(math.prod(shape))
        ]
    )
    step, share = 0.5, 1 / 8
    A = np.eye(len(H)) - step * (H + H.T) / 2
    # along the direction that no softmax sees A is 1, and nothing is added
    kept = np.linalg.eigh(H)[1][:, np.linalg.eigh(H)[0] > 1e-6]
    C = scipy.linalg.solve_discrete_lyapunov(
        kept.T @ A @ kept, step**2 * share * kept.T @ np.cov(v.T, bias=True) @ kept
    )
    expected = 0.5 * np.trace(kept.T @ H @ kept @ C)
    theory = lyapunov(p)
    assert theory.floor(step, share) == pytest.approx(expected, rel=1e-5)
    assert theory.floor(1e-6, share) == pytest.approx(0.25e-6 * share * np.trace(np.cov(v.T, bias=True)), rel=1e-4)
    assert math.isinf(theory.floor(2.01 / np.linalg.eigvalsh(H)[-1], share))
    if loss.name == "logistic":  # its edge is a bound from below of the one that the recursion knows
        for share in (1.0, 0.1):
            assert 0 < theory.edge(share) <= recursion(p).edge(share) * (1 + 1e-9)


@pytest.mark.parametrize("progress", [0.0, 0.3, 0.95])
def test_a_point_on_the_way_has_that_share_of_the_loss_behind_it(progress):
    p = problem(Synthetic(noise=noises.Categorical(), samples=200, features=3), losses.Softmax(), 0)
    value = naive.value_and_grad("softmax", p.X, p.y, p.at(progress))[0]
    assert (p.start_value - value) / (p.start_value - p.optimum.value) == pytest.approx(progress, abs=1e-9)
