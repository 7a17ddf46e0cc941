"""Is a pulse a wave? ψ_tt − v²·ψ_xx of it by symbols, by autodiff and by central differences (notes 2, Optics, Q1)."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, Literal

import numpy as np
import sympy
from numpy.typing import NDArray

from experiments.claims import pulse as claims
from experiments.theory import waves
from experiments.theory.waves import Motion, Shape, a, numeric, s, t, v, x
from harness.contract import WHOLE_RUN, Bars, Count, Curve, Experiment, Figure, Positive, Row, Seed
from kernels import autodiff as torch
from kernels import stream

Array = NDArray[np.float64]

REACH = 2.0  # of x, in units of x, and of t, in seconds: to either side of 0
ON_TAPE = {"exp": torch.exp, "cos": torch.cos, "tanh": torch.tanh}
WAVES = 8  # of the profile `any`
# Steps in x, in widths 1/√a, a quarter of a decade apart; in t so much less, as at this Courant number: at 1 every f(x − vt) fits.
STEPS = 10.0 ** np.arange(-6, 0.01, 0.25)
COURANT = 0.5
UNIT = 2.0**-53
# A step is in the range of the order where what differences leave out is so many times what rounding may do, and its
# next term is this share of it at most.
ABOVE_ROUNDING, NEXT_TERM = 1000.0, 0.02


@dataclass(frozen=True)
class Pulse(Experiment):
    """(ψ_tt − v²·ψ_xx)/max |ψ_tt| of ψ = f(x − vt), or of f moved otherwise; f is as wide as 1/√a.

    `shape`: `lorentzian` 3/(a·s² + 1), which is the notes' for a = 10, `gaussian` e^(−as²), `sech2` sech²(√a·s), `packet`
    e^(−as²)cos(2√a·s), or `any`: to symbols a function without a formula, to numbers a sum of random waves. `motion`: waves are
    `steady` f(x − vt), `backward` f(x + vt), and `dalembert`, d'Alembert's formula with f and an initial velocity; no waves are
    `accelerated` f(x − vt²), `damped` e⁻ᵗf(x − vt), `slower` f(x − vt/2) than v.

    `model/symbolic_residual`: the terms left of ψ_tt − v²·ψ_xx for all x, t, v, a. `model/residual`: by two derivatives of
    autodiff, the largest at `points` random (x, t); `model/predicted_residual`: what it is by hand (0 for waves);
    `model/second_error`: that of autodiff's ψ_tt. `model/start_error`: of ψ(x, 0) and ψ_t(x, 0), for d'Alembert's formula.
    `model/frame_drift`: how far ψ changes in the frame x′ = x − vt. `model/order_x`, `model/order_t`: by which power of the
    step the error of central differences falls. `profile/…`: those errors, step by step.
    """

    shape: Literal[Shape, "any"] = "lorentzian"
    motion: Motion = "steady"
    a: Positive = 10.0
    speed: Positive = 3.0
    points: Count = 4_000
    seed: Seed = 0

    claims: ClassVar = (claims.PULSE, claims.GENERAL, claims.FRAME, claims.NO_WAVE, claims.DIFFERENCES)
    foremost: ClassVar[tuple[str, ...]] = ("model/symbolic_residual", "model/residual", "model/predicted_residual")
    figures: ClassVar[tuple[Figure, ...]] = (
        Bars(
            "model/residual", "motion", "Is it a wave? What is left of ψ_tt − v²ψ_xx by autodiff, as a share of the largest ψ_tt",
            by=("shape",), log_y=True,
        ),
        Curve(
            "profile/residual", "The same by central differences: for waves it falls with the square of the step, down to rounding",
            x="profile/step", by=("shape", "motion"), panels="shape", log_x=True, log_y=True,
        ),
        Curve(
            "profile/error", "Error of a central second difference in x: what it leaves out (dotted), then rounding",
            x="profile/step", by=("shape",), theory="profile/predicted_error", log_x=True, log_y=True,
        ),
    )  # fmt: skip

    def run(self) -> Iterator[Row]:
        at, times = self._at
        tt, xx, metrics = self._by_tape(at, times)
        size = float(np.abs(tt).max())
        by_hand = numeric(self._known(waves.misfit(self._formula, self.motion)), x, t)(at, times)
        metrics |= {
            "model/symbolic_residual": float(self._terms_left()),
            "model/residual": float(np.abs(tt - self.speed**2 * xx).max()) / size,
            "model/predicted_residual": float(np.abs(by_hand).max()) / size,
            "model/second_error": float(np.abs(tt - numeric(self._psi.diff(t, 2), x, t)(at, times)).max()) / size,
        }
        if self.motion != "dalembert":
            metrics["model/frame_drift"] = self._drift(at, times)
        wide = STEPS / math.sqrt(self.a)
        long = COURANT * wide / self.speed
        by_x = [self._second(h, 0.0, at, times) for h in wide]
        by_t = [self._second(0.0, k, at, times) for k in long]
        left = [float(np.abs(one - self.speed**2 * other).max()) / size for one, other in zip(by_t, by_x, strict=True)]
        profile: dict[str, NDArray[np.float64] | list[float]] = {"step": wide, "residual": left}
        if self.motion in waves.SOLUTIONS:
            derivatives = {k: self._along(k)(at, times) for k in (0, 1, 2, 4, 6)}
            errors, predicted, usable = self._differences(wide, by_x, derivatives)
            profile |= {"error": errors, "predicted_error": predicted}
            metrics["model/order_x"] = _order(wide, errors, usable)
            errors, _, usable = self._differences(COURANT * wide, [d / self.speed**2 for d in by_t], derivatives)
            metrics["model/order_t"] = _order(long, errors, usable)
        for step in range(len(STEPS)):
            yield Row(step, {f"profile/{name}": float(column[step]) for name, column in profile.items()})
        yield Row(WHOLE_RUN, metrics)

    @cached_property
    def _at(self) -> tuple[Array, Array]:
        """Random x and t, (points,) each."""
        at, times = stream(self.seed, "pulse", "points").uniform(-REACH, REACH, (2, self.points))
        return at, times

    @cached_property
    def _formula(self) -> sympy.Expr:
        """f(s); of `any`, its random waves cos(ks + φ) with |k| up to 2√a."""
        if self.shape != "any":
            return waves.SHAPES[self.shape]
        rng = stream(self.seed, "pulse", "any")
        k, phase, amplitude = rng.uniform(0, 2, WAVES), rng.uniform(0, 2 * math.pi, WAVES), rng.standard_normal(WAVES)
        terms = [c * sympy.cos(q * sympy.sqrt(a) * s + p) for c, q, p in zip(amplitude, k, phase, strict=True)]
        return sympy.Add(*terms)

    @cached_property
    def _psi(self) -> sympy.Expr:
        """ψ(x, t), with the numbers of a and v."""
        return self._known(waves.moving(self._formula, self.motion))

    def _known(self, formula: sympy.Expr) -> sympy.Expr:
        return formula.subs({a: self.a, v: self.speed})

    @cached_property
    def _values(self) -> Callable[[Array, Array], Array]:
        """ψ as a function of (x, t)."""
        return numeric(self._psi, x, t)

    def _along(self, order: int) -> Callable[[Array, Array], Array]:
        """∂ᵏψ/∂xᵏ of a wave as a function of (x, t): it is moved as f is. For even k, ∂ᵏψ/∂tᵏ is vᵏ times that."""
        f, push = (each.diff(s, order) for each in (self._formula, waves.PUSH))
        return numeric(self._known(waves.moving(f, self.motion, push)), x, t)

    def _terms_left(self) -> int:
        f, push = self._formula, waves.PUSH
        if self.shape == "any":
            f, push = (sympy.Function(name)(s) for name in ("f", "G"))
        left = waves.residual(waves.moving(f, self.motion, push))
        return 0 if left == 0 else len(sympy.Add.make_args(left))

    def _by_tape(self, at: Array, times: Array) -> tuple[Array, Array, dict[str, float]]:
        """ψ_tt and ψ_xx, and of d'Alembert's formula how far it is from ψ and ψ_t at t = 0."""
        psi = numeric(self._psi, x, t, modules=[ON_TAPE, "math"])

        def slope(of: torch.Tensor, by: torch.Tensor) -> torch.Tensor:
            (found,) = torch.grad(of.sum(), by, create_graph=True)
            assert found is not None
            return found

        places, moments = (torch.tensor(each, requires_grad=True) for each in (at, times))
        values = psi(places, moments)
        tt, xx = (slope(slope(values, by), by).detach().numpy() for by in (moments, places))
        if self.motion != "dalembert":
            return tt, xx, {}
        now = torch.zeros_like(moments, requires_grad=True)
        values = psi(places, now)
        pushed = slope(values, now).detach().numpy()
        f, g = (numeric(self._known(each), s) for each in (self._formula, v * waves.PUSH.diff(s)))
        apart = ((values.detach().numpy() - f(at), f(at)), (pushed - g(at), g(at)))
        return tt, xx, {"model/start_error": max(float(np.abs(d).max() / np.abs(of).max()) for d, of in apart)}

    def _drift(self, at: Array, times: Array) -> float:
        """max |ψ(x′ + vt, t) − ψ(x′, 0)|/max |ψ|; of what goes backward in the frame that does too."""
        psi = self._values
        speed = -self.speed if self.motion == "backward" else self.speed
        still = psi(at, np.zeros_like(at))
        return float(np.abs(psi(at + speed * times, times) - still).max() / np.abs(still).max())

    def _second(self, h: float, k: float, at: Array, times: Array) -> Array:
        """[ψ(x + h, t + k) − 2ψ(x, t) + ψ(x − h, t − k)]/(h + k)², where one of h and k is 0."""
        psi = self._values
        return np.asarray(
            (psi(at + h, times + k) - 2 * psi(at, times) + psi(at - h, times - k)) / (h + k) ** 2
        )  # fmt: skip

    def _differences(
        self, h: Array, found: list[Array], derivatives: Mapping[int, Array]
    ) -> tuple[Array, Array, NDArray[np.bool_]]:
        """Errors of differences in x, or in vt, as shares of the largest; h²/12·|ψ⁗|, what they leave out; where only that counts.

        That is where it is far above rounding, of ψ and of its argument, and far above the next term h⁴/360·|ψ⁽⁶⁾|.
        """
        size, slope, largest, fourth, sixth = (float(np.abs(derivatives[k]).max()) for k in (0, 1, 2, 4, 6))
        left_out = h**2 / 12 * fourth
        rounding = 8 * UNIT * (size + REACH * (1 + self.speed) * slope) / h**2
        usable = (left_out > ABOVE_ROUNDING * rounding) & (h**4 / 360 * sixth < NEXT_TERM * left_out)
        errors = np.array([float(np.abs(each - derivatives[2]).max()) for each in found])
        return errors / largest, left_out / largest, usable


def _order(h: Array, errors: Array, usable: NDArray[np.bool_]) -> float:
    """Slope of log error against log step; NaN of fewer than three."""
    if usable.sum() < 3:
        return math.nan
    return float(np.polyfit(np.log(h[usable]), np.log(errors[usable]), 1)[0])
