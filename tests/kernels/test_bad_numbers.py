"""NaN, infinity and overflow: wherever they are, they are found, named, and blamed on the right argument."""

from __future__ import annotations

import re

import numpy as np
import pytest
from problems import DTYPES, LOSSES
from refusals import ARGUMENTS, METHODS, NOT_FINITE, call, case, refused, spoiled

from kernels import Objective, sums
from kernels.losses import Target


@pytest.mark.sampled(40)
@pytest.mark.parametrize(("method", "argument"), [(m, a) for m in METHODS for a in ARGUMENTS[m]])
@pytest.mark.parametrize("loss", LOSSES)
def test_nan_and_infinity_are_refused_by_name(loss, layout, method, argument):
    f, good = case(loss, layout)
    for bad in NOT_FINITE:
        for position in (0, good[argument].size // 2, -1):
            array = spoiled(good[argument], position, bad)
            before = good["theta"].copy()
            if argument == "y" and f.loss.target is not Target.REAL:
                message = "^y: "  # refused as a label, as shown above
            else:
                at = [int(i[0]) for i in np.nonzero(~np.isfinite(array))]
                message = f"^{re.escape(f'{argument}: {bad} at {at}; should be finite')}$"
            with pytest.raises(ValueError, match=message):
                call(f, method, {**good, argument: array})
            np.testing.assert_array_equal(good["theta"], before)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("zeros", [False, True], ids=["random theta", "theta = 0"])
@pytest.mark.parametrize("loss", LOSSES)
def test_one_bad_number_anywhere_in_x_is_found(loss, layout, dtype, zeros):
    """Whatever the loss makes of it, 0 · NaN and 0 · ∞ are NaN: it reaches the gradient, and θ stays as it was."""
    f, good = case(loss, layout, dtype)
    if zeros:
        good |= {"theta": np.zeros_like(good["theta"]), "delta": np.zeros_like(good["delta"])}
    theta = good["theta"].copy()
    for bad in NOT_FINITE:
        for position in (0, good["X"].size // 2, -1):
            X = spoiled(good["X"], position, bad)
            for method in METHODS:
                with refused(f"X: {bad} at "):
                    call(f, method, {**good, "X": X, "theta": theta})
                np.testing.assert_array_equal(theta, good["theta"])


@pytest.mark.parametrize("loss", LOSSES)
def test_every_position_of_a_small_x(loss, layout):
    f, good = case(loss, layout, m=9, n=2)
    for position in range(18):
        X = spoiled(good["X"], position, np.nan)
        theta = good["theta"].copy()
        with refused(f"X: nan at {[int(i) for i in np.unravel_index(position, X.shape)]}; should be finite"):
            f.sgd_epoch(X, good["y"], theta, batch_size=4, step_size=0.1)
        np.testing.assert_array_equal(theta, good["theta"])


@pytest.mark.parametrize("loss", LOSSES)
def test_a_bad_number_in_any_partial_sum_is_found(loss, layout):
    n = 64
    m = 5 * sums.WORK_PER_PARTIAL // n
    f, good = case(loss, layout, m=m, n=n, k=2)
    assert sums.partials(m, n, good["theta"].shape[1], good["X"].itemsize) >= 4
    for position in np.linspace(0, m * n - 1, 5).astype(int):
        with refused("X: nan at "):
            f.value_and_grad(spoiled(good["X"], position, np.nan), good["y"], good["theta"])


def test_an_infinity_that_saturates_the_loss_is_still_found(layout):
    """log(1 + e^−∞) = 0 and δ = 0, but δ · ∞ is NaN."""
    f = Objective("logistic", layout)
    X = f.layout.arrange(np.array([[np.inf]]))
    with refused("X: inf at [0, 0]; should be finite"):
        f.value_and_grad(X, [0.0], np.array([-1.0]))


@pytest.mark.parametrize("loss", LOSSES)
def test_an_overflow_of_finite_data_is_not_blamed_on_them(loss, layout):
    f, good = case(loss, layout)
    big = np.finfo(float).max
    H = f.forward(np.full_like(good["X"], big), np.full_like(good["theta"], 2.0))
    assert (np.inf == H).all()
    value, grad = f.value_and_grad(np.full_like(good["X"], big), good["y"], np.full_like(good["theta"], 2.0))
    assert not (np.isfinite(value) and np.isfinite(grad).all())
    assert not np.isfinite(f.gradient(np.full_like(good["X"], big), np.ones_like(good["delta"]))).any()


@pytest.mark.parametrize("loss", LOSSES)
def test_a_bad_sample_that_is_not_visited_does_no_harm(loss, layout):
    f, good = case(loss, layout)
    X = spoiled(good["X"], 0, np.nan)
    value, _ = f.value_and_grad(X, good["y"], good["theta"], order=np.arange(1, 131))
    assert np.isfinite(value)
