"""What a course takes from `nn`, `optim` and files beyond the first network, against PyTorch."""

from __future__ import annotations

import collections
import copy
import io
import pickle

import numpy as np
import pytest

from kernels import autodiff

torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install -e '.[peers]'")

BOTH = (autodiff, torch)
RNG = np.random.default_rng(0)
X, Y = RNG.standard_normal((30, 3)), RNG.standard_normal((30, 2))
START = {name: RNG.standard_normal(shape) for name, shape in (("weight", (2, 3)), ("bias", (2,)))}


def linear(t):
    """The same layer in either library, in float64."""
    layer = t.nn.Linear(3, 2).double()
    layer.load_state_dict({name: t.tensor(value) for name, value in START.items()})
    return layer


def step(t, model, optimizer, rows=slice(None)):
    optimizer.zero_grad()
    loss = t.nn.functional.mse_loss(model(t.tensor(X[rows])), t.tensor(Y[rows]))
    loss.backward()
    optimizer.step()
    return loss.item()


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


@pytest.mark.parametrize(
    "settings",
    [{}, {"lr": 0.02, "alpha": 0.9, "eps": 1e-6, "weight_decay": 0.1}, {"momentum": 0.8}],
    ids=["defaults", "all but momentum", "momentum"],
)
def test_rmsprop_steps_as_pytorchs(settings):
    ends = []
    for t in BOTH:
        model = linear(t)
        optimizer = t.optim.RMSprop(model.parameters(), **settings)
        losses = [step(t, model, optimizer) for _ in range(20)]
        ends.append((losses, model.weight.detach()))
    for mine, yours in zip(*ends, strict=True):
        np.testing.assert_allclose(mine, yours, rtol=1e-10)


SCHEDULES = {
    "StepLR": {"step_size": 3, "gamma": 0.5},
    "MultiStepLR": {"milestones": [2, 5], "gamma": 0.3},
    "ExponentialLR": {"gamma": 0.9},
    "CosineAnnealingLR": {"T_max": 8, "eta_min": 0.01},
    "LambdaLR": {"lr_lambda": lambda epoch: 1 / (1 + epoch)},
}


@pytest.mark.parametrize("name", SCHEDULES)
def test_step_sizes_follow_pytorchs_schedules(name):
    rates = []
    for t in BOTH:
        model = linear(t)
        groups = [{"params": [model.weight]}, {"params": [model.bias], "lr": 0.7}]
        optimizer = t.optim.SGD(groups, lr=0.2)
        scheduler = getattr(t.optim.lr_scheduler, name)(optimizer, **SCHEDULES[name])
        of_epochs = [scheduler.get_last_lr()]
        for _ in range(8):
            step(t, model, optimizer)
            scheduler.step()
            of_epochs.append(scheduler.get_last_lr())
        rates.append(of_epochs)
    np.testing.assert_allclose(*rates, rtol=1e-12)


def test_schedules_take_turns_and_leave_what_is_set_by_hand():
    rates = []
    for t in BOTH:
        optimizer = t.optim.SGD([t.ones(1, requires_grad=True)], lr=0.1)
        both = [t.optim.lr_scheduler.StepLR(optimizer, 2, 0.5), t.optim.lr_scheduler.ExponentialLR(optimizer, 0.9)]
        seen = []
        for epoch in range(7):
            optimizer.step()
            if epoch == 4:
                optimizer.param_groups[0]["lr"] = 1.0
            for scheduler in both:
                scheduler.step()
            seen.append(optimizer.param_groups[0]["lr"])
        later = t.optim.lr_scheduler.ExponentialLR(optimizer, 0.9)
        seen.append(optimizer.param_groups[0]["lr"])
        rates.append([*seen, both[0].state_dict()["last_epoch"], later.last_epoch])
    np.testing.assert_allclose(*rates, rtol=1e-12)


def test_a_schedule_goes_up_again_and_on_from_where_it_was():
    rates = []
    for t in BOTH:
        optimizer = t.optim.SGD([t.ones(1, requires_grad=True)], lr=0.1)
        scheduler = t.optim.lr_scheduler.CosineAnnealingLR(optimizer, 3)
        seen = []
        for epoch in range(14):
            if epoch == 5:
                state = scheduler.state_dict()
                scheduler = t.optim.lr_scheduler.CosineAnnealingLR(optimizer, 3)
                scheduler.load_state_dict(state)
            optimizer.step()
            scheduler.step()
            seen.append(optimizer.param_groups[0]["lr"])
        rates.append(seen)
    np.testing.assert_allclose(*rates, rtol=1e-9, atol=1e-15)


def test_a_function_for_each_group():
    optimizer = autodiff.optim.SGD([{"params": autodiff.ones(1)}, {"params": [autodiff.ones(2)]}], lr=0.1)
    scheduler = autodiff.optim.lr_scheduler.LambdaLR(optimizer, [lambda epoch: 1.0, lambda epoch: 0.5**epoch])
    scheduler.step()
    assert scheduler.get_last_lr() == [0.1, 0.05]
    with pytest.raises(ValueError, match="lr_lambda: 1 functions; should be 2"):
        autodiff.optim.lr_scheduler.LambdaLR(optimizer, [lambda epoch: 1.0])


def test_copies_go_on_alone():
    """Of a model and its optimizer together: with their state, without gradients."""
    ends = []
    for t in BOTH:
        model = linear(t)
        optimizer = t.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
        step(t, model, optimizer)
        other, stepper = copy.deepcopy((model, optimizer))
        assert other.weight.grad is None
        losses = [step(t, other, stepper) for _ in range(3)]
        assert set(stepper.state) == set(other.parameters())
        ends.append([*losses, *other.weight.detach().flatten().tolist()])
    np.testing.assert_allclose(*ends, rtol=1e-10)


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


def test_a_closure_computes_the_loss_for_a_step_even_without_gradients_around_it():
    for t in BOTH:
        model = linear(t)
        optimizer = t.optim.SGD(model.parameters(), lr=0.1)

        def closure(t=t, model=model, optimizer=optimizer):
            optimizer.zero_grad()
            loss = t.nn.functional.mse_loss(model(t.tensor(X)), t.tensor(Y))
            loss.backward()
            return loss

        with t.no_grad():
            first = optimizer.step(closure)
        assert optimizer.step(closure).item() < first.item()


@pytest.mark.parametrize("name", ["SGD", "Adam", "AdamW", "RMSprop"])
def test_a_training_that_was_saved_goes_on_as_if_it_had_not_stopped(name, tmp_path):
    settings = {"lr": 0.05, "weight_decay": 0.01} | ({"momentum": 0.9} if name == "SGD" else {})
    model = linear(autodiff)
    optimizer = getattr(autodiff.optim, name)(model.parameters(), **settings)
    for _ in range(3):
        step(autodiff, model, optimizer)
    kept = {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "epoch": 3}
    autodiff.save(kept, tmp_path / "checkpoint.pt")
    on = [step(autodiff, model, optimizer) for _ in range(3)]
    again = linear(autodiff)
    stepper = getattr(autodiff.optim, name)(again.parameters(), lr=9.0)
    loaded = autodiff.load(tmp_path / "checkpoint.pt")
    again.load_state_dict(loaded["model"])
    stepper.load_state_dict(loaded["optimizer"])
    assert [step(autodiff, again, stepper) for _ in range(3)] == on
    with pytest.raises(ValueError, match=r"state_dict: groups of \[2\] parameters; should be of \[1\]"):
        autodiff.optim.SGD([again.weight]).load_state_dict(loaded["optimizer"])


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


def test_a_generator_gives_the_same_again_and_leaves_the_others_alone():
    draws = autodiff
    draws.manual_seed(1)
    one = draws.Generator().manual_seed(7)
    first = [
        draws.rand(3, generator=one),
        draws.randperm(5, generator=one),
        draws.normal(0.0, 2.0, (4,), generator=one),
    ]
    plain = draws.rand(2)
    draws.manual_seed(1)
    assert draws.rand(2).tolist() == plain.tolist()
    one.manual_seed(7)
    assert draws.rand(3, generator=one).tolist() == first[0].tolist()
    assert draws.randperm(5, generator=one).tolist() == first[1].tolist()
    data = draws.utils.data.TensorDataset(draws.arange(10))
    orders = [
        [x.tolist() for (x,) in draws.utils.data.DataLoader(data, 4, shuffle=True, generator=one.manual_seed(2))]
        for _ in range(2)
    ]
    assert orders[0] == orders[1]
    chances = draws.bernoulli(draws.full((4000,), 0.3)).mean().item()
    assert chances == pytest.approx(0.3, abs=0.03)
    with pytest.raises(ValueError, match="input: should be chances"):
        draws.bernoulli(draws.tensor([2.0]))


def test_a_draw_below_one_is_below_one():
    """In float32 too, where 1 − 2⁻⁵⁴ is 1."""
    autodiff.manual_seed(0)
    assert max(autodiff.rand(3_000_000).max().item() for _ in range(5)) < 1
    assert autodiff.normal(autodiff.zeros(2, dtype=autodiff.float64), 1.0).dtype == autodiff.float64
    assert (
        autodiff.rand(2, generator=autodiff.Generator()).tolist()
        == autodiff.rand(2, generator=autodiff.Generator()).tolist()
    )
    with pytest.raises(ValueError, match="n: -1; should be a whole number"):
        autodiff.randperm(-1)


@pytest.mark.parametrize("kind", [np.uint8, np.int64, np.float32, bool])
def test_orders_are_pytorchs(kind):
    numbers = {np.float32: [3, np.nan, 2, 3], np.int64: [-(2**63), 0, 5, 0], bool: [True, False, True, True]}
    data = np.array(numbers.get(kind, [0, 3, 255, 3]), kind)
    for descending in (False, True):
        mine, yours = (t.sort(t.tensor(data), descending=descending) for t in BOTH)
        np.testing.assert_array_equal(mine.values, yours.values)
        if descending:
            np.testing.assert_array_equal(
                mine.indices, torch.sort(torch.tensor(data), stable=True, descending=True).indices
            )
    if kind is not bool:
        np.testing.assert_array_equal(*(t.topk(t.tensor(data), 2).values for t in BOTH))


def test_what_is_turned_or_repeated_is_in_memory_of_its_own():
    for t in BOTH:
        x = t.tensor([[1.0, 2.0], [3.0, 4.0]])
        turned = x.flip(0, 1), t.flip(x, [1]), x.t().contiguous()
        for made in (*turned, x.repeat(1, 1), x[0].repeat(2, 1), x[:1].expand(2, 2).contiguous()):
            made += 1
        assert x.tolist() == [[1, 2], [3, 4]]
        for dims in ([3], [0, 0]):
            with pytest.raises((IndexError, RuntimeError)):
                t.flip(x, dims)
        assert x.sum(dim=()).item() == x.mean(dim=[]).item() * 4 == 10
        assert t.tensor(3.0).mean(0).item() == 3
        assert t.max(x, np.int64(0).item()).values.tolist() == [3, 4]
        with pytest.raises((IndexError, RuntimeError)):
            t.gather(x, 0, t.tensor([[-1, 0]]))
        with pytest.raises((ValueError, RuntimeError)):
            t.trace(x[0])
        with pytest.raises((ValueError, RuntimeError)):
            t.meshgrid(x[0], x[0], indexing="xyz")
        with pytest.raises((ValueError, RuntimeError)):
            t.nn.functional.gelu(x, approximate="tnah")
        with pytest.raises((ValueError, RuntimeError)):
            t.nn.functional.cross_entropy(x, x.softmax(-1), ignore_index=1)
        assert t.einsum("ij,jk->ik", [x, x]).tolist() == (x @ x).tolist()


def test_numpys_numbers_are_axes_too():
    assert autodiff.tensor([[1.0, 2.0], [3.0, 4.0]]).max(np.int64(0)).values.tolist() == [3, 4]


def test_tensors_like_others():
    like = autodiff.zeros(2, 3, dtype=autodiff.float64)
    assert autodiff.full_like(like, 7).tolist() == [[7] * 3] * 2
    for made in (
        autodiff.full_like(like, 7),
        autodiff.empty_like(like),
        autodiff.rand_like(like),
        autodiff.randn_like(like),
    ):
        assert (made.shape, made.dtype) == (like.shape, like.dtype)
