"""Where θ̂ goes as samples grow in number, and how far it strays: M-estimation under outliers and leverage, by quadrature.

A sample is x = (g, 1), g (n,) standard normal, y = xᵀθ* + z, z from the noise; a share ε of them have g₁ + leverage instead of
g₁, and z + shift instead of z. With d = θ − θ* and u = xᵀd − (0 or shift) the population's equation is

    E x·λ(u) = 0,    λ(u) = E ψ((u − z)/σ),    and    m·Var θ̂ → A⁻¹ B A⁻¹,    A = E xxᵀλ′(u),    B = E xxᵀκ(u),

κ(u) = E ψ²((u − z)/σ) (Huber 1964, doi:10.1214/aoms/1177703732; 1967). Only the intercept and the first slope of d differ from 0,
by symmetry. Without outliers d = 0 (for a noise that is symmetric) and m·Var θ̂ → V·1, V = κ(0)/λ′(0)². Finite m adds two things:

    · Σ Var θ̂ⱼ ≈ V·E tr(XᵀX)⁻¹, exact for least squares, by the Wishart law: (n + (m−2)/m) / (m−n−2) for E tr(XᵀX)⁻¹;
    · a density with a kink where ψ jumps, λ(u) = λ′(0)(u − c·u|u| + …), adds 2c·√(8/π)·(V/m)^{3/2}·E‖x‖³ (absolute loss
      under Laplace noise): with v = θ̂'s linear part, d ≈ v + c·E x(xᵀv)|xᵀv|, and E‖d‖² ≈ E‖v‖² + 2c·E|xᵀv|³.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, stats
from scipy.interpolate import CubicSpline

from experiments.fitting import scale
from experiments.fitting.scale import QUARTILE, Scale
from experiments.theory.asymptotics import mesh
from kernels.losses import Absolute, Loss
from kernels.noises import Noise

Array = NDArray[np.float64]

# z = unit·sinh(t), in panels of Gauss and Legendre's rule; a panel's edge is put where ψ may jump.
PANELS, POINTS, REACH = 300, 5, 20.0
NODES, WEIGHTS = np.polynomial.legendre.leggauss(POINTS)
# Where λ and κ are tabulated: u = unit·sinh(t) as well.
PLACES, FARTHEST = 241, 12.0
# Of an integral the last decade before the reach's end holds more than that only if it is infinite.
TAIL = 1e-3
# Kinks of ψ are looked for up to FAR: there its slopes on either side, over NEAR, differ by more than a share BENT of them.
FAR, NEAR, BENT, DIGITS = 30.0, 1e-4, 0.05, 4
# A standard normal as points that are near to each other: λ may be steep beside it.
NORMAL = np.linspace(-8.0, 8.0, 801)
NORMAL_WEIGHTS = stats.norm.pdf(NORMAL) / stats.norm.pdf(NORMAL).sum()
KINK = np.array([0.02, 0.04, 0.08])  # of the unit: where λ is looked at for a kink at 0
SAME_SCALE = 1e-7
CUBE = math.sqrt(8 / math.pi)  # E|N|³


@dataclass(frozen=True)
class Table:
    """λ, κ, ρ(u) = σ·E ℓ(r) and E ψ(r)·r with r = (u − z)/σ as functions of u, for one loss, noise and σ; and what they are at 0.

    `slope` is λ′(0), `kink` the c of λ(u) = λ′(0)(u − c·u|u| + …), 0 for whatever is smooth: splines are blind to that. `fourth`
    is E ψ⁴, infinite where the squared error of θ̂ has no variance.
    """

    score: CubicSpline
    square: CubicSpline
    value: CubicSpline
    work: CubicSpline
    slope: float
    kink: float
    fourth: float
    unit: float

    @property
    def variance(self) -> float:
        """V = κ(0)/λ′(0)², of θ̂ without outliers."""
        return float(self.square(0.0) / self.slope**2)


def unit_of(noise: Noise) -> float:
    """How wide the noise is: 1/f(0), over √2π, the standard deviation of a normal."""
    return float(1 / (math.sqrt(2 * math.pi) * np.exp(noise.log_density(np.zeros(1), np.zeros(1)))[0]))


@lru_cache(maxsize=512)
def table(loss: Loss, noise: Noise, sigma: float = 1.0) -> Table:
    """λ, κ and ρ at places from 0 to 10⁵ units on either side, with splines between."""
    unit = unit_of(noise)
    near = unit * np.concatenate([-KINK, KINK])
    far = unit * np.sinh(np.linspace(-FARTHEST, FARTHEST, PLACES))
    places = np.concatenate([far, near])
    z, weight = _nodes(loss, noise, places, sigma)
    misses = (places[:, None] - z) / sigma
    psi = scale.score(loss, misses)
    flat = misses.ravel()
    rho = loss.values(flat, np.zeros_like(flat)).reshape(misses.shape) * sigma
    means = [(weight * each).sum(axis=1) for each in (psi, psi**2, rho, psi * misses)]
    # λ(u)/u as a parabola in |u|: its value at 0 and its first derivative there
    left, right = means[0][PLACES : PLACES + len(KINK)], means[0][PLACES + len(KINK) :]
    slope, bend, _ = np.polynomial.polynomial.polyfit(unit * KINK, (right - left) / (2 * unit * KINK), 2)
    middle = PLACES // 2
    score, square, value, work = (CubicSpline(far, mean[:PLACES]) for mean in means)
    return Table(
        score, square, value, work, float(slope), max(-float(bend / slope), 0.0),
        _finite((weight * psi**4)[middle], z[middle], unit), unit,
    )  # fmt: skip


def _nodes(loss: Loss, noise: Noise, u: Array, sigma: float) -> tuple[Array, Array]:
    """Nodes z (len(u), ·) and their probabilities, with an edge wherever ψ((u − z)/σ) has a kink."""
    grid = unit_of(noise) * np.sinh(np.linspace(-REACH, REACH, PANELS + 1))
    at_kinks = u[:, None] - sigma * np.array(kinks(loss))
    edges = np.sort(np.concatenate([np.broadcast_to(grid, (len(u), len(grid))), at_kinks], axis=1), axis=1)
    middle, half = (edges[:, 1:] + edges[:, :-1]) / 2, np.diff(edges, axis=1) / 2
    z = (middle[:, :, None] + half[:, :, None] * NODES).reshape(len(u), -1)
    flat = z.ravel()
    density = np.exp(noise.log_density(flat, np.zeros_like(flat))).reshape(z.shape)
    return z, density * (half[:, :, None] * WEIGHTS).reshape(len(u), -1)


@lru_cache(maxsize=64)
def kinks(loss: Loss) -> tuple[float, ...]:
    """Where ψ jumps or bends, to NEAR, and 0: among the ends of pieces that are the shorter, the nearer they are to one."""
    edges = mesh(lambda r: np.exp(-0.5 * r * r) * scale.score(loss, r))
    edges = edges[np.abs(edges) < FAR]
    step = NEAR * np.maximum(np.abs(edges), 1.0)
    left, here, right = (scale.score(loss, edges + sign * step) for sign in (-1, 0, 1))
    bends = np.abs(right - 2 * here + left) > BENT * np.maximum(np.abs(right - here), np.abs(here - left))
    return tuple(float(r) for r in np.unique(np.append(np.round(edges[bends], DIGITS), 0.0)))


def _finite(terms: Array, z: Array, unit: float) -> float:
    """Σ terms; infinite where it is the last decade of z that makes it."""
    total = float(terms.sum())
    last = float(terms[np.abs(z) > 0.1 * unit * math.sinh(REACH)].sum())
    return math.inf if last > TAIL * total else total


@dataclass(frozen=True)
class Setting:
    """m samples, n features beside a column of ones; a share of outliers, `shift` off in y, `leverage` in the first feature."""

    noise: Noise
    samples: int
    features: int
    share: float = 0.0
    shift: float = 0.0
    leverage: float = 0.0

    @property
    def is_clean(self) -> bool:
        return self.share == 0


@dataclass(frozen=True)
class Prediction:
    """Of θ̂: where it goes (intercept and first slope of θ − θ*), V, Σ Var θ̂ⱼ at m, E‖θ̂ − θ*‖² at m; σ of the residuals."""

    bias: tuple[float, float]
    variance: float
    spread: float
    squared_error: float
    sigma: float


def predict(loss: Loss, setting: Setting, kind: Scale = "none", from_truth: bool = False) -> Prediction:
    """What theory says of a loss's θ̂, its scale estimated as `kind` says. NaN where the population has no such solution.

    A loss that is not convex goes to the solution nearest to where absolute loss goes, or to θ* with `from_truth`.
    """
    start = np.zeros(2)
    if not (scale.is_monotone(loss) or from_truth or setting.is_clean):
        start = _solve(table(Absolute(), setting.noise), setting, start)
    sigma = 1.0
    if kind != "none":
        first = unit_of(setting.noise)

        def changed(log_sigma: float) -> float:
            s = math.exp(log_sigma)
            return math.log(
                _scale_at(kind, loss, setting, s, _solve(table(loss, setting.noise, s), setting, start)) / s
            )

        root = optimize.root_scalar(changed, x0=math.log(first), x1=math.log(1.1 * first), xtol=SAME_SCALE, maxiter=50)
        sigma = math.exp(root.root) if root.converged else math.nan
    if not sigma > 0:
        return Prediction((math.nan, math.nan), math.nan, math.nan, math.nan, math.nan)
    there = table(loss, setting.noise, sigma)
    return _prediction(there, setting, _solve(there, setting, start), sigma)


def _prediction(there: Table, setting: Setting, d: Array, sigma: float) -> Prediction:
    m, n = setting.samples, setting.features
    if setting.is_clean and not np.any(np.abs(d) > 1e-6 * there.unit):
        V = there.variance
        spread = V * small_sample(m, n) + 2 * there.kink * CUBE * (V / m) ** 1.5 * cube_of_length(n)
        return Prediction((0.0, 0.0), V, spread, spread, sigma)
    A, B = np.zeros((2, 2)), np.zeros((2, 2))
    a = b = 0.0
    for x, u, weight in _samples(setting, d):
        slope, square = weight * there.score.derivative()(u), weight * there.square(u)
        A += np.einsum("iq,jq,q->ij", x, x, slope)
        B += np.einsum("iq,jq,q->ij", x, x, square)
        a, b = a + float(slope.sum()), b + float(square.sum())
    inverse = np.linalg.inv(A)
    total = float(np.trace(inverse @ B @ inverse)) + (n - 1) * b / a**2
    spread = total * small_sample(m, n) / (n + 1)
    return Prediction((float(d[0]), float(d[1])), total / (n + 1), spread, float(d @ d) + spread, sigma)


def small_sample(m: int, n: int) -> float:
    """E tr(XᵀX)⁻¹ for n standard normal features and a column of ones, exactly; infinite for m ≤ n + 2."""
    return (n + (m - 2) / m) / (m - n - 2) if m > n + 2 else math.inf


@lru_cache(maxsize=64)
def cube_of_length(n: int) -> float:
    """E‖x‖³ = E(1 + χ²ₙ)^{3/2}, x of n standard normal features and a 1."""
    return float(stats.chi2(n).expect(lambda q: (1 + q) ** 1.5))


def breaking_leverage(share: float) -> float:
    """L* = (1 − ε)/ε·√(2/π): with more leverage a share ε of outliers carries off every θ̂ whose ψ is bounded and monotone.

    Far out ψ is ±c. The outliers pull at the first slope with ε·L·c, the good samples hold it with (1 − ε)·E|g|·c at most. Infinite
    without outliers.
    """
    return (1 - share) / share * math.sqrt(2 / math.pi) if share > 0 else math.inf


def _samples(setting: Setting, d: Array) -> list[tuple[Array, Array, Array]]:
    """x = (1, g₁) (2, ·), u, and their probabilities: of good samples, then of outliers."""
    parts = []
    for probability, leverage, shift in (
        (1 - setting.share, 0.0, 0.0),
        (setting.share, setting.leverage, setting.shift),
    ):
        if probability > 0:
            x = np.stack([np.ones_like(NORMAL), leverage + NORMAL])
            parts.append((x, d @ x - shift, probability * NORMAL_WEIGHTS))
    return parts


def _solve(there: Table, setting: Setting, start: Array) -> Array:
    """d = (intercept, first slope) where E ρ(u) is least, near the start: by Newton's method in a region that it trusts.

    Clean samples of a symmetric noise need no search.
    """
    if setting.is_clean and abs(float(there.score(0.0))) < 1e-9:
        return np.zeros(2)

    def over(f: Callable[[Array, Array, Array], Array]) -> Callable[[Array], Array]:
        return lambda d: np.asarray(sum(f(*part) for part in _samples(setting, d)))

    value = over(lambda x, u, w: np.asarray((w * there.value(u)).sum()))
    gradient = over(lambda x, u, w: x @ (w * there.score(u)))
    hessian = over(lambda x, u, w: (x * (w * there.score.derivative()(u))) @ x.T)
    size = float(np.hypot(1.0, setting.leverage))
    found = optimize.minimize(
        value, start, jac=gradient, hess=hessian, method="trust-exact",
        options={"initial_trust_radius": 0.1 / size, "max_trust_radius": 1.0, "gtol": 1e-10, "maxiter": 1000},
    )  # fmt: skip
    return np.asarray(found.x)


def _scale_at(kind: Scale, loss: Loss, setting: Setting, sigma: float, d: Array) -> float:
    """The next σ: what `scale.step` is of residuals without end."""
    noise = setting.noise
    if kind == "mad":
        below = table(Absolute(), noise)  # λ(u) = 2F(u) − 1

        def beyond(s: float) -> float:
            """P(|r| ≤ s) − ½."""
            return (
                sum(float((w * (below.score(u + s) - below.score(u - s))).sum()) for _, u, w in _samples(setting, d))
                / 2
                - 0.5
            )

        far = 10 * (unit_of(noise) + abs(setting.shift) + float(np.abs(d).sum()) * (1 + setting.leverage))
        return float(optimize.brentq(beyond, 0.0, far, xtol=1e-12)) / QUARTILE
    there = table(loss, noise, sigma)
    of, divisor = (there.square, scale.consistency(loss)) if kind == "proposal2" else (there.work, 1.0)
    return sigma * math.sqrt(sum(float(weight @ of(u)) for _, u, weight in _samples(setting, d)) / divisor)
