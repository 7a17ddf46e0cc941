"""Data sources, one file a kind: `Synthetic`, the built-in `Digits BreastCancer Diabetes`, `Mnist`, your own `Table`,
and the classics of regression `CreditCard Engel Longley Stackloss StateCrime`.

>>> from experiments.data import Digits
>>> data = Digits(test_share=0.25).load(seed=0)
>>> data.X.shape, data.X_test.shape, data.target.name
((1347, 64), (450, 64), 'CLASS')
"""

from __future__ import annotations

from experiments.data.base import Data, Dataset, Raw
from experiments.data.builtin import BreastCancer, Diabetes, Digits
from experiments.data.classics import CreditCard, Engel, Longley, Stackloss, StateCrime
from experiments.data.mnist import Mnist
from experiments.data.synthetic import Synthetic
from experiments.data.table import Table

__all__ = [
    "BreastCancer", "CreditCard", "Data", "Dataset", "Diabetes", "Digits", "Engel", "Longley", "Mnist", "Raw",
    "Stackloss", "StateCrime", "Synthetic", "Table",
]  # fmt: skip
