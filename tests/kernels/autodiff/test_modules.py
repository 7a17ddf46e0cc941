"""What a course takes from `nn` and files beyond the first network, against PyTorch."""

from __future__ import annotations

import collections
import copy
import io
import pickle

import numpy as np
import pytest
from stepped import RNG, X, linear

from kernels import autodiff

torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install -e '.[peers]'")

BOTH = (autodiff, torch)


def test_a_batch_norm_learns_the_means_of_its_batches_and_uses_them_later():
    found = []
    for t in BOTH:
        norm = t.nn.BatchNorm1d(3, momentum=0.3).double()
        trained = [norm(t.tensor(X[i : i + 10])) for i in (0, 10, 20)]
        norm.eval()
        found.append([*trained, norm(t.tensor(X)), norm.running_mean, norm.running_var, norm.num_batches_tracked])
        assert list(norm.state_dict()) == ["weight", "bias", "running_mean", "running_var", "num_batches_tracked"]
    for mine, yours in zip(*found, strict=True):
        np.testing.assert_allclose(mine.detach(), yours.detach(), rtol=1e-12, atol=1e-14)


def test_a_batch_norm_says_what_it_takes():
    norm = autodiff.nn.BatchNorm1d(3)
    with pytest.raises(ValueError, match=r"input: shape \(5, 4\); should be \(…, 3\)"):
        norm(autodiff.ones(5, 4))
    with pytest.raises(ValueError, match="should have more than one sample in training"):
        norm(autodiff.ones(1, 3))


def test_what_is_loaded_is_written_where_it_was():
    for t in BOTH:
        model = linear(t)
        watched, x = model.weight.detach(), t.ones(1, 3, dtype=t.float64, requires_grad=True)
        y = model(x).sum()
        model.load_state_dict({name: t.zeros_like(value) for name, value in model.state_dict().items()})
        assert watched.abs().sum().item() == 0
        with pytest.raises(RuntimeError, match=r"in.?place"):
            y.backward()
        model.load_state_dict({"weight": t.ones(2, 3)}, strict=False)
        assert watched.sum().item() == 6


def test_a_module_that_is_used_twice():
    for t in BOTH:
        shared = t.nn.Linear(2, 2)
        model = t.nn.Sequential(shared, t.nn.ReLU(), shared)
        assert [name for name, _ in model.named_modules()] == ["", "0", "1"]
        assert list(model.state_dict()) == ["0.weight", "0.bias", "2.weight", "2.bias"]
        assert len(list(model.parameters())) == 2
        part = t.nn.Sequential(t.nn.Linear(1, 1), t.nn.ReLU(), t.nn.Linear(1, 1))[1:]
        assert list(part.state_dict()) == ["2.weight", "2.bias"]
        for name in ("forward", "a.b", ""):
            with pytest.raises(KeyError):
                t.nn.Sequential(collections.OrderedDict({name: t.nn.ReLU()}))


class Harmful:
    def __reduce__(self):
        return print, ("it ran",)


def test_a_file_of_tensors_runs_nothing(capsys):
    file = io.BytesIO()
    autodiff.save({"x": Harmful()}, file)
    file.seek(0)
    with pytest.raises(pickle.UnpicklingError, match=r"the file names builtins\.print; should hold tensors"):
        autodiff.load(file)
    assert capsys.readouterr().out == ""
    file.seek(0)
    autodiff.load(file, weights_only=False)
    assert capsys.readouterr().out == "it ran\n"


def test_what_was_computed_is_saved_without_its_tape_and_copied_not_at_all():
    for t in BOTH:
        x = t.tensor([1.0, 2.0], requires_grad=True)
        file = io.BytesIO()
        t.save({"loss": (x * x).sum()}, file)
        file.seek(0)
        assert t.load(file)["loss"].item() == 5
        copied = copy.deepcopy(x)
        (copied**2).sum().backward()
        assert x.grad is None
        assert copied.grad.tolist() == [2, 4]
        with pytest.raises(RuntimeError, match="deepcopy"):
            copy.deepcopy(x * x)


def test_layers_by_name():
    for t in BOTH:
        named = [("first", t.nn.Linear(3, 4)), ("bend", t.nn.ReLU()), ("last", t.nn.Linear(4, 2))]
        model = t.nn.Sequential(collections.OrderedDict(named))
        assert [name for name, _ in model.named_modules()] == ["", "first", "bend", "last"]
        assert list(model.state_dict()) == ["first.weight", "first.bias", "last.weight", "last.bias"]
        assert model(t.ones(5, 3)).shape == (5, 2)
        assert len(model) == 3
        layers = t.nn.ModuleDict({"a": t.nn.Linear(1, 1)})
        layers["b"] = t.nn.Sequential(t.nn.Linear(1, 2))
        assert "b" in layers
        assert list(layers) == list(layers.keys()) == ["a", "b"]
        assert [name for name, _ in layers.items()] == ["a", "b"]
        assert len(list(layers.values())) == len(layers) == 2
        assert [name for name, _ in layers.named_parameters()] == ["a.weight", "a.bias", "b.0.weight", "b.0.bias"]


def test_a_layer_that_returns_nothing_is_named():
    class Forgetful(autodiff.nn.Module):
        def forward(self, x):
            x * 2

    model = autodiff.nn.Sequential(autodiff.nn.ReLU(), Forgetful(), autodiff.nn.ReLU())
    with pytest.raises(TypeError, match=r"Sequential: \(1\) Forgetful returned None"):
        model(autodiff.ones(2))
    with pytest.raises(TypeError, match=r"ModuleDict: \(a\) is .*; should be a module, made by a call"):
        autodiff.nn.ModuleDict({"a": autodiff.nn.ReLU})


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("weight", [None, [0.2, 1.0, 3.0]])
def test_labels_are_smoothed_as_by_pytorch(weight, reduction):
    h = RNG.standard_normal((4, 3))
    for target in ([0, 2, -100, 1], np.full((4, 3), 1 / 3)):
        mine, yours = (
            t.nn.CrossEntropyLoss(
                None if weight is None else t.tensor(weight, dtype=t.float64), reduction=reduction, label_smoothing=0.2
            )(t.tensor(h), t.tensor(target))
            for t in BOTH
        )
        np.testing.assert_allclose(mine, yours, rtol=1e-12)
    with pytest.raises(ValueError, match="label_smoothing: 2; should be a share"):
        autodiff.nn.functional.cross_entropy(autodiff.tensor(h), [0, 2, 1, 1], label_smoothing=2)


def test_chances_of_0_and_1_lose_what_they_lose_in_pytorch():
    found, grads = [], []
    for t in BOTH:
        p = t.tensor([0.0, 1.0, 0.3, 0.0], requires_grad=True)
        loss = t.nn.BCELoss(reduction="sum")(p, t.tensor([0.0, 1.0, 1.0, 1.0]))
        loss.backward()
        found.append(loss.item())
        grads.append(p.grad)
    assert found[0] == pytest.approx(found[1])
    np.testing.assert_allclose(*grads)
    for p, y, which in ((1.5, 1.0, "input"), (0.5, -1.0, "target")):
        with pytest.raises(ValueError, match=f"{which}: should be chances"):
            autodiff.nn.BCELoss()(autodiff.tensor([p]), autodiff.tensor([y]))


@pytest.mark.parametrize("name", ["GELU", "SiLU", "ELU"])
def test_activations_print_as_pytorchs(name):
    mine, yours = (getattr(t.nn, name)() for t in BOTH)
    assert repr(mine) == repr(yours)
    np.testing.assert_allclose(mine(autodiff.tensor(X)), yours(torch.tensor(X)), rtol=1e-12, atol=1e-15)
