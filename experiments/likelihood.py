"""Is each loss −log of its noise's density, up to constants? (notes 2 to 6)"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import scipy.integrate
from numpy.typing import NDArray

from harness.contract import WHOLE_RUN, Bars, Claim, Count, Evidence, Experiment, Figure, Row, Seed, as_table
from kernels import losses, stream
from kernels.losses import Target
from kernels.noises import Noise

Array = NDArray[Any]

ROUNDING = 1e-12
CLASSES = 4
SPREAD = 3.0  # standard deviation of the hypotheses h that are tried against each y
DRAWS = 2000
TOTAL_ERROR = 1e-8  # what the quadrature may miss
SIGMAS = 6.0


def _loss_is_noise(runs: pd.DataFrame, history: pd.DataFrame) -> Evidence | None:
    if "model/own_misfit" not in runs:  # only noises that are no loss's own, such as contaminated
        return None
    own = runs[runs["model/own_misfit"].notna()]
    misfits = [column for column in runs.columns if column.startswith("model/misfit_")]
    table = runs.set_index("noise")[misfits].rename(columns=lambda name: name.removeprefix("model/misfit_"))
    others = own["model/next_misfit"].dropna() if "model/next_misfit" in own else pd.Series(dtype=float)
    nearest = f"; of the losses that are not a noise's own the nearest misses by {others.min():.2g}" * bool(len(others))
    return Evidence(
        quantity="misfit of −log density by the noise's own loss, as h varies: the share that w·ℓ leaves unexplained, w given",
        predicted=0.0,
        samples=own["model/own_misfit"].tolist(),
        accept=(0.0, ROUNDING),
        conditions=f"{own['noise'].nunique()} noises that name a loss{nearest}",
        details=as_table(table.groupby(level=0).max().reset_index(), ".1e"),
    )


@dataclass(frozen=True)
class Likelihood(Experiment):
    """For y drawn from the noise and many h each: is −log p(y | h) = w·ℓ(h, y) + c(y)?

    `model/own_misfit` is the norm of what is left over that of −log p, both without their mean over h, for the loss and
    the factor w that the noise names. `model/misfit_LOSS` is the same for each loss that takes such y, with the w that
    suits it best; `model/next_misfit` the least of those that are not the noise's own.
    A run fails if the density does not sum to 1, or if what the sampler draws is not what the density says.
    """

    noise: Noise
    samples: Count = 200
    hypotheses: Count = 64
    seed: Seed = 0

    claims: ClassVar = (
        Claim(
            "loss-is-noise",
            "each loss is −log of its noise density, up to constants",
            "notes 1, sections 2 to 6",
            _loss_is_noise,
        ),
    )
    figures: ClassVar[tuple[Figure, ...]] = (
        Bars("model/own_misfit", "noise", "Misfit of −log density by the noise's own loss", log_y=True),
    )

    def check(self) -> None:
        if self.hypotheses < 2:
            raise ValueError(f"hypotheses: {self.hypotheses}; should be at least 2, to see what depends on h")
        if self.noise.loss is not None and self.noise.loss not in losses.ALL:
            there = ", ".join(losses.ALL)
            raise ValueError(f"noise={self.noise.name} names the loss {self.noise.loss!r}; should be one of {there}")

    def run(self) -> Iterator[Row]:
        check_distribution(self.noise, stream(self.seed, "draws"))
        width = 1 if self.noise.target.one_logit else CLASSES
        centre = stream(self.seed, "h").standard_normal((self.samples, width))
        y = self.noise.sample(centre if width > 1 else centre[:, 0], stream(self.seed, "noise"))
        away = SPREAD * stream(self.seed, "hypotheses").standard_normal((self.hypotheses, 1, width))
        h = centre + away  # (hypotheses, samples, width)
        surprise = self._centred([-self.noise.log_density(y, each if width > 1 else each[:, 0]) for each in h])
        metrics: dict[str, float] = {}
        others = []
        for name, cls in losses.ALL.items():
            if cls.target is self.noise.target:
                own = self.noise.matched_loss() if name == self.noise.loss else None
                fitted = self._centred([(own[0] if own else cls()).values(each, y) for each in h])
                best = float(np.sum(surprise * fitted) / np.sum(fitted * fitted))
                metrics[f"model/misfit_{name}"] = misfit(surprise, best * fitted)
                if own:
                    metrics["model/own_misfit"] = misfit(surprise, own[1] * fitted)
                else:
                    others.append(metrics[f"model/misfit_{name}"])
        if others:
            metrics["model/next_misfit"] = min(others)
        yield Row(WHOLE_RUN, metrics)

    @staticmethod
    def _centred(by_hypothesis: list[Array]) -> Array:
        values = np.stack(by_hypothesis)
        return np.asarray(values - values.mean(axis=0))


def misfit(surprise: Array, fitted: Array) -> float:
    """‖surprise − fitted‖ / ‖surprise‖."""
    return float(np.linalg.norm(surprise - fitted) / np.linalg.norm(surprise))


def check_distribution(noise: Noise, rng: np.random.Generator) -> None:
    """Raise ValueError if the density does not sum to 1, or if the sampler draws from another one.

    The sampler is held to the mean of −log p, which must be the density's entropy to within `SIGMAS` standard errors.
    """
    h = np.array([0.3]) if noise.target.one_logit else np.array([[0.3, -0.4]])
    drawn = noise.sample(np.repeat(h, DRAWS, axis=0), rng)

    def surprise(y: Array) -> Array:
        return -noise.log_density(y, np.repeat(h, len(y), axis=0))

    total, entropy = (_over_outcomes if noise.target is not Target.REAL else _over_the_line)(drawn, surprise, h)
    if not abs(total - 1) <= TOTAL_ERROR:
        raise ValueError(f"noise={noise.name}: its density sums to {total:.6g}; should be 1")
    surprises = surprise(drawn)
    allowed = SIGMAS * float(np.std(surprises)) / math.sqrt(DRAWS)
    if not abs(float(np.mean(surprises)) - entropy) <= allowed + TOTAL_ERROR:
        raise ValueError(
            f"noise={noise.name}: mean −log p of {DRAWS} draws is {np.mean(surprises):.4g}; should be the density's entropy,"
            f" {entropy:.4g} ± {allowed:.2g}"
        )


def _over_the_line(drawn: Array, surprise: Callable[[Array], Array], h: Array) -> tuple[float, float]:
    """∫p and −∫p log p over all numbers y."""

    def density(y: float) -> float:
        return float(np.exp(-surprise(np.array([y]))[0]))

    def term(y: float) -> float:
        p = density(y)
        return p * float(surprise(np.array([y]))[0]) if p > 0 else 0.0

    total = entropy = 0.0
    for low, high in ((-math.inf, h[0]), (h[0], math.inf)):
        total += scipy.integrate.quad(density, low, high, limit=200)[0]
        entropy += scipy.integrate.quad(term, low, high, limit=200)[0]
    return total, entropy


def _over_outcomes(drawn: Array, surprise: Callable[[Array], Array], h: Array) -> tuple[float, float]:
    """Σp and −Σp log p over all labels, or over all counts of two classes."""
    outcomes: Array = np.arange(2)
    if drawn.ndim == 2:  # counts
        ones = np.arange(drawn[0].sum() + 1)
        outcomes = np.stack([ones, ones[::-1]], axis=1)
    surprises = surprise(outcomes)
    p = np.exp(-surprises)
    return float(p.sum()), float((p * surprises).sum())
