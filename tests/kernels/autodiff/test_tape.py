"""The tape: sums, orders, what is freed and when, what is refused."""

from __future__ import annotations

import gc
import math
import sys
import tracemalloc
import weakref
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kernels import autodiff as torch
from kernels.autodiff import tape


def leaf(x):
    return torch.tensor(np.asarray(x, float), requires_grad=True)


def test_gradients_add_up_over_uses_and_over_calls():
    x = leaf([1.0, 2.0])
    (x * x + 3 * x).sum().backward()
    np.testing.assert_array_equal(x.grad, [5, 7])
    x.sum().backward()
    np.testing.assert_array_equal(x.grad, [6, 8])


def test_no_two_gradients_share_memory():
    a, b = leaf([1.0, 2.0]), leaf([3.0, 4.0])
    g = torch.tensor(np.ones(2))
    (a + b).backward(g)
    a.grad.zero_()
    np.testing.assert_array_equal(b.grad, [1, 1])
    np.testing.assert_array_equal(g, [1, 1])
    c, d = leaf([1.0, 2.0]), leaf([3.0, 4.0])
    ((c + d) * 2).sum().backward()
    c.grad.zero_()
    np.testing.assert_array_equal(d.grad, [2, 2])


@pytest.mark.slow
def test_a_chain_of_fifty_thousand_needs_no_recursion():
    x = leaf(1.0)
    y = x
    for _ in range(50_000):
        y = y * 1.0
    y.backward()
    assert x.grad.item() == 1.0
    del y  # nor does letting go of it
    z = x
    for _ in range(50_000):
        z = z + 0.0
    del z


def test_a_lattice_is_walked_once():
    """2⁴⁰ paths lead through forty squarings of a sum with itself."""
    x = leaf(1.0)
    y = x
    for _ in range(40):
        y = y + y
    y.backward()
    assert x.grad.item() == 2.0**40


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30), st.sampled_from("+-*")), min_size=1, max_size=30))
@settings(max_examples=60, deadline=None)
def test_any_graph_has_the_gradient_of_forward_mode(steps):
    """Dual numbers carry the derivative along; the tape brings it back: both are the same."""
    start = (0.7, -1.3)
    tensors, duals = [leaf(v) for v in start], [(v, np.eye(2)[i]) for i, v in enumerate(start)]
    for i, j, sign in steps:
        (a, b), ((u, du), (v, dv)) = ((each[i % len(each)], each[j % len(each)]) for each in (tensors, duals))
        tensors.append(0.5 * (a + b if sign == "+" else a - b if sign == "-" else a * b))
        value, slope = {"+": (u + v, du + dv), "-": (u - v, du - dv), "*": (u * v, u * dv + v * du)}[sign]
        duals.append((0.5 * value, 0.5 * slope))
    y = sum(tensors[2:], 0 * tensors[0])
    value, slope = (sum(part) for part in zip(*duals[2:], strict=True))
    assert y.item() == pytest.approx(value, abs=1e-12)
    y.backward()
    found = [0.0 if t.grad is None else t.grad.item() for t in tensors[:2]]
    np.testing.assert_allclose(found, slope, atol=1e-12, rtol=1e-9)


def test_nothing_outlives_its_use():
    x = leaf(np.ones(1000))
    y = (x * x).sum()
    middle = weakref.ref(y.node.inputs[0].array)
    gc.disable()
    try:
        y.backward()
        assert middle() is None  # freed by backward, though y is here, and no collector ran
        z = (x.exp() * 2).sum()
        kept = weakref.ref(z.node.inputs[0].array)
        del z
        assert kept() is None  # and of what never went backward: no cycles
    finally:
        gc.enable()


@pytest.mark.slow
def test_ten_thousand_steps_take_no_more_memory_than_the_first():
    model = torch.nn.Sequential(torch.nn.Linear(8, 8), torch.nn.Tanh(), torch.nn.Linear(8, 1))
    optimizer = torch.optim.Adam(model.parameters())
    X, y = torch.randn(4, 8), torch.randn(4, 1)

    def train(steps):
        for _ in range(steps):
            optimizer.zero_grad()
            torch.nn.functional.mse_loss(model(X), y).backward()
            optimizer.step()

    def here():
        return len(gc.get_objects()), tracemalloc.get_traced_memory()[0]

    tracemalloc.start()
    gc.collect()
    gc.disable()
    try:
        train(2000)  # by then Python's free lists are full
        objects, before = here()
        train(10_000)
        more, after = here()
    finally:
        gc.enable()
        tracemalloc.stop()
    assert more - objects < 100
    assert after - before < 2e4  # one tape a step would be a thousand times as much


def test_a_second_backward_is_refused_unless_the_tape_is_retained():
    x = leaf(3.0)
    y = x * x
    y.backward(retain_graph=True)
    y.backward()
    assert x.grad.item() == 12.0
    with pytest.raises(RuntimeError, match=r"multiply: backward went through here before.*retain_graph=True"):
        y.backward()


def test_what_changed_in_place_is_noticed():
    w = leaf([1.0, 2.0])
    y = (w * w).sum()
    with torch.no_grad():
        w -= 1.0
    with pytest.raises(RuntimeError, match=r"multiply: an input of shape \(2,\) was changed in place"):
        y.backward()


def test_leaves_that_require_grad_change_within_no_grad_alone():
    w = leaf([1.0, 2.0])
    with pytest.raises(RuntimeError, match="in place: a leaf that requires grad"):
        w += 1.0
    same = w
    with torch.no_grad():
        w -= 0.5
    assert w is same
    np.testing.assert_array_equal(w.detach(), [0.5, 1.5])
    h = w * 2
    h += 1
    h.sum().backward()
    np.testing.assert_array_equal(w.grad, [2, 2])


def test_what_was_computed_changes_on_the_tape():
    w = leaf([1.0, 2.0, 3.0])
    y = same = (w * 2).exp()
    y.mul_(3)
    y[0] = 7.0
    y += w
    assert y is same
    y.sum().backward()
    np.testing.assert_allclose(w.grad, [1, 1 + 6 * math.exp(4), 1 + 6 * math.exp(6)])
    collected = torch.zeros(
        2, dtype=torch.float64
    )  # a leaf that asks for no gradient takes it from what is put into it
    collected[1] = (w * w).sum()
    w.grad = None
    (3 * collected).sum().backward()
    np.testing.assert_allclose(w.grad, [6, 12, 18])


def test_what_used_it_before_it_changed_is_not_differentiated():
    w = leaf([1.0, 2.0])
    y = w * 2
    z = (y * y).sum()
    y += 1
    with pytest.raises(RuntimeError, match=r"multiply: an input .* was changed in place after it was used"):
        z.backward()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            lambda y: torch.zeros(2, 2)[0].copy_(y),
            r"in place: a part of a tensor that asks for no gradient.*x\[0, 1\] = …",
        ),
        (
            lambda y: torch.zeros(4).reshape(2, 2)[0].__setitem__(1, y[0]),
            "in place: a part of a tensor that asks for no gradient",
        ),
        (lambda y: y.add_(torch.ones(3, 2)), r"in place: from shape \(2,\) to \(3, 2\); should keep its shape"),
    ],
)
def test_changes_that_would_be_lost_are_refused(change, said):
    with pytest.raises(RuntimeError, match=said):
        change(leaf([1.0, 2.0]) * 2)


def test_numpy_does_not_cut_the_tape_unseen():
    w = leaf([1.0, 2.0])
    for call in (lambda: np.exp(w), lambda: np.asarray(w * 2), lambda: np.sum(w)):
        with pytest.raises(
            (RuntimeError, TypeError), match=r"numpy: of a tensor that requires grad|unexpected keyword"
        ):
            call()
    assert isinstance(np.ones(2) * w, torch.Tensor)
    np.testing.assert_array_equal(np.exp(w.detach()), np.exp([1, 2]))


def test_a_gradient_has_the_shape_of_its_tensor():
    w = leaf([1.0, 2.0])
    for wrong, what in (
        (torch.ones(1, 2).double(), r"float64 of shape \(1, 2\)"),
        (torch.ones(2), r"float32 of shape \(2,\)"),
    ):
        with pytest.raises(
            RuntimeError, match=rf"grad: {what}; should be float64 of shape \(2,\), as the tensor itself"
        ):
            w.grad = wrong


@pytest.mark.parametrize(
    ("call", "kind", "said"),
    [
        (lambda: torch.ones(2, 3) + torch.ones(4), ValueError, r"add: of \(2, 3\) and \(4,\): .*broadcast"),
        (
            lambda: torch.ones(2, 3) @ torch.ones(2, 3),
            ValueError,
            r"matmul: of \(2, 3\) and \(2, 3\): 3 numbers in a row, 2 in a",
        ),
        (
            lambda: torch.nn.Linear(784, 10)(torch.ones(5, 28)),
            ValueError,
            r"input: shape \(5, 28\); should be \(…, 784\)",
        ),
        (lambda: torch.ones(2, 3).view(4), ValueError, r"reshape: of \(2, 3\): cannot reshape"),
        (
            lambda: torch.ones(2, 2) @ torch.ones(2, 2).double(),
            TypeError,
            "matmul: of float32 and float64; should be the same",
        ),
        (
            lambda: torch.tensor([1, 2]).mean(),
            RuntimeError,
            r"mean: of int64; should be floating-point, as by float\(\)",
        ),
        (lambda: torch.nn.Linear("a", 2), ValueError, "in_features: 'a'; should be a whole number of at least 1"),
        (lambda: torch.nn.Linear(2, 0), ValueError, "out_features: 0; should be a whole number of at least 1"),
        (lambda: torch.ones(2).to("cuda"), ValueError, "device: 'cuda'; should be 'cpu'"),
        (
            lambda: torch.einsum("ii->i", torch.ones(2, 2)),
            ValueError,
            "equation: 'ii->i'; should be letters, each once",
        ),
        (lambda: torch.einsum("ij,jk", torch.ones(2, 2)), ValueError, "has 2 operands; 1 were given"),
        (lambda: torch.multinomial(torch.zeros(2), 1), ValueError, "input: should be weights"),
        (lambda: torch.randint(3), TypeError, r"randint: of \(3,\)"),
    ],
)
def test_students_errors_are_told_in_one_line(call, kind, said):
    with pytest.raises(kind, match=said):
        call()


def test_no_grad_and_enable_grad_nest_and_decorate():
    x = leaf(1.0)
    with torch.no_grad():
        assert not (x * 2).requires_grad
        with torch.enable_grad():
            assert (x * 2).requires_grad
        assert not torch.is_grad_enabled()
    assert torch.is_grad_enabled()

    @torch.no_grad()
    def f(x):
        return x * 2

    assert not f(x).requires_grad
    with pytest.raises(KeyError), torch.no_grad():
        raise KeyError
    assert torch.is_grad_enabled()


def test_higher_derivatives_to_the_fifth():
    x = leaf(0.3)
    y = (2 * x).sin()
    for order in range(1, 6):
        (y,) = torch.grad(y, x, create_graph=True)
        assert y.item() == pytest.approx(2**order * math.sin(0.6 + order * math.pi / 2), rel=1e-12)


def test_jacobian_and_hessian_are_those_of_closed_forms():
    A = np.arange(12.0).reshape(3, 4) / 10
    x = torch.tensor(np.array([0.1, -0.2, 0.3, 0.4]))
    np.testing.assert_allclose(torch.autograd.functional.jacobian(lambda x: torch.tensor(A) @ x, x), A)
    H = torch.autograd.functional.hessian(lambda x: ((torch.tensor(A) @ x) ** 2).sum(), x)
    np.testing.assert_allclose(H, 2 * A.T @ A)


def test_retain_grad_and_gradients_of_what_is_on_the_way():
    x = leaf(2.0)
    h = x * 3
    h.retain_grad()
    (h * h).backward()
    assert h.grad.item() == 12.0
    k = x * 3
    assert torch.grad(k * k, k)[0].item() == 12.0


def test_numbers_do_not_change_the_type():
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    assert x.dtype == torch.float32
    assert (2 * x + 0.5 - 1 / x**2).dtype == torch.float32
    assert torch.tensor(np.ones(2)).dtype == torch.float64
    assert (torch.tensor([1, 2]) + 1).dtype == torch.int64
    assert (torch.tensor([1, 2]) + 0.5).dtype == torch.float32
    assert (np.ones(2) * torch.tensor(np.ones(2))).__class__ is torch.Tensor


def test_what_makes_no_sense_is_refused_in_one_line():
    x = leaf([1.0, 2.0])
    for call, said in (
        (lambda: x.backward(), r"backward: of a tensor of shape \(2,\); should be one number"),
        (lambda: x.backward(torch.ones(3)), r"gradient: shape \(3,\); should be \(2,\)"),
        (lambda: torch.tensor(1.0).backward(), "does not require a gradient"),
        (lambda: torch.tensor([1, 2], requires_grad=True), "requires_grad: of a tensor of int64"),
        (lambda: x.numpy(), r"numpy: of a tensor that requires grad; use tensor.detach\(\).numpy\(\)"),
        (lambda: x.item(), r"item: of a tensor of shape \(2,\)"),
        (lambda: (x * 2).requires_grad_(False), "should be a leaf"),
        (lambda: torch.grad((x * 2).sum(), leaf(1.0)), "no output depends on number 0"),
    ):
        with pytest.raises(RuntimeError, match=said):
            call()


def test_the_engine_is_short():
    """The core, without functions, in 300 lines, docstrings and blank lines included."""
    core = [sys.modules[name] for name in ("kernels.autodiff.tape", "kernels.autodiff.tensor")]
    assert sum(len(Path(module.__file__).read_text().splitlines()) for module in core) <= 300
    assert tape.pull_back is not None


def test_a_single_number_is_formatted_as_one():
    loss = torch.tensor(0.25, requires_grad=True) * 3
    assert f"{loss:.3f} {loss}" == "0.750 0.75"
    with pytest.raises(TypeError, match="unsupported format string"):
        format(torch.ones(2), ".3f")


def test_nothing_is_no_number():
    for call, what in (
        (lambda: torch.ones(2) + None, None), (lambda: torch.where([True], None, 1.0), None), (lambda: torch.ones(2) * "2", "'2'"),
    ):  # fmt: skip
        with pytest.raises(TypeError, match=rf"an input is {what}; should be a tensor"):
            call()
    for data in ("1", None, [object()]):
        with pytest.raises(TypeError, match=r"data: .*; should be numbers"):
            torch.tensor(data)


def test_what_is_no_module_is_not_one_of_several():
    for wrong in (3, torch.nn.ReLU):
        with pytest.raises(TypeError, match=r"Sequential: \(1\) is .*; should be a module, made by a call"):
            torch.nn.Sequential(torch.nn.ReLU(), wrong)
