"""Closed forms against the simulator: the same misses, exactly, on random geometries."""

from __future__ import annotations

import numpy as np
import pytest
from refusals import refused

from kernels.memory import Cache, GatheredColumns, GatheredRows, Matrix, NoClosedForm, Walk, closed_form, simulate

GEOMETRIES = 1000


def geometry(rng):
    """A cache and a matrix, about as large as it; rows often begin with a line, and are often a power of two apart."""
    line = int(2 ** rng.integers(4, 8))
    cache = Cache(line * int(rng.integers(1, 10)) * int(rng.integers(1, 40)), 1, line)
    ways = int(rng.integers(1, 10))
    sets = int(rng.choice([1, 2, 3, 4, 8, 16, 24, 32]))
    cache = Cache(line * ways * sets, ways, line)
    itemsize = int(rng.choice([4, 8]))
    per_line = line // itemsize
    rows, columns = int(rng.integers(1, 60)), int(rng.integers(1, 60))
    lines = -(-columns // per_line) + int(rng.integers(0, 3))
    if rng.random() < 0.4:
        lines = 1 << (lines - 1).bit_length()
    return cache, Matrix(rows, columns, itemsize, lines * per_line, line * int(rng.integers(0, 50)))


def patterns(rng, matrix):
    """Every kind of walk over the matrix."""
    samples = rng.permutation(matrix.rows)[: rng.integers(1, matrix.rows + 1)]
    columns = rng.integers(0, matrix.columns, rng.integers(1, 30))
    yield Walk(matrix, "rows")
    yield Walk(matrix, "columns")
    yield GatheredRows(matrix, samples)
    yield GatheredColumns(matrix, columns, "samples")
    yield GatheredColumns(matrix, columns, "features")
    yield GatheredColumns(matrix, np.sort(columns), "samples")
    yield GatheredColumns(matrix, np.sort(columns), "features")


@pytest.mark.slow
def test_closed_form_and_simulator_agree_exactly():
    rng = np.random.default_rng(4)
    compared, without = 0, 0
    for _ in range(GEOMETRIES):
        cache, matrix = geometry(rng)
        for pattern in patterns(rng, matrix):
            try:
                expected = closed_form(pattern, cache)
            except NoClosedForm:
                without += 1
                continue
            assert simulate(pattern.trace(), [cache])[0].misses == expected, (pattern, cache)
            compared += 1
    assert compared > 6 * GEOMETRIES
    assert without < GEOMETRIES / 2


def test_along_the_rows_any_matrix_has_a_closed_form():
    rng = np.random.default_rng(5)
    for _ in range(200):
        cache, _ = geometry(rng)
        columns = int(rng.integers(1, 40))
        matrix = Matrix(
            int(rng.integers(1, 40)), columns, 4, columns + int(rng.integers(0, 9)), 4 * int(rng.integers(0, 99))
        )
        pattern = Walk(matrix)
        assert simulate(pattern.trace(), [cache])[0].misses == closed_form(pattern, cache)


def test_the_figures_of_the_notes():
    """A line of 16 float32: 1/16 of a miss per number along the rows, 1 down columns that are a power of two apart."""
    cache = Cache(32768, 8)
    matrix = Matrix(512, 2048)
    numbers = 512 * 2048
    assert closed_form(Walk(matrix, "rows"), cache) == numbers / 16
    assert closed_form(Walk(matrix, "columns"), cache) == numbers
    padded = Matrix(512, 2048, leading=2064)
    assert closed_form(Walk(padded, "columns"), cache) == numbers / 16


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        (Walk(Matrix(4, 10), "columns"), "leading: 40 bytes; should be a multiple of the line's 64"),
        (Walk(Matrix(4, 16, base=4), "columns"), "base: 4 bytes; should be a multiple of the line's 64"),
        (Walk(Matrix(4, 16, 12, 16), "columns"), "itemsize: 12; should divide the line's 64"),
        (GatheredRows(Matrix(4, 16), [1, 1]), "picks: some are repeated; should be different"),
        (GatheredRows(Matrix(4, 16), [4]), "order: 4; should be in 0..3"),
        (
            GatheredColumns(Matrix(4, 64), [60, 0, 61], "features"),
            "picks: in no order, and more lines than a set holds",
        ),
    ],
)
def test_a_walk_without_a_closed_form_says_why(pattern, message):
    with refused(message):
        closed_form(pattern, Cache(64, 1))


def test_rows_do_not_overlap():
    with refused("leading: 3; should be at least the columns, 4"):
        Matrix(2, 4, leading=3)
