"""Hypotheses by automatic differentiation: against the kernels, PyTorch, and complex steps; and what `Train` makes of them."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from problems import problem

from experiments.backends.numba import Numba
from experiments.backends.numpy import NumPy
from experiments.data import Digits, Synthetic
from experiments.hypotheses import OnTape
from experiments.tensors import FORMULAS, mean_loss
from experiments.train import Train
from kernels import Objective, layouts, losses, noises
from kernels.autodiff import Tensor

DIGITS = Train(
    data=Digits(test_share=0.2),
    loss=losses.Softmax(),
    layout=layouts.Rows(),
    backend=Numba,
    model="mlp",
    hidden=12,
    epochs=2,
)


def table(experiment):
    experiment.check()
    experiment.warm_up()
    steps: dict[int, dict[str, float]] = {}
    for row in experiment.run():
        steps.setdefault(row.step, {}).update(row.metrics)
    return steps


def arrays(name, layout, m=60):
    p = problem(name, layout, np.float64, m=m)
    return p.X, p.y, p.theta


@pytest.mark.parametrize("name", losses.ALL)
@pytest.mark.parametrize("layout", layouts.ALL)
def test_the_linear_hypothesis_is_that_of_the_kernels(name, layout):
    X, y, theta = arrays(name, layout)
    loss, n, k = losses.named(name), len(theta), theta.size // len(theta)
    kernel, tape = Objective(loss, layout), OnTape(loss, layouts.named(layout), "float64", (n, k))
    whole = theta.reshape(n, k)
    value, gradient = tape.value_and_grad(X, y, whole)
    expected, slope = kernel.value_and_grad(X, y, theta)
    assert value == pytest.approx(expected, rel=1e-13)
    np.testing.assert_allclose(gradient, slope.reshape(n, k), atol=1e-13 * np.abs(slope).max())
    np.testing.assert_allclose(tape.forward(X, whole), kernel.forward(X, whole), rtol=1e-13, atol=1e-13)
    moved, other = whole.copy(), whole.copy()
    order = np.random.default_rng(0).permutation(60)
    met = tape.sgd_epoch(X, y, moved, 16, 0.01, order)
    assert met == pytest.approx(kernel.sgd_epoch(X, y, other, batch_size=16, step_size=0.01, order=order), rel=1e-12)
    np.testing.assert_allclose(moved, other, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("name", losses.ALL)
def test_every_loss_takes_a_complex_step(name):
    """Im f(H + ihE)/h is the derivative along E, to rounding: no branch of a formula looks at more than the real part."""
    X, y, theta = arrays(name, "rows")
    loss = losses.named(name)
    H = (X @ theta).reshape(60, -1)
    direction = np.random.default_rng(1).standard_normal(H.shape)
    moved = mean_loss(loss, Tensor.of(H + 1e-30j * direction), y).array
    logits = H if H.shape[1] > 1 else H[:, 0]
    deltas = loss.deltas(logits, y).reshape(H.shape)
    assert moved.imag / 1e-30 == pytest.approx(float(np.sum(deltas * direction)) / 60, rel=1e-12)


def test_every_loss_has_a_formula():
    assert set(FORMULAS) == set(losses.ALL)


@pytest.mark.parametrize("layout", layouts.ALL)
@pytest.mark.parametrize(("name", "k"), [("softmax", 4), ("squared", 1)])
def test_a_network_is_that_of_pytorch(layout, name, k):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install -e '.[peers]'")
    rng = np.random.default_rng(3)
    X, y = rng.standard_normal((50, 6)), rng.integers(0, 4, 50) if k > 1 else rng.standard_normal(50)
    tape = OnTape(losses.named(name), layouts.named(layout), "float64", (6, 5, k))
    theta = tape.start(seed=7)
    weights = [torch.tensor(W.copy(), requires_grad=True) for W in tape.weights(theta)]
    optimizer = torch.optim.SGD(weights, lr=0.1)
    inputs, labels = torch.from_numpy(X), torch.from_numpy(y)
    for start in range(0, 50, 8):
        optimizer.zero_grad()
        H = torch.relu(inputs[start : start + 8] @ weights[0]) @ weights[1]
        part = labels[start : start + 8]
        loss = torch.nn.functional.cross_entropy(H, part) if k > 1 else 0.5 * ((H[:, 0] - part) ** 2).mean()
        loss.backward()
        optimizer.step()
    tape.sgd_epoch(tape.layout.arrange(X), y, theta, 8, 0.1)
    for ours, theirs in zip(tape.weights(theta), weights, strict=True):
        np.testing.assert_allclose(ours, theirs.detach().numpy(), rtol=1e-10, atol=1e-12)


def test_a_network_starts_as_the_courses_own():
    tape = OnTape(losses.Softmax(), layouts.Rows(), "float32", (5, 3, 2))
    np.random.seed(4)  # noqa: NPY002  as the course writes it
    first = np.random.randn(5, 3).astype(np.float32) / np.sqrt(3)  # noqa: NPY002
    second = np.random.randn(3, 2).astype(np.float32) / np.sqrt(2)  # noqa: NPY002
    for ours, theirs in zip(tape.weights(tape.start(4)), (first, second), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-6)


def test_both_layouts_train_the_same_network():
    rows, columns = (table(dataclasses.replace(DIGITS, layout=layout())) for layout in (layouts.Rows, layouts.Columns))
    for step, metrics in rows.items():
        for name in ("train/loss", "train/theta_probe", "train/weight1_norm", "test/error"):
            if name in metrics:
                assert columns[step][name] == pytest.approx(metrics[name], rel=1e-11)


def test_a_network_learns_what_no_linear_hypothesis_can():
    """y = |x| has no slope anywhere on average: the best straight line is flat, and a few units are not."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((400, 1))
    tape = OnTape(losses.Squared(), layouts.Rows(), "float64", (1, 8, 1))
    theta = tape.start(0)
    for _ in range(60):
        tape.sgd_epoch(x, np.abs(x[:, 0]), theta, 16, 0.1)
    flat = 0.5 * np.var(np.abs(x[:, 0]))
    assert tape.value_and_grad(x, np.abs(x[:, 0]), theta)[0] < 0.05 * flat


def test_kernel_and_autodiff_train_the_same():
    linear = dataclasses.replace(DIGITS, model="linear")
    kernel, tape = table(linear), table(dataclasses.replace(linear, gradient="autodiff"))
    for step, metrics in kernel.items():
        for name in ("train/loss", "train/error", "train/theta_norm", "train/gradient_norm", "test/loss"):
            if name in metrics:
                assert tape[step][name] == pytest.approx(metrics[name], rel=1e-10)


def test_a_network_may_diverge():
    data = Synthetic(noise=noises.Gaussian(), samples=200, features=4)
    found = table(dataclasses.replace(DIGITS, data=data, loss=losses.Squared(), step_size=30.0))
    assert found[0]["train/diverged"] == 1


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"gradient": "kernel"},
            "gradient: kernel has linear hypotheses alone; should be autodiff, or null, for model=mlp",
        ),
        ({"backend": NumPy}, "backend: numpy has no part in gradient=autodiff; should be left out"),
        ({"model": "linear", "gradient": "autodiff", "backend": NumPy}, "backend: numpy has no part"),
        ({"data": Synthetic(noise=noises.Gaussian())}, "loss=softmax takes"),
    ],
)
def test_what_makes_no_sense_is_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(DIGITS, **changes).check()
