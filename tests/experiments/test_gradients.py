"""One gradient in six forms: fifty digits against PyTorch, every form against them, and planted errors that turn verdicts."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import pytest
import scipy.stats
from mpmath import mp
from problems import problem

from experiments import gradients, hypotheses
from experiments.backends.numba import Numba
from experiments.claims.gradients import AUTODIFF, COMPLEX_STEP, ORDER, ROUNDING, SMOOTH, SOFTMAX_BATCH, SOFTMAX_DELTA
from experiments.gradients import Gradients
from experiments.theory import exactly
from harness.contract import WHOLE_RUN
from harness.report.verdicts import judge
from kernels import layouts, losses

SMALL = Gradients(loss=losses.Softmax(), layout=layouts.Rows(), backend=Numba, samples=30, features=6, classes=4)
FORMS = ["kernel", "autodiff", "trace", "one_sided", "central", "complex"]


def run(**changes):
    """What a run finds, as a row of a frame of runs; and what it tabulates."""
    e = dataclasses.replace(SMALL, **changes)
    e.check()
    rows = list(e.run())
    found = {name: value for row in rows if row.step == WHOLE_RUN for name, value in row.metrics.items()}
    setting = {"loss": e.loss.name, "form": e.form, "layout": e.layout.name, "dtype": e.dtype}
    steps = [row.metrics for row in rows if "profile/step" in row.metrics]
    return {**setting, **found}, pd.DataFrame(steps)


def outcome(claim, *runs):
    evidence = claim.weigh(pd.DataFrame([row for row, _ in runs]), pd.DataFrame())
    return None if evidence is None else judge(claim, evidence, 0.99).outcome


@pytest.mark.parametrize("name", losses.ALL)
def test_fifty_digits_are_pytorchs_gradient(name):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install -e '.[peers]'")
    from experiments.backends._torch import total

    p = problem(name, m=20, n=5, k=3)
    theta = torch.tensor(p.theta64, requires_grad=True)
    (total(losses.named(name), torch.from_numpy(p.rows) @ theta, torch.from_numpy(p.y)) / 20).backward()
    entries = list(np.ndindex(*p.theta64.shape))
    truth = exactly.gradient(losses.named(name), p.rows, p.y, p.theta64, entries)
    expected = theta.grad.numpy().ravel()
    np.testing.assert_allclose(truth, expected, atol=1e-13 * np.abs(expected).max())


def test_student_t_is_scipys():
    loss = losses.StudentT(nu=2.5, scale=0.7)
    ours = float(exactly.student_t(loss, [mp.mpf(1.3)], 0.2))
    assert ours == pytest.approx(-scipy.stats.t.logpdf(1.1, 2.5, scale=0.7), rel=1e-14)


@pytest.mark.parametrize("name", losses.ALL)
@pytest.mark.parametrize("layout", layouts.ALL)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("form", ["kernel", "autodiff", "trace", "complex"])
def test_forms_without_differences_are_right_to_rounding(name, layout, dtype, form):
    found, _ = run(loss=losses.named(name), layout=layouts.named(layout), dtype=dtype, form=form)
    assert found["model/error"] <= ROUNDING[dtype]
    assert found["time/gradient_s"] > 0


@pytest.mark.parametrize("form", ["one_sided", "central"])
def test_differences_have_a_best_step(form):
    """Near √ε (∛ε for central ones), where the error is about √ε (∛ε²): a V on logarithmic axes."""
    found, curve = run(form=form)
    power = {"one_sided": 1 / 2, "central": 1 / 3}[form]
    eps = np.finfo(float).eps
    assert 0.01 < found["model/best_step"] / eps**power < 100
    assert eps ** (1 - power) / 300 < found["model/error"] < 100 * eps ** (1 - power)
    assert found["model/order"] == pytest.approx({"one_sided": 1, "central": 2}[form], rel=0.05)
    errors = curve["profile/error"]
    assert errors.iloc[0] > 0.5  # a step that rounding swallows
    assert errors.iloc[-1] > 1e3 * errors.min()


def test_a_complex_step_has_no_other_side():
    _, curve = run(form="complex")
    small = curve[curve["profile/step"] < 1e-8]
    assert (small["profile/error"] < 1e-14).all()


def test_float32_has_a_worse_best_step():
    assert run(form="central", dtype="float32")[0]["model/error"] > 1e3 * run(form="central")[0]["model/error"]


@pytest.mark.parametrize("shape", [(1, 1, 2), (1, 7, 2), (7, 1, 3), (3, 40, 2)])
def test_any_shape(shape):
    m, n, k = shape
    for form in FORMS:
        found, _ = run(form=form, samples=m, features=n, classes=k)
        assert found["model/error"] < 1e-5


def test_the_claims_hold():
    runs = [run(form=form) for form in FORMS]
    for claim in (SOFTMAX_DELTA, SOFTMAX_BATCH, AUTODIFF, COMPLEX_STEP, ORDER):
        assert outcome(claim, *runs) == "PASS"
    assert outcome(COMPLEX_STEP, ({**runs[FORMS.index("one_sided")][0], "form": "complex"}, None)) == "FAIL"
    assert outcome(AUTODIFF, runs[0]) is None
    assert outcome(SOFTMAX_BATCH, runs[1]) is None
    assert outcome(ORDER, *runs[:3]) is None


class Off(Numba):
    """Kernels whose gradient is off by a millionth of a millionth and some."""

    name = "off"

    def value_and_grad(self, X, y, theta, order=None):
        value, grad = super().value_and_grad(X, y, theta, order)
        return value, grad * (1 + 1e-11)


def test_a_batch_gradient_that_is_off_fails():
    assert outcome(SOFTMAX_BATCH, run(backend=Off)) == "FAIL"


@pytest.mark.parametrize(
    "wrong",
    [
        lambda right: lambda loss, H, y: 2 * right(loss, H, y),
        lambda right: lambda loss, H, y: right(loss, H, y) + 1e-9 * (H * H).sum(),
        lambda right: lambda loss, H, y: right(loss, H[:-1], y[:-1]),
    ],
)
def test_an_objective_with_another_gradient_fails(monkeypatch, wrong):
    monkeypatch.setattr(hypotheses, "mean_loss", wrong(hypotheses.mean_loss))
    assert outcome(AUTODIFF, run(form="autodiff")) == "FAIL"


def test_a_check_that_finds_another_gradient_fails(monkeypatch):
    right = gradients.mean_loss
    monkeypatch.setattr(gradients, "mean_loss", lambda loss, H, y: right(loss, H, y) + 1e-3 * (H.detach() * H).sum())
    assert outcome(AUTODIFF, run(form="autodiff")) == "FAIL"


def test_a_delta_of_another_sign_fails(monkeypatch):
    right = losses.Softmax.deltas
    monkeypatch.setattr(losses.Softmax, "deltas", lambda self, h, y: -right(self, h, y))
    assert outcome(SOFTMAX_DELTA, run()) == "FAIL"


def test_a_one_sided_difference_is_not_of_second_order():
    found, _ = run(form="one_sided")
    assert outcome(ORDER, ({**found, "form": "central"}, None)) == "FAIL"


def test_smooth_losses_are_losses():
    assert {name for names in SMOOTH.values() for name in names} <= set(losses.ALL)


def test_a_loss_without_a_definition_here_is_left_out():
    class Other(losses.Squared):
        name = "other"

    with pytest.raises(ValueError, match=r"loss=other: has no formula in experiments/theory/exactly.py"):
        dataclasses.replace(SMALL, loss=Other()).check()


def test_one_class_decides_nothing():
    with pytest.raises(ValueError, match="classes: 1; should be at least 2, of one class loss=softmax is 0"):
        dataclasses.replace(SMALL, classes=1).check()


def test_every_loss_has_a_definition():
    assert set(exactly.FORMULAS) == set(losses.ALL)
