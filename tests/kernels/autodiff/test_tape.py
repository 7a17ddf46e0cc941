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


def test_the_engine_is_short():
    """The core, without functions, in 300 lines, docstrings and blank lines included."""
    core = [sys.modules[name] for name in ("kernels.autodiff.tape", "kernels.autodiff.tensor")]
    assert sum(len(Path(module.__file__).read_text().splitlines()) for module in core) <= 300
    assert tape.pull_back is not None
