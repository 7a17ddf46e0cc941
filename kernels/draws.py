"""Random numbers of a noise, many at once: SFC64 on sixteen lanes, and the noise's own formula of two uniform numbers.

Each lane is a stream of its own, that of `numpy.random.SFC64` to the bit: what is drawn depends on the seed and the name of the
stream, and on nothing else. Source: C. Doty-Humphrey, PractRand, 2010 (SFC64); the formulas stand with the noises.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import prange, types
from numpy.typing import NDArray

from kernels import plain
from kernels._jit import COMPILED, inline, named, once, parallel
from kernels.arrays import empty
from kernels.noises import Noise
from kernels.signatures import Kernel, reads, writes
from kernels.streams import sequence

LANES = 16
WORDS = 4  # of a lane's state

U = np.uint64
# The bits of 1.0; with 52 random ones below them a number of [1, 2).
ONE = U(0x3FF0000000000000)


@inline
def _advance(state, lane):
    """The next 64 random bits of a lane."""
    a, b, c, counter = state[0, lane], state[1, lane], state[2, lane], state[3, lane]
    bits = U(a + b + counter)
    state[0, lane] = b ^ (b >> U(11))
    state[1, lane] = c + (c << U(3))
    state[2, lane] = ((c << U(24)) | (c >> U(40))) + bits
    state[3, lane] = counter + U(1)
    return bits


advance = _advance if COMPILED else plain.advance


@inline
def fraction(bits):
    """A number of [0, 1) from 64 random bits: a multiple of 2⁻⁵²."""
    return U((bits >> U(12)) | ONE).view(np.float64) - 1.0


@once
def filling(noise: type[Noise]) -> Kernel:
    """`filling(states (groups, 4, 16), p, out (groups, length))`: draws of the noise around 0; the states move on.

    Of a noise with a `twin` the lanes' first draws come first, and then the same lanes' second ones.
    """
    variate: Any = noise.variate
    twin: Any = noise.twin

    def fill(states, p, out):
        for group in prange(out.shape[0]):
            state, mine = states[group], out[group]
            for first in range(0, mine.size, LANES):
                lanes = min(LANES, mine.size - first)  # not known to the compiler, which then makes vectors of them
                for lane in range(lanes):
                    u = 1.0 - fraction(advance(state, lane))
                    v = fraction(advance(state, lane))
                    mine[first + lane] = variate(u, v, p)

    def fill_in_pairs(states, p, out):
        for group in prange(out.shape[0]):
            state, mine, others = states[group], out[group], empty(LANES, np.float64)
            for first in range(0, mine.size, 2 * LANES):
                lanes = min(LANES, mine.size - first)
                for lane in range(lanes):
                    u = 1.0 - fraction(advance(state, lane))
                    v = fraction(advance(state, lane))
                    mine[first + lane] = variate(u, v, p)
                    others[lane] = twin(u, v, p)
                for lane in range(min(LANES, mine.size - first - LANES)):
                    mine[first + LANES + lane] = others[lane]

    real = types.float64
    signature = types.void(writes(types.uint64, 3), reads(real, 1), writes(real, 2))
    return parallel(signature, noise)(named(fill_in_pairs if twin else fill, noise.name))


def states(groups: int, seed: int, *name: str) -> NDArray[np.uint64]:
    """The states of so many groups of lanes, (groups, 4, 16): lane l of group g is child 16g + l of the stream called `name`."""
    spawned = sequence(seed, *name).spawn(groups * LANES)
    words = [np.random.SFC64(child).state["state"]["state"] for child in spawned]
    return np.ascontiguousarray(np.array(words, np.uint64).reshape(groups, LANES, WORDS).transpose(0, 2, 1))


def draw(noise: Noise, states: NDArray[np.uint64], out: NDArray[np.float64]) -> None:
    """Fill out (groups, length) with draws of the noise around 0; the states move on.

    A noise without a `variate` draws by its own `sample`, from the stream of each group's first lane.
    """
    if noise.variate is not None:
        filling(type(noise))(states, np.array(noise.parameters), out)
        return
    for state, mine in zip(states, out, strict=True):
        bits = np.random.SFC64(0)
        bits.state = {**bits.state, "state": {"state": state[:, 0]}}
        mine[:] = noise.sample(np.zeros(mine.size), np.random.Generator(bits))
        state[:, 0] = bits.state["state"]["state"]
