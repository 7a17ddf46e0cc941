"""eˣ and log(1 + x) of the losses against mpmath: a unit in the last place or little more, and every edge as it should be."""

from __future__ import annotations

import mpmath
import numba
import numpy as np
import pytest

from kernels import elementary

DTYPES = [np.float32, np.float64]


def over(function):
    """The function of each number of an array, compiled."""

    @numba.njit(error_model="numpy")
    def run(x, out):
        for i in range(x.size):
            out[i] = function(x[i])

    return run


exps, log1ps, log1ps_of_fractions = map(over, (elementary.exp, elementary.log1p, elementary.log1p_of_fraction))


def ulps(got, x, exact):
    """Errors in units in the last place of the exact result."""
    with mpmath.workprec(120):
        expected = [exact(mpmath.mpf(float(each))) for each in x]
        rounded = np.array([float(each) for each in expected]).astype(got.dtype)
        errors = [abs(mpmath.mpf(float(g)) - e) for g, e in zip(got, expected, strict=True)]
    return np.array([float(error) for error in errors]) / np.spacing(np.abs(rounded)).astype(np.float64)


@pytest.mark.parametrize("dtype", DTYPES)
def test_exp(dtype):
    rng = np.random.default_rng(0)
    least = np.log(np.finfo(dtype).tiny)
    x = np.concatenate(
        [-rng.exponential(1, 500), rng.uniform(least, 0, 500), -(10.0 ** rng.uniform(-20, 0, 300))]
    ).astype(dtype)
    out = np.empty_like(x)
    exps(x, out)
    assert ulps(out, x, mpmath.exp).max() < 1


@pytest.mark.parametrize("dtype", DTYPES)
def test_exp_fades_out_below_the_normal_numbers(dtype):
    info = np.finfo(dtype)
    x = np.linspace(np.log(info.smallest_subnormal), np.log(info.tiny), 50).astype(dtype)
    out = np.empty_like(x)
    exps(x, out)
    exact = np.array([float(mpmath.exp(float(each))) for each in x])
    np.testing.assert_allclose(out, exact, rtol=0, atol=float(info.smallest_subnormal))


@pytest.mark.parametrize("dtype", DTYPES)
def test_exp_at_the_edges(dtype):
    x = np.array([0.0, -0.0, -np.inf, np.nan, -1e4, np.finfo(dtype).min], dtype)
    out = np.empty_like(x)
    exps(x, out)
    np.testing.assert_array_equal(out, np.array([1, 1, 0, np.nan, 0, 0], dtype))


@pytest.mark.parametrize("dtype", DTYPES)
def test_log1p(dtype):
    rng = np.random.default_rng(0)
    x = np.concatenate([rng.exponential(1, 500), 10.0 ** rng.uniform(-30, 30, 500), np.linspace(0.2, 0.6, 300)]).astype(
        dtype
    )
    out = np.empty_like(x)
    log1ps(x, out)
    assert ulps(out, x, mpmath.log1p).max() < 1


@pytest.mark.parametrize("dtype", DTYPES)
def test_log1p_at_the_edges(dtype):
    info = np.finfo(dtype)
    x = np.array([0.0, np.inf, np.nan, info.tiny, info.smallest_subnormal, info.max], dtype)
    out = np.empty_like(x)
    log1ps(x, out)
    np.testing.assert_array_equal(out[:5], np.array([0, np.inf, np.nan, info.tiny, info.smallest_subnormal], dtype))
    assert out[5] == pytest.approx(float(mpmath.log(float(info.max))), rel=float(info.eps))


@pytest.mark.parametrize("dtype", DTYPES)
def test_log1p_of_a_fraction(dtype):
    """On a CPU without fused multiply-add, and in plain Python, 1.2; else below 1."""
    rng = np.random.default_rng(0)
    x = np.concatenate([rng.uniform(0, 1, 2000), 10.0 ** rng.uniform(-30, 0, 500), [1]]).astype(dtype)
    out = np.empty_like(x)
    log1ps_of_fractions(x, out)
    assert ulps(out, x, mpmath.log1p).max() < 1.25


@pytest.mark.parametrize("dtype", DTYPES)
def test_log1p_of_a_fraction_at_the_edges(dtype):
    info = np.finfo(dtype)
    x = np.array([0.0, np.nan, info.tiny, info.smallest_subnormal], dtype)
    out = np.empty_like(x)
    log1ps_of_fractions(x, out)
    np.testing.assert_array_equal(out, x)


minus_logs, cosines, sines = map(over, (elementary.minus_log, elementary.cos_of_turns, elementary.sin_of_turns))


def test_minus_log():
    rng = np.random.default_rng(4)
    x = np.concatenate(
        [rng.random(800), 1 - 10.0 ** rng.uniform(-15, -1, 300), 10.0 ** rng.uniform(-300, 0, 300), [1.0]]
    )
    out = np.empty_like(x)
    minus_logs(x, out)
    assert out[-1] == 0
    assert ulps(out[:-1], x[:-1], lambda number: -mpmath.log(number)).max() < 1


def test_sines_of_turns():
    rng = np.random.default_rng(6)
    x = np.concatenate([rng.random(800), 10.0 ** rng.uniform(-15, -1, 200), 0.5 + 10.0 ** rng.uniform(-12, -1, 200)])
    out = np.empty_like(x)
    sines(x, out)
    assert ulps(out, x, lambda number: mpmath.sin(2 * mpmath.pi * number)).max() < 3
    edges = np.array([0.0, 0.25, 0.5, 0.75, 1.0])
    out = np.empty_like(edges)
    sines(edges, out)
    np.testing.assert_allclose(out, [0.0, 1.0, 0.0, -1.0, 0.0], atol=3e-16)


def test_cosines_of_turns():
    rng = np.random.default_rng(5)
    x = np.concatenate(
        [rng.random(800), 0.25 + 10.0 ** rng.uniform(-15, -1, 200), 0.75 - 10.0 ** rng.uniform(-15, -1, 200)]
    )
    out = np.empty_like(x)
    cosines(x, out)
    assert ulps(out, x, lambda number: mpmath.cos(2 * mpmath.pi * number)).max() < 3
    edges, expected = np.array([0.0, 0.25, 0.5, 0.75, np.nextafter(1, 0)]), [1.0, 0.0, -1.0, 0.0, 1.0]
    out = np.empty_like(edges)
    cosines(edges, out)
    np.testing.assert_allclose(out, expected, atol=3e-16)
