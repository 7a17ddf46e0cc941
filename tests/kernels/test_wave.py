"""The leapfrog kernel against the formula in NumPy, d'Alembert's solution, and what is known of its waves exactly."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from scipy import optimize

from kernels._jit import COMPILED
from kernels.wave import BLOCK, CACHE_BYTES, Ends, leap

ENDS = ["periodic", "fixed", "open"]
assert set(ENDS) == set(Ends.__args__)


def naive(now, before, courant, steps, ends):
    """(pulses, cells), as the formula says it."""
    for _ in range(steps):
        left, right = np.roll(now, 1, 1), np.roll(now, -1, 1)
        if ends == "open":
            left[:, 0], right[:, -1] = now[:, 1], now[:, -2]
        after = 2 * now - before + courant**2 * (left - 2 * now + right)
        if ends == "fixed":
            after[:, [0, -1]] = now[:, [0, -1]]
        now, before = after, now
    return now, before


KEPT, PASSED = CACHE_BYTES // 32, CACHE_BYTES
SHAPES = [(3, 50), (20, 500), (1, 3), (100, 3), (2, 2 * BLOCK + 7), (1, PASSED), (17, KEPT // 8 + 1)]


@pytest.mark.sampled(8)
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("ends", ENDS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_steps_are_those_of_the_formula_in_both_layouts(shape, ends, dtype):
    if not COMPILED and math.prod(shape) > BLOCK:
        pytest.skip("plain Python would take minutes")
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((2, *shape))
    if ends == "fixed":
        b[:, [0, -1]] = a[:, [0, -1]]
    for courant, steps in ((0.5, 0), (0.5, 1), (1.0, 2), (0.9, 5)):
        expected = naive(a, b, courant, steps, ends)
        rows = leap(a.astype(dtype), b.astype(dtype), courant, steps, ends)
        columns = leap(a.T.astype(dtype, "C"), b.T.astype(dtype, "C"), courant, steps, ends, "columns")
        for mine, other, wanted in zip(rows, columns, expected, strict=True):
            np.testing.assert_allclose(mine, wanted, rtol=0, atol=2e-5 if dtype == "float32" else 1e-13)
            np.testing.assert_allclose(other.T, mine, rtol=0, atol=2e-5 if dtype == "float32" else 1e-13)


def pulse(x):
    return 3 / (10 * x**2 + 1)


def grid(cells, length=20.0):
    h = length / cells
    return (np.arange(cells) - cells // 2) * h, h


def travel(cells, courant, distance=2.0, f=pulse):
    """The largest error after a pulse has gone that far to the right, from two exact moments."""
    x, h = grid(cells)
    tau = courant * h
    steps = round(distance / tau)
    now, _ = leap(f(x)[None].copy(), f(x + tau)[None].copy(), courant, steps)
    return np.abs(now[0] - f(x - steps * tau)).max()


def test_at_courant_number_one_it_is_exact():
    assert travel(1000, 1.0, f=lambda x: np.exp(-4 * x**2)) < 1e-13  # nothing reaches the ends
    rng = np.random.default_rng(1)  # any periodic profile, however rough
    f = rng.standard_normal(256)
    now, _ = leap(f[None].copy(), np.roll(f, -1)[None].copy(), 1.0, 100)
    np.testing.assert_allclose(now[0], np.roll(f, 100), atol=1e-12)


@pytest.mark.parametrize("courant", [0.5, 0.8])
def test_the_error_falls_by_four_when_the_step_is_halved(courant):
    f = lambda x: np.exp(-(x**2))  # noqa: E731
    errors = [travel(cells, courant, f=f) for cells in (1000, 2000, 4000)]
    orders = [math.log2(a / b) for a, b in itertools.pairwise(errors)]
    assert orders == pytest.approx([2, 2], abs=0.05)


def mode(cells, number, courant, steps):
    """cos(kx) standing: its amplitude at each step is cos(ωt), by which ω is found."""
    x = 2 * math.pi * np.arange(cells) / cells
    shape = np.cos(number * x)
    k, h = number, 2 * math.pi / cells
    s = courant * math.sin(k * h / 2)
    omega_tau = 2 * math.asin(s)
    now, before = shape[None].copy(), (math.cos(omega_tau) * shape)[None].copy()
    amplitudes = []
    for _ in range(steps):
        now, before = leap(now, before, courant)
        amplitudes.append(float(now[0] @ shape / (shape @ shape)))
    return np.array(amplitudes), omega_tau


@pytest.mark.parametrize("courant", [0.3, 0.7, 0.99])
@pytest.mark.parametrize("number", [1, 10, 40])
def test_waves_have_the_frequency_of_the_dispersion_relation(courant, number):
    """sin(ωτ/2) = C·sin(kh/2)."""
    amplitudes, expected = mode(128, number, courant, 200)
    t = np.arange(1, 201)
    found = optimize.least_squares(
        lambda w: np.cos(w[0] * t) - amplitudes, [expected * 1.0005], xtol=1e-15, ftol=1e-15, gtol=1e-15
    ).x[0]
    assert found == pytest.approx(expected, rel=1e-6)


def test_past_courant_number_one_it_grows_as_predicted():
    """λ + 1/λ = 2 − 4C²·sin²(kh/2): the shortest wave, k = π/h, grows the most."""
    courant = 1.02
    now = np.resize([1.0, -1.0], 64)[None].copy()
    before, sizes = now / -1.05, []
    for _ in range(200):
        now, before = leap(now, before, courant)
        sizes.append(np.abs(now).max())
    b = 2 * courant**2 - 1
    assert sizes[-1] / sizes[-2] == pytest.approx(b + math.sqrt(b * b - 1), rel=1e-3)


@pytest.mark.parametrize("ends", ENDS)
def test_energy_is_kept(ends):
    """Σ (ψ − ψ′)²/2τ² + v²·Σ Δψ·Δψ′/2h², the scheme's own, half weight to an open end's cell."""
    rng = np.random.default_rng(2)
    x, _ = grid(200)
    now = np.exp(-((x[None] - rng.uniform(-5, 5, (3, 1))) ** 2))
    before, courant = now.copy(), 0.7
    if ends == "fixed":
        now[:, [0, -1]] = before[:, [0, -1]] = 0.0

    def energy(now, before):
        ring = lambda psi: np.diff(psi, axis=1, append=psi[:, :1]) if ends == "periodic" else np.diff(psi, axis=1)  # noqa: E731
        weight = np.ones(now.shape[1])
        if ends == "open":
            weight[[0, -1]] = 0.5
        return ((now - before) ** 2 * weight).sum(1) / courant**2 + (ring(now) * ring(before)).sum(1)

    start = energy(now, before)
    for _ in range(20):
        now, before = leap(now, before, courant, 50, ends)
        np.testing.assert_allclose(energy(now, before), start, rtol=1e-11)


def test_fixed_ends_turn_a_pulse_over_and_open_ends_do_not():
    cells = 400
    x, h = grid(cells, 4.0)
    f = np.exp(-40 * (x + 0.5) ** 2)
    f[[0, -1]] = 0.0
    for ends, sign in (("fixed", -1), ("open", 1)):
        # to the left end and as far back: 2 · 1.5 long
        now, _ = leap(f[None].copy(), np.roll(f, 1)[None].copy(), 1.0, 2 * round(1.5 / h), ends)
        assert now[0][np.argmax(np.abs(now[0]))] == pytest.approx(sign, abs=1e-6)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"now": np.zeros(5)}, r"now: float64 \(5,\); should be an array of float32 or float64, \(pulses, cells\)"),
        ({"now": np.zeros((2, 5), int)}, r"now: int64 \(2, 5\); should be"),
        ({"before": np.zeros((2, 6))}, r"before: float64 \(2, 6\); should be another array like now, float64 \(2, 5\)"),
        ({"now": np.zeros((5, 2)).T}, "now: should be contiguous and writable"),
        ({"courant": 0}, "courant: 0; should be a finite number above 0"),
        ({"courant": True}, "courant: True; should be a finite number above 0"),
        ({"courant": math.nan}, "courant: nan; should be a finite number above 0"),
        ({"ends": "loose"}, "ends: 'loose'; should be one of periodic, fixed, open"),
        ({"steps": -1}, "steps"),
        ({"now": np.zeros((2, 2)), "before": np.ones((2, 2))}, "now: 2 cells; should be at least 3"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_line(change, said):
    given = {
        "now": np.zeros((2, 5)),
        "before": np.ones((2, 5)),
        "courant": 0.5,
        "steps": 1,
        "ends": "periodic",
    } | change
    with pytest.raises(ValueError, match=said):
        leap(**given)


def test_one_array_is_not_two_moments():
    a = np.zeros((2, 5))
    with pytest.raises(ValueError, match=r"before: .* should be another array"):
        leap(a, a, 0.5)
