"""Threads that share out the features: the same results as the notes' formulas, on one thread, on two, and on one core."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import naive
import numba
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from problems import LAYOUTS, problem, relative_error

from kernels import sliced, slices, sums, teams, threads
from kernels._jit import COMPILED, serial

REPOSITORY = Path(__file__).resolve().parents[2]
TOLERANCE = {np.float64: 1e-12, np.float32: 2e-5}
FEATURES = slices.LEAST_FEATURES + 45  # two slices, the second of which is no multiple of a vector
WORK_PER_PARTIAL = sums.WORK_PER_PARTIAL

compiled = pytest.mark.skipif(numba.config.DISABLE_JIT, reason="the plain-Python form has no threads")
two_threads = pytest.mark.skipif(numba.config.NUMBA_NUM_THREADS < 2, reason="this process has one thread only")


@pytest.fixture(autouse=True)
def no_partial_sums(form, monkeypatch):
    """Batches of these sizes are for slices in the plain-Python form too."""
    monkeypatch.setattr(sums, "WORK_PER_PARTIAL", WORK_PER_PARTIAL)


# Slices


@given(st.integers(1, 3000), st.integers(1, 9), st.sampled_from([4, 8]))
def test_slices_are_all_features_once(n, several, itemsize):
    spans = [slices.span(n, several, itemsize, s) for s in range(several)]
    assert [f for start, stop in spans for f in range(start, stop)] == list(range(n))
    assert all(start * itemsize % 64 == 0 or start == n for start, _ in spans)
    assert max(stop - start for start, stop in spans) == spans[0][1]


# Results


def big(loss, layout, dtype, m):
    """A problem whose features are cut into slices."""
    p = problem(loss, layout, dtype, m=m, n=FEATURES, k=4)
    p.theta64 /= 16
    p.theta[...] = p.theta64
    return p


@pytest.mark.parametrize("batch", [1, 2, 7, 20])
def test_epochs_take_the_steps_of_the_notes(loss, layout, dtype, batch):
    p = big(loss, layout, dtype, m=45)
    assert batch == 1 or sliced.fits(batch, *p.theta.shape, p.theta.itemsize)
    order = np.random.default_rng(1).permutation(45)
    for visits in (None, order):
        theta = p.theta.copy()
        met = p.objective.sgd_epoch(p.X, p.y, theta, batch, 0.002, visits)
        expected, expected_met = naive.sgd_epoch(loss, p.rows, p.y, p.theta64, batch, 0.002, visits)
        assert met == pytest.approx(expected_met, rel=TOLERANCE[dtype])
        assert relative_error(theta, expected) <= TOLERANCE[dtype]


@pytest.mark.parametrize(("loss", "m"), [("softmax", 250), ("multinomial", 250), ("squared", 900)])
def test_value_and_grad_are_those_of_the_notes(loss, layout, dtype, m):
    p = big(loss, layout, dtype, m)
    assert sliced.pays(m, *p.theta.shape, itemsize=4)
    value, grad = p.objective.value_and_grad(p.X, p.y, p.theta)
    expected, expected_grad = naive.value_and_grad(loss, p.rows, p.y, p.theta64)
    assert value == pytest.approx(expected, rel=TOLERANCE[dtype])
    assert relative_error(grad, expected_grad) <= TOLERANCE[dtype]


@pytest.mark.parametrize("batch", [1, 40])
def test_bad_targets_and_data_are_found_by_a_team(layout, batch):
    p = big("softmax", layout, np.float64, m=slices.LEAST_TEAMWORK // (4 * FEATURES) + 1)
    m = len(p.rows)
    y, X = p.y.copy(), p.rows.copy()
    y[m - 1], X[m // 2, FEATURES - 1] = 4, np.nan
    theta = p.theta.copy()
    with pytest.raises(ValueError, match=r"^y: 4 at \[\d+\]"):
        p.objective.sgd_epoch(p.X, y, theta, batch, 0.01)
    with pytest.raises(ValueError, match=r"^X: nan at "):
        p.objective.sgd_epoch(p.objective.layout.arrange(X), p.y, theta, batch, 0.01)
    np.testing.assert_array_equal(theta, p.theta)


def outcomes(layout, dtype):
    """The bits of epochs and gradients that are big enough for a team."""
    found = []
    p = big("softmax", layout, dtype, m=600)
    order = np.random.default_rng(1).permutation(600)
    for batch in (1, 3, 64):
        theta = p.theta.copy()
        found += [p.objective.sgd_epoch(p.X, p.y, theta, batch, 0.01, order), theta]
    found += p.objective.value_and_grad(p.X, p.y, p.theta)
    return b"".join(np.asarray(each).tobytes() for each in found)


@compiled
@two_threads
@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_same_bits_on_one_thread_and_on_two(layout, dtype):
    with threads.using(1):
        alone = outcomes(layout, dtype)
    for _ in range(5):  # they need not meet in the same way each time
        with threads.using(2):
            assert outcomes(layout, dtype) == alone


@compiled
@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system does not keep a process to one core")
def test_two_threads_on_one_core_part():
    """One waits for another that can't run: the team parts, and what comes out are the same bits, and soon."""
    paths = os.pathsep.join([str(REPOSITORY), str(REPOSITORY / "tests"), str(Path(__file__).parent)])
    program = """
import os, sys
os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
import numpy as np
from test_teams import outcomes
sys.stdout.write("".join(outcomes(layout, np.dtype(np.float32).type).hex() for layout in ("rows", "columns")))
"""
    done = {
        count: subprocess.run(
            [sys.executable, "-c", program], env={**os.environ, "NUMBA_NUM_THREADS": str(count), "PYTHONPATH": paths},
            capture_output=True, text=True, check=True, timeout=300,
        ).stdout
        for count in (1, 2)
    }  # fmt: skip
    assert done[1] == done[2] != ""


# The board


def on_a_board(function, signature):
    return serial(signature)(function) if COMPILED else function


def board_of(threads):
    """What `teams.board_for` is in a kernel."""
    return np.zeros(teams.TURNS + threads * teams.LINE, np.int64)


def test_who_comes_too_late_stays_away():
    join = on_a_board(lambda board: teams.join(board, teams.LOOKS), "UniTuple(int64, 2)(int64[::1])")
    board = board_of(2)
    assert join(board) == (0, 1)  # nobody else has come: the team is one
    assert join(board) == (0, 0)
    assert join(board_of(1)) == (0, 1)
    settled = board_of(2)
    settled[teams.ARRIVED], settled[teams.SETTLED] = 1, 2
    assert join(settled) == (1, 2)


def test_a_team_parts_after_many_long_waits():
    meet = on_a_board(
        lambda board, number, size, turn, waits: teams.meet(board, number, size, turn, waits),
        "int64(int64[::1], int64, int64, int64, int64)",
    )
    staying = on_a_board(
        lambda board, number, size, turn: teams.staying(board, number, size, turn),
        "int64(int64[::1], int64, int64, int64)",
    )
    board, turn = board_of(2), 5
    board[teams.TURNS + teams.LINE] = turn + 1  # the other one has been here
    assert meet(board, 0, 2, turn, 0) == 0
    assert board[teams.TURNS] == turn
    assert staying(board, 0, 2, turn) == 2
    assert meet(board, 0, 2, turn, teams.LONG_WAITS + 1) == teams.LONG_WAITS + 1
    assert board[teams.PARTED] == turn
    assert staying(board, 0, 2, turn) == 1
    assert board[teams.TURNS] == turn + 1
    assert staying(board, 1, 2, turn) == 0
