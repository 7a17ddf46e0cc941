"""Lower bounds against what they are about: the bytes that a trace touches, and what no cache can do without."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from refusals import refused

from kernels import Objective
from kernels.memory import Cache, Problem, expanded, lower_bound_bytes, simulate, trace

TINY = 64


def touched_bytes(problem):
    """Of every operand but what the kernels make for themselves: bytes read, and bytes written."""
    accesses = expanded(trace(problem))
    count = 0
    for name in ("X", "theta", "y", "H", "gradient", "order"):
        own = accesses.operands == accesses.names.index(name)
        for written in (False, True):
            mine = own & (accesses.writes == written)
            spans = {
                (a, s) for a, s in zip(accesses.addresses[mine].tolist(), accesses.sizes[mine].tolist(), strict=True)
            }
            count += len({byte for a, s in spans for byte in range(a, a + s)})
    return count


@pytest.mark.sampled(6)
@pytest.mark.parametrize("layout", ["rows", "columns"])
@pytest.mark.parametrize("loss", ["squared", "softmax", "multinomial"])
@pytest.mark.parametrize("work", ["forward", "gradient", "fused", "epoch"])
def test_every_byte_moves_once_at_least(work, loss, layout):
    """θ (n, k), small enough to stay where it is: what a trace of the pass touches is what has to move."""
    k = 1 if loss == "squared" else 3
    order = np.random.default_rng(0).permutation(40) if layout == "rows" else None
    p = Problem(work, Objective(loss, layout=layout), 40, 12, k, "float64", order, 10)
    assert lower_bound_bytes(p, 1 << 30) == touched_bytes(p)


@pytest.mark.sampled(1)
@given(st.integers(1, 60), st.integers(1, 60), st.integers(1, 12), st.integers(0, 8))
def test_no_cache_does_with_less(m, n, k, bits):
    """The bound for a product, and what a fully associative cache of that size misses of the trace of one."""
    p = Problem("forward", Objective("softmax"), m, n, k, "float32")
    cache = Cache(TINY << bits, 1 << bits, 64)
    (level,) = simulate(trace(p), [cache])
    assert 64 * (level.misses + level.write_backs) >= lower_bound_bytes(p, cache.size_bytes, again=True)


def test_the_second_pass_finds_what_the_cache_kept():
    p = Problem("fused", Objective("softmax"), 100, 10, 3, "float32")
    cold = lower_bound_bytes(p, 1000)
    assert lower_bound_bytes(p, 1000, again=True) == cold - 1000
    assert lower_bound_bytes(p, 10**6, again=True) == 0


def test_products_of_large_matrices_move_more_than_the_matrices():
    """Of 1000³ with 1000 numbers in cache: 2·10⁹/√1000 − 2000 numbers, by the formula."""
    p = Problem("forward", Objective("softmax"), 1000, 1000, 1000, "float32")
    assert lower_bound_bytes(p, 4000) == pytest.approx(4 * (2e9 / 1000**0.5 - 2000), rel=1e-9)
    assert lower_bound_bytes(p, 1 << 30) == 4 * 3 * 10**6


def test_nonsense_is_refused():
    with refused("cache_bytes: 0; should be a whole number of at least 1"):
        lower_bound_bytes(Problem("forward", Objective("softmax"), 1, 1), 0)
