"""Labels and reliability: runs, their verdicts, and planted errors, in figures and in the losses' δ, that turn them."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pandas as pd
import pytest
import scipy.special
import statsmodels.api as sm
from scipy.special import expit as sigmoid
from sklearn.calibration import calibration_curve

from experiments.data import BreastCancer, Diabetes, Synthetic
from experiments.labels import Labels
from experiments.outcomes import labels as outcomes
from experiments.reliability import Reliability
from harness.report.figures import draw
from harness.report.verdicts import judge
from kernels import losses, noises, stream

BERNOULLI, CATEGORICAL = noises.Bernoulli(), noises.Categorical()
CLAIMS = {claim.id: claim for claim in (*Labels.claims, *Reliability.claims)}
EMPTY = pd.DataFrame(columns=["run_id", "metric", "step", "value"])


CELLS = {
    "logistic": Labels(noise=BERNOULLI, loss=losses.Logistic(), samples=800, features=8, fits=40, test_samples=1000),
    "squared": Labels(noise=BERNOULLI, loss=losses.Squared(), samples=800, features=8, fits=40, test_samples=1000),
    "softmax": Labels(noise=CATEGORICAL, loss=losses.Softmax(), samples=800, features=4, fits=40, test_samples=1000),
    "counts": Labels(
        noise=noises.Multinomial(trials=4), loss=losses.Multinomial(), samples=200, features=4, fits=40, test_samples=1000
    ),
    "flipped": Labels(noise=BERNOULLI, loss=losses.Logistic(), samples=2000, features=8, fits=40, flips=0.3, test_samples=1000),
}  # fmt: skip


def frames(experiments):
    """Runs and history of experiments, as the harness would make them."""
    runs, history = [], []
    for name, e in experiments.items():
        e.check()
        merged = {}
        for row in e.run():
            merged |= row.metrics
            history += [(name, metric, row.step, value) for metric, value in row.metrics.items()]
        keys = {f.name: getattr(e, f.name) for f in dataclasses.fields(e)}
        if isinstance(e, Reliability):
            keys["data"] = e.data.name
        else:
            keys |= {"noise": e.noise.name, "noise.trials": getattr(e.noise, "trials", math.nan)}
        runs.append({"run_id": name, "name": name, **keys, "loss": e.loss.name, **merged})
    return pd.DataFrame(runs), pd.DataFrame(history, columns=["run_id", "metric", "step", "value"])


@pytest.fixture(scope="module")
def measured():
    return frames(CELLS)


def verdict(name, runs, history=EMPTY, confidence=0.99):
    evidence = CLAIMS[name].weigh(runs, history)
    return None if evidence is None else judge(CLAIMS[name], evidence, confidence).outcome


EXACT = {
    "multinomial-one": "model/one_trial_formula_error", "multinomial-many": "model/many_trials_formula_error",
    "softmax-two": "model/two_classes_formula_error", "labels-scores": "train/slope_error",
}  # fmt: skip
NOISY = {
    "labels-excess": ("test/excess_ratio", 0.2), "labels-gain": ("train/gain_ratio", 0.2), "labels-calibrated": ("test/slope", 0.2),
    "labels-regret": ("test/regret", 0.2), "labels-noise-shrinks": ("train/along", 0.2),
    "labels-noise-calibration": ("test/noisy_slope", 0.2), "labels-noise-rule": ("test/regret", 0.5),
    "multinomial-variance": ("train/variance", 0.5),
}  # fmt: skip


@pytest.mark.parametrize("name", EXACT)
def test_what_is_exact_passes_and_a_planted_error_fails(name, measured):
    runs, _ = measured
    assert verdict(name, runs) == "PASS"
    column = EXACT[name]
    planted = runs.copy()
    planted[column] += 1e-4
    assert verdict(name, planted) == "FAIL"


@pytest.mark.parametrize("name", NOISY)
def test_what_is_noisy_does_not_fail_and_a_planted_error_does(name, measured):
    runs, _ = measured
    assert verdict(name, runs) in ("PASS", "INCONCLUSIVE")
    column, share = NOISY[name]
    planted = runs.copy()
    planted[column] *= 1 + 3 * share
    assert verdict(name, planted) == "FAIL"


def test_reliability_is_weighed_bin_by_bin(measured):
    runs, history = measured
    assert verdict("labels-reliability", runs, history) in ("PASS", "INCONCLUSIVE")
    planted = history.copy()
    planted.loc[planted["metric"] == "test/miscalibration", "value"] += 0.2
    assert verdict("labels-reliability", runs, planted) == "FAIL"


def test_cross_entropy_and_error_may_put_two_fits_in_opposite_orders():
    shared = {
        "noise": "bernoulli",
        "features": 5,
        "classes": 3,
        "signal": 2.0,
        "seed": 0,
        "fits": 100,
        "train/freedom": 99.0,
    }
    one = {
        "name": "a",
        "test/excess": 0.05,
        "test/excess_error": 0.001,
        "test/regret": 0.03,
        "test/regret_error": 0.0005,
    }
    other = {
        "name": "b",
        "test/excess": 0.10,
        "test/excess_error": 0.001,
        "test/regret": 0.01,
        "test/regret_error": 0.0005,
    }
    assert verdict("labels-two-orders", pd.DataFrame([one | shared, other | shared])) == "PASS"
    assert (
        verdict("labels-two-orders", pd.DataFrame([one | shared, other | shared | {"test/regret_error": 0.05}]))
        == "INCONCLUSIVE"
    )
    assert verdict("labels-two-orders", pd.DataFrame([one | shared, other | shared | {"test/regret": 0.04}])) is None


@pytest.mark.parametrize("name", CLAIMS)
def test_runs_that_do_not_speak_to_a_claim_decide_nothing(name):
    assert (
        CLAIMS[name].weigh(pd.DataFrame({"run_id": ["a"], "name": ["x"], "loss": ["huber"], "fits": [3]}), EMPTY)
        is None
    )


@pytest.mark.parametrize("name", ["labels-noise-shrinks", "labels-noise-calibration", "labels-noise-rule"])
def test_labels_that_are_wrong_more_often_than_not_shrink_nothing(name, measured):
    runs, history = measured
    flipped = runs[runs["flips"] > 0]
    assert verdict(name, flipped, history) is not None
    assert verdict(name, flipped.assign(**{"model/limit_along": -0.1}), history) is None
    assert verdict(name, flipped.assign(**{"model/limit_along": 1e-16}), history) is None


def test_fits_that_all_came_out_alike_are_no_proof(measured):
    runs, history = measured
    alike = runs.assign(**{"test/regret": 0.0, "test/regret_error": 0.0})
    assert verdict("labels-regret", alike, history) == "INCONCLUSIVE"
    assert verdict("labels-regret", runs.drop(columns="test/regret_error"), history) is None  # one fit has no spread


def test_measured_means_are_where_theory_says(measured):
    """Each within five of its standard errors; α and s are off by the order of 1/n = 1/8 of what they change."""
    runs = measured[0].set_index("name")
    for cell, name in (
        ("logistic", "test/excess"),
        ("softmax", "test/excess"),
        ("counts", "train/variance"),
        ("flipped", "train/along"),
    ):
        row = runs.loc[cell]
        theory = row[f"model/{name.partition('/')[2]}"]
        assert abs(row[name] - theory) <= 5 * row[f"{name}_error"] + 0.02 * theory


def test_a_run_is_the_same_for_the_same_seed_and_another_for_another():
    e = dataclasses.replace(CELLS["softmax"], fits=6, flips=0.1)
    first, again, other = (
        [row.metrics for row in each.run()] for each in (e, dataclasses.replace(e), dataclasses.replace(e, seed=1))
    )
    assert first == again
    assert first != other


def test_separable_fits_are_counted_and_give_no_means():
    e = Labels(noise=CATEGORICAL, loss=losses.Softmax(), samples=15, features=7, fits=2, test_samples=50)
    (row,) = e.run()
    assert row.metrics["train/separable"] == 1
    assert "test/excess" not in row.metrics


def test_figures_are_drawn(measured):
    runs, history = measured
    runs = runs.drop(columns=["test_samples", "fits"])
    mine = runs[runs["noise"] == "bernoulli"]
    tabulated = next(figure for figure in Labels.figures if figure.x == "test/fitted")
    drawn = draw(tabulated, mine[mine["loss"] == "logistic"], history)
    assert drawn is not None
    assert any("theory" in str(trace.hovertemplate) for trace in drawn.data)


@pytest.mark.parametrize(("changes", "said"), [
    ({"noise": noises.Gaussian()}, "labels: there are real numbers; should be labels or counts"),
    ({"noise": CATEGORICAL}, "loss=logistic takes labels 0 or 1, but there are classes.*; use loss=softmax or loss=multinomial"),
    ({"noise": noises.Multinomial()}, "use loss=multinomial"),
    ({"loss": losses.Absolute()}, "loss=absolute: its δ jumps; should be a smooth loss"),
    ({"loss": losses.StudentT()}, "loss=student_t: its δ falls somewhere"),
    ({"samples": 8}, "samples: 8; should be more than the 8 parameters"),
    ({"noise": noises.Multinomial(), "loss": losses.Multinomial(), "flips": 0.1}, "flips: 0.1 with noise=multinomial; should be 0"),
])  # fmt: skip
def test_what_makes_no_sense_is_refused_in_one_line(changes, said):
    with pytest.raises(ValueError, match=said) as refused:
        dataclasses.replace(CELLS["logistic"], **changes).check()
    assert "\n" not in str(refused.value)


# A wrong sign in a δ turns a verdict


class Plain:
    """`Objective` in NumPy, on the δ that the loss states: a changed one needs no compiler."""

    def __init__(self, loss):
        self.loss = loss

    def value_and_grad(self, X, y, theta):
        H = X @ theta
        delta = self.loss.deltas(H, y).reshape(H.shape)
        return float(self.loss.values(H, y).mean()), X.T @ delta / len(X)


def one_hot(h, y):
    return y[:, None] if h.shape[1] == 1 else (np.eye(h.shape[1])[y] if y.ndim == 1 else y)


def z(h, y):
    share = sigmoid(h) if h.shape[1] == 1 else scipy.special.softmax(h, axis=1)
    return share * (y.sum(axis=1, keepdims=True) if y.ndim == 2 else 1)


WRONG = {
    "z + y": lambda h, y: z(h, y) + one_hot(h, y),
    "y − z": lambda h, y: one_hot(h, y) - z(h, y),
    "−z − y": lambda h, y: -z(h, y) - one_hot(h, y),
    "softmax(−h) − y": lambda h, y: z(-h, y) - one_hot(h, y),
}


@pytest.mark.parametrize("wrong", WRONG)
@pytest.mark.parametrize("cell", ["logistic", "softmax", "counts"])
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_a_wrong_sign_in_delta_turns_a_verdict(cell, wrong, monkeypatch):
    for module in ("fitting.newton", "fitting.optimum", "outcomes.truth", "labels"):
        monkeypatch.setattr(f"experiments.{module}.Objective", Plain)
    monkeypatch.setattr("experiments.labels.CHECKED", 1)
    monkeypatch.setattr("experiments.theory.label_limits.NODES", 20)
    monkeypatch.setattr("experiments.fitting.newton.MOST", 10)  # a wrong δ leads nowhere, for as long as it is let
    monkeypatch.setattr("experiments.fitting.optimum.UNTIL_ROUNDING", {"maxiter": 50, "maxfun": 200})
    honest = dataclasses.replace(CELLS[cell], samples=60, features=2, fits=1, test_samples=20)
    kind = type(honest.loss)

    def deltas(self, h, y):
        h, y = np.asarray(h, float), np.asarray(y)
        return WRONG[wrong](h.reshape(len(h), -1), y).reshape(h.shape)

    liar = dataclasses.make_dataclass("Liar", [], bases=(kind,), frozen=True, namespace={"deltas": deltas})()
    honest_runs, _ = frames({"honest": honest})
    assert {verdict(name, honest_runs) for name in EXACT} <= {"PASS", None}
    lying = dataclasses.replace(honest, loss=liar)
    runs, _ = frames({"lying": lying})
    assert "FAIL" in {verdict(name, runs) for name in EXACT}


# Real tables


@pytest.fixture(scope="module")
def tumours():
    data = BreastCancer(standardize=True, bias=True, test_share=0.5)
    return {flips: Reliability(data=data, loss=losses.Softmax(), flips=flips, fits=50) for flips in (0.0, 0.2)}


def test_a_table_that_is_separable_has_no_fit_and_a_few_wrong_labels_give_it_one(tumours):
    runs, history = frames({str(flips): e for flips, e in tumours.items()})
    assert runs["train/separable"].tolist() == [1, 0]
    assert runs["train/doubled"][0] < 1 < runs["train/doubled"][1]
    assert verdict("labels-separable", runs) == "PASS"
    assert verdict("labels-separable", runs.assign(**{"train/doubled": 1.5})) == "FAIL"
    assert runs["train/slope_error"][1] < 1e-9
    drawn = draw(Reliability.figures[0], runs, history)
    bands = [trace for trace in drawn.data if trace.fill == "tonexty"]
    assert len(bands) == 1  # of the run that has a fit, its own intervals


def test_the_reliability_of_a_table_is_that_of_statsmodels_and_scikit_learn(tumours):
    e = tumours[0.2]
    d = e.data.load(0)
    labels = outcomes.lie(d.y.astype(int), 0.2, 2, stream(0, "flips"))
    p = sigmoid(d.X_test @ sm.Logit(labels, d.X).fit(disp=0, tol=1e-12, maxiter=200).params)
    observed, fitted = calibration_curve(d.y_test, p, n_bins=10)
    rows = [row.metrics for row in e.run() if "test/fitted" in row.metrics]
    assert [row["test/fitted"] for row in rows] == pytest.approx(fitted, abs=1e-7)
    assert [row["test/observed"] for row in rows] == pytest.approx(observed, abs=1e-12)
    assert sum(row["test/in_bin"] for row in rows) == len(d.y_test)


@pytest.mark.parametrize(("data", "loss", "said"), [
    (Diabetes(test_share=0.5), losses.Softmax(), "labels: there are real numbers"),
    (BreastCancer(), losses.Logistic(), "data.test_share: 0; should be above 0"),
    (BreastCancer(test_share=0.5), losses.Squared(), "loss=squared: gives no probability of a label"),
    (Synthetic(noise=noises.Multinomial(), test_share=0.5), losses.Multinomial(), "gives no probability of a label"),
])  # fmt: skip
def test_what_has_no_reliability_is_refused_in_one_line(data, loss, said):
    with pytest.raises(ValueError, match=said):
        Reliability(data=data, loss=loss).check()
