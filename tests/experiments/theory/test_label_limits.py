"""The limits of many labels, against other roads to them."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.integrate
import scipy.optimize
import scipy.special
import scipy.stats
from scipy.special import expit as sigmoid

from experiments.labels import Labels
from experiments.outcomes import labels as outcomes
from experiments.outcomes.truth import Truth, true_theta
from experiments.theory import label_limits
from kernels import losses, noises

BERNOULLI, CATEGORICAL = noises.Bernoulli(), noises.Categorical()


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


def test_a_fit_to_flipped_labels_is_about_as_sure_of_them_as_to_first_order_in_the_samples():
    """Many fits: the slope that calibrates them for labels flipped alike, against 1 − p/(m·J) at their limit."""
    e = Labels(
        noise=CATEGORICAL, loss=losses.Softmax(), samples=1500, features=5, classes=3, flips=0.3, fits=40, test_samples=4000
    )  # fmt: skip
    (row,) = [r.metrics for r in e.run() if "test/noisy_slope" in r.metrics]
    short = (
        1
        - Truth(CATEGORICAL, losses.Softmax(), true_theta(CATEGORICAL, 5, 3, 2.0, 0), flips=0.3).theory(1500)[
            "noisy_slope"
        ]
    )
    assert 0.03 < short < 0.06
    assert 1 - row["test/noisy_slope"] == pytest.approx(short, rel=0.35)
    assert label_limits.first_order_slope(3, 100, 0.0) == -math.inf
