"""Random numbers of a noise, many at once: SFC64, and the noise's own formula of two uniform numbers, or of a normal one.

Formulas of uniform numbers are worked out on sixteen lanes, in vector instructions; a normal number comes from a table, on one
lane. Each lane is a stream of its own, that of `numpy.random.SFC64` to the bit: what is drawn depends on the seed and the name
of the stream, and on nothing else. The formulas stand with the noises.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import prange, types
from numpy.typing import NDArray

from kernels._jit import linked, named, once, parallel
from kernels.arrays import empty
from kernels.noises import Noise
from kernels.sfc64 import LANES, WORDS, advance, first_lane, fraction, keep
from kernels.signatures import Kernel, reads, writes
from kernels.streams import sequence
from kernels.ziggurat import normal

SIGNATURE = types.void(writes(types.uint64, 2), reads(types.float64, 1), writes(types.float64, 2))


@once
def filling_of_normal(noise: type[Noise]) -> Kernel:
    """`filling(states (groups, 64), p, out (groups, length))`: draws around 0 from the first lanes, which move on."""
    of_normal: Any = noise.of_normal

    def fill_lane(state, p, mine):
        a, b, c, counter = first_lane(state)
        for i in range(mine.size):
            z, a, b, c, counter = normal(state, a, b, c, counter)
            mine[i] = of_normal(z, p)
        keep(state, a, b, c, counter)

    lane = types.void(writes(types.uint64, 1), reads(types.float64, 1), writes(types.float64, 1))
    # linked: where arrays are made, that one more hands `state` on is counted, with every number that is drawn
    fill_one = linked(named(fill_lane, noise.name), lane, noise, makes_arrays=False)

    def fill_of_normal(states, p, out):
        for group in prange(out.shape[0]):
            fill_one(states[group], p, out[group])

    return parallel(SIGNATURE, noise)(named(fill_of_normal, noise.name))


@once
def filling(noise: type[Noise]) -> Kernel:
    """`filling(states (groups, 64), p, out (groups, length))`: draws of the noise around 0; the states move on.

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

    return parallel(SIGNATURE, noise)(named(fill_in_pairs if twin else fill, noise.name))


def states(groups: int, seed: int, *name: str) -> NDArray[np.uint64]:
    """The states of so many groups of lanes, (groups, 64): lane l of group g is child 16g + l of the stream called `name`."""
    spawned = sequence(seed, *name).spawn(groups * LANES)
    words = np.array([np.random.SFC64(child).state["state"]["state"] for child in spawned], np.uint64)
    return words.reshape(groups, LANES, WORDS).transpose(0, 2, 1).reshape(groups, WORDS * LANES)


def draw(noise: Noise, states: NDArray[np.uint64], out: NDArray[np.float64]) -> None:
    """Fill out (groups, length) with draws of the noise around 0; the states move on.

    A noise without a formula draws by its own `sample`, from the stream of each group's first lane.
    """
    kind = type(noise)
    if noise.of_normal or noise.variate:
        kernel = filling_of_normal(kind) if noise.of_normal else filling(kind)
        kernel(states, np.array(noise.parameters), out)
        return
    for state, mine in zip(states, out, strict=True):
        bits = np.random.SFC64(0)
        bits.state = {**bits.state, "state": {"state": state[::LANES]}}
        mine[:] = noise.sample(np.zeros(mine.size), np.random.Generator(bits))
        state[::LANES] = bits.state["state"]["state"]
