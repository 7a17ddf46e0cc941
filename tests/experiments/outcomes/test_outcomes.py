"""Labels, and the twins: one likelihood in two guises."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.special
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from experiments.fitting.newton import fit
from experiments.outcomes import labels as outcomes
from experiments.outcomes.truth import Truth, true_theta
from experiments.outcomes.twins import Twin
from kernels import losses, noises

BERNOULLI, CATEGORICAL = noises.Bernoulli(), noises.Categorical()


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
