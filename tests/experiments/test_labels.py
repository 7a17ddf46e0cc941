"""Losses on labels: statistics against SciPy, statsmodels and scikit-learn; theory against published numbers and other roads to it;
planted errors, in figures and in the losses' δ, that turn verdicts."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pandas as pd
import pytest
import scipy.integrate
import scipy.optimize
import scipy.stats
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.calibration import calibration_curve
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import brier_score_loss

from experiments.data import BreastCancer, Diabetes, Synthetic
from experiments.fitting.newton import fit
from experiments.labels import Labels
from experiments.outcomes import calibration
from experiments.outcomes import labels as outcomes
from experiments.outcomes.controls import controlled
from experiments.outcomes.truth import Truth, true_theta
from experiments.outcomes.twins import Twin
from experiments.reliability import Reliability
from experiments.theory import label_limits, mean_field
from harness.report.figures import draw
from harness.report.verdicts import judge
from kernels import losses, noises, stream

BERNOULLI, CATEGORICAL = noises.Bernoulli(), noises.Categorical()
CLAIMS = {claim.id: claim for claim in (*Labels.claims, *Reliability.claims)}
EMPTY = pd.DataFrame(columns=["run_id", "metric", "step", "value"])


def sigmoid(h):
    return 1 / (1 + np.exp(-h))


def binary(seed=0, m=200, n=3):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((m, n))
    return X, (rng.random(m) < sigmoid(X @ np.linspace(-1, 1.5, n))).astype(float)


def classes(seed=0, m=300, n=3, k=4):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((m, n))
    return X, np.argmax(X @ rng.standard_normal((n, k)) + rng.gumbel(size=(m, k)), axis=1)


# The fits


def test_logistic_fits_are_those_of_statsmodels_and_scikit_learn():
    X, y = binary()
    found = fit(losses.Logistic(), X, y)
    assert found.method == "Newton"
    assert found.theta[:, 0] == pytest.approx(sm.Logit(y, X).fit(disp=0, tol=1e-12).params, abs=1e-8)
    theirs = LogisticRegression(C=math.inf, fit_intercept=False, tol=1e-10, max_iter=1000).fit(X, y)
    assert found.theta[:, 0] == pytest.approx(theirs.coef_[0], abs=1e-5)


def test_softmax_fits_are_those_of_statsmodels():
    X, y = classes()
    theta = fit(losses.Softmax(), X, y, 4).theta
    theirs = sm.MNLogit(y, X).fit(disp=0, method="newton", tol=1e-12, maxiter=100).params
    assert theta[:, 1:] - theta[:, :1] == pytest.approx(np.asarray(theirs), abs=1e-6)


def test_where_a_fit_starts_does_not_matter():
    X, y = binary(1)
    near = np.array([[3.0], [-2.0], [0.5]])
    assert fit(losses.Logistic(), X, y, near=near).theta == pytest.approx(fit(losses.Logistic(), X, y).theta, abs=1e-9)


def test_separable_labels_leave_newton_to_another_and_are_noticed():
    X = np.array([[-2.0], [-1.0], [1.0], [2.0]])
    y = np.array([0.0, 0.0, 1.0, 1.0])
    found = fit(losses.Logistic(), X, y)
    assert found.parted
    assert found.theta[0, 0] > 10
    assert not fit(losses.Logistic(), X, np.array([0.0, 1.0, 0.0, 1.0])).parted


# Calibration


@pytest.mark.parametrize("intercepts", [False, True])
def test_slope_and_intercept_are_those_of_a_logistic_regression_on_the_logit(intercepts):
    X, y = binary(2, 500)
    h = 1.7 * X[:, 0] + 0.4
    slope, shift, error = calibration.recalibrated(np.stack([0 * h, h], 1), np.eye(2)[y.astype(int)], intercepts)
    theirs = sm.Logit(y, np.stack([np.ones(500), h], 1) if intercepts else h[:, None]).fit(disp=0, tol=1e-12)
    assert [*shift[1:], slope] if intercepts else [slope] == pytest.approx(theirs.params, abs=1e-8)
    assert slope == pytest.approx(theirs.params[-1], abs=1e-8)
    assert error == pytest.approx(theirs.bse[-1], rel=1e-6)


def test_slope_of_several_classes_minimises_cross_entropy():
    rng = np.random.default_rng(3)
    H = rng.standard_normal((400, 3)) * 2
    Q = outcomes.softmax(0.6 * H)
    assert calibration.recalibrated(H, Q)[0] == pytest.approx(0.6, abs=1e-10)
    labels = np.eye(3)[rng.integers(0, 3, 400)]
    theirs = scipy.optimize.minimize_scalar(lambda b: outcomes.cross_entropy(labels, b * H).mean(), (-1, 1), tol=1e-12)
    assert calibration.recalibrated(H, labels)[0] == pytest.approx(theirs.x, abs=1e-6)


def test_bins_are_those_of_scikit_learn():
    rng = np.random.default_rng(4)
    p = rng.random(1000)
    y = (rng.random(1000) < p**2).astype(float)
    found = calibration.binned(p, y, 10)
    observed, fitted = calibration_curve(y, p, n_bins=10)
    assert found.observed / found.counts == pytest.approx(observed)
    assert found.fitted / found.counts == pytest.approx(fitted)
    assert found.gap() == pytest.approx(np.sum(found.counts / 1000 * np.abs(observed - fitted)))


def test_a_probability_of_one_is_in_the_last_bin():
    assert calibration.binned(np.array([0.0, 1.0]), np.array([0.0, 1.0]), 5).index.tolist() == [0, 4]


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=2, max_size=60), st.integers(1, 12))
@settings(max_examples=60, deadline=None)
def test_the_parts_of_the_brier_score_are_murphys_and_what_varies_within_bins(pairs, bins):
    p, y = np.array([a for a, _ in pairs]), np.array([float(b) for _, b in pairs])
    parts = calibration.brier(p, y, bins)
    assert parts.score == pytest.approx(brier_score_loss(y, p, pos_label=1))
    place = np.minimum((p * bins).astype(int), bins - 1)
    inside = [(p[place == b], y[place == b]) for b in set(place)]
    within = sum(np.sum((f - f.mean()) ** 2) - 2 * np.sum((f - f.mean()) * (o - o.mean())) for f, o in inside) / len(p)
    assert parts.within == pytest.approx(within, abs=1e-12)  # Stephenson et al.: variance less twice the covariance
    assert min(parts.reliability, parts.resolution, parts.uncertainty) >= 0


def test_the_gap_of_calibrated_probabilities_is_what_the_binomial_law_says():
    p = np.full(20, 0.3)
    drawn = calibration.gap_if_calibrated(p, 10, 4000, np.random.default_rng(5))
    k = np.arange(21)
    expected = np.sum(scipy.stats.binom.pmf(k, 20, 0.3) * np.abs(k / 20 - 0.3))
    assert drawn.mean() == pytest.approx(expected, abs=5 * drawn.std() / math.sqrt(4000))


# Controls


def test_a_controlled_mean_is_a_regressions_intercept():
    rng = np.random.default_rng(6)
    C = rng.standard_normal((50, 2)) * [1.0, 1e-6]
    z = 3 + C @ [0.5, 2e6] + 0.1 * rng.standard_normal(50)
    theirs = sm.OLS(z, sm.add_constant(C)).fit()
    mean, error, freedom = controlled(z, C)
    assert (mean, error, freedom) == pytest.approx((theirs.params[0], theirs.bse[0], 47))
    assert error < 0.1 * z.std() / math.sqrt(50)


def test_controls_that_do_not_vary_are_no_controls():
    z = np.array([1.0, 2.0, 4.0])
    assert controlled(z, np.zeros((3, 2))) == pytest.approx((z.mean(), scipy.stats.sem(z), 2))
    assert math.isnan(controlled(z[:1], np.zeros((1, 2)))[1])


@pytest.mark.parametrize(("noise", "loss", "k"), [
    (BERNOULLI, losses.Logistic(), 1), (CATEGORICAL, losses.Softmax(), 3), (noises.Multinomial(trials=4), losses.Multinomial(), 3),
])  # fmt: skip
def test_controls_are_zero_in_the_mean(noise, loss, k):
    truth = Truth(noise, loss, true_theta(noise, 3, 3, 1.5, 0))
    information = truth.information()
    drawn = np.array([truth.controls(*truth.sample(1, i, 60)[:2], information) for i in range(60)])
    assert np.all(np.abs(drawn.mean(0)) <= 4.5 * scipy.stats.sem(drawn))


# Outcomes


@pytest.mark.parametrize("noise", [BERNOULLI, CATEGORICAL, noises.Multinomial(trials=5)])
def test_probabilities_are_softmax_of_the_logits(noise):
    H = np.random.default_rng(7).standard_normal((20, 1 if noise is BERNOULLI else 3))
    expected = scipy.special.softmax(outcomes.logits(H), axis=1)
    assert outcomes.probabilities(noise, H) == pytest.approx(expected, abs=1e-14)


def test_lies_are_as_many_and_as_even_as_said():
    labels = np.zeros(20_000, np.int64)
    told = outcomes.lie(labels, 0.3, 4, np.random.default_rng(8))
    counts = np.bincount(told, minlength=4)
    assert scipy.stats.chisquare(counts, 20_000 * np.array([0.7, 0.1, 0.1, 0.1])).pvalue > 1e-4
    assert outcomes.lied(np.eye(4)[:1], 0.3)[0] == pytest.approx([0.7, 0.1, 0.1, 0.1])


def test_entropy_knows_that_what_never_happens_says_nothing():
    assert outcomes.entropies(np.array([[0.0, 1.0], [0.5, 0.5]])) == pytest.approx([0.0, math.log(2)])


# Twins: one likelihood in two guises


@given(st.integers(0, 10**6), st.integers(2, 6), st.floats(0, 50))
@settings(max_examples=40, deadline=None)
def test_the_multinomial_with_one_trial_is_the_categorical(seed, k, size):
    rng = np.random.default_rng(seed)
    H, y = size * rng.standard_normal((8, k)), rng.integers(0, k, 8)
    one, many = losses.Softmax(), losses.Multinomial()
    assert many.values(H, np.eye(k)[y]) == pytest.approx(one.values(H, y), rel=1e-13, abs=1e-15)
    assert many.deltas(H, np.eye(k)[y]) == pytest.approx(one.deltas(H, y), rel=1e-13, abs=1e-15)


@pytest.mark.parametrize(("noise", "loss", "kind"), [
    (BERNOULLI, losses.Logistic(), "two_classes"), (CATEGORICAL, losses.Softmax(), "one_trial"),
    (noises.Multinomial(trials=7), losses.Multinomial(), "many_trials"),
])  # fmt: skip
def test_twins_agree_to_rounding(noise, loss, kind):
    truth = Truth(noise, loss, true_theta(noise, 4, 3, 2.0, 0))
    X, y, H = truth.sample(0, 0, 200)
    twin = Twin.of(loss, noise, y)
    errors = twin.compare(loss, noise, X, y, H, fit(loss, X, y, truth.outputs).theta)
    assert errors[f"model/{kind}_formula_error"] <= 1e-13
    assert errors[f"model/{kind}_fit_error"] <= 1e-9


def test_a_loss_that_is_not_the_noises_own_has_no_twin():
    assert Twin.of(losses.Squared(), BERNOULLI, np.zeros(3)) is None
    assert Twin.of(losses.Softmax(), BERNOULLI, np.zeros(3, int)) is None


# Theory: limits


def test_the_limit_under_flipped_labels_solves_the_score_equation():
    truth = Truth(BERNOULLI, losses.Logistic(), true_theta(BERNOULLI, 4, 3, 1.5, 0), flips=0.2)

    def score(c):
        def term(z):
            h = 1.5 * z
            return (sigmoid(c * h) - 0.2 - 0.6 * sigmoid(h)) * h * scipy.stats.norm.pdf(z)

        return scipy.integrate.quad(term, -10, 10, epsabs=1e-13)[0]

    expected = scipy.optimize.brentq(score, 0.01, 1)
    assert truth.limit == pytest.approx(expected * truth.theta, abs=1e-8)
    assert truth.limits.slope(truth.limit) == pytest.approx(1 / expected, abs=1e-7)
    assert truth.limits.slope(truth.limit, 0.2) == pytest.approx(1, abs=1e-7)
    assert truth.limits.rule_regret(truth.limit) == pytest.approx(0, abs=1e-15)


def test_the_limit_of_squares_is_a_regression_on_probabilities():
    truth = Truth(BERNOULLI, losses.Squared(), true_theta(BERNOULLI, 4, 3, 1.5, 0), flips=0.1)
    rise = scipy.integrate.quad(lambda z: 1.5 * z * (sigmoid(1.5 * z) - 0.5) * scipy.stats.norm.pdf(z), -10, 10)[0]
    assert truth.limit == pytest.approx(0.8 * rise / 1.5**2 * truth.theta, abs=1e-8)


def test_the_least_error_and_entropy_are_integrals_over_the_logit():
    limits = label_limits.Limits.of(BERNOULLI, true_theta(BERNOULLI, 3, 3, 2.0, 0))
    normal = scipy.stats.norm.pdf
    error = scipy.integrate.quad(lambda z: sigmoid(-2 * abs(z)) * normal(z), -10, 10, points=[0])[0]
    entropy = scipy.integrate.quad(lambda z: scipy.stats.bernoulli(sigmoid(2 * z)).entropy() * normal(z), -8, 8)[0]
    information = scipy.integrate.quad(lambda z: 4 * z * z * sigmoid(2 * z) * sigmoid(-2 * z) * normal(z), -10, 10)[0]
    assert limits.bayes_error() == pytest.approx(error, abs=1e-9)
    assert limits.entropy() == pytest.approx(float(entropy), abs=1e-6)
    assert limits.slope_information() == pytest.approx(information, abs=1e-8)


def test_the_least_error_of_three_classes_is_that_of_many_draws():
    theta = true_theta(CATEGORICAL, 5, 3, 2.0, 1)
    P = outcomes.softmax(np.random.default_rng(11).standard_normal((300_000, 5)) @ theta)
    limits = label_limits.Limits.of(CATEGORICAL, theta)
    assert limits.bayes_error() == pytest.approx(1 - P.max(1).mean(), abs=4 * scipy.stats.sem(P.max(1)))
    turned = theta[:, [1, 0, 2]]
    wrong = P.max(1) - P[np.arange(len(P)), np.argmax(np.log(P)[:, [1, 0, 2]], axis=1)]
    assert limits.rule_regret(turned) == pytest.approx(wrong.mean(), abs=4 * scipy.stats.sem(wrong))


@pytest.mark.parametrize("dimensions", [1, 2])
def test_nodes_for_kinks_average_over_the_normal_law(dimensions):
    nodes, weights = label_limits.kinked_nodes(dimensions)
    assert weights @ nodes[:, 0] ** 4 == pytest.approx(3, rel=1e-9)
    assert weights @ np.abs(nodes[:, 0]) == pytest.approx(
        math.sqrt(2 / math.pi), rel=1e-10 if dimensions == 1 else 2e-5
    )


@pytest.mark.parametrize("dimensions", [1, 2, 3, 5])
def test_nodes_average_over_the_normal_law(dimensions):
    nodes, weights = label_limits.gaussian_nodes(dimensions)
    exact = dimensions <= 2
    assert weights.sum() == pytest.approx(1)
    assert weights @ nodes == pytest.approx(np.zeros(dimensions), abs=1e-12 if exact else 1e-3)
    assert weights @ nodes[:, 0] ** 4 == pytest.approx(3, rel=1e-10 if exact else 1e-2)
    assert (nodes.T * weights) @ nodes == pytest.approx(np.eye(dimensions), abs=1e-10 if exact else 5e-3)


def test_a_moment_is_the_average_over_all_of_x():
    theta = true_theta(CATEGORICAL, 5, 3, 2.0, 1)
    limits = label_limits.Limits.of(CATEGORICAL, theta)
    W = limits.P[:, :, None] * (np.eye(3) - limits.P[:, None, :])
    X = np.random.default_rng(9).standard_normal((200_000, 5))
    P = outcomes.softmax(X @ theta)
    drawn = np.einsum("mi,mj,m->ij", X, X, P[:, 0] * (1 - P[:, 0]), optimize=True) / len(X)
    assert limits.moment(W).reshape(5, 3, 5, 3)[:, 0, :, 0] == pytest.approx(drawn, abs=5e-3)


# Theory: the mean-field law


def test_the_law_of_logistic_regression_is_that_of_sur_and_candes():
    """Their case κ = 0.2, γ² = 5: α = 1.4994, σ = 4.7436, λ = 3.0269, with s = σ√κ (doi:10.1073/pnas.1810420116)."""
    law = mean_field.law(losses.Logistic(), BERNOULLI, math.sqrt(5), 0.2)
    assert (law.along, law.across / math.sqrt(0.2), law.tightness) == pytest.approx((1.4994, 4.7436, 3.0269), abs=6e-5)


def test_the_law_of_least_squares_is_known_in_closed_form():
    kappa = 0.125
    law = mean_field.law(losses.Squared(), BERNOULLI, 2.0, kappa)
    rise = scipy.integrate.quad(lambda z: 2 * z * (sigmoid(2 * z) - 0.5) * scipy.stats.norm.pdf(z), -10, 10)[0] / 4
    assert law.along == pytest.approx(rise, abs=1e-7)
    assert law.tightness == pytest.approx(kappa / (1 - kappa), rel=1e-6)
    assert law.across**2 == pytest.approx(kappa / (1 - kappa) * (0.25 - 4 * rise**2), rel=1e-6)


def test_with_few_parameters_the_law_is_the_classical_theory():
    kappa = 1e-4
    law = mean_field.law(losses.Logistic(), BERNOULLI, 1.5, kappa)
    weight = scipy.integrate.quad(lambda z: sigmoid(1.5 * z) * sigmoid(-1.5 * z) * scipy.stats.norm.pdf(z), -10, 10)[0]
    assert law.across**2 / kappa == pytest.approx(1 / weight, rel=2e-3)
    assert law.excess() / (kappa / 2) == pytest.approx(1, rel=2e-3)
    own = label_limits.Limits.of(BERNOULLI, np.array([[1.5]])).slope_information()
    assert (1 - law.slope()) / kappa == pytest.approx((1 - label_limits.first_order_slope(1, 1, own)), rel=2e-3)


@pytest.mark.parametrize("flips", [0.0, 0.25])
def test_what_follows_from_the_law_is_what_many_draws_show(flips):
    law = mean_field.Law(BERNOULLI, 2.0, 0.8, 0.7, 1.0)
    rng = np.random.default_rng(10)
    star = 2.0 * rng.standard_normal(300_000)
    fitted = 0.8 * star + 0.7 * rng.standard_normal(star.size)
    P, Q = sigmoid(star), sigmoid(fitted)
    excess = P * np.log(P / Q) + (1 - P) * np.log((1 - P) / (1 - Q))
    assert law.excess() == pytest.approx(excess.mean(), abs=4 * scipy.stats.sem(excess))
    regret = np.abs(2 * P - 1) * ((star > 0) != (fitted > 0))
    assert law.regret() == pytest.approx(regret.mean(), abs=4 * scipy.stats.sem(regret))
    flipped = (1 - 2 * flips) * P + flips
    slope = scipy.optimize.brentq(lambda b: np.mean((sigmoid(b * fitted) - flipped) * fitted), 0.01, 3)
    assert law.slope(flips) == pytest.approx(slope, abs=0.01)
    near = np.abs(Q - 0.7) < 0.005
    assert law.observed(np.array([0.7]), flips)[0] == pytest.approx(flipped[near].mean(), abs=0.01)


@pytest.mark.slow  # κ is approached in steps, each a system of equations: some seconds
def test_where_labels_are_separable_there_is_no_law():
    assert mean_field.law(losses.Logistic(), BERNOULLI, 4.0, 0.6) is None


@given(st.floats(-20, 20), st.floats(1e-3, 50), st.sampled_from([0.0, 1.0]))
@settings(max_examples=50, deadline=None)
def test_the_proximal_map_is_where_its_gradient_vanishes(q, tight, y):
    loss = losses.Logistic()
    p = mean_field.proximal(lambda p: loss.deltas(p, np.array([y])), np.array([q]), tight)
    assert p[0] + tight * (sigmoid(p[0]) - y) == pytest.approx(q, abs=1e-9 * max(1, tight))


# Runs and verdicts

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
