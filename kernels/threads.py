"""How many threads the kernels use: the results are the same bits on any number."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numba


def available() -> int:
    """The most threads there can be in this process (the cores, or NUMBA_NUM_THREADS)."""
    return int(numba.config.NUMBA_NUM_THREADS)


@contextmanager
def using(count: int | None) -> Iterator[int]:
    """Within, kernels run on `count` threads (None: on all). Raises ValueError if there are not so many."""
    wanted = available() if count is None else count
    if not 1 <= wanted <= available():
        raise ValueError(f"threads: {count}; should be in 1..{available()}, what this process has")
    before = numba.get_num_threads()
    numba.set_num_threads(wanted)
    try:
        yield wanted
    finally:
        numba.set_num_threads(before)
