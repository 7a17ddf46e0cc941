"""Gradients to fifty digits, from the definitions alone: losses written with mpmath, derivatives as their difference quotients.

∂f/∂θ = (f(θ + h) − f(θ − h))/2h + O(h²) with h = 10⁻²⁰: what is left out is smaller than what any float could tell apart.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from mpmath import mp, mpf, workdps
from numpy.typing import NDArray

from kernels.losses import Huber, Loss, StudentT

Array = NDArray[Any]
Number = Any  # mpmath's

DIGITS = 50
STEP = mpf(10) ** -20


def squared(loss: Loss, h: Sequence[Number], y: Any) -> Number:
    """½(h − y)²"""
    return (h[0] - mpf(y)) ** 2 / 2


def absolute(loss: Loss, h: Sequence[Number], y: Any) -> Number:
    """|h − y|"""
    return abs(h[0] - mpf(y))


def huber(loss: Loss, h: Sequence[Number], y: Any) -> Number:
    """½r² within the bend b, b(|r| − ½b) beyond"""
    assert isinstance(loss, Huber)
    r, bend = abs(h[0] - mpf(y)), mpf(loss.delta)
    return r**2 / 2 if r <= bend else bend * (r - bend / 2)


def student_t(loss: Loss, h: Sequence[Number], y: Any) -> Number:
    """−log Γ((ν+1)/2) / (Γ(ν/2) σ√(πν)) · (1 + r²/νσ²)^(−(ν+1)/2)"""
    assert isinstance(loss, StudentT)
    nu, scale = mpf(loss.nu), mpf(loss.scale)
    half = (nu + 1) / 2
    constant = mp.loggamma(half) - mp.loggamma(nu / 2) - mp.log(scale * mp.sqrt(mp.pi * nu))
    return half * mp.log(1 + ((h[0] - mpf(y)) / scale) ** 2 / nu) - constant


def logistic(loss: Loss, h: Sequence[Number], y: Any) -> Number:
    """log(1 + eʰ) − y·h"""
    return mp.log(1 + mp.exp(h[0])) - mpf(y) * h[0]


def softmax(loss: Loss, h: Sequence[Number], y: Any) -> Number:
    """log Σ eʰ − h_y"""
    return mp.log(mp.fsum(map(mp.exp, h))) - h[y]


def multinomial(loss: Loss, h: Sequence[Number], y: Any) -> Number:
    """−Σ c·(h − log Σ eʰ)"""
    total = mp.log(mp.fsum(map(mp.exp, h)))
    return mp.fsum(mpf(count) * (total - each) for count, each in zip(y, h, strict=True))


FORMULAS: dict[str, Callable[[Loss, Sequence[Number], Any], Number]] = {
    f.__name__: f for f in (squared, absolute, huber, student_t, logistic, softmax, multinomial)
}


def gradient(loss: Loss, X: Array, y: Array, theta: Array, entries: Sequence[tuple[int, int]]) -> NDArray[np.float64]:
    """∂/∂θ[i, j] of 1/m Σ ℓ(xθ, y) for those entries, rounded once; X (m, n) with samples in rows, θ (n, k)."""
    value = FORMULAS[loss.name]
    with workdps(DIGITS):
        rows = [[mpf(number) for number in row] for row in X.tolist()]
        weights = [[mpf(number) for number in column] for column in theta.T.tolist()]
        logits = [[mp.fdot(row, column) for column in weights] for row in rows]

        def change(i: int, j: int) -> float:
            quotients = []
            for row, h, label in zip(rows, logits, y.tolist(), strict=True):
                above, below = ([*h[:j], h[j] + sign * STEP * row[i], *h[j + 1 :]] for sign in (1, -1))
                quotients.append((value(loss, above, label) - value(loss, below, label)) / (2 * STEP))
            return float(mp.fsum(quotients) / len(rows))

        return np.array([change(i, j) for i, j in entries])


def softmax_deltas(H: Array, y: Array) -> NDArray[np.float64]:
    """softmax(h) − onehot(y) for each sample, (m, k), rounded once (notes 1, section 7.2)."""
    with workdps(DIGITS):
        rows = []
        for h, label in zip(H.tolist(), y.tolist(), strict=True):
            powers = [mp.exp(mpf(number)) for number in h]
            total = mp.fsum(powers)
            rows.append([float(power / total - (j == label)) for j, power in enumerate(powers)])
    return np.array(rows)
