"""robust: runs against least squares' exact theory; claims turn where an error is planted; nonsense is refused before it runs."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import pytest

from experiments.claims import robust as claims_robust
from experiments.fitting import many
from experiments.robust import Robust, advantage, measured, ratio_to
from experiments.theory.population import small_sample
from harness.contract import LeftOut
from harness.report.verdicts import judge
from kernels import losses, noises

BASE = Robust(loss=losses.Squared(), noise=noises.Gaussian(), samples=40, features=2, fits=300)
EMPTY = pd.DataFrame(columns=["run_id", "metric", "step", "value"])
CLAIMS = {claim.id.removeprefix("robust-"): claim for claim in Robust.claims}


def metrics(**changes):
    experiment = dataclasses.replace(BASE, **changes)
    experiment.check()
    (row,) = experiment.run()
    return row.metrics


def test_least_squares_is_as_far_off_as_the_wishart_law_says():
    m = metrics(fits=2000)
    assert m["model/squared_error"] == pytest.approx(small_sample(40, 2), rel=1e-9)
    assert abs(m["train/squared_error"] - small_sample(40, 2)) < 4 * m["train/squared_error_se"]
    assert m["train/error"] ** 2 == pytest.approx(m["train/squared_error"])
    assert m["train/error_low"] < m["train/error"] < m["train/error_high"]
    assert m["train/fits"] == 2000


def test_all_losses_meet_the_same_samples_and_a_seed_is_a_seed():
    one, two = metrics(outliers=0.1), metrics(outliers=0.1)
    assert {k: v for k, v in one.items() if "time" not in k} == {k: v for k, v in two.items() if "time" not in k}
    assert metrics(outliers=0.1, seed=1)["train/error"] != one["train/error"]
    # least squares' shift of the intercept is linear in the outliers' size, on the same samples
    far = metrics(outliers=0.1, outlier_size=1e6)
    assert far["train/error"] / metrics(outliers=0.1, outlier_size=1e5)["train/error"] == pytest.approx(10, rel=1e-3)


def test_pieces_do_not_change_what_is_fitted(monkeypatch):
    whole = metrics(loss=losses.Huber(), fits=20)
    monkeypatch.setattr("experiments.robust.PIECE", 400)
    assert metrics(loss=losses.Huber(), fits=20)["train/error"] == pytest.approx(whole["train/error"], rel=1e-12)


@pytest.mark.parametrize("loss", ["absolute", "huber", "student_t"])
def test_robust_losses_hold_in_y_and_come_out_as_predicted(loss):
    m = metrics(loss=losses.named(loss), outliers=0.1, outlier_size=100.0, samples=200)
    assert m["train/error"] < 0.5 < metrics(outliers=0.1, outlier_size=100.0, samples=200)["train/error"]
    assert m["train/error_ratio"] == pytest.approx(1.0, abs=5 * m["train/error_ratio_se"] + 0.05)


def test_the_noises_own_loss_has_no_rival_and_others_have_it():
    assert "train/advantage" not in metrics(fits=5)
    m = metrics(loss=losses.Absolute(), fits=400)
    assert m["train/advantage"] > 0
    assert m["model/advantage"] == pytest.approx(np.log(np.pi / 2), abs=1e-3)


def test_metrics_of_errors_that_are_known():
    error = np.array([[3.0, 4.0], [0.0, 1.0]])
    m = measured(error, samples=10)
    assert m["train/squared_error"] == 13
    assert m["train/squared_error_se"] == pytest.approx(np.std([25, 1], ddof=1) / np.sqrt(2))
    assert m["train/bias"] == pytest.approx(np.hypot(1.5, 2.5))
    assert m["train/variance"] == 65
    assert ratio_to(26.0, error)["train/error_ratio"] == 0.5
    assert advantage(error, error) == {"train/advantage": 0.0, "train/advantage_se": 0.0}


@pytest.mark.parametrize(("changes", "kind", "message"), [
    ({"noise": noises.Bernoulli()}, ValueError, "noise=bernoulli gives labels 0 or 1; should be one of real numbers"),
    ({"loss": losses.Softmax()}, ValueError, "loss=softmax takes"),
    ({"samples": 4}, ValueError, "samples: 4 of 2 features and an intercept; should be at least 5"),
    ({"outliers": 0.01}, ValueError, "outliers: 0.01 of 40 samples is 0; should be at least one"),
    ({"leverage": 5.0}, LeftOut, "leverage=5 without outliers"),
    ({"basin": "truth"}, LeftOut, "loss=squared is convex, and has one optimum"),
    ({"scale": "mad"}, ValueError, "loss=squared has the same θ̂ for every scale"),
    ({"samples": 10**9, "features": 1000}, ValueError, "samples=1000000000"),
])  # fmt: skip
def test_what_can_not_be_is_refused_in_one_line(changes, kind, message):
    with pytest.raises(kind, match=message) as refused:
        dataclasses.replace(BASE, **changes).check()
    assert "\n" not in str(refused.value)


def outcome(claim, runs):
    evidence = CLAIMS[claim].weigh(runs, EMPTY)
    return None if evidence is None else judge(CLAIMS[claim], evidence, 0.99).outcome


def frame(**columns):
    base = {
        "loss": "huber", "noise": "gaussian", "scale": "none", "basin": "absolute", "outliers": 0.0, "outlier_size": 10.0,
        "leverage": 0.0, "samples": 200, "train/fits": 500.0, "train/error_ratio": 1.0, "train/error_ratio_se": 0.01,
        "train/error": 1.0, "model/error": 1.0,
        "train/squared_error": 1.0, "train/squared_error_se": 0.01, "model/tail_exponent": 0.0, "model/breaking_leverage": 7.2,
        "model/fourth_moment": 1.0,
    }  # fmt: skip
    return pd.DataFrame({**base, **columns}, index=range(max(len(np.atleast_1d(v)) for v in [1, *columns.values()])))


@pytest.mark.parametrize(("ratio", "expected"), [(1.0, "PASS"), (1.4, "FAIL"), (0.6, "FAIL"), (1.2, "INCONCLUSIVE")])
def test_an_error_that_theory_does_not_have_turns_the_verdict(ratio, expected):
    assert outcome("theory", frame(**{"train/error_ratio": [1.0, ratio]})) == expected
    assert outcome("bias", frame(**{"train/error_ratio": [1.0, ratio]})) is None


def test_runs_without_a_variance_are_left_out_and_said():
    runs = frame(**{"train/error_ratio": [1.0, 9.0], "model/fourth_moment": [1.0, np.nan]})
    assert outcome("theory", runs) == "PASS"
    assert "1 run left out, whose squared error has no variance" in CLAIMS["theory"].weigh(runs, EMPTY).conditions


def test_outliers_are_weighed_apart():
    runs = frame(outliers=[0.1, 0.45], **{"train/error_ratio": [1.1, 50.0]})
    assert outcome("theory", runs) is None
    assert outcome("bias", runs) == "PASS"  # near one half it is not asked
    assert outcome("bias", frame(outliers=0.1, **{"train/error_ratio": 2.0})) == "FAIL"


@pytest.mark.parametrize(("measured_log", "predicted", "expected"), [
    (0.3, 0.4, "PASS"), (-0.3, -0.4, "PASS"), (-0.3, 0.4, "FAIL"), (0.01, 0.4, "INCONCLUSIVE"), (0.3, 0.01, None),
])  # fmt: skip
def test_winners_are_who_theory_says(measured_log, predicted, expected):
    runs = frame(**{"train/advantage": measured_log, "train/advantage_se": 0.02, "model/advantage": predicted})
    assert outcome("winner", runs) == expected


def sizes(exponent, **columns):
    size = np.array([100.0, 1000.0])
    return frame(outlier_size=size, outliers=0.1, **{"train/squared_error": (size / 100) ** (2 * exponent)}, **columns)


@pytest.mark.parametrize(("claim", "exponent", "columns", "expected"), [
    ("vertical", 0.0, {}, "PASS"),
    ("vertical", 1.0, {}, "FAIL"),
    ("vertical", 1.0, {"loss": "squared", "model/tail_exponent": 1.0}, "PASS"),
    ("vertical", 0.0, {"loss": "squared", "model/tail_exponent": 1.0}, "FAIL"),
    ("leverage", 1.0, {"leverage": 20.0}, "PASS"),
    ("leverage", 0.0, {"leverage": 20.0}, "FAIL"),
    ("leverage", 0.0, {"leverage": 3.0}, "PASS"),
    ("leverage", 1.0, {"leverage": 3.0}, "FAIL"),
    ("leverage", 1.0, {"leverage": 7.0}, None),  # too near to what breaks
    ("leverage", 1.0, {"leverage": 20.0, "model/tail_exponent": -1.0}, None),
    ("vertical", 1.0, {"leverage": 20.0}, None),
])  # fmt: skip
def test_who_breaks_down_is_read_off_the_growth_of_errors(claim, exponent, columns, expected):
    assert outcome(claim, sizes(exponent, **columns)) == expected


@pytest.mark.parametrize(("bad", "good", "expected"), [(1.0, 0.0, "PASS"), (0.0, 0.0, "FAIL"), (1.0, 1.0, "FAIL")])
def test_both_basins_are_needed(bad, good, expected):
    tail = {"model/tail_exponent": -1.0, "leverage": 20.0}
    runs = pd.concat([sizes(bad, **tail), sizes(good, basin="truth", **tail)], ignore_index=True)
    assert outcome("start", runs) == expected
    assert outcome("start", sizes(bad, **tail)) is None


def test_frames_that_lack_columns_say_nothing():
    for claim in Robust.claims:
        assert claim.weigh(pd.DataFrame({"run_id": ["a"], "loss": ["huber"]}), EMPTY) is None
        assert claim.weigh(frame()[["loss", "outliers", "noise"]], EMPTY) is None
        assert claim.weigh(frame(outliers=0.1)[["loss", "outliers", "outlier_size"]], EMPTY) is None


def test_a_fit_that_is_not_the_optimum_is_seen(monkeypatch):
    """Mutation: least squares in place of every loss fails absolute loss's theory."""
    monkeypatch.setattr(many, "fit", lambda loss, X, y, *rest, fit=many.fit: fit(losses.Squared(), X, y))
    m = metrics(loss=losses.Absolute(), fits=400, samples=200)
    runs = frame(
        **{key: m[key] for key in ("train/error_ratio", "train/error_ratio_se", "train/fits", "model/fourth_moment")}
    )
    assert outcome("theory", runs) == "FAIL"
    assert claims_robust.CLOSE[0] > np.sqrt(m["train/error_ratio"])
