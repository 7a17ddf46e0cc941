"""Is Student's t a Gaussian with random precision, z/√w with w ~ χ²(ν)/ν? Decided by the distribution (notes 5.2)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import special

from harness.contract import (
    WHOLE_RUN,
    Bars,
    Claim,
    Count,
    Curve,
    Evidence,
    Experiment,
    Figure,
    Positive,
    Row,
    Seed,
    as_table,
)
from harness.estimates import distance
from kernels import noises, stream
from kernels.draws import draw, states

# Two distributions are the same for all purposes here if no probability differs by more.
SAME = 0.005
# Where the two are tabulated, in scales.
SHOWN = np.linspace(-6, 6, 121)
GROUPS = 16


def _mixture(runs: pd.DataFrame, history: pd.DataFrame) -> Evidence | None:
    return Evidence(
        quantity="largest difference between any probability of the mixture and of Student's t, from draws of either",
        predicted=0.0,
        samples=[
            distance(row[f"mc/{kind}_distance"], int(row["replicates"]))
            for _, row in runs.iterrows()
            for kind in ("mixture", "formula")
        ],
        accept=(0.0, SAME),
        of="each",
        conditions=f"ν = {', '.join(f'{nu:g}' for nu in runs['nu'].unique())}; the interval holds for any distribution (DKW)",
        details=as_table(
            runs[["nu", "replicates", "mc/mixture_distance", "mc/formula_distance", "mc/gaussian_distance"]]
        ),
    )


@dataclass(frozen=True)
class Mixture(Experiment):
    """sup |F̂ − F|, F Student's t with `nu` degrees of freedom (by SciPy), F̂ of `replicates` draws.

    `mc/mixture_distance`: of z/√w, z standard normal and w ~ Gamma(ν/2, ν/2), both by NumPy's generators;
    `mc/formula_distance`: of the noise's own formula, as kernels draw by it; `mc/gaussian_distance`: of z alone, to see
    what a difference looks like.
    """

    nu: Positive = 3.0
    replicates: Count = 1_000_000
    seed: Seed = 0

    claims: ClassVar = (
        Claim("t-mixture", "Student's t is a Gaussian with random variance", "notes 1, section 5.2", _mixture),
    )
    foremost: ClassVar[tuple[str, ...]] = ("mc/mixture_distance", "mc/formula_distance", "mc/gaussian_distance")
    figures: ClassVar[tuple[Figure, ...]] = (
        Curve(
            "profile/mixture_density", "Gaussians of random variance, and Student's t (dotted)", x="profile/residual",
            by=("nu",), theory="profile/density", log_y=True,
        ),
        Bars("mc/mixture_distance", "nu", "Largest difference of a probability, mixture against Student's t"),
    )  # fmt: skip

    def run(self) -> Iterator[Row]:
        noise = noises.StudentT(nu=self.nu)
        rng = stream(self.seed, "mixture")
        z = rng.standard_normal(self.replicates)
        with np.errstate(divide="ignore"):  # a precision that is 0 to rounding
            mixed = z / np.sqrt(rng.gamma(self.nu / 2, 2 / self.nu, self.replicates))
        drawn = np.empty((GROUPS, -(-self.replicates // GROUPS)))
        draw(noise, states(GROUPS, self.seed, "mixture", "formula"), drawn)
        density = np.exp(noise.log_density(SHOWN, np.zeros_like(SHOWN)))
        width = SHOWN[1] - SHOWN[0]
        edges = np.append(SHOWN - width / 2, SHOWN[-1] + width / 2)
        shares = np.histogram(mixed, edges)[0] / (self.replicates * width)
        for step, (residual, share, truth) in enumerate(zip(SHOWN, shares, density, strict=True)):
            yield Row(
                step,
                {"profile/residual": residual, "profile/mixture_density": share or np.nan, "profile/density": truth},
            )
        yield Row(
            WHOLE_RUN,
            {
                "mc/mixture_distance": self._distance(mixed),
                "mc/formula_distance": self._distance(drawn.ravel()[: self.replicates]),
                "mc/gaussian_distance": self._distance(z),
            },
        )

    def _distance(self, sample: NDArray[np.float64]) -> float:
        """sup |F̂ − F|, Kolmogorov's distance."""
        F = special.stdtr(self.nu, np.sort(sample))
        count = np.arange(1, len(F) + 1)
        return float(max(np.max(count / len(F) - F), np.max(F - (count - 1) / len(F))))
