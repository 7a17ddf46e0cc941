"""Networks, optimizers and loaders against PyTorch: the same code, from the same start, comes to the same parameters."""

from __future__ import annotations

import gzip
import math
from pathlib import Path

import numpy as np
import pytest

from kernels import autodiff

torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install -e '.[peers]'")


MNIST = Path(__file__).parents[4] / "shared" / "data" / "mnist"


def data(seed=0, m=200, n=7, k=4):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((m, n))
    return X, np.argmax(X @ rng.standard_normal((n, k)) + rng.gumbel(size=(m, k)), axis=1)


def network(t):
    return t.nn.Sequential(
        t.nn.Linear(7, 9), t.nn.ReLU(), t.nn.LayerNorm(9), t.nn.Linear(9, 5), t.nn.Tanh(), t.nn.Linear(5, 4)
    ).double()


def start(model, seed=1):
    """The same numbers in the parameters of either library."""
    rng = np.random.default_rng(seed)
    return {name: rng.standard_normal(tuple(p.shape)) / math.sqrt(p.shape[-1]) for name, p in model.named_parameters()}


def train(t, optimizer, epochs=1, **settings):
    """A course's loop, written for PyTorch."""
    model = network(t)
    model.load_state_dict({name: t.tensor(x) for name, x in start(model).items()})
    optimizer = getattr(t.optim, optimizer)(model.parameters(), **settings)
    loss_of = t.nn.CrossEntropyLoss()
    X, y = map(t.from_numpy, data())
    loader = t.utils.data.DataLoader(t.utils.data.TensorDataset(X, y), batch_size=30)
    for _ in range(epochs):
        for inputs, labels in loader:
            optimizer.zero_grad()
            loss = loss_of(model(inputs), labels)
            loss.backward()
            optimizer.step()
    model.eval()
    with t.no_grad():
        final = loss_of(model(X), y).item()
    return {name: p.detach().numpy() for name, p in model.named_parameters()}, final


@pytest.mark.parametrize(
    ("optimizer", "settings"),
    [
        ("SGD", {"lr": 0.2}),
        ("SGD", {"lr": 0.1, "momentum": 0.9}),
        ("SGD", {"lr": 0.1, "momentum": 0.9, "nesterov": True, "weight_decay": 0.01}),
        ("SGD", {"lr": 0.1, "momentum": 0.5, "dampening": 0.3}),
        ("SGD", {}),
        ("Adam", {"lr": 0.01}),
        ("Adam", {}),
        ("Adam", {"lr": 0.01, "betas": (0.8, 0.95), "eps": 1e-6, "weight_decay": 0.1}),
    ],
)
def test_the_same_code_trains_the_same_network(optimizer, settings):
    mine, loss = train(autodiff, optimizer, epochs=3, **settings)
    theirs, expected = train(torch, optimizer, epochs=3, **settings)
    assert list(mine) == list(theirs)
    for name, values in theirs.items():
        np.testing.assert_allclose(mine[name], values, rtol=0, atol=1e-10)
    assert loss == pytest.approx(expected, abs=1e-10)


@pytest.fixture
def one_thread():
    """PyTorch's threads and BLAS's would wait for each other, spinning."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.slow
@pytest.mark.skipif(not MNIST.is_dir(), reason="needs MNIST in ../shared/data/mnist")
def test_the_courses_network_on_mnist_is_pytorchs_after_an_epoch(one_thread):
    """784-100-10, start randn/√(outputs of the layer), no bias, step 0.2, batches of 100, in float64."""
    X, y = (
        np.frombuffer(gzip.decompress((MNIST / f"train-{name}-ubyte.gz").read_bytes()), np.uint8, offset=offset)
        for name, offset in (("images-idx3", 16), ("labels-idx1", 8))
    )
    X, y, found = X.reshape(-1, 784) / 255, y.astype(np.int64), {}
    for t in (autodiff, torch):
        rng = np.random.RandomState(0)  # the course's own
        W1, W2 = (rng.randn(a, b).astype(np.float32) / np.float32(math.sqrt(b)) for a, b in ((784, 100), (100, 10)))
        W1, W2 = (t.tensor(W.astype(np.float64), requires_grad=True) for W in (W1, W2))
        samples, labels = t.from_numpy(X.copy()), t.from_numpy(y.copy())
        optimizer = t.optim.SGD([W1, W2], lr=0.2)
        for i in range(0, len(X), 100):
            optimizer.zero_grad()
            H = t.relu(samples[i : i + 100] @ W1) @ W2
            t.nn.functional.cross_entropy(H, labels[i : i + 100]).backward()
            optimizer.step()
        with t.no_grad():
            H = t.relu(samples @ W1) @ W2
            loss = t.nn.functional.cross_entropy(H, labels).item()
            wrong = int((H.argmax(1) != labels).sum())
        found[t] = W1.detach().numpy(), W2.detach().numpy(), loss, wrong
    W1, W2, loss, wrong = found[autodiff]
    for mine, yours in zip(found[autodiff], found[torch], strict=True):
        np.testing.assert_allclose(mine, yours, rtol=0, atol=1e-10)
    assert np.linalg.norm(W1) == pytest.approx(28.437788, abs=1e-6)
    assert np.linalg.norm(W2) == pytest.approx(10.455095, abs=1e-6)
    assert loss == pytest.approx(0.19770, abs=1e-5)
    assert wrong / 60_000 == pytest.approx(0.06007, abs=5e-5)


def test_layers_start_as_pytorchs_do():
    """The same laws: bounds and variances of the draws."""
    autodiff.manual_seed(0)
    torch.manual_seed(0)
    layer = autodiff.nn.Linear(400, 300)
    for values in (layer.weight, layer.bias):
        assert np.abs(values.detach()).max() <= 1 / 20
        assert np.asarray(values.detach()).var() == pytest.approx(1 / 1200, rel=0.2)
    for name, settings in (
        ("xavier_uniform_", {"gain": 2}), ("xavier_normal_", {}), ("kaiming_uniform_", {"nonlinearity": "relu"}),
        ("kaiming_normal_", {"mode": "fan_out", "nonlinearity": "relu"}), ("normal_", {"mean": 3, "std": 0.1}),
        ("uniform_", {"a": -1}), ("constant_", {"val": 2.0}), ("zeros_", {}), ("ones_", {}),
    ):  # fmt: skip
        mine, yours = (getattr(t.nn.init, name)(t.empty(300, 200), **settings) for t in (autodiff, torch))
        a, b = np.asarray(mine), yours.numpy()
        size = float(b.std())
        assert float(a.mean()) == pytest.approx(float(b.mean()), abs=0.02 * size)
        assert float(a.std()) == pytest.approx(size, rel=0.02)
        assert np.abs(a).max() == pytest.approx(np.abs(b).max(), rel=0.2)


def test_dropout_keeps_the_mean_and_does_nothing_in_evaluation():
    autodiff.manual_seed(3)
    layer = autodiff.nn.Dropout(0.25)
    x = autodiff.ones(100_000)
    y = np.asarray(layer(x))
    assert set(np.unique(y)) == {np.float32(0), np.float32(1 / 0.75)}
    assert y.mean() == pytest.approx(1, abs=0.01)
    assert layer.eval()(x) is x
    autodiff.manual_seed(3)
    np.testing.assert_array_equal(layer.train()(x), y)


def test_a_loader_gives_every_sample_once_and_shuffles_by_seed():
    X = autodiff.arange(10)
    both = autodiff.utils.data.TensorDataset(X, X * 2)
    loader = autodiff.utils.data.DataLoader(both, batch_size=4, shuffle=True)
    autodiff.manual_seed(0)
    first = [(a.tolist(), b.tolist()) for a, b in loader]
    assert [len(a) for a, _ in first] == [4, 4, 2]
    assert len(loader) == 3
    assert sorted(x for a, _ in first for x in a) == list(range(10))
    assert all(b == [2 * x for x in a] for a, b in first)
    assert [a.tolist() for a, _ in loader] != [a for a, _ in first]  # another order each time
    autodiff.manual_seed(0)
    assert [a.tolist() for a, _ in loader] == [a for a, _ in first]
    assert len(autodiff.utils.data.DataLoader(both, batch_size=4, drop_last=True)) == 2
    pairs = [(np.float32(i), i) for i in range(5)]  # any sequence is a data set
    (values, labels), *_ = autodiff.utils.data.DataLoader(pairs, batch_size=5)
    assert values.tolist() == labels.tolist() == [0, 1, 2, 3, 4]


def test_modules_find_their_parameters_and_print_as_pytorchs_do():
    mine, yours = network(autodiff), network(torch)
    assert [name for name, _ in mine.named_parameters()] == [name for name, _ in yours.named_parameters()]
    assert repr(mine) == repr(yours)
    shared = autodiff.nn.Linear(2, 2)
    assert len(list(autodiff.nn.Sequential(shared, shared).parameters())) == 2
    with pytest.raises(RuntimeError, match=r"state_dict: 0.weight has shape \(1,\)"):
        mine.load_state_dict({name: np.zeros(1) for name, _ in mine.named_parameters()})
    with pytest.raises(RuntimeError, match="state_dict: without"):
        mine.load_state_dict({})


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: autodiff.optim.SGD([], lr=1), "params: none"),
        (lambda: autodiff.optim.SGD([autodiff.ones(1)], lr=-1), "lr: -1; should be at least 0"),
        (lambda: autodiff.optim.SGD([autodiff.ones(1)], nesterov=True), "nesterov: with momentum 0"),
        (lambda: autodiff.optim.Adam([autodiff.ones(1)], betas=(1.0, 0.9)), r"betas: \(1.0, 0.9\)"),
        (lambda: autodiff.nn.Dropout(1.5), "p: 1.5; should be a chance"),
        (lambda: autodiff.utils.data.DataLoader([1], batch_size=0), "batch_size: 0; should be a whole number"),
        (lambda: autodiff.utils.data.TensorDataset(autodiff.ones(2), autodiff.ones(3)), "tensors: 2, 3 samples"),
        (
            lambda: autodiff.functional.cross_entropy(autodiff.ones(2, 3), [0, 3]),
            r"target: int64 in 0..3; should be .* in 0..2",
        ),
        (
            lambda: autodiff.functional.cross_entropy(autodiff.ones(2, 3), [0, 1, 2]),
            r"target: shape \(3,\); should be \(2,\)",
        ),
        (
            lambda: autodiff.functional.mse_loss(autodiff.ones(2, 1), autodiff.ones(2)),
            r"target: shape \(2,\); should be \(2, 1\)",
        ),
    ],
)
def test_what_makes_no_sense_is_refused_in_one_line(call, said):
    with pytest.raises(ValueError, match=said):
        call()
