"""Gradient descent on a parabola: closed forms against the loop."""

from __future__ import annotations

import math

import naive
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from experiments.data import Synthetic
from experiments.step_size import ground
from experiments.theory import quadratics
from kernels import losses, noises

DATA = Synthetic(noise=noises.Gaussian(), samples=60, features=3, condition=2)


PARTS = st.lists(st.tuples(st.floats(0.01, 3), st.floats(0.01, 10)), min_size=1, max_size=4)


@given(parts=PARTS, step=st.floats(0.02, 1.5), share=st.floats(0.01, 0.9))
@settings(max_examples=60, deadline=None)
def test_the_closed_form_counts_as_a_loop_does(parts, step, share):
    eigenvalues, squares = np.array(parts).T
    parabola = quadratics.Quadratic(eigenvalues, squares)
    e = np.sqrt(squares)
    first = 0.5 * np.sum(eigenvalues * e**2)
    count = math.inf
    for t in range(4000):
        value = 0.5 * np.sum(eigenvalues * e**2)
        if abs(value / first - share) < 1e-9 * share:
            return  # on the edge rounding decides
        if value <= share * first:
            count = t
            break
        if value > 1e9 * first:
            break
        e = e - step * eigenvalues * e
    else:
        return  # too slow for a loop
    assert parabola.iterations_to(share, step) == count


def test_the_excess_is_that_of_the_iterates():
    one = ground(DATA, losses.Squared(), 0)
    theta = np.zeros((3, 1))
    for t in range(6):
        value = naive.value_and_grad("squared", one.problem.X, one.problem.y, theta)[0] - one.problem.optimum.value
        assert one.parabola.excess(0.7, t) == pytest.approx(value, rel=1e-9)
        theta = theta - 0.7 * naive.value_and_grad("squared", one.problem.X, one.problem.y, theta)[1]
