"""SFC64, a generator of random bits, as kernels use it: that of `numpy.random.SFC64` to the bit.

Its state is four words. Sixteen lanes, each a stream of its own, have theirs in one `state (64,)`: word w of a lane at 16w + lane,
which lets the compiler see that no two lanes meet, and make vectors of a loop over them. Source: C. Doty-Humphrey, PractRand, 2010.
"""

from __future__ import annotations

import numpy as np

from kernels import plain
from kernels._jit import COMPILED, inline

LANES = 16
WORDS = 4  # of a lane's state

U = np.uint64
# The bits of 1.0; with 52 random ones below them a number of [1, 2).
ONE = U(0x3FF0000000000000)


@inline
def _following(a, b, c, counter):
    """The next 64 random bits, and the state after them."""
    bits = U(a + b + counter)
    return bits, b ^ (b >> U(11)), U(c + (c << U(3))), U(((c << U(24)) | (c >> U(40))) + bits), U(counter + U(1))


following = _following if COMPILED else plain.following


@inline
def _advance(state, lane):
    """The next 64 random bits of a lane. By way of `following`, loops over lanes would not become vector instructions."""
    a, b, c, counter = state[lane], state[LANES + lane], state[2 * LANES + lane], state[3 * LANES + lane]
    bits = U(a + b + counter)
    state[lane] = b ^ (b >> U(11))
    state[LANES + lane] = c + (c << U(3))
    state[2 * LANES + lane] = ((c << U(24)) | (c >> U(40))) + bits
    state[3 * LANES + lane] = counter + U(1)
    return bits


advance = _advance if COMPILED else plain.advance


@inline
def first_lane(state):
    """The state of lane 0, to be held in registers."""
    return state[0], state[LANES], state[2 * LANES], state[3 * LANES]


@inline
def keep(state, a, b, c, counter):
    """Lane 0 goes on from there."""
    state[0], state[LANES], state[2 * LANES], state[3 * LANES] = a, b, c, counter


@inline
def fraction(bits):
    """A number of [0, 1) from 64 random bits: a multiple of 2⁻⁵², by vector instructions."""
    return U((bits >> U(12)) | ONE).view(np.float64) - 1.0


@inline
def finer_fraction(bits):
    """A number of [0, 1) from 64 random bits, as NumPy makes it: a multiple of 2⁻⁵³."""
    return np.float64(bits >> U(11)) * 2.0**-53
