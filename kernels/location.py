"""The best constant of each of many samples: argminₐ Σᵢ ℓ(a, xᵢ), the M-estimator of location that a loss defines (notes 3.2, 4).

Each search starts near the sample's median. Where δ is continuous, secant steps follow, none shorter than 1/(nc) with c the loss's
curvature bound: such a step never goes uphill, convex or not; false position where they lead nowhere, as between the numbers of
a sample where Huber's loss is all but bent. A δ that is a step makes a quantile, which is selected; where
two numbers of the sample come into question, the middle between them is given. Where δ jumps in another way, it is false
position too. Reference: Huber, 1964, doi:10.1214/aoms/1177703732.
"""

from __future__ import annotations

import math

import numpy as np
from numba import prange, types
from numpy.typing import NDArray

from kernels._jit import inline, linked, named, once, parallel
from kernels.arrays import empty
from kernels.losses import Loss
from kernels.signatures import Kernel, reads, writes

# A start has at least this share of the sample on either side.
NEAR = 1 / 4
# A minimiser is found to this share of what the middle of its sample is spread over.
PRECISION = 1e-10
MOST_STEPS = 40
# Bisection halves the range of float64 at most.
MOST_HALVINGS = 2200
# What a δ may be: a curve, a straight line, whose minimiser is one step away, or a step, whose minimiser is a quantile.
CURVE, LINE, STEP = range(3)
# So few numbers of a sample are sorted, to find one.
FEW = 12
# level · n is a whole number that rounding has spoilt.
NEXT_TO_WHOLE = 1e-14
# Rows that share room to work in.
ROWS = 32
GOLDEN = 0.618
# False position goes at least so far from either end.
LEAST_SHARE = 1 / 16
# A secant's slope below this share of the largest there can be is not believed, nor a step beyond the spread.
FLATTEST = 1e-4


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
def sift(x, count, offset, rank, low, high, below_low, below_high, few):
    """Narrow [low, high) around the number of that rank until few of x[:count] are inside; whether that was to be had.

    Tried are numbers of x, from where the rank would be were they sorted. `below_low`, `below_high`: how many numbers of the
    sample are below either end, `offset` of which are not in x.
    """
    first = (rank - below_low) * (count - 1) // (below_high - below_low)
    for turn in range(count):
        if below_high - below_low <= few:
            break
        at = first + turn
        y = x[at - count if at >= count else at]
        if low < y < high:
            below = offset
            for i in range(count):
                below += 1 if x[i] < y else 0
            if below <= rank:
                low, below_low = y, below
            else:
                high, below_high = y, below
    return low, high, below_low, below_high, below_high - below_low <= few


@inline
def keep(x, count, low, high, room):
    """Put the numbers of x[:count] in [low, high) into `room`, which may be x itself."""
    kept = 0
    for i in range(count):
        y = x[i]
        room[kept] = y
        kept += 1 if low <= y < high else 0


@inline
def order_statistic(x, rank, room):
    """The number of x with so many below it, by Hoare's selection, its comparisons counted in vectors; `room` as long as x."""
    low, high, below_low, below_high, fine = sift(x, x.size, 0, rank, -np.inf, np.inf, 0, x.size, max(FEW, x.size // 4))
    if not fine:
        return low  # the rest are all the same
    keep(x, x.size, low, high, room)
    while below_high - below_low > FEW:
        offset, count = below_low, below_high - below_low
        low, high, below_low, below_high, fine = sift(
            room, count, offset, rank, low, high, below_low, below_high, max(FEW, count // 4)
        )
        if not fine:
            return low
        keep(room, count, low, high, room)
    for i in range(1, below_high - below_low):
        y, j = room[i], i
        while j > 0 and room[j - 1] > y:
            room[j] = room[j - 1]
            j -= 1
        room[j] = y
    return room[rank - below_low]


@inline
def quantile(x, level, room):
    """The number of x that a share `level` of it lies below; where two come into question, the middle between them."""
    wanted = level * x.size
    whole = round(wanted)
    if abs(wanted - whole) > NEXT_TO_WHOLE * x.size:
        return order_statistic(x, int(wanted), room)
    first = order_statistic(x, int(whole) - 1, room)
    at_most, following = 0, np.inf
    for y in x:
        at_most += 1 if y <= first else 0
        following = y if first < y < following else following
    return first if at_most > whole else 0.5 * (first + following)


@once
def minimising(loss: type[Loss]) -> Kernel:
    """`minimising(x (samples, n), p, curvature, shape, level, out (samples,))`: the best constant of each row of x.

    `shape`: CURVE, LINE or STEP, what δ is; `level` of a STEP: which quantile it is about.
    """
    delta = getattr(loss.block, "delta", None)
    if delta is None:
        raise ValueError(
            f"loss: {loss.name} has no δ of one number, as `elementwise` makes a block of; should have, for constants"
        )

    @inline
    def slope(x, a, p):
        """Σᵢ δ(a, xᵢ)."""
        total = 0.0
        for y in x:
            total += delta(a, y, p)
        return total

    @inline
    def descend(x, p, steepest, spread, a):
        """Secant steps from `a` on; whether they have come to an end."""
        g = slope(x, a, p)
        step = g / steepest
        for _ in range(MOST_STEPS):
            a -= step
            if abs(step) <= PRECISION * spread:
                return a, True
            before, g = g, slope(x, a, p)
            secant = (before - g) / step
            step = g / (min(secant, steepest) if secant > FLATTEST * steepest else steepest)
            step = min(max(step, -spread), spread)
        return a, False

    @inline
    def close_in(x, p, spread, low, high):
        """False position and bisection in turn, until there is next to nothing between the ends."""
        g_low, g_high = slope(x, low, p), slope(x, high, p)
        if not g_low <= 0 <= g_high:
            low, high = ends(x)
            g_low, g_high = slope(x, low, p), slope(x, high, p)
        for turn in range(MOST_HALVINGS):
            share = -g_low / (g_high - g_low) if turn % 2 == 0 and g_high > g_low else 0.5
            a = low + min(max(share, LEAST_SHARE), 1 - LEAST_SHARE) * (high - low)
            if high - low <= PRECISION * spread or not low < a < high:
                break
            g = slope(x, a, p)
            if g >= 0:
                high, g_high = a, g
            if g <= 0:
                low, g_low = a, g
        return low + 0.5 * (high - low)

    def minimise_one(x, p, curvature, shape, level, room):
        if shape == STEP:
            return quantile(x, level, room)
        if shape == LINE:
            return -slope(x, 0.0, p) / (curvature * x.size)
        a, low, high = near_median(x)
        if curvature < np.inf:
            found, fine = descend(x, p, curvature * x.size, high - low, a)
            if fine:
                return found
        return close_in(x, p, high - low, low, high)

    real = types.float64
    given = reads(real, 1), real, types.int64, real
    one = linked(
        named(minimise_one, loss.name), real(reads(real, 1), *given, writes(real, 1)), loss, makes_arrays=False
    )

    def minimise(x, p, curvature, shape, level, out):
        samples = x.shape[0]
        for block in prange((samples + ROWS - 1) // ROWS):
            room = empty(x.shape[1], np.float64)
            for sample in range(block * ROWS, min(samples, (block + 1) * ROWS)):
                out[sample] = one(x[sample], p, curvature, shape, level, room)

    return parallel(types.void(reads(real, 2), *given, writes(real, 1)), loss)(named(minimise, loss.name))


def best_constants(loss: Loss, x: NDArray[np.float64]) -> NDArray[np.float64]:
    """argminₐ Σᵢ ℓ(a, xᵢ) for each row of x (samples, n) → (samples,)."""
    out = np.empty(len(x))
    curvature, shape, level = shape_of(loss)
    minimising(type(loss))(x, loss.constants(x.dtype), curvature, shape, level, out)
    return out


@once
def shape_of(loss: Loss) -> tuple[float, int, float]:
    """The curvature bound, what δ is by its values at a few places, and which quantile a step is about."""
    away = np.array([-1e9, -1e3, -1.0, -1e-9, 1e-9, 1.0, 1e3, 1e9])
    deltas = loss.deltas(away, np.zeros(away.size))
    rises = deltas[0] < 0 < deltas[-1]  # what does not has no minimum between, and is no quantile and no mean
    if rises and np.array_equal(deltas, np.where(away < 0, deltas[0], deltas[-1])):
        return math.inf, STEP, float(-deltas[0] / (deltas[-1] - deltas[0]))
    if rises and np.allclose(deltas, deltas[-1] / away[-1] * away, rtol=1e-14, atol=0):
        return float(deltas[-1] / away[-1]), LINE, 0.0
    return loss.curvature, CURVE, 0.0
