"""The public door: every loss × layout × dtype against the notes' formulas, then shapes, orders and memory."""

from __future__ import annotations

import naive
import numpy as np
import pytest
from problems import in_layout, problem, relative_error

from kernels import Objective, layouts, losses
from kernels.layouts import rows
from kernels.sums import partials

TOLERANCE = {np.float64: 1e-12, np.float32: 1e-5}


def test_forward_is_the_product(layout, dtype):
    p = problem("softmax", layout, dtype)
    H = p.objective.forward(p.X, p.theta)
    assert H.dtype == dtype
    assert relative_error(H, in_layout(layout, p.rows @ p.theta64)) <= TOLERANCE[dtype]


def test_value_and_grad_are_those_of_the_notes(loss, layout, dtype):
    p = problem(loss, layout, dtype)
    value, grad = p.objective.value_and_grad(p.X, p.y, p.theta)
    expected, expected_grad = naive.value_and_grad(loss, p.rows, p.y, p.theta64)
    assert isinstance(value, float)
    assert grad.dtype == dtype
    assert grad.shape == p.theta.shape
    assert value == pytest.approx(expected, rel=TOLERANCE[dtype])
    assert relative_error(grad, expected_grad) <= TOLERANCE[dtype]


def assert_steps_of_the_notes(loss, p, batch_size, order):
    theta = p.theta.copy()
    met = p.objective.sgd_epoch(p.X, p.y, theta, batch_size=batch_size, step_size=0.05, order=order)
    expected, expected_met = naive.sgd_epoch(loss, p.rows, p.y, p.theta64, batch_size, 0.05, order)
    tolerance = {"float64": 1e-12, "float32": 2e-5}[theta.dtype.name]
    assert met == pytest.approx(expected_met, rel=tolerance)
    assert relative_error(theta, expected) <= tolerance


def test_sgd_epoch_takes_the_steps_of_the_notes(loss, layout, dtype):
    p = problem(loss, layout, dtype)
    assert_steps_of_the_notes(loss, p, 10, np.random.default_rng(1).permutation(len(p.rows)))


def test_one_sample_at_a_time_takes_the_steps_of_the_notes(loss, layout, dtype):
    """Two steps are taken together: an even number of samples, an odd one, a sample that follows itself, and only one."""
    p = problem(loss, layout, dtype, m=30)
    for order in (None, np.array([3, 3, 3, 7, 29, 0, 0]), np.array([5])):
        assert_steps_of_the_notes(loss, p, 1, order)


def test_gradient_is_x_transposed_delta(layout, dtype):
    p = problem("softmax", layout, dtype)
    Delta = np.random.default_rng(2).standard_normal((len(p.rows), 5)).astype(dtype)
    G = p.objective.gradient(p.X, in_layout(layout, Delta))
    assert relative_error(G, p.rows.T @ Delta.astype(float)) <= TOLERANCE[dtype]


def test_the_passes_compose(loss, layout):
    """forward, then δ, then gradient: the same as the fused pass."""
    p = problem(loss, layout)
    H = in_layout(layout, p.objective.forward(p.X, p.theta))
    deltas = p.objective.loss.deltas(np.ascontiguousarray(H), p.y)
    G = p.objective.gradient(p.X, in_layout(layout, deltas)) / len(p.rows)
    value, grad = p.objective.value_and_grad(p.X, p.y, p.theta)
    assert relative_error(G, grad) <= 1e-13
    assert p.objective.loss.values(H, p.y).mean() == pytest.approx(value, rel=1e-13)


@pytest.mark.parametrize("m", [1, 2, 7, 8, 9, 127, 128, 129, 1000])
def test_every_number_of_samples(layout, m):
    p = problem("softmax", layout, m=m)
    value, grad = p.objective.value_and_grad(p.X, p.y, p.theta)
    expected, expected_grad = naive.value_and_grad("softmax", p.rows, p.y, p.theta64)
    assert value == pytest.approx(expected, rel=1e-12)
    assert relative_error(grad, expected_grad) <= 1e-12


def test_many_partial_sums(layout):
    p = problem("softmax", layout, m=8000, n=120, k=10)
    assert partials(8000, 120, 10, p.X.itemsize) > 8
    value, grad = p.objective.value_and_grad(p.X, p.y, p.theta)
    expected, expected_grad = naive.value_and_grad("softmax", p.rows, p.y, p.theta64)
    assert value == pytest.approx(expected, rel=1e-12)
    assert relative_error(grad, expected_grad) <= 1e-12
    theta = p.theta.copy()
    p.objective.sgd_epoch(p.X, p.y, theta, batch_size=1500, step_size=0.1)  # the last batch has other partial sums
    assert relative_error(theta, naive.sgd_epoch("softmax", p.rows, p.y, p.theta64, 1500, 0.1)[0]) <= 1e-12


@pytest.mark.parametrize("loss", ["softmax", "huber"])
def test_samples_of_which_no_cache_holds_a_block(loss, layout):
    p = problem(loss, layout, m=45, n=1 + rows.LARGEST_BYTES // (8 * rows.SHORTEST), k=3)
    order = np.random.default_rng(3).integers(0, 45, 50)
    for visits in (None, order):
        chosen = slice(None) if visits is None else visits
        value, grad = p.objective.value_and_grad(p.X, p.y, p.theta, visits)
        expected, expected_grad = naive.value_and_grad(loss, p.rows[chosen], p.y[chosen], p.theta64)
        assert value == pytest.approx(expected, rel=1e-12)
        assert relative_error(grad, expected_grad) <= 1e-12
        H = in_layout(layout, p.rows[chosen] @ p.theta64)
        assert relative_error(p.objective.forward(p.X, p.theta, visits), H) <= 1e-12
        assert_steps_of_the_notes(loss, p, 40, visits)


def test_one_output_may_be_a_vector(layout):
    p = problem("squared", layout)
    value, grad = p.objective.value_and_grad(p.X, p.y, p.theta[:, 0])
    matrix_value, matrix_grad = p.objective.value_and_grad(p.X, p.y, p.theta)
    assert grad.shape == (7,)
    assert value == matrix_value
    np.testing.assert_array_equal(grad, matrix_grad[:, 0])
    assert p.objective.forward(p.X, p.theta[:, 0]).shape == (203,)
    assert p.objective.gradient(p.X, np.ones(203)).shape == (7,)
    theta = p.theta[:, 0].copy()
    p.objective.sgd_epoch(p.X, p.y, theta, batch_size=50, step_size=0.01)
    assert not np.array_equal(theta, p.theta[:, 0])


def test_an_order_selects_and_repeats_samples(loss, layout):
    p = problem(loss, layout)
    order = np.array([3, 3, 200, 0, 17, 3], np.int32)
    value, grad = p.objective.value_and_grad(p.X, p.y, p.theta, order)
    expected, expected_grad = naive.value_and_grad(loss, p.rows[order], p.y[order], p.theta64)
    assert value == pytest.approx(expected, rel=1e-12)
    assert relative_error(grad, expected_grad) <= 1e-12
    H = p.objective.forward(p.X, p.theta, order)
    assert relative_error(H, in_layout(layout, p.rows[order] @ p.theta64)) <= 1e-12
    deltas = in_layout(layout, np.ones((6, 2)))
    assert relative_error(p.objective.gradient(p.X, deltas, order), p.rows[order].T @ np.ones((6, 2))) <= 1e-12


def test_a_step_of_one_batch_is_gradient_descent(loss, layout):
    p = problem(loss, layout)
    theta = p.theta.copy()
    met = p.objective.sgd_epoch(p.X, p.y, theta, batch_size=10**9, step_size=0.3)
    value, grad = p.objective.value_and_grad(p.X, p.y, p.theta)
    assert met == pytest.approx(value, rel=1e-14)
    np.testing.assert_allclose(theta, p.theta - 0.3 * grad, rtol=1e-13)


def test_other_memory_orders_and_read_only_arrays_give_the_same(layout):
    p = problem("softmax", layout)
    value, grad = p.objective.value_and_grad(p.X, p.y, p.theta)
    wide = np.zeros((p.X.shape[0], 2 * p.X.shape[1]))
    wide[:, ::2] = p.X
    frozen = p.X.copy()
    frozen.setflags(write=False)
    for X in (np.asfortranarray(p.X), wide[:, ::2], frozen):
        again, grad_again = p.objective.value_and_grad(X, p.y, np.asfortranarray(p.theta))
        assert again == value
        np.testing.assert_array_equal(grad_again, grad)


def test_theta_may_be_a_view(layout):
    p = problem("softmax", layout)
    wide = np.zeros((7, 10))
    wide[:, ::2] = p.theta
    view, plain = wide[:, ::2], p.theta.copy()
    p.objective.sgd_epoch(p.X, p.y, view, batch_size=20, step_size=0.1)
    p.objective.sgd_epoch(p.X, p.y, plain, batch_size=20, step_size=0.1)
    np.testing.assert_array_equal(view, plain)
    assert (wide[:, 1::2] == 0).all()


def test_inputs_are_left_alone(layout):
    p = problem("multinomial", layout)
    before = p.X.copy(), p.y.copy(), p.theta.copy()
    p.objective.value_and_grad(p.X, p.y, p.theta)
    p.objective.forward(p.X, p.theta)
    for array, copy in zip((p.X, p.y, p.theta), before, strict=True):
        np.testing.assert_array_equal(array, copy)


def test_objects_and_names_are_the_same():
    p = problem("huber")
    by_object = Objective(losses.Huber(delta=1.345), layout=layouts.Rows())
    assert by_object.value_and_grad(p.X, p.y, p.theta)[0] == p.objective.value_and_grad(p.X, p.y, p.theta)[0]
    assert repr(by_object) == "Objective(Huber(delta=1.345), layout='rows')"


def test_parameters_reach_the_kernel_without_another_compilation():
    p = problem("huber")
    for delta in (0.1, 1.0, 10.0):
        value, _ = Objective(losses.Huber(delta)).value_and_grad(p.X, p.y, p.theta)
        assert value == pytest.approx(naive.value_and_grad("huber", p.rows, p.y, p.theta64, delta=delta)[0], rel=1e-12)


def test_logits_at_the_edge_of_float64(layout):
    """H = ±1e308: finite losses and gradients where the true ones are."""
    f = Objective("softmax", layout)
    X = f.layout.arrange(np.array([[1e154], [1e154]]))
    theta = np.array([[1e154, -0.5e154, 0.0]])
    value, grad = f.value_and_grad(X, np.array([0, 0]), theta)
    assert value == 0
    np.testing.assert_array_equal(grad, 0)
    value, _ = f.value_and_grad(X, np.array([2, 2]), theta)
    assert value == 1e154 * 1e154  # a mean of two numbers whose sum overflows
    g = Objective("absolute", layout)
    value, grad = g.value_and_grad(X, np.array([0.0, 0.0]), np.array([1e154]))
    assert value == 1e154 * 1e154
    np.testing.assert_array_equal(grad, 1e154)


def test_divergence_shows_as_nan_or_infinity(loss, layout):
    if loss == "student_t":
        return  # its δ falls off as 1/r: far out every step is tiny, and nothing diverges
    p = problem(loss, layout)
    theta = p.theta.copy()
    if loss in ("absolute", "huber", "logistic", "softmax", "multinomial"):
        step = 1e308  # bounded δ: it takes a huge step to leave the floats
    else:
        step = 1e200
    with np.errstate(all="ignore"):
        for _ in range(3):
            met = p.objective.sgd_epoch(p.X, p.y, theta, batch_size=20, step_size=step)
            if not np.isfinite(theta).all():
                break
    assert not (np.isfinite(met) and np.isfinite(theta).all())
