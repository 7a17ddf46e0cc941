"""Classic tables of regression that come with statsmodels, a real response each: nothing to download.

What their sources print as answers stands in `experiments.claims.tables`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from experiments.data.base import Raw
from experiments.data.builtin import BuiltIn
from kernels.losses import Target

# statsmodels takes over a second to import: it waits inside the functions, so that `--help` does not.


@dataclass(frozen=True, kw_only=True)
class Classic(BuiltIn):
    """Columns `features` of a table of statsmodels.datasets, and its column `target`; `table` is what it is called there."""

    table: ClassVar[str]
    target: ClassVar[str]
    features: ClassVar[tuple[str, ...]]

    @property
    def kind(self) -> Target:
        return Target.REAL

    def _raw(self, seed: int) -> Raw:
        from importlib import import_module

        columns = import_module(f"statsmodels.datasets.{self.table}").load_pandas().data
        X = columns[list(self.features)].to_numpy(np.float64, copy=True)
        return Raw(X, columns[self.target].to_numpy(np.float64, copy=True))


@dataclass(frozen=True, kw_only=True)
class Stackloss(Classic):
    """21 days of a plant that makes nitric acid: ammonia lost, in ‰ of what came in, ×10 (Brownlee 1965, p. 454)."""

    samples = 21
    table = "stackloss"
    target = "STACKLOSS"
    features = ("AIRFLOW", "WATERTEMP", "ACIDCONC")


@dataclass(frozen=True, kw_only=True)
class Engel(Classic):
    """235 Belgian households of 1857: francs spent on food, by income (Koenker, Bassett 1982, doi:10.2307/1912528)."""

    samples = 235
    table = "engel"
    target = "foodexp"  # statsmodels' own default has the two the other way round
    features = ("income",)


@dataclass(frozen=True, kw_only=True)
class Longley(Classic):
    """16 years of employment in the United States, six columns that nearly depend on each other (doi:10.2307/2283673)."""

    samples = 16
    table = "longley"
    target = "TOTEMP"
    features = ("GNPDEFL", "GNP", "UNEMP", "ARMED", "POP", "YEAR")


@dataclass(frozen=True, kw_only=True)
class CreditCard(Classic):
    """72 holders of a credit card: dollars spent with it a month, on average (Greene, Econometric Analysis, 5th ed., F9.1)."""

    samples = 72
    table = "ccard"
    target = "AVGEXP"
    features = ("AGE", "INCOME", "INCOMESQ", "OWNRENT")


@dataclass(frozen=True, kw_only=True)
class StateCrime(Classic):
    """The United States of 2009 and the District of Columbia, an outlier with leverage: murders per 100,000 heads."""

    samples = 51
    table = "statecrime"
    target = "murder"
    features = ("urban", "poverty", "hs_grad", "single")
