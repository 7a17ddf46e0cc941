"""Ways to step, their step sizes and their state, against PyTorch."""

from __future__ import annotations

import copy

import numpy as np
import pytest
from stepped import X, Y, linear, step

from kernels import autodiff

torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install -e '.[peers]'")

BOTH = (autodiff, torch)


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
