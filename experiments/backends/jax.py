"""JAX on the CPU; how it works is in `_jax.py` and `_jax_tuned.py`."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from experiments.backends.base import Peer


class Jax(Peer):
    """JAX as its users write it: `value_and_grad` of the objective, jitted; an epoch one `lax.scan`."""

    name = "jax"
    package = "jax"
    module = "_jax"

    @contextmanager
    def threads(self, count: int | None) -> Iterator[int]:
        """JAX makes its pool at its first use and never changes it: a count other than the pool's is refused."""
        there = int(os.environ.get("NPROC") or len(os.sched_getaffinity(0)))
        if count not in (None, there):
            raise ValueError(
                f"threads: {count}; should be {there}, what JAX starts with, or NPROC={count} in its process's environment"
            )
        yield there


class JaxTuned(Jax):
    """JAX as fast as it was seen to be: explicit formulas, arranged so that XLA finds the fast products."""

    name = "jax_tuned"
    module = "_jax_tuned"
