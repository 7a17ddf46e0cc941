"""A standard normal number from random bits: the ziggurat of NumPy, number for number.

The half of e^(−x²/2) with x ≥ 0 is covered by 256 layers of one area: rectangles, and a base with the tail beside it. Bits pick a
layer and a place within it; 98.9 % of the places lie below the curve for sure, and are done. The others are looked at more
closely. Source: G. Marsaglia and W. W. Tsang, 2000, doi:10.18637/jss.v005.i08, in the form of J. A. Doornik, 2005.
"""

from __future__ import annotations

from decimal import Decimal, localcontext
from itertools import pairwise

import numpy as np
from numba import types
from numpy.typing import NDArray

from kernels._jit import inline, linked
from kernels.elementary import exp, minus_log
from kernels.sfc64 import advance, finer_fraction, first_lane, following, keep
from kernels.signatures import writes

LAYERS = 256
# Where the tail starts, and the area of a layer: with these the last of 256 layers ends at e⁰ = 1.
START, AREA = Decimal("3.65415288536100877164542972"), Decimal("0.00492867323397465534736177540")
PLACES = 2**52  # in a layer

U = np.uint64


def _layers() -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.float64]]:
    """Of each layer the width of a place, the number of places that are below the curve for sure, and the curve at its edge."""
    with localcontext(prec=30):
        edges = [START]  # from the lowest rectangle up
        while len(edges) < LAYERS - 1:
            x = edges[-1]
            edges.append((-2 * (AREA / x + (-x * x / 2).exp()).ln()).sqrt())
        base = AREA / (-START * START / 2).exp()  # as wide as a rectangle of the base's area would be
        upwards = [base, *edges, Decimal(0)]
        widths = [float(x / PLACES) for x in upwards]
        below = [int(above / x * PLACES) for x, above in pairwise(upwards)]
        curve = [float((-x * x / 2).exp()) for x in upwards]
    # NumPy numbers the base 0 and the rectangles from the top down, whose edge above is that of number 0: x = 0
    order = [0, *range(LAYERS - 1, 0, -1)]
    heights = [curve[LAYERS], *(curve[layer] for layer in order[1:])]
    return np.array([widths[i] for i in order]), np.array([below[i] for i in order]), np.array(heights)


WIDTH, BELOW, HEIGHT = _layers()
TAIL = float(START)


@inline
def _pick(bits):
    """The layer, the place in it and the number there, whose sign is the ninth bit: asked for, it would be guessed."""
    layer, place = np.int64(bits & U(255)), np.int64((bits >> U(9)) & U(PLACES - 1))
    x = np.float64(place) * WIDTH[layer]
    return layer, place, U(np.float64(x).view(np.uint64) | ((bits << U(55)) & U(1 << 63))).view(np.float64)


def _closer(state, bits):
    """The number that those bits pick if it is below the curve, else the first later one of the first lane that is."""
    while True:
        layer, place, x = _pick(bits)
        if place < BELOW[layer]:
            return x
        if layer > 0:
            u = finer_fraction(advance(state, 0))
            if (HEIGHT[layer - 1] - HEIGHT[layer]) * u + HEIGHT[layer] < exp(-0.5 * x * x):
                return x
            bits = advance(state, 0)
            continue
        while True:  # the tail
            further = minus_log(1.0 - finer_fraction(advance(state, 0))) / TAIL
            if 2.0 * minus_log(1.0 - finer_fraction(advance(state, 0))) > further * further:
                return -(TAIL + further) if (place >> 8) & 1 else TAIL + further


# Linked and not taken in: one number in a hundred comes here, and the others' state would not stay in registers.
_closer = linked(_closer, types.float64(writes(types.uint64, 1), types.uint64), makes_arrays=False)


@inline
def normal(state, a, b, c, counter):
    """The next standard normal number of the first lane, whose state (a, b, c, counter) is held apart; and that state after it."""
    bits, a, b, c, counter = following(a, b, c, counter)
    layer, place, x = _pick(bits)
    if place >= BELOW[layer]:
        keep(state, a, b, c, counter)
        x = _closer(state, bits)
        a, b, c, counter = first_lane(state)
    return x, a, b, c, counter
