"""check_gradient finds what is broken: in every function, each derivative, by mutation."""

from __future__ import annotations

import numpy as np
import pytest
from differentiable import BROADCASTING, CASES
from hypothesis import given, settings
from hypothesis import strategies as st

from kernels import autodiff
from kernels.autodiff import check_gradient, tape
from kernels.autodiff.check import GradientError


@pytest.mark.parametrize("name", CASES)
def test_right_gradients_pass(name):
    case = CASES[name]
    found = check_gradient(lambda *x: case.call(autodiff, *x), tuple(case.draw(case.shapes[-1])))
    assert found.worst < 1e-7
    assert not found.kinks


def lines(y):
    """All functions on the tape that leads to y, with how many inputs each has."""
    found, waiting = {}, [y]
    while waiting:
        node = waiting.pop().node
        if node is not None:
            found[node.name] = len(node.inputs)
            waiting += node.inputs
    return found


def broken(monkeypatch, name, which, change):
    """Let `change` spoil one derivative of one function."""
    init = tape.Node.__init__

    def spoilt(self, function, inputs, sources, derivatives):
        if function == name:
            rule = derivatives[which]
            derivatives = [*derivatives[:which], lambda g, out: change(rule(g, out)), *derivatives[which + 1 :]]
        init(self, function, inputs, sources, derivatives)

    monkeypatch.setattr(tape.Node, "__init__", spoilt)


def gradient(case, arrays):
    tensors = [autodiff.tensor(x, requires_grad=True) for x in arrays]
    y = case.call(autodiff, *tensors)
    g = autodiff.tensor(np.random.default_rng(0).standard_normal(y.shape))
    return [np.zeros(1) if g is None else np.asarray(g) for g in autodiff.grad(y, tensors, g, allow_unused=True)]


CHANGES = {
    "factor": lambda g: 2 * g,
    "sign": lambda g: -g,
    "transpose": lambda g: g.mT if g.ndim == 2 and g.shape[0] == g.shape[1] else g,
}


def squares(case):
    """Inputs whose gradients keep their shape when they are transposed, if it takes such."""
    shapes = next((s for s in case.shapes if all(len(x) == 2 for x in s)), None) if case.square else None
    return case.shapes[-1] if shapes is None else tuple((2, 2) for _ in shapes)


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("name", CASES)
def test_each_broken_derivative_of_each_function_is_caught(name, change, monkeypatch):
    case = CASES[name]
    arrays = case.draw(squares(case) if change == "transpose" else case.shapes[0])
    right = gradient(case, arrays)
    inputs = [autodiff.tensor(x, requires_grad=True) for x in arrays]
    caught = 0
    for function, count in lines(case.call(autodiff, *inputs)).items():
        for which in range(count):
            with monkeypatch.context() as patch:
                broken(patch, function, which, CHANGES[change])
                wrong = gradient(case, arrays)
                scale = max(np.abs(g).max() for g in right)
                if all(np.allclose(w, r, rtol=0, atol=1e-5 * scale) for w, r in zip(wrong, right, strict=True)):
                    continue  # symmetric, or the derivative of what does not matter
                with pytest.raises(GradientError, match=r"x\d(\[.*?\])? is .* and should be .*: off by"):
                    check_gradient(lambda *x: case.call(autodiff, *x), tuple(arrays))
                caught += 1
    assert caught or change == "transpose"


@pytest.mark.parametrize("name", BROADCASTING)
def test_a_missing_sum_over_a_broadcast_axis_is_caught(name, monkeypatch):
    case, caught = CASES[name], 0

    def first_only(self, *shape):
        target = tuple(shape[0])
        g = self[(0,) * (self.ndim - len(target))]
        return g[tuple(slice(0, 1) if length == 1 else slice(None) for length in target)] if target else g

    for shapes in case.shapes:
        arrays = case.draw(shapes)
        right = gradient(case, arrays)
        with monkeypatch.context() as patch:
            patch.setattr(autodiff.Tensor, "sum_to_size", first_only)
            wrong = gradient(case, arrays)
            if all(np.allclose(w, r) for w, r in zip(wrong, right, strict=True)):
                continue
            with pytest.raises(GradientError):
                check_gradient(lambda *x: case.call(autodiff, *x), tuple(arrays))
            caught += 1
    assert caught


def test_a_gradient_of_the_wrong_shape_is_named():
    with pytest.raises(GradientError, match=r"gradient: by x0 has shape \(3, 2\); should be \(2, 3\)"):
        check_gradient(lambda x: (x * x).sum(), np.ones((2, 3)), gradient=2 * np.ones((3, 2)))


def test_the_entry_that_is_wrong_is_named_with_by_how_much():
    x = np.arange(6.0).reshape(2, 3) + 1
    wrong = 2 * x
    wrong[1, 2] *= 2
    with pytest.raises(
        GradientError, match=r"^gradient: by x0\[1, 2\] is 24, and should be 12: off by 12, 2 times as large$"
    ):
        check_gradient(lambda x: (x * x).sum(), x, gradient=wrong)
    with pytest.raises(GradientError, match="; 6 of 6 entries are wrong"):
        check_gradient(lambda x: (x * x).sum(), x, gradient=x)


def test_kinks_are_warned_of_and_any_slope_between_is_right():
    x = np.array([0.0, 1.0])
    with pytest.warns(UserWarning, match=r"kink: 1 of 2 entries have no derivative here, the first is x0\[0\]"):
        found = check_gradient(lambda x: x.relu().sum(), x)
    assert found.kinks[0].sides == pytest.approx((0, 1))
    for slope, outcome in ((0.5, None), (1.2, GradientError), (-0.1, GradientError)):
        with (
            pytest.warns(UserWarning, match="kink")
            if outcome is None
            else pytest.raises(outcome, match="between 0 and 1: off by")
        ):
            check_gradient(lambda x: x.relu().sum(), x, gradient=[slope, 1.0])


def test_a_function_of_no_tensor_is_refused():
    with pytest.raises(TypeError, match="f: gives a float; should give a tensor"):
        check_gradient(lambda x: 1.0, np.ones(2))


def test_a_tolerance_below_nothing_is_refused():
    with pytest.raises(ValueError, match="rtol: -1; should be at least 0"):
        autodiff.check_gradient(lambda x: x.sum(), np.ones(2), rtol=-1)


def test_an_entry_far_smaller_than_the_largest_is_looked_at_too():
    x = np.array([1.0, 2.0])
    gradient = np.array([1e6, 2e-3])
    found = check_gradient(lambda x: (x * torch_like([1e6, 2e-3])).sum(), x, gradient=gradient)
    assert found.worst < 1e-9
    with pytest.raises(GradientError, match=r"x0\[1\] is 0.02, and should be 0.00(2|199)"):
        check_gradient(lambda x: (x * torch_like([1e6, 2e-3])).sum(), x, gradient=gradient * [1, 10])


def torch_like(numbers):
    return autodiff.tensor(np.array(numbers))


@pytest.mark.parametrize(("f", "x"), [(lambda x: (x > 0) + 0 * x, 0.0), (lambda x: (x.abs() + 1e-300).sqrt(), 0.0)])
def test_a_jump_is_no_kink(f, x):
    with pytest.raises(GradientError, match=r"gradient: by x0: f jumps here, by about .*; it has no slope"):
        check_gradient(f, np.array(x))


def test_a_kink_beside_x_is_none_at_it():
    """Smaller steps do not reach it."""
    h = np.finfo(float).eps ** (1 / 3)
    for away in (-2.5, -1.5, -0.3, 0.3, 0.7, 1.5, 2.5):
        for f in (lambda x: x.relu(), lambda x: 3 * x.abs()):
            found = check_gradient(f, np.array(away * h))
            assert found.worst * found.scale < 1e-6
        with pytest.raises(GradientError):
            check_gradient(lambda x: x.abs(), np.array(away * h), gradient=0.95 * np.sign(away))


@pytest.mark.parametrize(
    ("f", "x"),
    [
        (lambda x: x.log(), 1e-5), (lambda x: x.sqrt(), 1e-5), (lambda x: (1e6 * x).sigmoid(), 0.0),
    ],
)  # fmt: skip
def test_steps_are_as_small_as_the_function_asks(f, x):
    assert check_gradient(f, np.array(x)).worst < 1e-4
    with pytest.raises(GradientError):
        check_gradient(lambda x: f(x) + 0 * x, np.array(x), gradient=0.95 * slope(f, x))


def slope(f, x):
    t = autodiff.tensor(np.array(x), requires_grad=True)
    return autodiff.grad(f(t), t)[0].item()


def test_a_function_may_ask_for_gradients_itself():
    def penalty(w):
        (g,) = autodiff.grad((w.sin() * w).sum(), w, create_graph=True)
        return (g * g).sum()

    assert check_gradient(penalty, np.array([0.3, -1.2])).worst < 1e-8


@pytest.mark.parametrize(
    ("f", "gradient", "said"),
    [
        (lambda a, b: (a * b).sum(), (np.ones(2),), "gradient: 1 for 2 inputs; should be one for each input"),
        (lambda a, b: a * b, (np.ones(2), np.ones(2)), "gradient: given, though f has several numbers; should be"),
    ],
)
def test_gradients_that_are_tried_are_those_of_a_number(f, gradient, said):
    with pytest.raises(ValueError, match=said):
        check_gradient(f, (np.ones(2), np.ones(2)), gradient=gradient)


@pytest.mark.parametrize(
    ("f", "said"),
    [
        (
            lambda x: autodiff.functional.dropout(x, 0.5).sum(),
            r"f: .* and then .* at the same x; should be a function of x alone",
        ),
        (lambda x: x.log().sum(), "f: nan at x; should be finite"),
        (lambda x: (1e9 + x * x).sum(), "f: rounded, or rough, by about .* of .*; should be computed to more digits"),
        (
            lambda x: ((x + 1.0) * 1e-3).log().sum(),
            r"f: not finite where x0\[\d\] is changed|f: .* at x; should be finite",
        ),
        (
            lambda x: x.float().sin().sum(),
            "f: rounded, or rough, by about .* of .*; should be computed to more digits, as in float64",
        ),
    ],
)
def test_what_has_no_differences_is_said_to_have_none(f, said):
    autodiff.manual_seed(1)  # two dropouts can come to the same
    with pytest.raises(ValueError, match=said):
        check_gradient(f, np.full(20, -1.0))


def test_nothing_to_check_is_no_success():
    with pytest.raises(ValueError, match=r"x: \(0,\); should have entries"):
        check_gradient(lambda x: x.sum(), np.empty(0))


@given(st.integers(0, 2**32 - 1), st.floats(-3, 6))
@settings(max_examples=40, deadline=None)
def test_a_right_gradient_is_never_blamed_for_rounding(seed, decades):
    """Of a sum in which numbers 10 to that power cancel."""
    rng = np.random.default_rng(seed)
    a, big = rng.standard_normal(20), autodiff.tensor(10**decades * rng.standard_normal(20))
    check_gradient(lambda x: ((x * autodiff.tensor(a)).sin() + big).sum() - big.sum(), rng.standard_normal(20))
