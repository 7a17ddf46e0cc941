"""Samples from a model that is known: h = X θ*, y from a noise around h."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from annotated_types import Ge
from numpy.typing import NDArray

from experiments.data.base import Data, Raw
from experiments.memory import check_fits
from harness.contract import AtLeastOne, Count, Positive, Share
from kernels.losses import Target
from kernels.noises import Noise
from kernels.streams import stream

Classes = Annotated[int, Ge(2)]


@dataclass(frozen=True, kw_only=True)
class Synthetic(Data):
    """X = Z·diag(s)·Rᵀ, Z (m, n) standard normal, R a random rotation, s from 1 to 1/condition; y ~ noise(X θ* + b).

    θ* (n, k) has entries of variance 1/n, so that h stays of order one for any n. k is `classes` for a noise of classes
    or counts, else 1. The intercept b is 0 unless `bias` is set; then it is drawn too, and is `theta_star`'s last row.
    `outliers`: this share of the real responses, rounded, is shifted up or down by `outlier_size` times the noise's
    scale, before the split. The seed's streams "theta", "features", "noise" and "outliers" are apart: another noise
    leaves X and θ* as they were. With `standardize` the `theta_star` is exact if `bias` is set, and None otherwise:
    only the ones could carry the mean that standardising takes off.
    """

    noise: Noise
    samples: Count = 1000
    features: Count = 10
    classes: Classes = 3
    condition: AtLeastOne = 1.0
    outliers: Share = 0.0
    outlier_size: Positive = 10.0

    def __post_init__(self) -> None:
        if self.outliers > 0 and self.noise.target is not Target.REAL:
            raise ValueError(
                f"outliers: {self.outliers} with {self.noise.name} noise; should be 0, only real numbers have outliers"
            )

    @property
    def kind(self) -> Target:
        return self.noise.target

    @property
    def random(self) -> bool:
        return True

    def check(self) -> None:
        self._test_samples(self.samples)
        settings = f"data.samples={self.samples}, data.features={self.features}"
        check_fits(settings, self.samples * self.features * np.dtype(np.float64).itemsize)

    def _raw(self, seed: int) -> Raw:
        k = self.classes if self.kind in (Target.CLASS, Target.COUNTS) else 1
        rng = stream(seed, "theta")
        theta = rng.standard_normal((self.features, k)) / np.sqrt(self.features)
        intercept = rng.standard_normal(k) if self.bias else np.zeros(k)
        X = self._features(stream(seed, "features"))
        h = X @ theta + intercept
        y = self.noise.sample(h[:, 0] if k == 1 else h, stream(seed, "noise"))
        if self.outliers > 0:
            y = self._shifted(y, stream(seed, "outliers"))
        return Raw(X, y, k, theta, intercept)

    def _features(self, rng: np.random.Generator) -> NDArray[np.float64]:
        n = self.features
        Q, upper = np.linalg.qr(rng.standard_normal((n, n)))
        rotation = Q * np.sign(
            np.diag(upper)
        )  # the signs make it uniform over rotations and reflections (Mezzadri 2007)
        spread = np.geomspace(1.0, 1.0 / self.condition, n)
        return np.asarray(rng.standard_normal((self.samples, n)) @ (spread[:, None] * rotation.T))

    def _shifted(self, y: NDArray[Any], rng: np.random.Generator) -> NDArray[Any]:
        """y with its gross outliers, sized in units of the noise's `scale` (1 for a noise without one)."""
        chosen = rng.choice(len(y), round(self.outliers * len(y)), replace=False)
        shifted = y.copy()
        size = self.outlier_size * getattr(self.noise, "scale", 1.0)
        shifted[chosen] += size * rng.choice([-1.0, 1.0], len(chosen))
        return shifted
