"""What a fit tends to with ever more samples: averages over x ~ N(0, 1) and the label's law, by quadrature.

h* = xθ* is all of x that labels depend on. With θ* = U S Vᵀ, U (n, r), what x has beside xU is independent of the label, so
that the minimiser of the mean loss lies in U's span, whatever the loss: θ∞ = U B (Brillinger, 1983; Li and Duan, 1989,
doi:10.1214/aos/1176347254). B is found over nodes for xU ~ N(0, 1_r).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy import optimize
from scipy.stats import qmc

from experiments.outcomes.calibration import slope_information
from experiments.outcomes.labels import entropies, lied, logits, probabilities, softmax, taken
from kernels.losses import Loss
from kernels.noises import Noise

Array = NDArray[np.float64]

NODES = 80  # of Gauss and Hermite in a dimension
MOST_DIMENSIONS = 2
POINTS = 15  # log2 of the points of Sobol's sequence, for more dimensions
WEIGHTLESS = 1e-18  # nodes in the far corners of a product, where δ may overflow
ALONG_RAY, RAYS, FAR = 60, 720, 9.0  # nodes on a ray, rays, and where they end
RANK = 1e-12
STEEPEST = 1e6
FLAT = 1e-9  # ‖gradient‖ at which a limit is one


def gaussian_nodes(dimensions: int) -> tuple[Array, Array]:
    """Nodes (q, d) and weights (q,), Σ w = 1, for averages over N(0, 1_d): Gauss–Hermite, quasi-Monte Carlo beyond two dimensions.

    The first is good to rounding for smooth functions, the second to some 10⁻⁴.
    """
    if dimensions > MOST_DIMENSIONS:
        normal = qmc.MultivariateNormalQMC(np.zeros(dimensions), rng=np.random.default_rng(0))
        return normal.random(1 << POINTS), np.full(1 << POINTS, 2.0**-POINTS)
    x, w = np.polynomial.hermite_e.hermegauss(NODES)
    nodes = np.stack(np.meshgrid(*[x] * dimensions, indexing="ij"), axis=-1).reshape(-1, dimensions)
    weights = (
        np.stack(np.meshgrid(*[w / w.sum()] * dimensions, indexing="ij"), axis=-1).reshape(-1, dimensions).prod(axis=1)
    )
    heavy = weights > WEIGHTLESS
    return nodes[heavy], weights[heavy]


def kinked_nodes(dimensions: int) -> tuple[Array, Array]:
    """The same for functions with kinks along rays from 0, as the 0/1 error of a linear rule has: halves of the line, and rays.

    To rounding in one dimension, to some 10⁻⁵ in two, on 720 rays; beyond as `gaussian_nodes`.
    """
    if dimensions > MOST_DIMENSIONS:
        return gaussian_nodes(dimensions)
    x, w = np.polynomial.legendre.leggauss(ALONG_RAY)
    radius, step = FAR * (1 + x) / 2, FAR * w / 2
    weight = step * np.exp(-(radius**2) / 2) * radius ** (dimensions - 1)
    rays = np.array([[1.0], [-1.0]])
    if dimensions > 1:
        angle = 2 * np.pi * (np.arange(RAYS) + 0.5) / RAYS
        rays = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    weights = np.tile(weight, len(rays))
    return (rays[:, None, :] * radius[:, None]).reshape(-1, dimensions), weights / weights.sum()


@dataclass(frozen=True, eq=False)
class Limits:
    """The law of (h*, label) for a noise and θ* (n, k): weighted nodes, in the directions U (n, r) that matter."""

    noise: Noise
    directions: Array  # U
    weighing: Array  # S Vᵀ (r, k): h* = (xU) S Vᵀ
    place: Array  # (q, r): xU
    H: Array  # (q, k): h*
    P: Array  # (q, c): the label's probabilities
    weights: Array  # (q,)

    @classmethod
    def of(cls, noise: Noise, theta: Array) -> Limits:
        U, S, Vt = np.linalg.svd(theta, full_matrices=False)
        kept = RANK * S[0] < S
        place, weights = gaussian_nodes(int(kept.sum()))
        weighing = S[kept, None] * Vt[kept]
        H = place @ weighing
        return cls(noise, U[:, kept], weighing, place, H, probabilities(noise, H), weights)

    def logits(self, theta: Array) -> Array:
        """xθ (q, k) at the nodes, θ (n, k) in the directions that matter."""
        return np.asarray(self.place @ (self.directions.T @ theta))

    def moment(self, W: Array) -> Array:
        """E[xxᵀ ⊗ W] (nk, nk), W (q, k, k) at the nodes: what x has beside its place is independent of W."""
        inside = np.einsum("q,qi,qj,qab->iajb", self.weights, self.place, self.place, W, optimize=True)
        U, k = self.directions, W.shape[1]
        outside = np.eye(len(U)) - U @ U.T
        total = np.einsum("xi,iajb,yj->xayb", U, inside, U, optimize=True)
        total += outside[:, None, :, None] * np.einsum("q,qab->ab", self.weights, W)[None, :, None, :]
        return np.asarray(total.reshape(len(U) * k, len(U) * k))

    @cached_property
    def _kinked(self) -> tuple[Array, Array, Array]:
        """(xU, P, weights) at nodes for what has kinks."""
        place, weights = kinked_nodes(self.place.shape[1])
        return place, probabilities(self.noise, place @ self.weighing), weights

    def bayes_error(self) -> float:
        """The least 0/1 error that there is: 1 − E max P."""
        _, P, weights = self._kinked
        return float(1 - weights @ P.max(axis=1))

    def entropy(self) -> float:
        """E[−Σ P log P], the least cross-entropy of a label."""
        return float(self.weights @ entropies(self.P))

    def slope_information(self, theta: Array | None = None) -> float:
        """What one label says about the slope of the true logits, or of xθ, if the labels are as likely as those say."""
        H = logits(self.H if theta is None else self.logits(theta))
        return slope_information(H, self.P if theta is None else softmax(H), self.weights)

    def limit(self, loss: Loss, flips: float, outputs: int) -> Array:
        """θ∞ (n, outputs), to which θ̂ tends when a share of the labels is flipped. Raises ValueError where there is none."""
        P = lied(self.P, flips)
        q, classes = P.shape
        labels = [taken(loss, np.full(q, j), classes) for j in range(classes)]
        shape = (self.place.shape[1], outputs)

        def slope(B: Array) -> Array:
            H = self.place @ B.reshape(shape)
            deltas = sum(self.weights[:, None] * P[:, j, None] * loss.deltas(H, y) for j, y in enumerate(labels))
            return np.asarray((self.place.T @ deltas).ravel())

        # Levenberg and Marquardt's steps: what is added to all classes of softmax is seen by no δ; it is taken out
        found = optimize.root(slope, np.zeros(shape).ravel(), method="lm", tol=1e-14)
        if not np.linalg.norm(slope(found.x)) <= FLAT:
            raise ValueError(
                f"loss={loss.name}: with flips={flips} its mean over the noise has no minimum that can be found"
            )
        B = found.x.reshape(shape)
        if outputs > 1:
            level = B - B.mean(axis=1, keepdims=True)
            B = level if np.linalg.norm(slope(level.ravel())) <= FLAT else B
        return np.asarray(self.directions @ B)

    def rule_regret(self, theta: Array) -> float:
        """The 0/1 error of argmax xθ beyond the least, θ (n, k) in the directions that matter."""
        place, P, weights = self._kinked
        chosen = np.argmax(logits(place @ (self.directions.T @ theta)), axis=1)[:, None]
        return float(weights @ (P.max(axis=1) - np.take_along_axis(P, chosen, axis=1)[:, 0]))

    def slope(self, theta: Array, flips: float = 0.0) -> float:
        """The slope that calibrates softmax(xθ), θ (n, k), for labels of which a share is flipped: 1 if they are calibrated.

        NaN where no slope is best, as for θ = 0.
        """
        H, P = logits(self.logits(theta)), lied(self.P, flips)

        def score(b: float) -> float:
            return float(self.weights @ np.sum((softmax(b * H) - P) * H, axis=1))

        low, high = -1.0, 1.0  # the score grows with b
        while score(high) < 0 and high < STEEPEST:
            high *= 2
        while score(low) > 0 and low > -STEEPEST:
            low *= 2
        return float(optimize.brentq(score, low, high, xtol=1e-13)) if score(low) < 0 < score(high) else math.nan


def first_order_slope(parameters: int, samples: int, information: float) -> float:
    """1 − p/(m·J): the slope that calibrates fits to m samples, for new labels; J is what one sample says about the slope.

    To first order in 1/m the fit's own bias cancels. m·J is about the likelihood ratio χ² of the model, so that this is the
    heuristic shrinkage (χ² − p)/χ² of van Houwelingen and le Cessie, 1990, doi:10.1002/sim.4780091109. −∞ where J is 0: labels
    that are certain say nothing about it.
    """
    return 1 - parameters / (samples * information) if information > 0 else -math.inf
