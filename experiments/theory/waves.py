"""ψ_tt = v²·ψ_xx in one dimension: profiles, what moves them, d'Alembert's formula, and what the leapfrog scheme makes of waves.

Each profile is written once, in SymPy; numbers, derivatives and tensors are made from that. Sources: notes 2, Optics; d'Alembert,
Recherches sur la courbe que forme une corde tendue mise en vibration, 1747; for the scheme Courant, Friedrichs, Lewy, 1928
(doi:10.1007/BF01448839) and Trefethen, Group Velocity in Finite Difference Schemes, 1982 (doi:10.1137/1024038).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any, Literal

import numpy as np
import sympy
from numpy.typing import ArrayLike, NDArray

from kernels.wave import Ends

Array = NDArray[np.float64]
Shape = Literal["lorentzian", "gaussian", "sech2", "packet"]
Motion = Literal["steady", "backward", "dalembert", "accelerated", "damped", "slower"]
Launch = Literal["rest", "moving", "pushed"]

x, t, s = sympy.symbols("x t s", real=True)
v, a, period = sympy.symbols("v a period", positive=True)

# f(s), each of a width of about 1/√a.
SHAPES: Mapping[str, sympy.Expr] = {
    "lorentzian": 3 / (a * s**2 + 1),  # the notes' pulse, where a = 10
    "gaussian": sympy.exp(-a * s**2),
    "sech2": 1 - sympy.tanh(sympy.sqrt(a) * s) ** 2,  # sech²(√a·s)
    "packet": sympy.exp(-a * s**2) * sympy.cos(2 * sympy.sqrt(a) * s),
}
# ∫g/v of an initial velocity g(s) = v·√a·sech²(√a·s).
PUSH = sympy.tanh(sympy.sqrt(a) * s)
# Σ f(s − n·period) over all whole n, where too many would count: 3q·sinh 2q/2(cosh 2q − cos(2πs/period)), q = π/(√a·period),
# with the difference written as what loses no digits.
_q = sympy.pi / (sympy.sqrt(a) * period)
RINGS: Mapping[str, sympy.Expr] = {
    "lorentzian": 3 * _q * sympy.sinh(2 * _q) / (2 * (sympy.sinh(_q) ** 2 + sympy.sin(sympy.pi * s / period) ** 2))
}
# At so many widths from its middle every other profile is 0 to rounding, and tanh is ±1.
FAR = 20.0

SOLUTIONS: tuple[Motion, ...] = ("steady", "backward", "dalembert")
# What is no solution: ψ_tt − v²·ψ_xx, worked out by hand, by f and its derivatives at the place that ψ has f of.
_f0, _f1, _f2 = sympy.symbols("f0 f1 f2")
MISFITS: Mapping[str, sympy.Expr] = {
    "accelerated": (4 * v**2 * t**2 - v**2) * _f2 - 2 * v * _f1,
    "damped": sympy.exp(-t) * (_f0 + 2 * v * _f1),
    "slower": -sympy.Rational(3, 4) * v**2 * _f2,
}
PLACES: Mapping[str, sympy.Expr] = {
    "steady": x - v * t,
    "backward": x + v * t,
    "accelerated": x - v * t**2,
    "damped": x - v * t,
    "slower": x - v * t / 2,
}


def moving(f: sympy.Expr, motion: Motion, push: sympy.Expr = PUSH) -> sympy.Expr:
    """ψ(x, t): f at its place, times e⁻ᵗ if damped; or d'Alembert's formula, ψ(x, 0) = f and ψ_t(x, 0) = v·∂push/∂s."""
    if motion == "dalembert":
        return dalembert(lambda at: f.subs(s, at), lambda at: push.subs(s, at), x, v * t)
    psi = f.subs(s, PLACES[motion])
    return sympy.exp(-t) * psi if motion == "damped" else psi


def dalembert(F: Callable[[Any], Any], G: Callable[[Any], Any], at: Any, gone: Any) -> Any:
    """½[F(x − vt) + F(x + vt)] + ½[G(x + vt) − G(x − vt)]: ψ(x, 0) = F, ψ_t(x, 0) = v·G′; `at` is x and `gone` is vt."""
    left, right = at - gone, at + gone
    return (F(left) + F(right)) / 2 + (G(right) - G(left)) / 2


def residual(psi: sympy.Expr) -> sympy.Expr:
    """ψ_tt − v²·ψ_xx, multiplied out."""
    return sympy.expand((psi.diff(t, 2) - v**2 * psi.diff(x, 2)).doit())


def misfit(f: sympy.Expr, motion: Motion) -> sympy.Expr:
    """The same by hand: `MISFITS` of f, 0 for solutions."""
    if motion in SOLUTIONS:
        return sympy.Integer(0)
    known = {symbol: f.diff(s, order).subs(s, PLACES[motion]) for order, symbol in enumerate((_f0, _f1, _f2))}
    return MISFITS[motion].subs(known)


def numeric(expression: sympy.Expr, *arguments: sympy.Symbol, modules: Any = "numpy") -> Callable[..., Any]:
    """The expression as a function of arrays, or of what `modules` has functions for."""
    return sympy.lambdify(arguments, expression, modules=modules, cse=True)  # type: ignore[no-any-return]


@lru_cache
def _slope(name: str, order: int) -> Callable[..., Any]:
    """∂ᵏf/∂sᵏ as a function of (s, a); of `RINGS`, of (s, a, period)."""
    if name in RINGS:
        return numeric(RINGS[name].diff(s, order), s, a, period)
    return numeric((PUSH if name == "push" else SHAPES[name]).diff(s, order), s, a)


@dataclass(frozen=True)
class Pulse:
    """ψ(x, 0) = f(x − place) with ψ_t(x, 0) = 0 (`rest`), −v·f′ (`moving`: to the right) or v√a·sech²(√a(x − place)) (`pushed`)."""

    shape: Shape
    a: float
    place: float
    launch: Launch


@dataclass(frozen=True)
class String:
    """0 ≤ x ≤ length, whose ends are `periodic`, `fixed` (ψ = 0) or `open` (ψ_x = 0), on which waves have a speed v.

    On the whole line pulses repeat: by `length`; beyond a fixed end turned over and about, beyond an open one turned about.
    """

    length: float
    speed: float
    ends: Ends

    def profile(self, pulse: Pulse, at: Array, order: int = 0) -> Array:
        """∂ᵏF/∂xᵏ of ψ(x, 0) = F, on the whole line."""
        return self._line(pulse.shape, pulse, at, order, self._sign)

    def pushed(self, pulse: Pulse, at: Array, order: int = 0) -> Array:
        """∂ᵏG/∂xᵏ of ψ_t(x, 0) = v·G′, on the whole line; for order 0 up to a constant."""
        if pulse.launch == "rest":
            return np.zeros_like(at)
        if pulse.launch == "moving":
            return -self._line(pulse.shape, pulse, at, order, -self._sign)
        return self._line("push", pulse, at, order, -self._sign)

    def wave(self, pulse: Pulse, at: Array, time: float) -> Array:
        """ψ(x, t) by d'Alembert's formula."""
        gone = self.speed * time
        return np.asarray(dalembert(partial(self.profile, pulse), partial(self.pushed, pulse), at, gone))

    def first_step(self, pulse: Pulse, at: Array, h: float, courant: float) -> Array:
        """ψ(x, τ) ≈ F + ½C²[F(x − h) − 2F + F(x + h)] + ½[G(x + vτ) − G(x − vτ)]

        What the scheme itself makes of a wave at rest, and the whole of the initial velocity between x − vτ and x + vτ: of
        order 2 for any C, and d'Alembert's formula itself for C = 1, which Taylor's F + τ·vG′ + … would not be.
        """
        return start(partial(self.profile, pulse), partial(self.pushed, pulse), at, h, courant)

    def error(self, pulse: Pulse, at: Array, time: float, h: float, courant: float) -> Array:
        """h²(1 − C²)/24 · {vt·[L‴(x + vt) − R‴(x − vt)] − ∂²ψ_G/∂x²}: how far the scheme is from ψ, to leading order in h.

        R = ½(F − G) and L = ½(F + G) go right and left. ω = vκ(1 − κ²h²(1 − C²)/24 + …) holds them back, and makes
        ψ_G = ½[G(x + vt) − G(x − vt)], which starts as sin(κvτ)/sin(ωτ), that much larger.
        """
        gone = self.speed * time
        right, left = at - gone, at + gone
        F, G = partial(self.profile, pulse), partial(self.pushed, pulse)
        held = gone * (F(left, 3) + G(left, 3) - F(right, 3) + G(right, 3)) / 2
        return np.asarray(h**2 * (1 - courant**2) / 24 * (held - (G(left, 2) - G(right, 2)) / 2))

    @property
    def _sign(self) -> int:
        return {"periodic": 0, "fixed": -1, "open": 1}[self.ends]

    def _line(self, name: str, pulse: Pulse, at: Array, order: int, sign: int) -> Array:
        """∂ᵏ of Σ f(x − n·period), and of `sign` times its mirror image at x = 0."""
        once = self._ring(name, pulse.a, at - pulse.place, order)
        if self.ends == "periodic":
            return once
        return np.asarray(once + sign * (-1) ** order * self._ring(name, pulse.a, -at - pulse.place, order))

    def _ring(self, name: str, sharpness: float, at: Array, order: int) -> Array:
        every = self.length if self.ends == "periodic" else 2 * self.length
        slope = _slope(name, order)
        if name in RINGS:
            return np.asarray(slope(at, sharpness, every))
        most = math.ceil((float(np.abs(at).max()) + FAR / math.sqrt(sharpness)) / every)
        copy = np.arange(-most, most + 1)
        slopes = slope(at[..., None] - every * copy, sharpness)
        if name == "push" and order == 0:
            slopes = slopes + np.sign(copy)  # a constant: without it ±1 of every copy would cost digits
        return np.asarray(np.sum(slopes, axis=-1))


def start(F: Callable[[Array], Array], G: Callable[[Array], Array], at: Array, h: float, courant: float) -> Array:
    """As in `String.first_step`, of any F and G."""
    bend = F(at - h) - 2 * F(at) + F(at + h)
    return F(at) + courant**2 / 2 * bend + (G(at + courant * h) - G(at - courant * h)) / 2


def phase(kh: ArrayLike, courant: float) -> Array:
    """ωτ = 2·arcsin(C·sin(κh/2)): by how much a step of the scheme turns a wave of wavenumber κ; NaN where it grows instead."""
    with np.errstate(invalid="ignore"):
        return np.asarray(2 * np.arcsin(courant * np.sin(np.asarray(kh) / 2)))


def growth(kh: float, courant: float) -> float:
    """max |λ| of λ + 1/λ = 2 − 4C²·sin²(κh/2): by what a step multiplies a wave of wavenumber κ; 1 for C·sin(κh/2) ≤ 1."""
    half = 1 - 2 * (courant * math.sin(kh / 2)) ** 2
    return 1.0 if half >= -1 else -half + math.sqrt(half**2 - 1)


def wavenumbers(cells: int, ends: Ends) -> Array:
    """κh > 0 of the waves that a string of so many cells has, shortest last: 2πm/cells on a ring, else πm/cells.

    A fixed end is no place for the shortest of all, which is 0 at every point.
    """
    if ends == "periodic":
        return np.asarray(2 * np.pi / cells * np.arange(1, cells // 2 + 1))
    return np.asarray(np.pi / cells * np.arange(1, cells + (ends == "open")))


def points(cells: int, ends: Ends) -> int:
    """How many points there are with cells between them: one more than cells, but on a ring."""
    return cells + (ends != "periodic")


def weights(cells: int, ends: Ends) -> Array:
    """What a point counts for in sums over x: 1, at an open end ½, of which half a cell is beyond."""
    each = np.ones(points(cells, ends))
    if ends == "open":
        each[[0, -1]] = 0.5
    return each


def energy(now: Array, before: Array, courant: float, ends: Ends) -> Array:
    """Σ (ψⁿ⁺¹ − ψⁿ)²/C² + Σ Dψⁿ⁺¹·Dψⁿ, D the difference of neighbours, in units of v²/2h, of each pulse (pulses, points).

    The scheme keeps ½‖ψ_t‖² + ½v²‖ψ_x‖² as this, exactly; it is positive for C < 1.
    """
    slopes, slopes_before = (_differences(psi, ends) for psi in (now, before))
    counted = weights(now.shape[1] - (ends != "periodic"), ends)
    return np.asarray(((now - before) ** 2 * counted).sum(axis=1) / courant**2 + (slopes * slopes_before).sum(axis=1))


def _differences(psi: Array, ends: Ends) -> Array:
    """Of neighbours; on a ring the last point and the first are, too."""
    return np.asarray(np.diff(np.concatenate([psi, psi[:, :1]], axis=1) if ends == "periodic" else psi, axis=1))
