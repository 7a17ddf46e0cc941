"""The built-in data, against what scikit-learn gives."""

from __future__ import annotations

import numpy as np
import pytest
import sklearn.datasets

from experiments.data import BreastCancer, Diabetes, Digits
from kernels.losses import Target


def test_digits():
    data, source = Digits().load(0), sklearn.datasets.load_digits()
    assert np.array_equal(data.X * 16, source.data)
    assert np.array_equal(data.y, source.target)
    assert (data.X.min(), data.X.max(), data.outputs, data.target, data.name) == (0, 1, 10, Target.CLASS, "digits")


def test_breast_cancer():
    data, source = BreastCancer().load(0), sklearn.datasets.load_breast_cancer()
    assert np.array_equal(data.X, source.data)
    assert np.array_equal(data.y, source.target)
    assert (set(data.y), data.outputs, data.target, data.name) == ({0.0, 1.0}, 1, Target.BINARY, "breast_cancer")


def test_diabetes():
    data, source = Diabetes(standardize=True).load(0), sklearn.datasets.load_diabetes()
    np.testing.assert_allclose(data.X, source.data * np.sqrt(442), atol=1e-9)  # theirs has columns of length 1
    assert np.array_equal(data.y, source.target)
    assert (data.outputs, data.target, data.name) == (1, Target.REAL, "diabetes")


@pytest.mark.parametrize("cls", [Digits, BreastCancer, Diabetes])
def test_check_knows_the_number_of_samples(cls):
    assert cls.samples == len(cls().load(0).X)
    assert cls().stamp() == ""
    cls(test_share=0.5).check()
    with pytest.raises(ValueError, match="leaves none to train on"):
        cls(test_share=0.9999).check()
