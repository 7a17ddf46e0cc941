"""What a student does wrong is told in one line."""

from __future__ import annotations

import numpy as np
import pytest

from kernels import autodiff as torch


def leaf(x):
    return torch.tensor(np.asarray(x, float), requires_grad=True)


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
            lambda: torch.einsum("ij->ii", torch.ones(2, 2)),
            ValueError,
            "equation: 'ij->ii'; should be letters",
        ),
        (lambda: torch.einsum("ij,jk", torch.ones(2, 2)), ValueError, "has 2 operands; 1 were given"),
        (lambda: torch.multinomial(torch.zeros(2), 1), ValueError, "input: should be weights"),
        (lambda: torch.randint(3), TypeError, r"randint: of \(3,\)"),
    ],
)
def test_students_errors_are_told_in_one_line(call, kind, said):
    with pytest.raises(kind, match=said):
        call()


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
