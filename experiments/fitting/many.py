"""Many small regressions at once: θ̂ = argmin 1/m Σᵢ ℓ(xᵢᵀθ, yᵢ) for each of F samples X (F, m, n), y (F, m), vectorised over F.

Smooth losses: Newton's method, with ψ's slope from differences; where a step does not lower f, one of iteratively reweighted least
squares instead (weights ψ(r)/r), halved until it does. Losses made of two straight lines: the simplex of Barrodale and Roberts
(1973, doi:10.1137/0710069) from vertex to vertex, to the one that its dual variables prove to be the optimum. What has not come
to its optimum that way is left to `experiments.fitting.optimum`, one by one: the answer is the optimum all the same.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from experiments.fitting import scale
from experiments.fitting.optimum import minimise
from experiments.fitting.scale import Scale, score
from kernels.losses import Absolute, Loss

Array = NDArray[np.float64]

STEPS, HALVINGS = 100, 30
# |Σ xᵢψᵢ| as a share of Σ |xᵢψᵢ| at which nothing is left to gain; and where rounding lets f go no lower, it still is an optimum.
FLAT, STALLED = 1e-13, 1e-8
# Of ψ's slope, by central differences; as a share of the gram matrix, what keeps a flat direction from an endless step.
DIFFERENCE, RIDGE = 1e-5, 1e-9
ROUNDING = 1e-13  # of f
SMOOTHED_STEPS = 15  # of least squares weighted by 1/|r|, before the simplex
PIVOTS = 400
DUAL_SLACK = 1e-9
SAME_SCALE, SCALE_STEPS = 1e-11, 500
NOTHING = 1e-12  # a scale that is that share of the largest response is rounding
TINY = 1e-300


@dataclass(frozen=True)
class Fits:
    """θ̂ (F, n), σ̂ (F,), and how many optima the fast road did not find."""

    theta: Array
    sigma: Array
    left_over: int = 0


def fit(loss: Loss, X: Array, y: Array, kind: Scale = "none", start: Array | None = None) -> Fits:
    """θ̂ of each, and σ̂, estimated beside it until neither changes.

    A loss that is not convex ends in the basin that it starts in: `start` (F, n), by default absolute loss's optimum.
    Raises ValueError where a scale does not settle, or is 0: half of the residuals are.
    """
    ones = np.ones(len(X))
    if math.isinf(loss.curvature):
        theta, lost = _vertices(loss, X, y)
        return Fits(theta, ones, lost)
    if start is None and kind == "none" and scale.is_monotone(loss):
        start = _weighted(X, y, np.ones_like(y))
    if start is None:
        start, _ = _vertices(Absolute(), X, y)
    if kind == "none":
        theta, lost = _smooth(loss, X, y, start)
        return Fits(theta, ones, lost)
    return _with_scale(loss, X, y, kind, start)


def misses(X: Array, y: Array, theta: Array) -> Array:
    """r = Xθ − y, (F, m)."""
    return np.asarray(np.matmul(X, theta[:, :, None])[:, :, 0] - y)


def _with_scale(loss: Loss, X: Array, y: Array, kind: Scale, start: Array) -> Fits:
    """θ̂ at σ, σ at θ̂, in turn; from the start's median of residuals."""
    theta = np.array(start)
    size = np.abs(y).max(axis=1)
    sigma = scale.step("mad", loss, misses(X, y, theta), np.ones(len(X)), X.shape[2])
    lost = 0
    open_ = np.arange(len(X))
    for turn in range(SCALE_STEPS):
        if not (sigma > NOTHING * size).all():
            raise ValueError(f"scale={kind}: it is 0, half of the residuals are; should be none")
        unit = sigma[open_]
        found, failed = _smooth(loss, X[open_], y[open_] / unit[:, None], theta[open_] / unit[:, None])
        theta[open_] = found * unit[:, None]
        lost += failed
        r = misses(X[open_], y[open_], theta[open_])
        new = scale.step(kind, loss, r, unit, X.shape[2])
        if turn > SCALE_STEPS // 2:  # a median may go round in circles: half-way between is where they are about
            new = (new + unit) / 2
        sigma[open_] = new
        open_ = open_[np.abs(new - unit) > SAME_SCALE * unit]
        if not len(open_):
            return Fits(theta, sigma, lost)
    raise ValueError(f"scale={kind}: {len(open_)} of {len(X)} do not settle; should be another")


def _smooth(loss: Loss, X: Array, y: Array, start: Array) -> tuple[Array, int]:
    """θ̂ (F, n) of a loss whose ψ does not jump, and how many were left to `minimise`."""
    theta = np.array(start)
    open_ = np.arange(len(X))
    stalled: list[int] = []
    for _ in range(STEPS):
        if not len(open_):
            break
        Xs, ys, at = X[open_], y[open_], theta[open_]
        r = misses(Xs, ys, at)
        psi = score(loss, r)
        steepness = _flatness(Xs, psi)
        going = steepness > FLAT
        open_, Xs, ys, at, r, psi = open_[going], Xs[going], ys[going], at[going], r[going], psi[going]
        if not len(open_):
            break
        value = _mean_loss(loss, r)
        slope = (score(loss, r + DIFFERENCE) - score(loss, r - DIFFERENCE)) / (2 * DIFFERENCE)
        gradient = np.matmul(psi[:, None, :], Xs)[:, 0]
        newton = _direction(Xs, slope, gradient)
        new, low = _lower(loss, Xs, ys, at, value, newton)
        again = np.flatnonzero(~low)
        if len(again):
            near = np.abs(r[again]) < DIFFERENCE
            weights = np.where(near, slope[again], psi[again] / np.where(near, 1, r[again]))
            part = Xs[again], ys[again], at[again], value[again]
            new[again], low[again] = _lower(loss, *part, _direction(Xs[again], weights, gradient[again]), HALVINGS)
            halved, lower = _lower(loss, *part, newton[again], HALVINGS)
            values = [_mean_loss(loss, misses(*part[:2], tried)) for tried in (halved, new[again])]
            better = lower & (~low[again] | (values[0] < values[1]))
            new[again[better]], low[again[better]] = halved[better], True
        theta[open_] = new
        stalled += [i for i, s in zip(open_[~low], steepness[going][~low], strict=True) if s > STALLED]
        open_ = open_[low]
    rest = [*stalled, *open_.tolist()]
    for i in rest:
        theta[i] = minimise(loss, X[i], y[i], start=theta[i][:, None]).theta[:, 0]
    return theta, len(rest)


def _mean_loss(loss: Loss, r: Array) -> Array:
    flat = np.ascontiguousarray(r).ravel()
    return np.asarray(loss.values(flat, np.zeros_like(flat)).reshape(r.shape).mean(axis=1))


def _flatness(X: Array, psi: Array) -> Array:
    """max over j of |Σᵢ xᵢⱼψᵢ| / Σᵢ |xᵢⱼψᵢ|: 0 at an optimum, whatever the units."""
    total, size = np.matmul(psi[:, None, :], X)[:, 0], np.matmul(np.abs(psi)[:, None, :], np.abs(X))[:, 0]
    return np.asarray((np.abs(total) / np.maximum(size, TINY)).max(axis=1))


def _direction(X: Array, weights: Array, gradient: Array) -> Array:
    """(XᵀWX)⁻¹ g, with a little of XᵀX beside it."""
    n = X.shape[2]
    plain = np.matmul(X.transpose(0, 2, 1), X)
    matrix = np.matmul(X.transpose(0, 2, 1), X * weights[:, :, None]) + RIDGE * plain * np.eye(n)
    try:
        return np.asarray(np.linalg.solve(matrix, gradient[:, :, None])[:, :, 0])
    except np.linalg.LinAlgError:  # one is singular: downhill by least squares, for all
        return np.asarray(np.linalg.solve(plain + RIDGE * plain * np.eye(n), gradient[:, :, None])[:, :, 0])


def _lower(
    loss: Loss, X: Array, y: Array, theta: Array, value: Array, move: Array, halvings: int = 0
) -> tuple[Array, NDArray[np.bool_]]:
    """θ − t·move with t = 1, ½, … (`halvings` of them) where that lowers f, θ elsewhere; and where it did.

    Near the optimum f no longer tells, being flat to rounding: there the gradient has to become smaller.
    """
    new, low = theta.copy(), np.zeros(len(theta), bool)
    for halving in range(halvings + 1):
        left = np.flatnonzero(~low & np.isfinite(move).all(axis=1))
        if not len(left):
            break
        tried = theta[left] - move[left] * 0.5**halving
        r = misses(X[left], y[left], tried)
        there, here = _mean_loss(loss, r), value[left]
        lower = there < here - ROUNDING * np.abs(here)
        unsure = np.flatnonzero(~lower & (there <= here + ROUNDING * np.abs(here)))
        if len(unsure):
            i = left[unsure]
            before, after = (_flatness(X[i], score(loss, at)) for at in (misses(X[i], y[i], theta[i]), r[unsure]))
            lower[unsure] = after < before
        new[left[lower]], low[left[lower]] = tried[lower], True
    return new, low


def _weighted(X: Array, y: Array, weights: Array) -> Array:
    """argmin Σ wᵢ(yᵢ − xᵢᵀθ)²: by normal equations, good enough to start from."""
    right = np.matmul((weights * y)[:, None, :], X)[:, 0]
    return _direction(X, weights, right)


def _vertices(loss: Loss, X: Array, y: Array) -> tuple[Array, int]:
    """θ̂ (F, n) of a loss of two straight lines, through n of its samples each, and how many were left to `minimise`.

    At the vertex through the samples B all others pull by g = Σ ψᵢxᵢ. It is the optimum if the samples in B can hold against that,
    with s = −X_B⁻ᵀg between the two slopes. If sample b can't, its residual is let go, and f falls along that edge until the
    residuals that change sign on the way have turned the slope; the last of them takes b's place.
    """
    n = X.shape[2]
    under, over = score(loss, np.array([-1.0, 1.0]))  # ψ left and right of 0
    theta = _weighted(X, y, np.ones_like(y))
    for _ in range(SMOOTHED_STEPS):
        r = np.abs(misses(X, y, theta))
        theta = _weighted(X, y, 1 / np.maximum(r, 1e-6 * r.max(axis=1, keepdims=True) + TINY))
    basis = np.argsort(np.abs(misses(X, y, theta)), axis=1)[:, :n]
    open_ = np.arange(len(X))
    lost: list[int] = []
    for _ in range(PIVOTS):
        Xs, ys, B = X[open_], y[open_], basis[open_]
        chosen = np.take_along_axis(Xs, B[:, :, None], axis=1)
        regular = np.linalg.matrix_rank(chosen) == n
        lost += open_[~regular].tolist()
        open_, Xs, ys, B = open_[regular], Xs[regular], ys[regular], B[regular]
        if not len(open_):
            break
        inverse = np.linalg.inv(chosen[regular])
        at = np.matmul(inverse, np.take_along_axis(ys, B, axis=1)[:, :, None])[:, :, 0]
        theta[open_] = at
        r = misses(Xs, ys, at)
        np.put_along_axis(r, B, 0.0, axis=1)
        pull = np.where(r > 0, over, under)
        np.put_along_axis(pull, B, 0.0, axis=1)
        hold = -np.matmul(np.matmul(pull[:, None, :], Xs), inverse)[:, 0]
        excess = np.maximum(hold - over, under - hold)
        worst = excess.argmax(axis=1)
        going = np.take_along_axis(excess, worst[:, None], axis=1)[:, 0] > DUAL_SLACK
        open_ = open_[going]
        if not len(open_):
            break
        basis[open_] = _pivot(
            Xs[going], B[going], r[going], worst[going], hold[going], inverse[going], float(over), float(under)
        )
    rest = [*lost, *open_.tolist()]
    for i in rest:
        theta[i] = minimise(loss, X[i], y[i]).theta[:, 0]
    return theta, len(rest)


def _pivot(
    X: Array,
    B: NDArray[np.int64],
    r: Array,
    worst: NDArray[np.int64],
    hold: Array,
    inverse: Array,
    over: float,
    under: float,
) -> NDArray[np.int64]:
    """The next basis of each: sample `worst` of B is let go along its edge, down to the lowest point there."""
    rows = np.arange(len(X))
    sign = np.where(hold[rows, worst] > over, 1.0, -1.0)
    # along θ + t·edge the residual of b becomes sign·t, and that of i changes by t·along
    edge = sign[:, None] * inverse[rows, :, worst]
    along = np.matmul(X, edge[:, :, None])[:, :, 0]
    np.put_along_axis(along, B, 0.0, axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        t = np.where(r * along < 0, -r / along, np.inf)
    order = np.argsort(t, axis=1)
    first = np.where(
        sign > 0, over - hold[rows, worst], hold[rows, worst] - under
    )  # f's slope as it sets out, negative
    turned = first[:, None] + np.cumsum(np.take_along_axis((over - under) * np.abs(along), order, axis=1), axis=1)
    enters = order[rows, (turned >= 0).argmax(axis=1)]
    changed = B.copy()
    changed[rows, worst] = enters
    return changed
