"""Synthetic samples: the truth is found again, X is as ill-conditioned as asked for, a noise disturbs nothing else."""

from __future__ import annotations

import numpy as np
import pytest

from experiments.data import Synthetic
from kernels import losses, noises
from kernels.losses import Target

QUIET = noises.Gaussian(scale=1e-9)


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("share", [0.0, 0.3])
def test_least_squares_finds_the_truth(bias, share):
    data = Synthetic(noise=QUIET, samples=200, features=6, bias=bias, test_share=share, condition=20).load(4)
    assert data.theta_star.shape == (6 + bias, 1)
    for X, y in ((data.X, data.y), (data.X_test, data.y_test)):
        if len(X):
            np.testing.assert_allclose(np.linalg.lstsq(X, y)[0], data.theta_star[:, 0], atol=1e-7)


@pytest.mark.parametrize("share", [0.0, 0.3])
def test_the_truth_moves_along_when_features_are_standardized(share):
    data = Synthetic(noise=QUIET, samples=200, features=6, bias=True, standardize=True, test_share=share).load(4)
    np.testing.assert_allclose(np.linalg.lstsq(data.X, data.y)[0], data.theta_star[:, 0], atol=1e-7)
    if share:
        np.testing.assert_allclose(data.X_test @ data.theta_star[:, 0], data.y_test, atol=1e-7)


def test_standardizing_leaves_the_hypotheses_of_all_classes_as_they_were():
    noise = noises.Categorical()
    plain, moved = (Synthetic(noise=noise, classes=4, bias=True, standardize=s).load(2) for s in (False, True))
    np.testing.assert_allclose(moved.X @ moved.theta_star, plain.X @ plain.theta_star, atol=1e-12)
    assert np.array_equal(moved.y, plain.y)


def test_there_is_no_truth_where_a_mean_has_nowhere_to_go():
    assert Synthetic(noise=QUIET, standardize=True).load(0).theta_star is None
    assert Synthetic(noise=QUIET, standardize=True, bias=True, samples=1).load(0).theta_star is None


@pytest.mark.parametrize("condition", [1.0, 10.0, 1e4])
def test_condition_number_is_the_one_asked_for(condition):
    X = Synthetic(noise=QUIET, samples=40_000, features=5, condition=condition).load(1).X
    assert np.linalg.cond(X) == pytest.approx(condition, rel=0.05)
    spread = np.linalg.svd(X, compute_uv=False) / np.sqrt(len(X))
    np.testing.assert_allclose(spread, np.geomspace(1, 1 / condition, 5), rtol=0.05)


def test_the_axes_are_rotated():
    X = Synthetic(noise=QUIET, samples=10_000, features=4, condition=100.0).load(0).X
    correlation = np.corrcoef(X.T)[np.triu_indices(4, 1)]
    assert np.max(np.abs(correlation)) > 0.3


@pytest.mark.parametrize("name", noises.ALL)
def test_another_noise_changes_neither_features_nor_truth(name):
    noise = noises.named(name)
    ours = Synthetic(noise=noise, classes=3).load(9)
    k = 3 if noise.target in (Target.CLASS, Target.COUNTS) else 1
    assert ours.outputs == k
    assert ours.target is noise.target
    reference = Synthetic(noise=noises.Categorical() if k == 3 else QUIET, classes=3).load(9)
    assert np.array_equal(ours.X, reference.X)
    assert np.array_equal(ours.theta_star, reference.theta_star)


@pytest.mark.parametrize("name", noises.ALL)
def test_targets_suit_the_matched_loss(name):
    noise = noises.named(name)
    data = Synthetic(noise=noise, samples=50).load(0)
    loss = next(loss for loss in losses.ALL.values() if loss.target is noise.target)()
    h = data.X @ data.theta_star
    assert np.all(np.isfinite(loss.values(h if data.outputs > 1 else h[:, 0], data.y)))


def test_more_samples_begin_with_the_same_ones():
    few, many = (Synthetic(noise=QUIET, samples=m).load(0) for m in (100, 300))
    np.testing.assert_allclose(many.X[:100], few.X, atol=1e-12)
    np.testing.assert_allclose(many.y[:100], few.y, atol=1e-12)


def test_seeds_differ():
    assert not np.array_equal(Synthetic(noise=QUIET).load(0).X, Synthetic(noise=QUIET).load(1).X)


def test_hypotheses_stay_of_order_one():
    spreads = [np.std((d := Synthetic(noise=QUIET, features=n).load(0)).X @ d.theta_star) for n in (2, 30, 500)]
    assert all(0.3 < spread < 3 for spread in spreads)


@pytest.mark.parametrize("noise", [noises.Gaussian(0.5), noises.Laplace(0.5), noises.Contaminated(scale=0.5)])
def test_outliers_are_as_many_and_as_far_off_as_asked_for(noise):
    clean, dirty = (Synthetic(noise=noise, samples=1234, outliers=s, outlier_size=20.0).load(3) for s in (0.0, 0.1))
    off = dirty.y - clean.y
    hit = off != 0
    assert hit.sum() == round(0.1 * 1234)
    np.testing.assert_allclose(np.abs(off[hit]), 10.0)
    assert 0.3 < np.mean(off[hit] > 0) < 0.7
    assert np.array_equal(clean.X, dirty.X)
    assert np.array_equal(clean.theta_star, dirty.theta_star)


@pytest.mark.parametrize("noise", [noises.Bernoulli(), noises.Categorical(), noises.Multinomial()])
def test_labels_have_no_outliers(noise):
    with pytest.raises(ValueError, match=rf"^outliers: 0.1 with {noise.name} noise; should be 0, [^\n]*$"):
        Synthetic(noise=noise, outliers=0.1)


def test_check_is_cheap_and_sees_that_nothing_is_left():
    Synthetic(noise=QUIET, samples=10**8).check()  # nothing is drawn
    with pytest.raises(
        ValueError,
        match=r"^data.samples=1000000000000, data.features=10: X would take 74506 GiB; should fit into [^\n]*$",
    ):
        Synthetic(noise=QUIET, samples=10**12).check()
    with pytest.raises(
        ValueError, match=r"^data.test_share: 0.9 of 4 samples leaves none to train on; should be smaller$"
    ):
        Synthetic(noise=QUIET, samples=4, test_share=0.9).check()


def test_noise_that_overflows_is_refused():
    with np.errstate(all="ignore"), pytest.raises(ValueError, match=r"^y: .*should be finite"):
        Synthetic(noise=noises.StudentT(nu=1e-3)).load(0)
