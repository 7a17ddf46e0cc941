"""Three small classics that come with scikit-learn: nothing to download."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from experiments.data.base import Data, Raw
from kernels.losses import Target

# scikit-learn takes a second to import: it waits inside the functions, so that `--help` does not.


@dataclass(frozen=True, kw_only=True)
class BuiltIn(Data):
    """Samples shipped inside a library; how many is known without looking."""

    samples: ClassVar[int]

    def check(self) -> None:
        self._test_samples(self.samples)


@dataclass(frozen=True, kw_only=True)
class Digits(BuiltIn):
    """1797 handwritten digits of 8 × 8 pixels between 0 and 1, ten classes (Alpaydin, Kaynak; doi:10.24432/C50P49)."""

    samples = 1797

    @property
    def kind(self) -> Target:
        return Target.CLASS

    def _raw(self, seed: int) -> Raw:
        from sklearn.datasets import load_digits

        pixels, y = load_digits(return_X_y=True)
        return Raw(pixels / 16, y, outputs=10)  # 4 × 4 blocks of black and white: a pixel counts up to 16


@dataclass(frozen=True, kw_only=True)
class BreastCancer(BuiltIn):
    """569 tumours, 30 measurements each, as measured; benign (1) or not (0) (Wolberg et al., doi:10.24432/C5DW2B)."""

    samples = 569

    @property
    def kind(self) -> Target:
        return Target.BINARY

    def _raw(self, seed: int) -> Raw:
        from sklearn.datasets import load_breast_cancer

        return Raw(*load_breast_cancer(return_X_y=True))


@dataclass(frozen=True, kw_only=True)
class Diabetes(BuiltIn):
    """442 patients, 10 measurements each; how far the disease went in a year (Efron, doi:10.1214/009053604000000067).

    As measured: scikit-learn's own scaling looks at all the samples, also at those that a split sets aside.
    """

    samples = 442

    @property
    def kind(self) -> Target:
        return Target.REAL

    def _raw(self, seed: int) -> Raw:
        from sklearn.datasets import load_diabetes

        return Raw(*load_diabetes(return_X_y=True, scaled=False))
