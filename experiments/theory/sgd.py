"""What SGD does near θ̂, in expectation and without simulation: θ ← θ − s·g_B, batches independent of one another.

With e = θ − θ̂, one logit (k = 1), wᵢ = ∂²ℓ/∂h² and δᵢ at θ̂, a sample's gradient is xᵢ(wᵢxᵢᵀe + δᵢ), to first order in e; exactly,
if ℓ is quadratic. Let H = E[wxxᵀ], M = E[eeᵀ], and let c be the share of a sample's variance that a batch's mean has. Then

    E[e]  ←  (1 − sH)·E[e]
    M     ←  M − s(HM + MH) + s²[(1 − c)HMH + c(E[w²x(xᵀMx)xᵀ] + 2E[wδ(xᵀE[e])xxᵀ] + E[δ²xxᵀ])]

is linear in (1, E[e], M), with the data's own third and fourth moments: no Gaussian samples, no noise that is the same everywhere.
E f(θ) − f(θ̂) = ½ tr HM. The first product in the square bracket is gradient descent; what stands beside c is the noise of
batches: its last term is the floor that a constant step leaves, its first one decides how large a step can be. Of several logits
the noise is taken as that at θ̂ (Lyapunov's equation): a floor to first order in s.
Sources: Ma, Bassily and Belkin, 2018, arXiv:1712.06559 (the step that a batch allows); Mandt, Hoffman and Blei, 2017,
arXiv:1704.04289 (the stationary covariance); Dieuleveut, Durmus and Bach, 2020, doi:10.1214/19-AOS1850 (constant steps).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq

from experiments.theory.gradient_moments import Problem, curvatures, quadratic

Array = NDArray[np.float64]

# The most entries of M for which the recursion is written down as a matrix (8 MB).
MOST_PAIRS = 1000
# The most parameters for which H and Σ are (134 MB each).
MOST_PARAMETERS = 4096
# Beneath this share of the largest a singular value of X counts as 0.
RANK = 1e-12
# Beneath this share of the largest an eigenvalue of H is that of a direction along which f does not change.
FLAT = 1e-10


@dataclass(frozen=True, eq=False)
class Recursion:
    """The recursion for (1, E[e], M), M as its upper triangle: the curvature w (m,) and the δ (m,) of each sample at θ̂.

    X (m, n) and e (n,) are seen from the `basis` (features, n) of what samples span: along the rest nothing ever moves.
    """

    basis: Array
    X: Array
    w: Array
    delta: Array

    @cached_property
    def hessian(self) -> Array:
        """H (n, n)."""
        return np.asarray(self.X.T @ (self.w[:, None] * self.X) / len(self.X))

    @cached_property
    def _pairs(self) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        return np.triu_indices(self.X.shape[1])

    @cached_property
    def _products(self) -> Array:
        """x_a·x_b (m, P) for each pair a ≤ b."""
        first, second = self._pairs
        return self.X[:, first] * self.X[:, second]

    @cached_property
    def _parts(self) -> tuple[Array, Array, Array, Array, Array]:
        """M → HM + MH, HMH and E[w²x(xᵀMx)xᵀ] (P, P); E[e] → 2E[wδ(xᵀe)xxᵀ] (P, n); E[δ²xxᵀ] (P,)."""
        H, (first, second), phi = self.hessian, self._pairs, self._products
        unit = np.zeros((len(first), *H.shape))
        each = np.arange(len(first))
        unit[each, first, second] = unit[each, second, first] = 1
        both = unit @ H
        drift = (both + both.transpose(0, 2, 1))[:, first, second].T
        square = (H @ both)[:, first, second].T
        twice = np.where(first == second, 1, 2)  # a pair off the diagonal stands in M twice
        m = len(self.X)
        fourth = phi.T @ (phi * (self.w**2)[:, None]) * twice / m
        third = 2 * phi.T @ (self.X * (self.w * self.delta)[:, None]) / m
        return drift, square, fourth, third, phi.T @ self.delta**2 / m

    def second_moment(self, step: float, share: float) -> Array:
        """The map M → M of one step (P, P), where E[e] = 0 and without what is constant."""
        drift, square, fourth, _, _ = self._parts
        return np.asarray(np.eye(len(drift)) - step * drift + step**2 * ((1 - share) * square + share * fourth))

    def matrix(self, step: float, share: float) -> Array:
        """One step for the vector (1, E[e], M), as a matrix."""
        n, pairs = len(self.hessian), len(self._pairs[0])
        A = np.zeros((1 + n + pairs, 1 + n + pairs))
        A[0, 0] = 1
        A[1 : 1 + n, 1 : 1 + n] = np.eye(n) - step * self.hessian
        A[1 + n :, 1 + n :] = self.second_moment(step, share)
        _, _, _, third, noise = self._parts
        A[1 + n :, 1 : 1 + n] = step**2 * share * third
        A[1 + n :, 0] = step**2 * share * noise
        return A

    def gap_of(self, M: NDArray[np.floating[Any]]) -> float:
        """½ tr HM."""
        first, second = self._pairs
        return 0.5 * float(np.sum(np.where(first == second, 1, 2) * self.hessian[first, second] * M))

    def radius(self, step: float, share: float) -> float:
        """The spectral radius of M → M: the factor that a step leaves of the second moment in the end; ≥ 1 where it runs away."""
        return float(np.abs(np.linalg.eigvals(self.second_moment(step, share))).max())

    def edge(self, share: float) -> float:
        """The largest step at which M settles; 2/L, L the largest eigenvalue of H, where batches are all samples (c = 0)."""
        top = 2 / float(np.linalg.eigvalsh(self.hessian)[-1])
        if share == 0:
            return top
        beyond = 0.5 * top
        while beyond > top * 1e-9 and self.radius(beyond, share) >= 1:
            beyond /= 2
        if self.radius(top, share) < 1:
            return top
        return float(brentq(lambda s: self.radius(s, share) - 1, beyond, top, xtol=1e-12 * top, rtol=1e-10))

    def floor(self, step: float, share: float) -> float:
        """E f(θ) − f(θ̂) once it has settled, (s·c/4)·tr Σ for small steps; ∞ at and beyond the edge."""
        if self.radius(step, share) >= 1:
            return math.inf
        noise = step**2 * share * self._parts[4]
        return self.gap_of(np.linalg.solve(np.eye(len(noise)) - self.second_moment(step, share), noise))

    def settling(self, step: float, share: float, rest: float) -> int:
        """Steps from θ̂ until the gap is within such a share of its floor."""
        noise, A = step**2 * share * self._parts[4], self.second_moment(step, share)
        final = np.linalg.solve(np.eye(len(A)) - A, noise)
        # M after t steps is (1 − Aᵗ)·M∞: double t while too much of Aᵗ·M∞ is left
        steps, power = 1, A
        while self.gap_of(power @ final) > rest * self.gap_of(final):
            steps, power = 2 * steps, power @ power
        return steps

    def path(self, step: float, share: float, start: Array, level: float, most: int) -> float:
        """Steps until E f − f(θ̂) is down to `level`, from e = `start` (features,); ∞ if that takes more than `most`."""
        first, second = self._pairs
        start = self.basis.T @ start
        A, n = self.matrix(step, share), len(start)
        z = np.concatenate([[1.0], start, start[first] * start[second]])
        beginning = self.gap_of(z[1 + n :])
        for t in range(most + 1):
            gap = self.gap_of(z[1 + n :])
            if gap <= level:
                return float(t)
            if not gap <= 1e6 * beginning:
                break
            z = A @ z
        return math.inf


@lru_cache(maxsize=4)
def recursion(p: Problem) -> Recursion | None:
    """That of a problem of one logit; None for several, or with too many features to write it down."""
    n = p.X.shape[1]
    if p.outputs != 1 or math.isinf(p.loss.curvature) or n * (n + 1) // 2 > MOST_PAIRS:
        return None
    h = p.X @ p.optimum.theta
    _, singular, right = np.linalg.svd(p.X, full_matrices=False)
    basis = right[singular > RANK * singular[0]].T
    return Recursion(
        basis, p.X @ basis, curvatures(p.loss, h, p.y)[:, 0, 0], np.asarray(p.loss.deltas(h[:, 0], p.y), np.float64)
    )


def steps_to(p: Problem, step: float, share: float, level: float, most: int) -> float:
    """Steps from θ = 0 until E f(θ) is down to `level`; ∞ beyond `most`, NaN where the theory is not exact: f no quadratic."""
    r = recursion(p) if quadratic(p.loss) else None
    if r is None:
        return math.nan
    return r.path(step, share, -p.optimum.theta[:, 0], level - p.optimum.value, most)


@dataclass(frozen=True, eq=False)
class Lyapunov:
    """Noise that is the same everywhere: H and Σ at θ̂ by H's eigenvalues λ and the variances σ² of the noise along its vectors.

    `roughness` is R², the least number with E[Hᵢ²] ≤ R²·H for the curvatures Hᵢ of single samples.
    """

    eigenvalues: Array
    variances: Array
    roughness: float

    def floor(self, step: float, share: float) -> float:
        """(s·c/2) Σⱼ σⱼ²/(2 − sλⱼ), from HC + CH − sHCH = s·c·Σ; ∞ from s = 2/λ on."""
        if step * self.eigenvalues[-1] >= 2:
            return math.inf
        return 0.5 * step * share * float(np.sum(self.variances / (2 - step * self.eigenvalues)))

    def settling(self, step: float, share: float, rest: float) -> int:
        """Steps from θ̂ until the gap is within such a share of its floor."""
        parts = self.variances / (2 - step * self.eigenvalues)
        steps = 1
        while float(np.sum(parts * (1 - step * self.eigenvalues) ** (2 * steps))) > rest * float(np.sum(parts)):
            steps *= 2
        return steps

    def edge(self, share: float) -> float:
        """2/((1 − c)L + cR²): up to that step, if not further, M settles (Défossez and Bach, 2015, arXiv:1412.0156)."""
        return 2 / ((1 - share) * float(self.eigenvalues[-1]) + share * self.roughness)


@lru_cache(maxsize=4)
def lyapunov(p: Problem) -> Lyapunov | None:
    """That of a problem; None for a loss without curvature, or with too many parameters."""
    m, n = p.X.shape
    k = p.outputs
    if math.isinf(p.loss.curvature) or n * k > MOST_PARAMETERS:
        return None
    h = p.X @ p.optimum.theta
    deltas, W = np.asarray(p.loss.deltas(h, p.y), np.float64), curvatures(p.loss, h, p.y)
    eigenvalues, vectors = np.linalg.eigh(_spread_out(p.X, W))
    along = np.zeros((m, n * k))  # each sample's gradient along each vector
    by_class = vectors.reshape(n, k, n * k)
    for a in range(k):
        along += deltas[:, a, None] * (p.X @ by_class[:, a])
    moves = eigenvalues > FLAT * eigenvalues[-1]
    white = vectors[:, moves] / np.sqrt(eigenvalues[moves])  # in whose basis H is 1
    squared = _spread_out(p.X, np.einsum("ij,ij->i", p.X, p.X)[:, None, None] * (W @ W))  # E[Hᵢ²], Hᵢ = xxᵀ⊗W
    roughness = float(np.linalg.eigvalsh(white.T @ squared @ white)[-1])
    return Lyapunov(eigenvalues[moves], np.mean(along[:, moves] ** 2, axis=0), roughness)


def _spread_out(X: Array, W: Array) -> Array:
    """E[xxᵀ⊗W] (nk, nk): the entries of a parameter (n, k) in C order."""
    m, n = X.shape
    k = W.shape[1]
    H = np.empty((n, k, n, k))
    for a in range(k):
        for b in range(k):
            H[:, a, :, b] = X.T @ (W[:, a, b, None] * X) / m
    return H.reshape(n * k, n * k)
