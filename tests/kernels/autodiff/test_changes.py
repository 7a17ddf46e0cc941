"""Changes in place: what is noticed, what stays on the tape, what is refused."""

from __future__ import annotations

import math

import numpy as np
import pytest

from kernels import autodiff as torch


def leaf(x):
    return torch.tensor(np.asarray(x, float), requires_grad=True)


def test_what_changed_in_place_is_noticed():
    w = leaf([1.0, 2.0])
    y = (w * w).sum()
    with torch.no_grad():
        w -= 1.0
    with pytest.raises(RuntimeError, match=r"multiply: an input of shape \(2,\) was changed in place"):
        y.backward()


def test_a_layer_that_starts_anew_is_noticed():
    layer = torch.nn.Linear(3, 2)
    y = layer(torch.ones(4, 3, requires_grad=True)).sum()
    torch.nn.init.zeros_(layer.weight)
    with pytest.raises(RuntimeError, match=r"an input of shape \(2, 3\) was changed in place"):
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
