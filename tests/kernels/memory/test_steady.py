"""A piece of a pass stands for the whole of it, taken again and again; and tiles that are written as loops for tiles one by one."""

from __future__ import annotations

import itertools

import numba
import numpy as np
import pytest

from kernels import Objective, sums
from kernels.memory import Cache, Problem, expanded, primitives, simulate, steady, trace

SMALL = Cache(8 << 10, 8, name="l1"), Cache(128 << 10, 16, name="l2")
LARGE = Cache(8 << 10, 8, name="l1"), Cache(4 << 20, 16, name="l2")


@pytest.mark.sampled(3)
@pytest.mark.skipif(numba.config.DISABLE_JIT, reason="plain Python would take minutes to simulate so much")
@pytest.mark.parametrize("caches", [SMALL, LARGE], ids=["X beyond the caches", "X in the caches"])
@pytest.mark.parametrize("order", ["sequential", "shuffled"])
@pytest.mark.parametrize("layout", ["rows", "columns"])
@pytest.mark.parametrize(
    ("work", "batch"),
    [("forward", None), ("fused", None), pytest.param("epoch", 1, marks=pytest.mark.slow), ("epoch", 32)],
)
def test_a_piece_misses_in_proportion_what_the_whole_misses_after_itself(work, batch, layout, order, caches):
    m, n = 3000, 100
    visits = np.random.default_rng(0).permutation(m) if order == "shuffled" else None
    p = Problem(work, Objective("softmax", layout=layout), m, n, 3, "float32", visits, batch)
    piece, whole = steady(p, caches), trace(p)
    assert piece.elements < m * n / 2
    found = [level.misses / piece.elements for level in simulate(piece.piece, caches, after=piece.before)]
    expected = [level.misses / (m * n) for level in simulate(whole, caches, after=whole)]
    assert found == pytest.approx(expected, rel=0.15, abs=0.004)


@pytest.mark.sampled(2)
@pytest.mark.skipif(numba.config.DISABLE_JIT, reason="plain Python would take minutes to simulate so much")
@pytest.mark.parametrize(
    ("order", "batch"), [("sequential", 64), ("sequential", 2048), ("shuffled", 64), ("shuffled", 2048)]
)
@pytest.mark.parametrize("layout", ["rows", "columns"])
def test_so_it_does_with_threads_that_share_the_last_cache(layout, order, batch):
    """X is in the third level, or half as large again; what each thread visited last is there, and not in the second."""
    m, n = 8000, 50
    for third in (4 << 20, 1 << 20):
        caches = Cache(8 << 10, 8, name="l1"), Cache(64 << 10, 16, name="l2"), Cache(third, 16, name="l3", shared=True)
        visits = np.random.default_rng(0).permutation(m) if order == "shuffled" else None
        p = Problem("epoch", Objective("softmax", layout=layout), m, n, 10, "float32", visits, batch, threads=2)
        piece, whole = steady(p, caches, samples=384), trace(p)
        found = [level.misses / piece.elements for level in simulate(piece.piece, caches, after=piece.before)]
        expected = [level.misses / (m * n) for level in simulate(whole, caches, after=whole)]
        assert found == pytest.approx(expected, rel=0.15, abs=0.004)


def test_where_blocks_differ_in_size_there_is_a_piece_too(monkeypatch):
    monkeypatch.setattr(sums, "WORK_PER_PARTIAL", 1 << 10)  # parts of 93 samples, and of 94
    piece = steady(Problem("fused", Objective("softmax", layout="columns"), 3000, 100, 3, "float32"), SMALL)
    assert 0 < 8 * piece.elements < 3000 * 100
    assert piece.piece.accesses()["X"] > 0


def test_a_short_pass_is_taken_whole():
    p = Problem("fused", Objective("squared"), 20, 4)
    piece = steady(p, SMALL)
    assert piece.elements == 80
    assert piece.before[-1].accesses() == piece.piece.accesses() == trace(p).accesses()


WORKS, LAYOUTS = ("forward", "gradient", "fused", "epoch"), ("rows", "columns")
CASES = list(itertools.product(WORKS, LAYOUTS, (("softmax", 10), ("huber", 1)), (None, "shuffled"), (1, 2)))


@pytest.mark.sampled(6)
@pytest.mark.parametrize(("work", "layout", "loss", "order", "threads"), CASES)
def test_tiles_in_loops_ask_for_the_same_as_tiles_one_by_one(work, layout, loss, order, threads, monkeypatch):
    """Access by access: address, size, operand, whether it writes."""
    stand_ins = primitives.Primitives.stand_ins

    def one_by_one(self):
        return {name: each for name, each in stand_ins(self).items() if name not in ("dots", "mixtures")}

    name, k = loss
    for m, n, batch in ((37, 50, 7), (150, 333, 64)):
        visits = np.random.default_rng(0).permutation(m) if order else None
        p = Problem(work, Objective(name, layout=layout), m, n, k, "float32", visits, batch, threads=threads)
        looped = trace(p)
        with monkeypatch.context() as patch:
            patch.setattr(primitives.Primitives, "stand_ins", one_by_one)
            single = trace(p)
        for thread in range(threads):
            given, expected = expanded(looped, thread), expanded(single, thread)
            for what in ("addresses", "sizes", "writes", "operands"):
                np.testing.assert_array_equal(getattr(given, what), getattr(expected, what))
