"""What every source shares: split, standardising, the column of ones, finite numbers, one read-only copy."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

from experiments.data import BreastCancer, Data, Digits, Raw
from kernels.losses import Target


@dataclass(frozen=True, kw_only=True)
class Given(Data):
    """Samples from the test itself."""

    X: np.ndarray = field(compare=False)
    y: np.ndarray | None = field(default=None, compare=False)
    target: Target = Target.REAL
    tag: int = 0

    @property
    def kind(self):
        return self.target

    def stamp(self):
        return str(id(self))

    def _raw(self, seed):
        y = np.arange(len(self.X)) if self.y is None else self.y
        return Raw(np.array(self.X, float), y, 1 if y.ndim == 1 else y.shape[1])


def numbered(m, n=2):
    """X whose first feature is the sample's number, as y is."""
    return np.column_stack([np.arange(m)] + [np.random.default_rng(j).normal(size=m) for j in range(1, n)])


@given(st.integers(1, 300), st.floats(0, 0.95), st.integers(0, 2**32))
def test_split_parts_are_a_partition(m, share, seed):
    data = Given(X=numbered(m), test_share=share)
    if np.ceil(share * m) >= m:
        with pytest.raises(ValueError, match="leaves none to train on"):
            data.load(seed)
        return
    loaded = data.load(seed)
    assert len(loaded.X_test) == len(loaded.y_test) == int(np.ceil(share * m))
    assert sorted([*loaded.y, *loaded.y_test]) == list(range(m))
    for X, y in ((loaded.X, loaded.y), (loaded.X_test, loaded.y_test)):
        assert np.array_equal(X[:, 0], y)
        assert np.all(np.diff(y) > 0)  # the order of the samples stays


@pytest.mark.parametrize("share", [0.1, 0.2, 0.25, 1 / 3, 0.5, 0.9])
def test_split_sizes_are_those_of_scikit_learn(share):
    loaded = Digits(test_share=share).load(0)
    train, test = train_test_split(np.arange(1797), test_size=share)
    assert (len(loaded.X), len(loaded.X_test)) == (len(train), len(test))


def test_split_depends_on_the_seed_and_on_nothing_else():
    first, again, other = (Given(X=numbered(50), test_share=0.4, tag=t).load(s) for t, s in ((0, 1), (1, 1), (0, 2)))
    assert np.array_equal(first.y_test, again.y_test)
    assert not np.array_equal(first.y_test, other.y_test)


def test_every_sample_is_as_likely_to_be_set_aside():
    times = np.zeros(10)
    for seed in range(400):
        times[Given(X=numbered(10), test_share=0.3).load(seed).y_test.astype(int)] += 1
    assert np.all(np.abs(times / 400 - 0.3) < 5 * np.sqrt(0.3 * 0.7 / 400))


@pytest.mark.parametrize("share", [0.0, 0.3])
def test_standardizing_is_that_of_scikit_learn_fitted_on_the_training_part(share):
    raw = BreastCancer(test_share=share).load(3)
    loaded = BreastCancer(test_share=share, standardize=True).load(3)
    scaler = StandardScaler().fit(raw.X)
    np.testing.assert_allclose(loaded.X, scaler.transform(raw.X), rtol=1e-9, atol=1e-11)
    if share:
        np.testing.assert_allclose(loaded.X_test, scaler.transform(raw.X_test), rtol=1e-9, atol=1e-11)


numbers = st.floats(-1e150, 1e150, allow_subnormal=False)


@given(hnp.arrays(float, st.tuples(st.integers(1, 20), st.integers(1, 4)), elements=numbers))
def test_standardized_features_have_mean_0_and_variance_1_or_are_0(X):
    loaded = Given(X=X, standardize=True).load(0).X
    for before, after in zip(X.T, loaded.T, strict=True):
        if np.ptp(before) == 0:
            assert not after.any()
        elif np.ptp(before) > 1e-9 * np.abs(before).max():  # else rounding of the input is all there is
            assert abs(after.mean()) < 1e-6
            assert after.std() == pytest.approx(1, rel=1e-6)


def test_a_mean_that_is_huge_beside_the_spread_costs_no_digits():
    noise = np.round(np.random.default_rng(0).normal(size=(1000, 1)), 3)
    loaded = Given(X=noise + 2.0**33, standardize=True).load(0).X
    exact = (noise + 2.0**33) - 2.0**33
    np.testing.assert_allclose(loaded, (exact - exact.mean()) / exact.std(), atol=1e-12)


def test_a_feature_that_is_constant_in_the_training_part_becomes_0_in_both():
    X = np.column_stack([np.full(40, 0.1), np.arange(40.0)])
    aside = Given(X=X, test_share=0.25).load(7).X_test[:, 1].astype(int)
    X[aside, 0] = 5.0
    loaded = Given(X=X, test_share=0.25, standardize=True).load(7)
    assert not loaded.X[:, 0].any()
    assert not loaded.X_test[:, 0].any()
    assert loaded.X_test[:, 1].any()


def test_a_column_of_ones_comes_last_and_stays_one():
    loaded = Given(X=numbered(20), standardize=True, bias=True, test_share=0.2).load(0)
    assert loaded.X.shape == (16, 3)
    assert np.all(loaded.X[:, 2] == 1)
    assert np.all(loaded.X_test[:, 2] == 1)


@pytest.mark.parametrize("settings", [{}, {"bias": True}, {"test_share": 0.5}, {"standardize": True, "bias": True}])
def test_arrays_are_rows_in_c_order_and_read_only(settings):
    loaded = Given(X=np.asfortranarray(numbered(20, 3)), **settings).load(0)
    for array in (loaded.X, loaded.y, loaded.X_test, loaded.y_test):
        assert array.flags.c_contiguous
        with pytest.raises(ValueError, match="read-only"):
            array[...] = 0
    assert loaded.X.dtype == loaded.X_test.dtype == np.float64
    assert loaded.X_test.shape[1] == loaded.X.shape[1]


@pytest.mark.parametrize(
    ("target", "y", "dtype"),
    [
        (Target.REAL, np.arange(6, dtype=np.int32), np.float64),
        (Target.BINARY, np.arange(6) % 2, np.float64),
        (Target.CLASS, np.arange(6, dtype=np.uint8), np.int64),
        (Target.COUNTS, np.ones((6, 3), int), np.float64),
    ],
)
def test_targets_have_the_type_that_the_losses_take(target, y, dtype):
    loaded = Given(X=numbered(6), y=y, target=target).load(0)
    assert loaded.y.dtype == loaded.y_test.dtype == dtype
    assert loaded.y.shape == y.shape
    assert loaded.y_test.shape == (0, *y.shape[1:])
    assert loaded.target is target


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_numbers_that_are_none_are_refused_by_place(bad):
    X, y = numbered(5), np.arange(5.0)
    X[3, 1] = bad
    with pytest.raises(ValueError, match=rf"^X: {bad} at \[3, 1\]; should be finite$"):
        Given(X=X).load(0)
    with pytest.raises(ValueError, match=r"^X: nan at "):
        Given(X=X, standardize=True).load(0)
    y[2] = bad
    with pytest.raises(ValueError, match=rf"^y: {bad} at \[2\]; should be finite$"):
        Given(X=numbered(5), y=y).load(0)


def test_a_sum_that_overflows_is_no_bad_number():
    assert Given(X=np.full((4, 1), 1e308)).load(0).X.max() == 1e308


def test_jobs_share_what_is_loaded_and_seeds_count_only_where_they_matter():
    assert Digits().load(0) is Digits().load(1)
    assert Digits(test_share=0.5).load(0) is Digits(test_share=0.5).load(0)
    assert Digits(test_share=0.5).load(0) is not Digits(test_share=0.5).load(1)
    assert Digits().load(0) is not Digits(bias=True).load(0)


def test_a_source_without_its_own_answers_says_so():
    for question in (lambda: Data().kind, lambda: Data().load(0)):
        with pytest.raises(NotImplementedError, match=r"^Data "):
            question()
