"""Real tables: published answers, other libraries' optima to 1e-8 in the objective, and how far SGD is from them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm

from experiments.claims.tables import PUBLISHED, unit_in_the_last_place
from experiments.data import BreastCancer, CreditCard, Engel, Longley, Stackloss, StateCrime
from experiments.fitting import referees
from experiments.tables import Tables, optimum, standardized
from harness.report.verdicts import judge
from kernels import losses

DATA = {
    "stackloss": Stackloss,
    "engel": Engel,
    "longley": Longley,
    "credit_card": CreditCard,
    "state_crime": StateCrime,
}
EMPTY = pd.DataFrame(columns=["run_id", "metric", "step", "value"])
ANSWERS, AGREE = Tables.claims
FITS = [
    ("squared", "none"),
    ("absolute", "none"),
    ("huber", "none"),
    ("huber", "mad"),
    ("huber", "proposal2"),
    ("student_t", "likelihood"),
]


@pytest.mark.parametrize("answer", PUBLISHED, ids=lambda a: f"{a.data}-{a.loss}")
def test_the_optimum_is_what_is_published(answer):
    d = DATA[answer.data](bias=True).load(0)
    best, sigma = optimum(losses.named(answer.loss), d.X, d.y, answer.scale)
    for found, printed in zip(best.theta[:, 0] * sigma, answer.theta, strict=True):
        assert abs(found - float(printed)) <= 0.500001 * unit_in_the_last_place(printed)


@pytest.mark.parametrize("name", DATA)
@pytest.mark.parametrize(("loss", "kind"), FITS)
def test_other_libraries_come_to_the_same_objective(name, loss, kind):
    d = DATA[name](bias=True).load(0)
    loss = losses.named(loss)
    best, sigma = optimum(loss, d.X, d.y, kind)
    found = [referee(loss, d.X, d.y, kind, sigma) for referee in referees.ALL.values()]
    theirs = [theta for theta in found if theta is not None]
    assert theirs
    for theta in theirs:
        value = loss.values(d.X @ theta / sigma, d.y / sigma).mean()
        assert value == pytest.approx(best.value, rel=1e-8)
        assert value >= best.value * (1 - 1e-10)


def test_the_scale_is_statsmodels_own():
    d = StateCrime(bias=True).load(0)
    peer = sm.RLM(d.y, d.X, M=sm.robust.norms.HuberT(1.345)).fit(tol=1e-12, maxiter=5000)
    assert optimum(losses.Huber(), d.X, d.y, "mad")[1] == pytest.approx(peer.scale, rel=1e-6)


def run(**changes):
    experiment = Tables(**{"data": Stackloss(bias=True), "loss": losses.Squared(), "epochs": 60, **changes})
    experiment.check()
    rows = list(experiment.run())
    return rows, rows[-1].metrics


def test_a_run_has_residuals_the_way_of_sgd_and_everybodys_gap():
    rows, m = run()
    d = Stackloss(bias=True).load(0)
    residuals = np.array([row.metrics["train/residual"] for row in rows if "train/residual" in row.metrics])
    own = sm.OLS(d.y, d.X).fit().resid
    np.testing.assert_allclose(residuals, np.sort(np.abs(own)) / np.median(np.abs(own)), rtol=1e-9)
    gaps = [row.metrics["train/sgd_gap"] for row in rows if "train/sgd_gap" in row.metrics]
    assert len(gaps) == 60
    assert 0 < gaps[-1] < 0.1 < gaps[0] < 1
    assert m["train/sgd_left"] == gaps[-1]
    assert all(abs(m[f"train/{name}_gap"]) < 1e-12 for name in referees.ALL)
    again = run()[1]
    assert again == m


def test_sgd_that_runs_away_is_said():
    m = run(step_size=1e6, epochs=100)[1]
    assert m["train/diverged"] == 1


def test_standardized_columns_span_the_same():
    d = Engel(bias=True).load(0)
    Z = standardized(d.X)
    np.testing.assert_allclose(Z[:, 0].mean(), 0, atol=1e-12)
    assert (Z[:, 1] == 1).all()
    assert np.linalg.lstsq(d.X, d.y)[1] == pytest.approx(np.linalg.lstsq(Z, d.y)[1], rel=1e-10)
    bare = standardized(d.X[:, :1])  # without ones a shift would leave the span
    np.testing.assert_allclose(bare / bare[0], d.X[:, :1] / d.X[0, 0])


def test_labels_and_scales_that_make_no_sense_are_refused():
    with pytest.raises(ValueError, match="data: targets are labels 0 or 1; should be real numbers, for a regression"):
        Tables(data=BreastCancer(), loss=losses.Squared()).check()
    with pytest.raises(ValueError, match="same θ̂ for every scale; should be none"):
        Tables(data=Stackloss(), loss=losses.Squared(), scale="mad").check()


def answers(change=0.0, **settings):
    answer = PUBLISHED[0]
    theta = {f"train/theta_{j}": [float(t) + change * unit_in_the_last_place(t)] for j, t in enumerate(answer.theta)}
    return pd.DataFrame(
        {
            "data": [answer.data],
            "loss": [answer.loss],
            "scale": [answer.scale],
            "data.bias": ["true"],
            **theta,
            **settings,
        }
    )


def outcome(claim, runs):
    evidence = claim.weigh(runs, EMPTY)
    return None if evidence is None else judge(claim, evidence, 0.99).outcome


@pytest.mark.parametrize(("change", "expected"), [(0.0, "PASS"), (0.49, "PASS"), (0.51, "FAIL"), (-3.0, "FAIL")])
def test_answers_are_held_to_their_last_digit(change, expected):
    assert outcome(ANSWERS, answers(change)) == expected


@pytest.mark.parametrize("settings", [
    {"data.bias": ["false"]}, {"data.standardize": ["true"]}, {"scale": ["mad"]}, {"data": ["diabetes"]},
    {"data.test_share": [0.2]}, {"loss.delta": [2.0]},
])  # fmt: skip
def test_other_settings_do_not_speak_to_what_is_published(settings):
    assert outcome(ANSWERS, answers(5.0, **settings)) is None
    assert outcome(ANSWERS, answers().drop(columns="loss")) is None


@pytest.mark.parametrize(("gap", "expected"), [(1e-9, "PASS"), (2e-8, "FAIL"), (-2e-8, "FAIL")])
def test_a_library_that_disagrees_fails(gap, expected):
    runs = pd.DataFrame(
        {"data": ["a", "b"], "loss": "huber", "scale": "none", "train/scipy_gap": [0.0, gap], "train/sgd_gap": 0.5}
    )
    assert outcome(AGREE, runs) == expected
    assert outcome(AGREE, runs.drop(columns="train/scipy_gap")) is None
