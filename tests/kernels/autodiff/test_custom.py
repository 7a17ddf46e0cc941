"""Functions with a `backward` of their own, in either library."""

from __future__ import annotations

import gc
import weakref

import numpy as np
import pytest

from kernels import autodiff

torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install -e '.[peers]'")

BOTH = (autodiff, torch)


def cube(t):
    class Cube(t.autograd.Function):
        @staticmethod
        def forward(ctx, x, scale):
            ctx.save_for_backward(x)
            ctx.scale = scale
            return scale * x**3

        @staticmethod
        def backward(ctx, g):
            (x,) = ctx.saved_tensors
            return g * 3 * ctx.scale * x**2, None

    return Cube.apply


def exponential(t):
    class Exp(t.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            result = x.exp()
            ctx.save_for_backward(result)
            return result

        @staticmethod
        def backward(ctx, g):
            (result,) = ctx.saved_tensors
            return g * result

    return Exp.apply


def product(t, calls):
    class Product(t.autograd.Function):
        @staticmethod
        def forward(ctx, a, b):
            ctx.save_for_backward(a, b)
            return a * b

        @staticmethod
        def backward(ctx, g):
            calls.append(ctx.needs_input_grad)
            a, b = ctx.saved_tensors
            return g * b, g * a

    return Product.apply


def test_values_and_derivatives_of_first_and_second_order():
    for name in (cube, exponential):
        found = []
        for t in BOTH:
            x = t.tensor([0.5, -1.0, 2.0], dtype=t.float64, requires_grad=True)
            y = name(t)(x, 2.0) if name is cube else name(t)(x)
            (first,) = t.autograd.grad(y.sum(), x, create_graph=True)
            (second,) = t.autograd.grad((first * first).sum(), x)
            found.append((y.detach(), first.detach(), second))
        for mine, yours in zip(*found, strict=True):
            np.testing.assert_allclose(mine, yours, rtol=1e-12)


def test_backward_is_called_once_for_all_inputs_and_told_which_ask():
    for t in BOTH:
        calls = []
        a, b = t.tensor([2.0, 3.0], requires_grad=True), t.tensor([5.0, 7.0])
        multiply = product(t, calls)
        multiply(a, b).sum().backward()
        assert a.grad.tolist() == [5, 7]
        multiply(a, a).sum().backward()
        assert a.grad.tolist() == [9, 13]
        assert [tuple(needs) for needs in calls] == [(True, False), (True, True)]


def test_what_was_saved_must_not_change():
    for t in BOTH:
        a, b = t.tensor([2.0], requires_grad=True), t.tensor([5.0])
        y = product(t, [])(a, b)
        b.add_(1)
        with pytest.raises(RuntimeError, match=r"in.?place"):
            y.backward()


def test_without_gradients_nothing_is_written():
    for t in BOTH:
        with t.no_grad():
            assert not exponential(t)(t.ones(1, requires_grad=True)).requires_grad
        assert not exponential(t)(t.ones(1)).requires_grad


def test_a_tape_that_is_dropped_is_gone_at_once():
    gc.collect()
    gc.disable()
    try:
        y = exponential(autodiff)(autodiff.ones(3, requires_grad=True))
        node = weakref.ref(y)
        del y
        assert node() is None
    finally:
        gc.enable()


def test_what_is_wrong_is_named():
    class Short(autodiff.autograd.Function):
        @staticmethod
        def forward(ctx, a, b):
            return a + b

        @staticmethod
        def backward(ctx, g):
            return g

    x = autodiff.ones(1, requires_grad=True)
    with pytest.raises(RuntimeError, match=r"Short.backward: gives 1 gradients; should be 2"):
        Short.apply(x, x).backward()

    for wrong, said in (
        (lambda g: (2.0, g), "gives a float for input 0; should be a tensor"),
        (lambda g: (autodiff.ones(7), g), r"gives shape \(7,\) for input 0; should be \(1,\), as the input"),
    ):
        Short.backward = staticmethod(lambda ctx, g, wrong=wrong: wrong(g))
        with pytest.raises(RuntimeError, match=rf"Short.backward: {said}"):
            Short.apply(x, x).backward()

    class Number(autodiff.autograd.Function):
        @staticmethod
        def forward(ctx, a):
            return 3

    with pytest.raises(TypeError, match=r"Number.forward: gives int; should be one tensor"):
        Number.apply(x)


def affine(t):
    """The `LinearFunction` of PyTorch's own notes."""

    class Affine(t.autograd.Function):
        @staticmethod
        def forward(ctx, x, w, b=None):
            ctx.save_for_backward(x, w)
            y = x.mm(w)
            return y if b is None else y + b

        @staticmethod
        def backward(ctx, g):
            x, w = ctx.saved_tensors
            return (g.mm(w.t()) if ctx.needs_input_grad[0] else None), x.t().mm(g), None

    return Affine.apply


def test_inputs_that_were_left_out_and_those_without_a_gradient():
    for t in BOTH:
        x, w = t.ones(2, 3), t.ones(3, 1, requires_grad=True)
        b = t.ones(1, requires_grad=True)
        affine(t)(x, w).sum().backward()
        assert w.grad.tolist() == [[2], [2], [2]]
        affine(t)(x, w, b).sum().backward()
        assert b.grad is None


@pytest.mark.parametrize("t", BOTH, ids=["ours", "PyTorch's"])
def test_derivatives_of_functions_are_by_what_they_are_given(t):
    x, w = t.tensor([1.0, 2.0], requires_grad=True), t.tensor([3.0, 4.0], requires_grad=True)
    by = t.autograd.functional
    assert by.jacobian(lambda v: v * x, x).tolist() == [[1, 0], [0, 2]]
    assert by.hessian(lambda v: (v**2 * w).sum(), w).tolist() == [[6, 0], [0, 8]]
    with t.no_grad():
        assert by.jacobian(lambda v: v**2, x).tolist() == [[2, 0], [0, 4]]
    for f in (lambda v: v.sum() * 2, lambda v: v.abs().sum(), lambda v: v.relu().sum(), lambda v: (v * w).sum()):
        assert by.hessian(f, x).tolist() == [[0, 0], [0, 0]]
    assert by.jacobian(lambda v: t.ones(2), x).tolist() == [[0, 0], [0, 0]]


def test_a_function_of_several_results_is_refused():
    with pytest.raises(TypeError, match="func: gives a tuple; should be one tensor"):
        autodiff.autograd.functional.jacobian(lambda v: (v, v), autodiff.ones(2))
    with pytest.raises(TypeError, match="inputs: a tuple; should be one tensor"):
        autodiff.autograd.functional.jacobian(lambda v: v, (autodiff.ones(2),))
