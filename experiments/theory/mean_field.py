"""The law of a fit with n parameters of m samples, n/m → κ: h* = γZ and ĥ = αh* + sG on a new x, Z and G standard normal.

θ̂ along θ* is α times as long, and s is the length of what is across. With q = αh* + sG, and r = q − prox(q), where
prox(q) = argminₚ ½(p − q)² + λℓ(p, y), the three numbers (α, s, λ) solve
    E[h* r] = 0        E[r²] = κ s²        E[G r] = κ s
for any smooth convex loss of one number, and labels whose law is given h*. κ → 0 is the classical theory: α → θ∞/θ*,
s² → κ E[δ²]/E[δ′]². Beyond a κ that depends on γ labels are separable and there is no solution (Candès and Sur, 2020,
doi:10.1214/18-AOS1789). Sources: Sur and Candès, 2019, doi:10.1073/pnas.1810420116, for logistic regression; for other losses
El Karoui et al., 2013, doi:10.1073/pnas.1307842110, and Thrampoulidis, Abbasi, Hassibi, 2018, doi:10.1109/TIT.2018.2840720.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, stats

from experiments.outcomes.calibration import recalibrated
from experiments.outcomes.labels import cross_entropy, entropies, lied, logits, probabilities, taken
from experiments.theory.label_limits import gaussian_nodes, kinked_nodes
from kernels.losses import Loss
from kernels.noises import Noise

Array = NDArray[np.float64]

HALVINGS = 45  # of the bracket around prox(q): to 1e-13 of it
SOLVED = 1e-7
RUNAWAY = 1e3  # λ times the curvature, beyond which there is no solution but at infinity
STEPS = {"maxfev": 60}
EASY = 0.02  # a κ at which the classical theory is near


@dataclass(frozen=True)
class Law:
    """α, s and λ; the law of h* and ĥ on a new x."""

    noise: Noise
    signal: float  # γ
    along: float  # α
    across: float  # s
    tightness: float  # λ

    def _joint(self) -> tuple[Array, Array, Array]:
        """(P (q, 2), ĥ (q, 1), weights) over nodes of (Z, G)."""
        nodes, weights = gaussian_nodes(2)
        star = self.signal * nodes[:, :1]
        return probabilities(self.noise, star), self.along * star + self.across * nodes[:, 1:], weights

    def excess(self) -> float:
        """E KL(P ‖ softmax(ĥ)): the cross-entropy beyond the truth's, of a label."""
        P, H, weights = self._joint()
        return float(weights @ (cross_entropy(P, logits(H)) - entropies(P)))

    def slope(self, flips: float = 0.0) -> float:
        """The slope that calibrates ĥ for new labels, of which a share is flipped."""
        P, H, weights = self._joint()
        return recalibrated(logits(H), lied(P, flips), weights=weights)[0]

    def regret(self) -> float:
        """The 0/1 error of sign ĥ beyond the least: E |P₁ − P₀| where ĥ has the wrong sign. Given h*, ĥ is normal."""
        place, weights = kinked_nodes(1)
        P = probabilities(self.noise, self.signal * place)
        better = np.sign(P[:, 1] - P[:, 0])
        wrong = stats.norm.cdf(-better * self.along * self.signal * place[:, 0] / self.across)
        return float(weights @ (np.abs(P[:, 1] - P[:, 0]) * wrong))

    def observed(self, fitted: Array, flips: float = 0.0) -> Array:
        """P(label = 1 | fitted probability), of labels of which a share is flipped: the reliability curve."""
        nodes, weights = gaussian_nodes(1)
        total = (self.along * self.signal) ** 2 + self.across**2
        centre = self.along * self.signal**2 / total * np.log(fitted / (1 - fitted))
        spread = self.signal * self.across / np.sqrt(total)
        P = probabilities(self.noise, (centre[:, None] + spread * nodes[:, 0]).reshape(-1, 1))
        return np.asarray(lied(P, flips)[:, 1].reshape(len(fitted), -1) @ weights)


@lru_cache(maxsize=256)
def law(loss: Loss, noise: Noise, signal: float, ratio: float, flips: float = 0.0) -> Law | None:
    """The law for κ = `ratio` and ‖θ*‖ = `signal`, by the loss's δ and the noise's density; None where no solution is found.

    Where the classical theory is too far off to start from, κ is approached in steps, each solution the start of the next.
    """
    nodes, weights = gaussian_nodes(2)
    star, G = signal * nodes[:, 0], nodes[:, 1]
    P = lied(probabilities(noise, star[:, None]), flips)
    zeros = np.zeros(star.size, np.int64)
    outcomes = [(weights * P[:, j], taken(loss, zeros + j, 2)) for j in range(2)]

    def equations(unknown: Array, kappa: float) -> Array:
        along, across, tight = unknown[0], np.exp(unknown[1]), np.exp(unknown[2])
        q = along * star + across * G
        first, second, third = 0.0, 0.0, 0.0
        for weight, y in outcomes:
            r = q - proximal(partial(_deltas, loss, y), q, tight)
            first, second, third = first + weight @ (star * r), second + weight @ (r * r), third + weight @ (G * r)
        return np.array([first / (tight * signal), second / (kappa * across**2) - 1, third / (kappa * across) - 1])

    def solved(kappa: float, along: float, across: float, tight: float) -> tuple[float, float, float] | None:
        with np.errstate(all="ignore"):
            try:
                found = optimize.root(
                    equations, [along, np.log(across), np.log(tight)], args=(kappa,), tol=1e-11, options=STEPS
                )
            except ValueError:  # an infinity on the way: there is no solution
                return None
        at = float(found.x[0]), float(np.exp(found.x[1])), float(np.exp(found.x[2]))
        return at if np.abs(found.fun).max() < SOLVED and at[2] * loss.curvature < RUNAWAY else None

    def classical(kappa: float) -> tuple[float, float, float]:
        return 1.0, float(np.sqrt(kappa / loss.curvature)), kappa / loss.curvature

    found = solved(ratio, *classical(ratio))
    if found is None:
        kappa = EASY
        found = solved(kappa, *classical(kappa))
        while found is not None and kappa < ratio:
            grown = min(ratio / kappa, 2.0)
            kappa *= grown
            found = solved(kappa, found[0], found[1] * np.sqrt(grown), found[2] * grown)
    return Law(noise, signal, *found) if found else None


def _deltas(loss: Loss, y: NDArray[Any], p: Array) -> Array:
    return loss.deltas(p, y)


def proximal(delta: Callable[[Array], Array], q: Array, tight: float) -> Array:
    """argminₚ ½(p − q)² + λℓ(p): the root of p + λδ(p) = q, which grows with p. By bisection, whatever the loss."""
    move = tight * delta(q)
    low, high = np.minimum(q, q - move), np.maximum(q, q - move)
    for _ in range(HALVINGS):
        middle = 0.5 * (low + high)
        above = middle + tight * delta(middle) > q
        low, high = np.where(above, low, middle), np.where(above, middle, high)
    return 0.5 * (low + high)
