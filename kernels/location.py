"""The best constant of each of many samples: argminₐ Σᵢ ℓ(a, xᵢ), the M-estimator of location that a loss defines (notes 3.2, 4).

Each search starts near the sample's median. Where δ is continuous, secant steps follow, none shorter than 1/(nc) with c the loss's
curvature bound: such a step never goes uphill, convex or not. Where δ jumps, the place where Σδ changes its sign is closed in
on by false position; where that is a stretch between two numbers of the sample, its middle is given, as a median is.
Reference: Huber, 1964, doi:10.1214/aoms/1177703732.
"""

from __future__ import annotations

import numba
import numpy as np
from numba import types
from numpy.typing import NDArray

from kernels._jit import inline, linked, named, once, parallel
from kernels.losses import Loss
from kernels.signatures import Kernel, reads, writes

# A start has at least this share of the sample on either side.
NEAR = 1 / 4
# A minimiser is found to this share of what the middle of its sample is spread over.
PRECISION = 1e-10
MOST_STEPS = 200
# Bisection halves the range of float64 at most.
MOST_HALVINGS = 2200
# So few numbers of a sample are looked at one by one.
FEW = 2
GOLDEN = 0.618
# False position goes at least so far from either end.
LEAST_SHARE = 1 / 16
# A secant's slope below this share of the largest there can be is not believed.
FLATTEST = 0.02


@inline
def ends(x):
    """The least and the largest number."""
    low = high = x[0]
    for y in x:
        low, high = min(low, y), max(high, y)
    return low, high


@inline
def near_median(x):
    """A number with a quarter of the sample or more on either side, and two that have the median between them.

    Tried are numbers of the sample, from all over it, that lie between the nearest two so far.
    """
    n = x.size
    low, high, start = -np.inf, np.inf, np.nan
    at, stride = n // 2, int(GOLDEN * n) + 1
    for _ in range(n):
        y = x[at]
        at = (at + stride) % n
        if low < y < high:
            below = 0
            for other in x:
                below += 1 if other < y else 0
            if 2 * below > n:
                high = y
            else:
                low = y
            if NEAR * n <= below <= (1 - NEAR) * n:
                start = y
            if start == start and low > -np.inf and high < np.inf:
                return start, low, high
    low, high = ends(x)  # ties
    return (start if start == start else low + 0.5 * (high - low)), low, high


@inline
def neighbours(x, a, low, high):
    """The nearest numbers on either side of `a` between two ends, and whether it is one itself."""
    below, above, own = low, high, False
    for y in x:
        if low <= y <= high:  # rarely so: the branch is cheaper than to choose in every case
            own |= y == a
            below = y if below < y < a else below
            above = y if a < y < above else above
    return below, above, own


@once
def minimising(loss: type[Loss]) -> Kernel:
    """`minimising(x (samples, n), p, curvature, jump, out (samples,))`: the best constant of each row of x.

    `jump`: how high the step is, of a δ that is one, with two values; else 0.
    """
    delta = getattr(loss.block, "delta", None)
    if delta is None:
        raise ValueError(f"loss: {loss.name} has no δ of one number, as `elementwise` makes a block of; should have, for constants")

    @inline
    def slope(x, a, p):
        """Σᵢ δ(a, xᵢ)."""
        total = 0.0
        for y in x:
            total += delta(a, y, p)
        return total

    @inline
    def descend(x, p, steepest, spread, a):
        """Secant steps from `a` on."""
        g = slope(x, a, p)
        step = g / steepest
        for _ in range(MOST_STEPS):
            a -= step
            if abs(step) <= PRECISION * spread:
                break
            before, g = g, slope(x, a, p)
            secant = (before - g) / step
            step = g / (min(secant, steepest) if secant > FLATTEST * steepest else steepest)
        return a

    @inline
    def narrow(x, p, jump, spread, low, high):
        """False position and bisection in turn, until there is next to nothing between the ends or, of steps, few numbers."""
        g_low, g_high = slope(x, low, p), slope(x, high, p)
        if not g_low <= 0 <= g_high:
            low, high = ends(x)
            g_low, g_high = slope(x, low, p), slope(x, high, p)
        for turn in range(MOST_HALVINGS):
            risen = g_high - g_low
            share = -g_low / risen if turn % 2 == 0 and risen > 0 else 0.5
            a = low + min(max(share, LEAST_SHARE), 1 - LEAST_SHARE) * (high - low)
            if high - low <= PRECISION * spread or not low < a < high or risen <= FEW * jump:
                break
            g = slope(x, a, p)
            if g >= 0:
                high, g_high = a, g
            if g <= 0:
                low, g_low = a, g
        return low, high

    @inline
    def settle(x, p, low, high):
        """Of steps: the number of the sample where Σδ changes its sign, or the middle between the two where it is 0."""
        for _ in range(MOST_HALVINGS):
            a = low + 0.5 * (high - low)
            g, (below, above, own) = slope(x, a, p), neighbours(x, a, low, high)
            if g == 0:
                below, above, own = neighbours(x, a, -np.inf, np.inf)
                return a if own else 0.5 * (below + above)
            if own and not low < a < high:
                return a
            if g > 0:
                high = a if own else below
            else:
                low = a if own else above
        return low + 0.5 * (high - low)

    def minimise_one(x, p, curvature, jump):
        a, low, high = near_median(x)
        spread = high - low
        if curvature < np.inf:
            return descend(x, p, curvature * x.size, spread, a)
        low, high = narrow(x, p, jump, spread, low, high)
        return settle(x, p, low, high) if jump > 0 else low + 0.5 * (high - low)

    real = types.float64
    given = reads(real, 1), real, real
    one = linked(named(minimise_one, loss.name), real(reads(real, 1), *given), loss, makes_arrays=False)

    def minimise(x, p, curvature, jump, out):
        for sample in numba.prange(x.shape[0]):
            out[sample] = one(x[sample], p, curvature, jump)

    return parallel(types.void(reads(real, 2), *given, writes(real, 1)), loss)(named(minimise, loss.name))


def best_constants(loss: Loss, x: NDArray[np.float64]) -> NDArray[np.float64]:
    """argminₐ Σᵢ ℓ(a, xᵢ) for each row of x (samples, n) → (samples,)."""
    out = np.empty(len(x))
    near, far = (loss.deltas(np.array([-r, r]), np.zeros(2)) for r in (1e-9, 1e9))
    jump = float(near[1] - near[0]) if np.array_equal(near, far) else 0.0
    minimising(type(loss))(x, loss.constants(x.dtype), loss.curvature, jump, out)
    return out
