"""Changes in place, through views and aliases, against PyTorch: the same gradients, or a refusal; never others in silence."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from kernels import autodiff

torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install -e '.[peers]'")


def of_a_detached(t, w):
    z = (w * w).sum()
    w.detach().add_(10)
    return z


def of_a_part_without_gradients(t, w):
    z = (w * w).sum()
    with t.no_grad():
        w[0:1].add_(10)
    return z


def of_the_data(t, w):
    X = t.ones(2, 3, dtype=t.float64)
    z = (w * X[0]).sum()
    X[0] = 7
    return z


def of_an_alias_of_the_data(t, w):
    x = t.ones(3, dtype=t.float64)
    z = (w * x.view(3)).sum()
    x.fill_(5)
    return z


def of_an_output(t, w):
    y = w.sigmoid()
    with t.no_grad():
        y.zero_()
    return y.sum()


def of_an_output_through_another(t, w):
    y = w.exp()
    z = y.sum()
    y.detach().mul_(0)
    return z


def of_an_index(t, w):
    i = t.tensor([0, 1])
    a = w[i]
    i += 1
    return (a + 3 * w[i]).sum()


def of_a_mask(t, w):
    mask = w.detach() > 0
    y = t.where(mask, w, 0 * w) + w * mask
    mask[0] = False
    return y.sum()


def of_labels(t, w):
    labels = t.tensor([1])
    z = t.nn.functional.cross_entropy(w.reshape(1, 3), labels)
    labels[0] = 2
    return z


def seen_by_a_part(t, w):
    y = w * 1
    v = y[:2]
    y.mul_(2)
    return v.sum()


def of_a_part(t, w):
    y = w * 1
    y[:2].mul_(3)
    return (y * y).sum()


def of_a_part_of_a_leaf(t, w):
    w[0:2].mul_(3)
    return w.sum()


def of_a_part_of_what_asks_for_none(t, w):
    H = t.zeros(3, 3, dtype=t.float64)
    for i in range(3):
        for j in range(3):
            H[i][j] = w[i] * w[j]
    return (H * H).sum()


def at_a_place(t, w):
    H = t.zeros(3, 3, dtype=t.float64)
    for i in range(3):
        for j in range(3):
            H[i, j] = w[i] * w[j]
    return (H * H).sum()


def less_its_mean(t, w):
    y = w * 2
    y -= y.mean()
    return (y * y * w).sum()


def twice_itself(t, w):
    y = w * w
    y += y
    y *= y[0].clone()
    return y.sum()


def by_its_own_part(t, w):
    y = w * w
    y *= y[0]
    return y.sum()


def used_before_by_a_sum(t, w):
    y = w * 2
    z = y + 1
    y += 1
    return (z * y).sum()


def used_before_by_a_product(t, w):
    y = w * 2
    z = y * y
    y += 1
    return (z * y).sum()


def gathered(t, w):
    out = t.zeros(3, dtype=t.float64)
    for i in range(3):
        out[i] += w[i] ** 2
    return (out * out).sum()


def a_recurrence(t, w):
    u = t.zeros(4, dtype=t.float64)
    u[0] = w[0]
    for i in range(3):
        u[i + 1] = u[i].clone() * w[i] + 1
    return u.sum()


def a_product_with_a_vector(t, w):
    z = t.ones(2, 3, dtype=t.float64) @ w
    z += 1
    s = w @ w
    s += z.sum()
    return s * s


def turned(t, w):
    y = (w * w).view(1, 3)
    y += 1
    y = y.transpose(0, 1)
    y *= w.view(3, 1)
    return y.sum()


def of_the_largest(t, w):
    logits = w * 3
    logits -= logits.max(0, keepdim=True).values
    return (logits.exp() * w).sum()


def a_vjp_and_then_backward(t, w):
    y = w.sin()
    z = (y * y).sum()
    (g,) = t.autograd.grad(z, y, retain_graph=True)
    g.mul_(2)
    y.backward(g, retain_graph=True)
    return z


CASES = [
    value for name, value in list(globals().items()) if callable(value) and getattr(value, "__module__", "") == __name__
]


def gradient(t, f):
    w = t.tensor(np.array([0.5, -1.0, 2.0]), requires_grad=True)
    f(t, w).backward()
    return np.asarray(w.grad)


@pytest.mark.parametrize("f", CASES, ids=[f.__name__ for f in CASES])
def test_the_same_gradient_or_a_refusal(f):
    try:
        yours = gradient(torch, f)
    except RuntimeError:
        yours = None
    if f in REFUSED or (yours is None and f not in KEPT):
        with pytest.raises(RuntimeError, match="in place"):
            gradient(autodiff, f)
    else:
        np.testing.assert_allclose(gradient(autodiff, f), KEPT.get(f, yours), atol=1e-12)


# Legal in PyTorch, which knows all views of a tensor; refused here, with what to write instead.
REFUSED = {seen_by_a_part, of_a_part, of_a_part_of_what_asks_for_none}
# Refused by PyTorch; here what was used before is kept as it was.
KEPT = {
    by_its_own_part: [5.5, -0.5, 1.0],  # of Σ w²·w₀²
    of_an_index: [1, 4, 3],
    of_a_mask: [2, 0, 2],
    of_labels: autodiff.tensor([0.5, -1.0, 2.0]).double().softmax(0).numpy() - [0, 1, 0],
}


def test_gradients_add_up_in_place_and_are_nobody_elses():
    for t in (torch, autodiff):
        w = t.tensor(np.ones(3), requires_grad=True)
        (2 * w).sum().backward()
        g = w.grad
        (3 * w).sum().backward()
        assert g is w.grad
        np.testing.assert_array_equal(g, [5, 5, 5])
        (h,) = t.autograd.grad(w.mean(), w)
        h[0] = 0
        v = t.ones(3, dtype=t.float64)
        a, b = (t.tensor(np.ones(3), requires_grad=True) for _ in range(2))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # PyTorch's, of a cycle
            (a + b).backward(v, create_graph=True)
        with t.no_grad():
            a.grad.zero_()
        np.testing.assert_array_equal(b.grad.detach(), [1, 1, 1])
        np.testing.assert_array_equal(v, [1, 1, 1])


def test_batches_are_copies():
    for t in (torch, autodiff):
        data = t.utils.data.TensorDataset(t.ones(4))
        for _ in range(2):
            for (batch,) in t.utils.data.DataLoader(data, batch_size=2, num_workers=0):
                batch /= 2
        np.testing.assert_array_equal(data.tensors[0], [1, 1, 1, 1])
