"""Profiles, d'Alembert's formula and the scheme's theory against mpmath, quadrature, Fourier sums and eigenvalues."""

from __future__ import annotations

import math
from typing import get_args

import mpmath
import numpy as np
import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate

from experiments.theory import waves
from experiments.theory.waves import Launch, Motion, Pulse, Shape, String, a, numeric, s, t, v, x
from kernels.wave import Ends

ENDS, LAUNCHES, SHAPES, MOTIONS = (get_args(kind) for kind in (Ends, Launch, Shape, Motion))
WRITTEN_OUT = {
    "lorentzian": lambda s, a: 3 / (a * s * s + 1),
    "gaussian": lambda s, a: mpmath.exp(-a * s * s),
    "sech2": lambda s, a: mpmath.sech(mpmath.sqrt(a) * s) ** 2,
    "packet": lambda s, a: mpmath.exp(-a * s * s) * mpmath.cos(2 * mpmath.sqrt(a) * s),
}


def test_the_profiles_are_what_they_are_called():
    assert set(WRITTEN_OUT) == set(SHAPES) == set(waves.SHAPES)
    for name, formula in WRITTEN_OUT.items():
        f = numeric(waves.SHAPES[name], s, a)
        for at in (-1.3, 0.0, 0.2, 0.7):
            assert f(at, 7.0) == pytest.approx(float(formula(mpmath.mpf(at), mpmath.mpf(7))), abs=1e-15)


# Symbols


def by_definition(psi):
    """ψ_tt − v²ψ_xx of a formula that is written out here."""
    return sympy.simplify((psi.diff(t, 2) - v**2 * psi.diff(x, 2)).doit())


def test_the_notes_pulse_solves_the_wave_equation():
    psi = waves.moving(waves.SHAPES["lorentzian"], "steady").subs(a, 10)
    assert psi - 3 / (10 * (x - v * t) ** 2 + 1) == 0
    assert by_definition(psi) == 0
    assert waves.residual(psi) == 0


@pytest.mark.parametrize("motion", MOTIONS)
def test_the_misfit_by_hand_is_that_of_the_symbols(motion):
    """For a function without a formula, and so for all."""
    f, push = sympy.Function("f")(s), sympy.Function("G")(s)
    left = waves.residual(waves.moving(f, motion, push))
    assert (left == 0) == (motion in waves.SOLUTIONS)
    assert sympy.simplify((left - waves.misfit(f, motion)).doit()) == 0
    if motion not in waves.SOLUTIONS:
        assert sympy.simplify((left + waves.misfit(f, motion)).doit()) != 0  # a slip in sign would show


def test_dalemberts_formula_begins_as_it_should():
    f, push = sympy.Function("f"), sympy.Function("G")
    psi = waves.moving(f(s), "dalembert", push(s))
    assert sympy.simplify(psi.subs(t, 0) - f(x)) == 0
    assert sympy.simplify(psi.diff(t).subs(t, 0).doit() - v * push(x).diff(x)) == 0


# d'Alembert's formula on a string


def summed(shape, at, sharp, every):
    """Σ f(at − n·every), by summing; the tail of 3/(as² + 1) beyond N copies is 6/(a·every²·(N + ½)), up to 1/N³."""
    most = 20_000 if shape == "lorentzian" else 60
    n = np.arange(-most, most + 1)
    f = sympy.lambdify((s, a), waves.SHAPES[shape], "numpy")
    tail = 6 / (sharp * every**2 * (most + 0.5)) if shape == "lorentzian" else 0.0
    return math.fsum(f(at - n * every, sharp)) + tail


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("ends", ENDS)
def test_a_profile_repeats_along_the_line_and_is_turned_about(shape, ends):
    string, pulse = String(3.0, 2.0, ends), Pulse(shape, 6.0, 1.1, "rest")
    sign = {"periodic": 0, "fixed": -1, "open": 1}[ends]
    every = 3.0 if ends == "periodic" else 6.0
    for at in (-4.0, 0.3, 1.1, 2.9, 7.7):
        expected = summed(shape, at - 1.1, 6.0, every) + sign * summed(shape, -at - 1.1, 6.0, every)
        assert string.profile(pulse, np.array([at]))[0] == pytest.approx(expected, abs=1e-11)


@pytest.mark.parametrize("ends", ENDS)
@pytest.mark.parametrize("launch", LAUNCHES)
@pytest.mark.parametrize("shape", ["lorentzian", "packet"])
def test_a_wave_is_dalemberts_integral(shape, ends, launch):
    """½[F(x − vt) + F(x + vt)] + 1/2v ∫ψ_t(x, 0), by quadrature over velocities that are written out."""
    length, speed, sharp, place, time = 3.0, 2.0, 6.0, 1.1, 1.3
    string, pulse = String(length, speed, ends), Pulse(shape, sharp, place, launch)
    sign = {"periodic": 0, "fixed": -1, "open": 1}[ends]
    slope = numeric(waves.SHAPES[shape].diff(s), s, a)

    every = length if ends == "periodic" else 2 * length
    n = every * (np.arange(-400, 401) if launch == "moving" else np.arange(-4, 5))

    def velocity(z):
        if launch == "rest":
            return np.zeros_like(z)
        if launch == "moving":
            return -speed * slope(z - place, sharp)
        return speed * math.sqrt(sharp) / np.cosh(math.sqrt(sharp) * (z - place)) ** 2

    def on_line(z):
        return velocity(z - n).sum() + sign * velocity(-z - n).sum()

    for at in (0.2, 1.4, 2.6):
        left, right = at - speed * time, at + speed * time
        middle = [place + k * length for k in range(-2, 4)] + [-place + k * length for k in range(-2, 4)]
        inside = sorted(p for p in middle if left < p < right)
        pushed, _ = integrate.quad(on_line, left, right, points=inside, limit=400, epsabs=1e-9)
        ends_of = string.profile(pulse, np.array([left, right]))
        expected = ends_of.sum() / 2 + pushed / (2 * speed)
        # the copies of a lorentzian's slope that are left out add up to some 1e-6
        assert string.wave(pulse, np.array([at]), time)[0] == pytest.approx(expected, abs=2e-5)


@given(
    st.sampled_from(SHAPES), st.sampled_from(ENDS), st.sampled_from(LAUNCHES),
    st.floats(2, 30), st.floats(0.3, 2.7), st.floats(0, 4), st.floats(0, 3),
)  # fmt: skip
@settings(max_examples=50, deadline=None)
def test_a_wave_keeps_to_its_ends(shape, ends, launch, sharp, place, time, at):
    string, pulse = String(3.0, 2.0, ends), Pulse(shape, sharp, place, launch)
    left, right = string.wave(pulse, np.array([0.0, 3.0]), time)
    if ends == "fixed":
        assert [left, right] == pytest.approx([0, 0], abs=1e-11)
    elif ends == "open":
        h = 1e-5
        beyond = string.wave(pulse, np.array([-h, h, 3 - h, 3 + h]), time)
        assert beyond[0] == pytest.approx(beyond[1], abs=1e-10)
        assert beyond[2] == pytest.approx(beyond[3], abs=1e-10)
    else:
        assert left == pytest.approx(right, abs=1e-11)
    if launch == "moving" and ends == "periodic":
        gone = string.profile(pulse, np.array([at - 2 * time]))
        assert string.wave(pulse, np.array([at]), time) == pytest.approx(gone, abs=1e-11)


def test_a_push_leaves_a_plateau_of_its_momentum():
    """∫g/2v between the two fronts: √a·v·∫sech²(√a·s)/2v = 1, for a = 100 on a string of 40."""
    string, pulse = String(40.0, 2.0, "periodic"), Pulse("gaussian", 100.0, 20.0, "pushed")
    assert string.wave(pulse, np.array([20.0, 18.0, 2.0]), 3.0) == pytest.approx([1, 1, 0], abs=1e-12)


# The scheme


def exactly_stepped(string, pulse, cells, courant, steps):
    """What the scheme makes of a pulse on a ring, by Fourier: cos nωτ of the first moment and sin nωτ of the rest."""
    h = string.length / cells
    at = h * np.arange(cells)
    before, now = string.profile(pulse, at), string.first_step(pulse, at, h, courant)
    turn = waves.phase(2 * np.pi * np.fft.fftfreq(cells), courant)
    one, other = np.fft.fft(before), np.fft.fft(now)
    safe = np.where(np.sin(turn) == 0, 1, np.sin(turn))
    back = np.where(
        np.sin(turn) == 0, steps * (other - one), np.sin(steps * turn) * (other - one * np.cos(turn)) / safe
    )
    return at, np.real(np.fft.ifft(one * np.cos(steps * turn) + back))


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("launch", LAUNCHES)
def test_the_leading_error_is_that_of_the_exactly_known_scheme(shape, launch):
    string, pulse = String(4.0, 2.0, "periodic"), Pulse(shape, 10.0, 1.4, launch)
    cells, courant, steps = 3200, 0.5, 8000
    at, stepped = exactly_stepped(string, pulse, cells, courant, steps)
    h = 4.0 / cells
    time = steps * courant * h / 2.0
    expected = stepped - string.wave(pulse, at, time)
    predicted = string.error(pulse, at, time, h, courant)
    assert np.abs(predicted - expected).max() < 0.01 * np.abs(expected).max()
    assert np.abs(predicted + expected).max() > np.abs(expected).max()  # with its sign


def test_the_phase_is_the_angle_of_the_companion_matrix():
    for courant in (0.3, 0.8, 1.0):
        for kh in (0.1, 1.0, 2.5, 3.1):
            half = 1 - 2 * (courant * math.sin(kh / 2)) ** 2
            values = np.linalg.eigvals(np.array([[2 * half, -1.0], [1.0, 0.0]]))
            assert np.abs(values) == pytest.approx([1, 1])
            assert float(waves.phase(kh, courant)) == pytest.approx(abs(np.angle(values[0])), rel=1e-7)
    assert waves.phase([0.5, 2.0], 1.0) == pytest.approx([0.5, 2.0])  # no dispersion
    assert np.isnan(waves.phase(math.pi, 1.2))


@given(st.floats(0.05, math.pi), st.floats(0.1, 2))
def test_growth_is_the_largest_eigenvalue(kh, courant):
    half = 1 - 2 * (courant * math.sin(kh / 2)) ** 2
    largest = float(np.abs(np.roots([1, -2 * half, 1])).max())
    assert waves.growth(kh, courant) == pytest.approx(largest, rel=1e-6)


@pytest.mark.parametrize("ends", ENDS)
@pytest.mark.parametrize("cells", [16, 17])
def test_wavenumbers_are_those_of_the_second_difference(ends, cells):
    """2 − 2cos κh are its eigenvalues, with the neighbours that the kernel takes at the ends."""
    size = waves.points(cells, ends)
    D = 2 * np.eye(size) - np.eye(size, k=1) - np.eye(size, k=-1)
    if ends == "periodic":
        D[0, -1] = D[-1, 0] = -1
    elif ends == "open":
        D[0, 1] = D[-1, -2] = -2
    else:
        D = D[1:-1, 1:-1]
    found = np.unique(np.round(np.sort(np.linalg.eigvals(D).real), 8))
    expected = 2 - 2 * np.cos(waves.wavenumbers(cells, ends))
    assert found[found > 1e-7] == pytest.approx(expected, abs=1e-7)


@pytest.mark.parametrize("ends", ENDS)
def test_the_energy_is_that_of_the_continuum_for_small_steps(ends):
    """v²/2h times it is ½∫ψ_t² + ½v²∫ψ_x² of a pulse well inside: of e^(−as²) moving, v²∫f′² = v²√(aπ/2)."""
    string, pulse = String(4.0, 2.0, ends), Pulse("gaussian", 10.0, 2.0, "moving")
    cells, courant = 4000, 0.5
    h = 4.0 / cells
    at = h * np.arange(waves.points(cells, ends))
    now, before = string.first_step(pulse, at, h, courant)[None], string.profile(pulse, at)[None]
    found = waves.energy(now, before, courant, ends) * 2.0**2 / (2 * h)
    assert found == pytest.approx([4 * math.sqrt(10 * math.pi / 2)], rel=1e-4)
