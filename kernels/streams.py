"""Everything random comes from one seed, by name: each consumer has a stream of its own, and adding one changes no other."""

from __future__ import annotations

import hashlib

import numpy as np


def stream(seed: int, *name: str) -> np.random.Generator:
    """The generator of the consumer called `name` under `seed`: `stream(0, "noise")`, `stream(0, "order", "epoch 3")`.

    The name is hashed into the spawn key of a `numpy.random.SeedSequence`, so that streams are independent of each other
    and do not depend on who else draws, or in which order.
    """
    digest = hashlib.sha256("\0".join(name).encode()).digest()
    words = np.frombuffer(digest[:16], "<u4")
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=tuple(int(word) for word in words)))
