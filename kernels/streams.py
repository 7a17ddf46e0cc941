"""Everything random comes from one seed, by name: each consumer has a stream of its own, and adding one changes no other."""

from __future__ import annotations

import hashlib
from numbers import Integral

import numpy as np


def stream(seed: int, *name: str) -> np.random.Generator:
    """The generator of the consumer called `name` under `seed`: `stream(0, "noise")`, `stream(0, "order", "epoch 3")`.

    Raises ValueError as `sequence` does.
    """
    return np.random.default_rng(sequence(seed, *name))


def sequence(seed: int, *name: str) -> np.random.SeedSequence:
    """What the streams of the consumer called `name` start from.

    The name is hashed into the spawn key of a `numpy.random.SeedSequence`, so that streams are independent of each other
    and do not depend on who else draws, or in which order. Raises ValueError for a seed that is not a whole number of at
    least 0, and for a part of a name that is not a string, is empty or contains NUL: two names could then be one.
    """
    if not isinstance(seed, Integral) or isinstance(seed, bool) or seed < 0:
        raise ValueError(f"seed: {seed!r}; should be a whole number of at least 0")
    if not all(isinstance(part, str) and part and "\0" not in part for part in name):
        raise ValueError(f"name: {name!r}; should be non-empty strings without NUL")
    digest = hashlib.sha256("\0".join(name).encode()).digest()
    words = np.frombuffer(digest[:16], "<u4")
    return np.random.SeedSequence(seed, spawn_key=tuple(int(word) for word in words))
