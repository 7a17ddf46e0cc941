"""How many threads the kernels use, and where each of them sits: the results are the same bits on any number."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from numbers import Integral
from typing import Any

import numba
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from kernels._jit import COMPILED, inline


def available() -> int:
    """The most threads there can be in this process (the cores, or NUMBA_NUM_THREADS)."""
    return int(numba.config.NUMBA_NUM_THREADS)


@contextmanager
def using(count: int | None) -> Iterator[int]:
    """Within, kernels run on `count` threads (None: on all). Raises ValueError if there are not so many."""
    wanted = available() if count is None else count
    if not isinstance(wanted, Integral) or not 1 <= wanted <= available():
        raise ValueError(f"threads: {count}; should be in 1..{available()}, what this process has")
    before = numba.get_num_threads()
    numba.set_num_threads(wanted)
    try:
        yield wanted
    finally:
        numba.set_num_threads(before)


@intrinsic  # type: ignore[untyped-decorator]  # Numba has no types
def _count(typing_context: Any) -> Any:
    """`numba.get_num_threads()`, whose own compiled form cannot be kept on disk."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        kind = ir.FunctionType(cgutils.intp_t, [])
        return builder.call(cgutils.get_or_insert_function(builder.module, kind, "get_num_threads"), [])

    return types.intp(), generate


_threads_now = _count if COMPILED else numba.get_num_threads
# Within a parallel loop: the seat of the thread that asks, 0 … seats − 1, which is its alone.
seat = numba.get_thread_id


@inline
def seats(parts: int) -> int:
    """How many threads work on so many partial sums."""
    return min(parts, int(_threads_now()))
