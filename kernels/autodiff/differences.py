"""Slopes of a function along each entry of its inputs, from values nearby: what they are, and how sure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Value = Callable[[Sequence[Array]], float]

EPS = float(np.finfo(np.float64).eps)
# Of a third of the digits: there what a central difference leaves out, h²f‴/6, is as small as what rounding does to it, ε|f|/h.
STEP = EPS ** (1 / 3)
# The difference of the one-sided slopes falls as h where f is smooth; where it stays this much of what it was, there is a kink.
STAYS = 0.7
# Where it grows by so much as h is halved, f jumps, or its slope is infinite.
GROWS = 1.2
# One-sided slopes that differ by less than so much of the gradient are those of no kink.
KINK = 1e-3
# Fourth differences of f, at so many steps, whose standard deviation is √70 times that of f's rounding.
PLACES = np.arange(-8, 9)
# How many standard deviations of its rounding a difference may be off.
SIGMAS = 8
# A difference that is off by less than this share of the slope is sure enough; else smaller steps are tried, by these factors.
SURE, SMALLER = 1e-4, (1, 16, 256)
# Differences that rounding may have changed by more than this share of the largest decide nothing.
DIGITS = 1e-2


class GradientError(AssertionError):
    """A gradient is not that of its function."""


@dataclass(frozen=True)
class Entry:
    """One entry of one gradient: what it is, what differences say, and how sure they are."""

    input: int
    at: tuple[int, ...]
    gradient: float
    difference: float
    error: float  # of the difference, by its own account
    sides: tuple[float, float] | None = None  # at a kink: the slopes to the left and to the right

    @property
    def off(self) -> float:
        """By how much it is wrong; at a kink, by how much it is outside of the one-sided slopes."""
        if self.sides is None:
            return abs(self.gradient - self.difference)
        low, high = sorted(self.sides)
        return max(low - self.gradient, self.gradient - high, 0.0)

    def right(self, rtol: float) -> bool:
        """Whether it is what differences say, within `rtol` of itself and what they are off by."""
        size = max(abs(self.gradient), abs(self.difference), *map(abs, self.sides or ()))
        return self.off <= rtol * size + self.error

    def __str__(self) -> str:
        says = (
            f"{self.difference:.8g}" if self.sides is None else f"between {self.sides[0]:.6g} and {self.sides[1]:.6g}"
        )
        factor = self.gradient / self.difference if self.sides is None and self.difference else 0.0
        times = f", {factor:.4g} times as large" if factor and abs(factor) < 1e6 else ""
        return (
            f"{_name(self.input, self.at)} is {self.gradient:.8g}, and should be {says}: off by {self.off:.2g}{times}"
        )


def differences(value: Value, points: Sequence[Array], gradients: Sequence[Array]) -> Iterator[Entry]:
    """Every entry of the gradients, beside its difference. Raises ValueError where f has none, GradientError where it jumps."""
    middle, again = value(points), value(points)
    if not np.isfinite(middle):
        raise ValueError(f"f: {middle} at x; should be finite")
    if middle != again:
        raise ValueError(
            f"f: {middle:.8g} and then {again:.8g} at the same x; should be a function of x alone (dropout: model.eval())"
        )
    seen, slope = _noise(value, points)
    around = _Around(value, points, gradients, middle, max(seen, EPS * abs(middle)))
    for i, point in enumerate(points):
        for at in np.ndindex(point.shape):
            yield around.surest(i, at)
    if SIGMAS * seen / STEP > DIGITS * max(slope, *(float(np.abs(g).max(initial=0)) for g in gradients)):
        raise ValueError(
            f"f: rounded, or rough, by about {seen:.1g} of {middle:.3g}, so that differences are off by {seen / STEP:.1g}; "
            "should be computed to more digits, as in float64: model.double()"
        )


def _noise(value: Value, points: Sequence[Array]) -> tuple[float, float]:
    """How far f is rounded: the standard deviation of its values nearby about a smooth curve, by fourth differences; and a slope.

    A step of ε^⅓ to the fourth is below all rounding. The median keeps a kink on the way out of it. Source: Moré and Wild,
    Estimating computational noise, 2011 (doi:10.1137/100786125).
    """
    rng = np.random.default_rng(0)
    along = [rng.choice((-1.0, 1.0), point.shape) * np.maximum(1.0, np.abs(point)) for point in points]
    values = [value([p + k * STEP * a for p, a in zip(points, along, strict=True)]) for k in PLACES]
    fourth = np.abs(np.diff(values, 4)) / np.sqrt(70)
    seen = float(np.median(fourth)) / 0.6745
    return (seen, float(np.ptp(values)) / (STEP * np.ptp(PLACES))) if np.isfinite(values).all() else (0.0, 0.0)


@dataclass(frozen=True)
class _Around:
    """f near some points: its value there, how far it is rounded, and the gradients that are said to be its own."""

    value: Value
    points: Sequence[Array]
    gradients: Sequence[Array]
    middle: float
    noise: float

    def surest(self, i: int, at: tuple[int, ...]) -> Entry:
        """The entry by the first step whose difference is sure enough, or the surest: smaller ones near a kink or an end."""
        tried = []
        for smaller in SMALLER:
            h = STEP * max(1.0, abs(float(self.points[i][at]))) / smaller
            entry = self.entry(i, at, h)
            if entry is not None:
                tried.append(entry)
                if entry.error <= SURE * max(abs(entry.difference), abs(entry.gradient)) and entry.right(SURE):
                    return entry
        if not tried:
            raise ValueError(f"f: not finite where {_name(i, at)} is changed by {h:.1g}; should be finite around x")
        return min(tried, key=lambda entry: entry.error)

    def entry(self, i: int, at: tuple[int, ...], h: float) -> Entry | None:
        """The entry by differences over h and 2h; None where f is not finite there."""
        down2, down, up, up2 = values = [self.value(self.moved(i, at, steps * h)) for steps in (-2, -1, 1, 2)]
        if not np.isfinite(values).all():
            return None
        near, far = (up - down) / (2 * h), (up2 - down2) / (4 * h)
        rounding = self.noise / h
        # right slope − left slope
        bend, bend2 = (up - 2 * self.middle + down) / h, (up2 - 2 * self.middle + down2) / (2 * h)
        size = max(abs(near), abs(far), float(np.abs(self.gradients[i]).max()), 1e-300)
        sure = abs(bend) > max(KINK * size, 100 * rounding)
        if sure and abs(bend) > GROWS * abs(bend2):
            raise GradientError(
                f"gradient: by {_name(i, at)}: f jumps here, by about {abs(bend) * h:.3g}; it has no slope"
            )
        kink = sure and abs(bend) > STAYS * abs(bend2)
        sides = ((self.middle - down) / h, (up - self.middle) / h) if kink else None
        best = (4 * near - far) / 3
        return Entry(i, at, float(self.gradients[i][at]), best, abs(best - near) + SIGMAS * rounding, sides)

    def moved(self, i: int, at: tuple[int, ...], by: float) -> list[Array]:
        """The points, with one entry changed."""
        points = list(self.points)
        points[i] = self.points[i].copy()
        points[i][at] += by
        return points


def _name(i: int, at: tuple[int, ...]) -> str:
    return f"x{i}[{', '.join(map(str, at))}]" if at else f"x{i}"
