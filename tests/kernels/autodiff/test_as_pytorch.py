"""What a student's code takes for granted, against PyTorch: types, losses' options, optimizers, modules, devices."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from kernels import autodiff

torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install -e '.[peers]'")

BOTH = (autodiff, torch)


def kind(tensor):
    return str(tensor.dtype).removeprefix("torch.")


OPERANDS = {
    "float32": lambda t: t.ones(2),
    "float64": lambda t: t.ones(2, dtype=t.float64),
    "int64": lambda t: t.tensor([1, 2]),
    "one float32": lambda t: t.tensor(2.0),
    "one float64": lambda t: t.tensor(2.0, dtype=t.float64),
    "one int64": lambda t: t.tensor(2),
    "float": lambda t: 2.5,
    "int": lambda t: 3,
    "np.float64": lambda t: np.float64(2.0),
}


@pytest.mark.parametrize("b", OPERANDS)
@pytest.mark.parametrize("a", [name for name in OPERANDS if name not in ("float", "int", "np.float64")])
def test_types_of_results(a, b):
    for operation in (lambda x, y: x + y, lambda x, y: x * y, lambda x, y: x / y):
        mine, yours = (operation(OPERANDS[a](t), OPERANDS[b](t)) for t in BOTH)
        assert kind(mine) == kind(yours)
        np.testing.assert_allclose(mine, yours)


@pytest.mark.parametrize("name", ["exp", "log", "sqrt", "tanh", "sin"])
def test_functions_of_whole_numbers_are_floats(name):
    mine, yours = (getattr(t.tensor([1, 2]), name)() for t in BOTH)
    assert kind(mine) == kind(yours) == "float32"
    np.testing.assert_allclose(mine, yours, rtol=1e-6)


def test_gradients_have_the_type_of_their_tensors():
    for t in BOTH:
        a, b = t.ones(2, requires_grad=True), t.ones(2, dtype=t.float64, requires_grad=True)
        (a * b).sum().backward()
        assert (kind(a.grad), kind(b.grad)) == ("float32", "float64")


def test_infinities_come_without_a_word():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for call in (
            lambda t: t.tensor(100.0).exp(), lambda t: t.tensor(0.0).log(), lambda t: t.ones(2) / t.zeros(2),
            lambda t: t.zeros(2) / t.zeros(2), lambda t: t.tensor(-1.0).sqrt(), lambda t: t.tensor(0.0) ** -1,
        ):  # fmt: skip
            np.testing.assert_array_equal(call(autodiff), call(torch))


H = np.random.default_rng(0).standard_normal((6, 4))
LABELS = [0, 3, 1, 3, 2, 0]


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("ignored", [-100, 3])
@pytest.mark.parametrize("weight", [None, [0.2, 1.0, 3.0, 0.7]])
@pytest.mark.parametrize("name", ["CrossEntropyLoss", "NLLLoss"])
def test_options_of_classification(name, weight, ignored, reduction):
    found = []
    for t in BOTH:
        h = t.tensor(H, requires_grad=True)
        w = None if weight is None else t.tensor(weight, dtype=t.float64)
        labels = t.tensor([-100 if ignored == -100 and i == 2 else y for i, y in enumerate(LABELS)])
        losses = getattr(t.nn, name)(weight=w, ignore_index=ignored, reduction=reduction)(h, labels)
        losses.sum().backward()
        found.append((losses.detach(), h.grad))
    for mine, yours in zip(*found, strict=True):
        np.testing.assert_allclose(mine, yours, rtol=1e-12, atol=1e-15)


def test_no_samples_have_no_mean():
    for t in BOTH:
        assert np.isnan(t.nn.functional.cross_entropy(t.zeros(0, 3), t.zeros(0, dtype=t.int64)).item())


class Deep:
    """The same module in either library: a list of layers, a buffer, leaky rectifiers."""

    def __new__(cls, t):
        class Model(t.nn.Module):
            def __init__(self):
                super().__init__()
                self.register_buffer("scale", t.tensor([1.0, 2.0, 0.5]))
                self.layers = t.nn.ModuleList([t.nn.Linear(3, 4), t.nn.Linear(4, 4)])
                self.layers.append(t.nn.Linear(4, 2, device="cpu"))
                self.between = t.nn.LeakyReLU(0.1, inplace=True)

            def forward(self, x):
                x = x * self.scale
                for layer in self.layers[:-1]:
                    x = self.between(layer(x))
                return self.layers[-1](x)

        return Model()


def test_a_module_of_lists_and_buffers_trains_with_adamw():
    rng, found = np.random.default_rng(3), []
    start = {name: rng.standard_normal(tuple(p.shape)) for name, p in Deep(torch).state_dict().items()}
    X = rng.standard_normal((20, 3))
    for t in BOTH:
        device = t.device("cuda" if t is autodiff and t.cuda.is_available() else "cpu")
        model = Deep(t).double().to(device)
        model.load_state_dict({name: t.tensor(x) for name, x in start.items()})
        optimizer = t.optim.AdamW(model.parameters(), lr=0.05, weight_decay=0.3)
        for _ in range(5):
            optimizer.zero_grad()
            model(t.tensor(X, device=device)).pow(2).mean().backward()
            optimizer.step()
        found.append({name: x.numpy() for name, x in model.state_dict().items()})
    assert list(found[0]) == list(found[1]) or set(found[0]) == set(found[1])
    for name, theirs in found[1].items():
        np.testing.assert_allclose(found[0][name], theirs, atol=1e-12)


def test_a_parameter_is_replaced_by_a_parameter_alone():
    for t in BOTH:
        model = t.nn.Linear(2, 2)
        with pytest.raises(TypeError, match="weight"):
            model.weight = t.ones(2, 2)
        model.weight = t.nn.Parameter(t.ones(2, 2))
        model.bias = None
        assert [name for name, _ in model.named_parameters()] == ["weight"]
        outer = t.nn.Sequential(model)
        with pytest.raises(TypeError):
            setattr(outer, "0", 3)


def test_an_embedding_is_rows_of_its_weight():
    for t in BOTH:
        table = t.nn.Embedding(5, 3)
        table(t.tensor([1, 1, 4])).sum().backward()
        np.testing.assert_array_equal(table.weight.grad.sum(1), [0, 6, 0, 0, 3])


@pytest.mark.parametrize(
    "call",
    [
        lambda t: t.full((2, 2), 3), lambda t: t.full((2,), 1.5), lambda t: t.arange(5), lambda t: t.arange(0, 1, 0.25),
        lambda t: t.argmax(t.tensor([[1.0, 3.0], [5.0, 2.0]]), 1), lambda t: t.tensor([7, -7]) // 2,
        lambda t: t.zeros(2, 3, device="cpu"), lambda t: t.eye(2), lambda t: t.tensor([1.0, 2.0]).cpu(),
        lambda t: t.nn.Softmax(dim=1)(t.tensor([[1.0, 2.0]])), lambda t: t.nn.LogSoftmax(1)(t.tensor([[1.0, 2.0]])),
        lambda t: t.nn.Identity()(t.ones(2)), lambda t: (t.ones(2) > 0) * 2, lambda t: 2 * (t.ones(2) > 0) - 1,
        lambda t: (t.ones(2) > 0) / 2, lambda t: t.tensor([1, 2]) * np.float32(2.5), lambda t: (t.ones(2) > 0) & (t.zeros(2) > 0),
        lambda t: t.tensor(np.uint8([0, 1, 200])).min(), lambda t: t.tensor(np.uint8([9, 1, 200])).min(0).indices,
        lambda t: t.tensor(np.uint8([0, 1, 200])).sum(), lambda t: t.tensor(np.uint8([0, 1, 200])).sqrt(),
        lambda t: t.tensor([-1, 2]).clamp(min=0), lambda t: t.sigmoid(t.tensor([0, 1])), lambda t: t.max(t.ones(2), t.zeros(2)),
        lambda t: t.ones(2, 3).sum(1, keepdims=True), lambda t: t.ones(2, 3).mean(axis=0), lambda t: t.tensor(3.0).flatten(),
        lambda t: t.nn.Flatten(start_dim=0)(t.ones(2, 3)), lambda t: t.zeros(np.int64(3)), lambda t: t.zeros(0, 3).mean(1),
    ],
)  # fmt: skip
def test_small_things(call):
    mine, yours = call(autodiff), call(torch)
    assert kind(mine) == kind(yours)
    np.testing.assert_allclose(mine, yours, rtol=1e-6)


def test_slopes_at_the_edge():
    for f in (lambda t, x: x.std(), lambda t, x: x.norm(), lambda t, x: t.maximum(x, x.detach()).sum()):
        for values in (np.full(3, 2.0), np.zeros(3)):
            found = []
            for t in BOTH:
                x = t.tensor(values, requires_grad=True)
                f(t, x).backward()
                found.append(np.asarray(x.grad))
            np.testing.assert_allclose(*found, atol=1e-15)


@pytest.fixture
def on_again():
    """Gradients are on for the next test, whatever this one does."""
    yield
    for t in BOTH:
        t.set_grad_enabled(True)


def test_modes_are_set_at_once_within_a_block_and_in_functions(on_again):
    for t in BOTH:
        x = t.ones(2, requires_grad=True)
        t.set_grad_enabled(False)
        assert not (x * 2).requires_grad
        t.set_grad_enabled(True)
        with t.set_grad_enabled(False):
            assert not (x * 2).requires_grad
        assert (x * 2).requires_grad
        for decorator in (lambda t: t.no_grad, lambda t: t.no_grad(), lambda t: t.set_grad_enabled(False)):
            doubled = decorator(t)(lambda x: x * 2)
            assert not doubled(x).requires_grad
            assert not doubled(x).requires_grad
            assert (x * 2).requires_grad


@pytest.mark.parametrize(
    "call",
    [
        lambda t: t.nn.Embedding(5, 2)(t.tensor([-1])), lambda t: t.nn.functional.one_hot(t.tensor([-1]), 3),
        lambda t: t.optim.SGD([{"params": [w := t.ones(2)]}, {"params": [w]}], lr=1), lambda t: t.tensor([1, 2]).requires_grad_(),
        lambda t: t.ones(2).unsqueeze(7), lambda t: t.ones(2).squeeze(5), lambda t: t.nn.LayerNorm(1)(t.ones(2, 4)),
        lambda t: t.ones(2, 2) @ t.tensor([[1, 2], [3, 4]]),
    ],
)  # fmt: skip
def test_both_refuse(call):
    for t in BOTH:
        with pytest.raises((ValueError, IndexError, RuntimeError, TypeError)):
            call(t)


def test_a_module_takes_names_and_a_change_of_all_its_modules():
    def model_of(t):
        class Model(t.nn.Module):
            def __init__(self):
                super().__init__()
                self.inner = t.nn.Linear(2, 2)

            def forward(self, x, scale=1):
                return self.inner(x) * scale

        return Model()

    for t in BOTH:
        seen = []
        model = model_of(t).apply(lambda module, seen=seen: seen.append(type(module).__name__))
        assert seen == ["Linear", "Model"]
        x = t.ones(1, 2)
        np.testing.assert_allclose(model(x, scale=3).detach(), 3 * model(x).detach(), rtol=1e-6)


def test_gradients_are_clipped_together():
    for most in (0.5, 100.0):
        found = []
        for t in BOTH:
            w = [t.tensor(np.full(n, 2.0), requires_grad=True) for n in (2, 3)]
            sum((x**3).sum() for x in w).backward()
            norm = t.nn.utils.clip_grad_norm_(w, most)
            found.append([norm.item(), *[x.grad.tolist() for x in w]])
        mine, yours = found
        for a, b in zip(mine, yours, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-6)
    with pytest.raises(ValueError, match="max_norm: 0; should be above 0"):
        autodiff.nn.utils.clip_grad_norm_(autodiff.ones(1), 0)


@pytest.mark.parametrize("lengths", [[7, 3], [0.7, 0.3]])
def test_a_split_has_every_sample_once(lengths):
    parts = autodiff.utils.data.random_split(autodiff.utils.data.TensorDataset(autodiff.arange(10)), lengths)
    assert [len(part) for part in parts] == [7, 3]
    taken = [int(x) for part in parts for (batch,) in autodiff.utils.data.DataLoader(part, batch_size=4) for x in batch]
    assert sorted(taken) == list(range(10))
    with pytest.raises(ValueError, match=r"lengths: \[7, 4\]; should be 10 together"):
        autodiff.utils.data.random_split(range(10), [7, 4])


def test_draws_have_the_shapes_and_laws_of_pytorchs():
    autodiff.manual_seed(-1)
    assert autodiff.randint(3, (4, 2)).shape == (4, 2)
    assert set(autodiff.randint(1, 3, (200,)).tolist()) == {1, 2}
    weights = autodiff.tensor([[1.0, 0.0, 3.0], [0.0, 1.0, 0.0]])
    drawn = autodiff.multinomial(weights, 4000, replacement=True)
    assert drawn.shape == (2, 4000)
    assert np.bincount(drawn.numpy()[0], minlength=3) / 4000 == pytest.approx([0.25, 0, 0.75], abs=0.03)
    assert sorted(autodiff.multinomial(autodiff.ones(5), 5).tolist()) == [0, 1, 2, 3, 4]
