"""Is each loss −log of its noise's density, up to constants? (notes 2 to 6)"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from harness.contract import WHOLE_RUN, Bars, Claim, Count, Evidence, Experiment, Figure, Row, Seed
from kernels import losses, stream
from kernels.noises import Noise

ROUNDING = 1e-12
CLASSES = 4
SPREAD = 3.0  # standard deviation of the hypotheses h that are tried against each y


def _loss_is_noise(runs: pd.DataFrame, history: pd.DataFrame) -> Evidence | None:
    if "model/own_misfit" not in runs:  # only noises that are no loss's own, such as contaminated
        return None
    own = runs[runs["model/own_misfit"].notna()]
    misfits = [column for column in runs.columns if column.startswith("model/misfit_")]
    table = runs.set_index("noise")[misfits].rename(columns=lambda name: name.removeprefix("model/misfit_"))
    return Evidence(
        quantity="misfit of −log density by the noise's own loss: the share that a factor and a term without h leave unexplained",
        predicted=0.0,
        samples=own["model/own_misfit"].tolist(),
        accept=(0.0, ROUNDING),
        conditions=f"{own['noise'].nunique()} noises that name a loss; the losses that are not their own miss by far more",
        details=table.groupby(level=0).max().to_markdown(floatfmt=".1e"),
    )


@dataclass(frozen=True)
class Likelihood(Experiment):
    """For y drawn from the noise and many h each: fit −log p(y | h) by w·ℓ(h, y) + c(y), for every loss that takes such y.

    `model/misfit_LOSS` is the norm of what is left over that of −log p, both without their mean over h: 0 for the loss that
    *is* −log of the density, up to a factor and a term without h. `model/own_misfit` is that of the loss the noise names.
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

    def run(self) -> Iterator[Row]:
        width = 1 if self.noise.target.one_logit else CLASSES
        centre = stream(self.seed, "h").standard_normal((self.samples, width))
        y = self.noise.sample(centre if width > 1 else centre[:, 0], stream(self.seed, "noise"))
        away = SPREAD * stream(self.seed, "hypotheses").standard_normal((self.hypotheses, 1, width))
        h = centre + away  # (hypotheses, samples, width)
        surprise = self._centred([-self.noise.log_density(y, each if width > 1 else each[:, 0]) for each in h])
        metrics: dict[str, float] = {}
        for name, cls in losses.ALL.items():
            if cls.target is self.noise.target:
                own = self.noise.matched_loss()
                loss = own[0] if own and name == self.noise.loss else cls()
                fitted = self._centred([loss.values(each, y) for each in h])
                weight = float(np.sum(surprise * fitted) / np.sum(fitted * fitted))
                misfit = float(np.linalg.norm(surprise - weight * fitted) / np.linalg.norm(surprise))
                metrics[f"model/misfit_{name}"] = misfit
                if name == self.noise.loss:
                    metrics |= {"model/own_misfit": misfit, "model/own_weight": weight}
        yield Row(WHOLE_RUN, metrics)

    @staticmethod
    def _centred(by_hypothesis: list[NDArray[np.float64]]) -> NDArray[np.float64]:
        values = np.stack(by_hypothesis)
        return np.asarray(values - values.mean(axis=0))
