"""pulse: residuals against PyTorch and by hand, orders against the closed form, claims under planted errors."""

from __future__ import annotations

import dataclasses
import math
from typing import get_args

import numpy as np
import pandas as pd
import pytest
import sympy

from experiments import pulse as module
from experiments.claims import pulse as claims
from experiments.pulse import Pulse
from experiments.theory import waves
from experiments.theory.waves import Motion, s
from harness.contract import WHOLE_RUN
from harness.report.verdicts import judge

EMPTY = pd.DataFrame(columns=["run_id", "metric", "step", "value"])
PLAIN = Pulse(points=300)
SHAPES = ("lorentzian", "gaussian", "sech2", "packet", "any")
MOTIONS = get_args(Motion)
NO_WAVES = tuple(motion for motion in MOTIONS if motion not in waves.SOLUTIONS)


def rows(experiment):
    experiment.check()
    experiment.warm_up()
    return list(experiment.run())


def whole(**changes):
    [last] = [row for row in rows(dataclasses.replace(PLAIN, **changes)) if "model/residual" in row.metrics]
    assert last.step == WHOLE_RUN
    return dict(last.metrics)


def frame(points):
    return pd.DataFrame([{"points": 300, **point, **whole(**point)} for point in points])


def outcome(claim, runs):
    evidence = claim.weigh(runs, EMPTY)
    return None if evidence is None else judge(claim, evidence, 0.99).outcome


@pytest.fixture(scope="module")
def some():
    """Every shape and every motion, but not each pair of them."""
    pairs = [(shape, "steady") for shape in SHAPES] + [("lorentzian", motion) for motion in MOTIONS[1:]]
    return frame([{"shape": shape, "motion": motion} for shape, motion in [*pairs, ("any", "dalembert")]])


def test_every_claim_passes(some):
    assert {claim.id: outcome(claim, some) for claim in Pulse.claims} == dict.fromkeys(
        ["wave-pulse", "wave-general", "wave-frame", "wave-not", "wave-differences"], "PASS"
    )


@pytest.mark.parametrize("motion", MOTIONS)
def test_what_is_no_wave_is_found_out(some, motion):
    found = some[(some["shape"] == "lorentzian") & (some["motion"] == motion)].iloc[0]
    if motion in waves.SOLUTIONS:
        assert found["model/symbolic_residual"] == found["model/predicted_residual"] == 0
        assert found["model/residual"] < 1e-13
    else:
        assert found["model/symbolic_residual"] > 0
        assert found["model/residual"] > 1e-2
        assert found["model/frame_drift"] > 1e-2


@pytest.mark.parametrize("motion", MOTIONS)
def test_the_residual_is_pytorchs(motion):
    torch = pytest.importorskip("torch")
    experiment = dataclasses.replace(PLAIN, motion=motion, speed=1.7)
    at, times = (torch.tensor(each, requires_grad=True) for each in experiment._at)
    v = 1.7

    def f(place):
        return 3 / (10 * place**2 + 1)

    def push(place):
        return torch.tanh(math.sqrt(10) * place)

    right, left = at - v * times, at + v * times
    psi = {
        "steady": lambda: f(right),
        "backward": lambda: f(left),
        "dalembert": lambda: (f(right) + f(left) + push(left) - push(right)) / 2,
        "accelerated": lambda: f(at - v * times**2),
        "damped": lambda: torch.exp(-times) * f(right),
        "slower": lambda: f(at - v * times / 2),
    }[motion]()

    def second(by):
        (first,) = torch.autograd.grad(psi.sum(), by, create_graph=True)
        return torch.autograd.grad(first.sum(), by, retain_graph=True)[0].numpy()

    tt, xx = second(times), second(at)
    expected = np.abs(tt - v**2 * xx).max() / np.abs(tt).max()
    found = whole(motion=motion, speed=1.7)
    assert found["model/residual"] == pytest.approx(expected, rel=1e-10, abs=1e-13)
    assert found["model/predicted_residual"] == pytest.approx(expected, rel=1e-10, abs=1e-13)


def test_a_slip_in_the_pulse_is_no_solution_any_more(monkeypatch):
    """The claim fails if the motion's formula is wrong by as little as a factor of the speed."""
    monkeypatch.setitem(waves.PLACES, "steady", waves.x - sympy.Rational(1001, 1000) * waves.v * waves.t)
    runs = frame([{"shape": "lorentzian", "motion": "steady"}])
    assert outcome(claims.PULSE, runs) == "FAIL"
    assert outcome(claims.FRAME, runs) == "FAIL"


def test_a_derivative_that_is_nothing_does_not_pass(monkeypatch):
    """0 = v²·0 is no wave: the error of ψ_tt is weighed too."""
    by_tape = Pulse._by_tape

    def nothing(self, at, times):
        tt, xx, more = by_tape(self, at, times)
        return 1e-30 * tt, 1e-30 * xx, more

    monkeypatch.setattr(Pulse, "_by_tape", nothing)
    assert outcome(claims.PULSE, frame([{"shape": "lorentzian", "motion": "steady"}])) == "FAIL"


@pytest.mark.parametrize(
    ("claim", "metric", "value"),
    [
        (claims.PULSE, "model/symbolic_residual", 1.0),
        (claims.PULSE, "model/residual", 1e-12),
        (claims.PULSE, "model/second_error", 1e-12),
        (claims.GENERAL, "model/residual", 1e-12),
        (claims.GENERAL, "model/start_error", 1e-12),
        (claims.FRAME, "model/frame_drift", 1e-6),
        (claims.NO_WAVE, "model/residual", 1e-16),
        (claims.NO_WAVE, "model/symbolic_residual", 0.0),
        (claims.DIFFERENCES, "model/order_x", 1.9),
        (claims.DIFFERENCES, "model/order_t", math.nan),
    ],
)
def test_one_number_turns_the_verdict(some, claim, metric, value):
    assert outcome(claim, some.assign(**{metric: value})) == "FAIL"


def test_the_formulas_of_wrong_motions_would_not_pass_as_right(some):
    """What is no wave, called one."""
    wrong = some[some["motion"] == "damped"].assign(motion="steady", shape="gaussian")
    assert outcome(claims.GENERAL, wrong) == "FAIL"
    right = some[(some["motion"] == "steady") & (some["shape"] == "gaussian")].assign(motion="damped")
    assert outcome(claims.NO_WAVE, right) == "FAIL"


@pytest.mark.parametrize("claim", Pulse.claims, ids=lambda claim: claim.id)
def test_runs_that_do_not_speak_to_a_claim_decide_nothing(claim, some):
    assert claim.weigh(pd.DataFrame({"run_id": ["a"], "motion": ["steady"]}), EMPTY) is None
    others = some[some["motion"].isin(waves.SOLUTIONS) == (claim is claims.NO_WAVE)]
    assert claim.weigh(others, EMPTY) is None


def test_differences_of_a_cosine_err_as_known(monkeypatch):
    """[cos(x + h) − 2cos x + cos(x − h)]/h² = cos x·(2cos h − 2)/h²: the error is that factor's distance from −1, anywhere."""
    monkeypatch.setitem(waves.SHAPES, "gaussian", sympy.cos(s))
    found = pd.DataFrame([row.metrics for row in rows(dataclasses.replace(PLAIN, shape="gaussian", a=1.0))])
    table = found.dropna(subset=["profile/step"])
    h = table["profile/step"].to_numpy()
    large = h > 1e-2
    expected = np.abs((2 * np.cos(h) - 2) / h**2 + 1)
    np.testing.assert_allclose(table["profile/error"][large], expected[large], rtol=1e-6)
    np.testing.assert_allclose(table["profile/predicted_error"][large], h[large] ** 2 / 12, rtol=1e-12)
    assert found["model/order_x"].dropna().item() == pytest.approx(2, abs=0.01)


@pytest.mark.parametrize("motion", ["steady", "damped"])
def test_differences_see_what_autodiff_sees(motion):
    """The residual goes down with h² to rounding, or to what it is."""
    found = pd.DataFrame([row.metrics for row in rows(dataclasses.replace(PLAIN, motion=motion))])
    table = found.dropna(subset=["profile/step"])
    residual = found["model/residual"].dropna().item()
    least = table["profile/residual"].min()
    if motion == "damped":
        middle = table["profile/residual"][table["profile/step"].between(1e-5, 1e-3)]
        np.testing.assert_allclose(middle, residual, rtol=1e-3)
    else:
        assert least < 1e-6
        assert least > residual
    assert len(table) == len(module.STEPS)


def test_any_is_another_for_each_seed():
    assert whole(shape="any") == whole(shape="any")
    assert whole(shape="any")["model/order_x"] != whole(shape="any", seed=1)["model/order_x"]
