"""What a pass has to move at least, whatever its code: between memory and a cache of S bytes, which other caches may be part of.

    compulsory       every byte of X that is visited, of θ, y, H, the gradient and the order; less what the cache held before
    communication    2·m·n·k/√s − 2·s numbers for a product of m × n by n × k matrices, s being the numbers that the cache holds

The larger one of them counts. Sources: M. Hill, Aspects of cache memory and instruction buffer performance, 1987, for the
first; T. Smith et al., A tight I/O lower bound for matrix multiplication, 2019, arXiv:1702.02017, for the second.
"""

from __future__ import annotations

import math

import numpy as np

from kernels import check
from kernels.memory.trace import Problem
from kernels.targets import Target

INDEX_BYTES = 8  # of a class, and of a place in the order of visit


def lower_bound_bytes(problem: Problem, cache_bytes: int, again: bool = False) -> int:
    """Bytes from and to memory in one pass, from an empty cache on; `again`: right after another pass like it."""
    compulsory = compulsory_bytes(problem)
    if again:
        compulsory -= check.whole("cache_bytes", cache_bytes)
    itemsize = np.dtype(problem.dtype).itemsize
    held = check.whole("cache_bytes", cache_bytes) / itemsize
    products = 2 * problem.samples * problem.features * problem.outputs
    communication = (products / math.sqrt(held) - 2 * held) * itemsize
    return max(0, compulsory, math.ceil(communication))


def compulsory_bytes(problem: Problem) -> int:
    """Every byte that is read, once; and those that are written."""
    f, itemsize = problem.objective, np.dtype(problem.dtype).itemsize
    visits = problem.samples if problem.order is None else len(problem.order)
    distinct = problem.samples if problem.order is None else int(np.count_nonzero(np.bincount(problem.order)))
    X, theta = distinct * problem.features * itemsize, problem.features * problem.outputs * itemsize
    order = 0 if problem.order is None else visits * INDEX_BYTES
    if problem.work in ("forward", "gradient"):
        return X + theta + order + visits * problem.outputs * itemsize
    of_target = {Target.CLASS: INDEX_BYTES, Target.COUNTS: problem.outputs * itemsize}
    y = distinct * of_target.get(f.loss.target, itemsize)
    return X + 2 * theta + y + order  # θ, and the gradient or θ once more
