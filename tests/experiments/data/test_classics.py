"""The classics of regression: their columns, and the answer that a table of the literature starts from."""

from __future__ import annotations

import importlib

import numpy as np
import pytest

from experiments.data import CreditCard, Engel, Longley, Stackloss, StateCrime
from experiments.data.classics import Classic
from kernels.losses import Target

CLASSICS = [Stackloss, Engel, Longley, CreditCard, StateCrime]


@pytest.mark.parametrize("cls", CLASSICS)
def test_a_classic_is_its_columns_in_their_order(cls):
    frame = importlib.import_module(f"statsmodels.datasets.{cls.table}").load_pandas().data
    data = cls(bias=True).load(0)
    assert data.X.shape == (cls.samples, len(cls.features) + 1)
    for j, name in enumerate(cls.features):
        assert np.array_equal(data.X[:, j], frame[name])
    assert np.array_equal(data.y, frame[cls.target])
    assert (data.outputs, data.target) == (1, Target.REAL)
    assert (data.X[:, -1] == 1).all()


def test_every_classic_is_tested():
    assert set(CLASSICS) == set(Classic.__subclasses__())


@pytest.mark.parametrize(("cls", "means"), [
    (Stackloss, (60.4286, 21.0952, 86.2857, 17.5238)),  # Brownlee: air, water, acid; stack loss
    (Longley, (101.68125, 387698.4375, 3193.3125, 2606.6875, 117424.0, 1954.5, 65317.0)),  # NIST StRD
])  # fmt: skip
def test_means_are_those_of_the_source(cls, means):
    data = cls().load(0)
    np.testing.assert_allclose([*data.X.mean(axis=0), data.y.mean()], means, rtol=2e-6)  # as many digits as are printed


def test_engel_spends_less_than_everything_on_food():
    data = Engel().load(0)  # statsmodels' default takes income for the response
    assert (data.y < data.X[:, 0]).all()


def test_checks_need_no_statsmodels(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "statsmodels.datasets.stackloss", None)
    Stackloss(test_share=0.5).check()
    with pytest.raises(ValueError, match="leaves none to train on"):
        Stackloss(test_share=0.99).check()
