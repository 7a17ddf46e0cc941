"""Losses on labels: how far fitted probabilities, and the rule they give, are from the truth's (notes 6; 1st and 2nd element)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any, ClassVar

import numpy as np
from annotated_types import Ge
from numpy.typing import NDArray
from scipy import stats
from threadpoolctl import threadpool_limits

from experiments.claims import labels as claims_labels
from experiments.fitting.newton import fit
from experiments.memory import check_fits
from experiments.outcomes.calibration import binned, recalibrated
from experiments.outcomes.controls import controlled
from experiments.outcomes.labels import (
    cross_entropy,
    entropies,
    lied,
    logits,
    probabilities,
    refuse_misfit,
    softmax,
    trials,
)
from experiments.outcomes.truth import Truth, true_theta
from experiments.outcomes.twins import Twin
from harness.contract import WHOLE_RUN, Count, Curve, Experiment, Figure, Positive, Row, Seed, Share
from kernels import Objective, stream, threads
from kernels.losses import Loss, Target
from kernels.noises import Noise

Array = NDArray[np.float64]

BINS = 20  # of fitted probabilities
CHECKED = 3  # fits that are compared with a twin's, and held to the score equations
SHOWN = 0.95  # confidence of the intervals that figures show
Classes = Annotated[int, Ge(2)]


@dataclass(frozen=True)
class Labels(Experiment):
    """Fit labels of a known law to the optimum, `fits` times over, and ask on fresh samples what the fits are worth.

    x ~ N(0, 1), h* = xθ*, θ* such that h*, or the difference of two classes' logits, has the standard deviation `signal`; no
    constant. `flips`: this share of the training labels is turned into one of the other classes. Of fresh samples the labels'
    probabilities are used, P = P(label | x), in place of labels: the same means, without the labels' noise.

    `test/excess` cross-entropy beyond the truth's entropy, a sample, N Σ KL(P ‖ P̂); `train/gain` what the fit's loss gains
    on the truth's on its own samples: p/(2m) each, in ratios to that too. `test/regret` 0/1 error beyond the least. `test/slope`
    what calibrates the fitted logits for clean labels, `test/noisy_slope` for flipped ones. `train/along` ⟨θ̂, θ*⟩/‖θ*‖²,
    `train/variance` m·E‖θ̂ − θ*‖². A mean over the fits each, its noise reduced by control variates
    (`experiments.outcomes.controls`), with its standard error (`…_error`). Theory stands in `model/…` under the same names.
    At the steps from 0 on: the reliability of each bin of fitted probabilities of the last class.
    If a sample of labels is separable, no optimum exists: `train/separable` is the share of such fits, and no mean is taken.
    """

    noise: Noise
    loss: Loss
    samples: Count = 1000
    features: Count = 20
    classes: Classes = 3
    signal: Positive = 2.0
    flips: Share = 0.0
    fits: Count = 200
    test_samples: Count = 4000
    seed: Seed = 0

    claims: ClassVar = claims_labels.CLAIMS
    foremost: ClassVar = ("test/excess_ratio", "test/slope", "test/regret")
    figures: ClassVar[tuple[Figure, ...]] = (
        Curve("test/excess", "Cross-entropy beyond the truth's, on fresh samples", x="samples", log_x=True, log_y=True,
              interval=("test/excess_low", "test/excess_high"), theory="model/excess"),
        Curve("test/excess_ratio", "Cross-entropy beyond the truth's ÷ p/2m", x="samples", log_x=True,
              interval=("test/excess_ratio_low", "test/excess_ratio_high"), theory="model/excess_ratio", ideal={"p/2m": 1.0}),
        Curve("test/regret", "0/1 error beyond the least", x="samples", log_x=True, log_y=True,
              interval=("test/regret_low", "test/regret_high"), theory="model/regret"),
        Curve("test/slope", "Slope that calibrates the fit for fresh labels", x="samples", log_x=True,
              interval=("test/slope_low", "test/slope_high"), theory="model/slope", ideal={"calibrated": 1.0}),
        Curve("test/miscalibration", "Observed frequency − fitted probability, of labels flipped alike", x="test/fitted",
              by=("samples", "flips", "noise.trials"),
              theory="model/miscalibration", ideal={"calibrated": 0.0}),
        Curve("train/along", "Length of θ̂ along θ*, by the share of labels that are flipped", x="flips",
              interval=("train/along_low", "train/along_high"), theory="model/along", ideal={"θ*": 1.0}),
        Curve("test/slope", "Slope that calibrates the fit for clean labels", x="flips", log_y=True,
              interval=("test/slope_low", "test/slope_high"), theory="model/slope", ideal={"calibrated": 1.0}),
        Curve("test/noisy_slope", "Slope that calibrates the fit for labels flipped alike", x="flips",
              interval=("test/noisy_slope_low", "test/noisy_slope_high"), theory="model/noisy_slope", ideal={"calibrated": 1.0}),
        Curve("test/excess", "Cross-entropy beyond the truth's, for clean labels", x="flips", log_y=True,
              interval=("test/excess_low", "test/excess_high"), theory="model/excess"),
        Curve("test/error", "0/1 error for clean labels", x="flips", theory="model/error",
              interval=("test/error_low", "test/error_high")),
        Curve("train/variance", "m·E‖θ̂ − θ*‖², by the trials of a sample", x="noise.trials", log_x=True, log_y=True,
              interval=("train/variance_low", "train/variance_high"), theory="model/variance"),
    )  # fmt: skip

    def check(self) -> None:
        refuse_misfit(self.loss, self.noise.target)
        if self.flips > 0 and self.noise.target is Target.COUNTS:
            raise ValueError(f"flips: {self.flips} with noise={self.noise.name}; should be 0, counts are not flipped")
        classes = 2 if self.noise.target is Target.BINARY else self.classes
        parameters = self.features * (classes - 1)
        if self.samples <= parameters:
            raise ValueError(
                f"samples: {self.samples}; should be more than the {parameters} parameters, or labels are separable"
            )
        size = 8 * max(self.samples, self.test_samples) * (self.features + 4 * classes)
        check_fits(f"samples={self.samples}, features={self.features}, test_samples={self.test_samples}", size)

    def warm_up(self) -> None:
        self._exactly(*self._truth.sample(self.seed, 0, self.samples))

    def tags(self) -> Mapping[str, str]:
        reason = self._no_limit()
        return {"null/limit": reason} if reason else {}

    def run(self) -> Iterator[Row]:
        # on one core: each fit takes milliseconds, and BLAS's threads would wait for the kernels', and the other way round
        with threads.using(1), threadpool_limits(1, user_api="blas"):
            yield from self._rows()

    @cached_property
    def _truth(self) -> Truth:
        theta = true_theta(self.noise, self.features, self.classes, self.signal, self.seed)
        return Truth(self.noise, self.loss, theta, self.flips)

    def _rows(self) -> Iterator[Row]:
        truth = self._truth
        parts: list[dict[str, float]] = []
        controls: list[list[float]] = []
        bins = np.zeros((self.fits, 3, BINS))
        metrics = {"model/parameters": float(truth.parameters)}
        for i in range(min(CHECKED, self.fits)):
            for name, error in self._exactly(*truth.sample(self.seed, i, self.samples)).items():
                metrics[name] = max(error, metrics.get(name, 0.0))
        if self._no_limit():
            yield Row(WHOLE_RUN, metrics)
            return
        separable = 0
        information = truth.information()
        for i in range(self.fits):
            X, y, _ = truth.sample(self.seed, i, self.samples)
            found = fit(self.loss, X, y, truth.outputs, near=truth.limit)
            if found.parted:
                separable += 1
                continue
            measured, bins[i] = self._worth(i, truth.shaped(found.theta))
            if truth.is_likelihood:
                f = Objective(self.loss)
                measured["train/gain"] = f.value_and_grad(X, y, truth.limit)[0] - found.value
            parts.append(measured)
            controls.append(truth.controls(X, y, information))
        metrics["train/separable"] = separable / self.fits
        if not separable:
            yield from self._reliability(bins)
            metrics |= self._means(parts, np.array(controls))
        theory = {f"model/{name}": value for name, value in truth.theory(self.samples).items()}
        yield Row(WHOLE_RUN, {**metrics, **theory})

    def _worth(self, number: int, theta: Array) -> tuple[dict[str, float], Array]:
        """What a fit θ̂ (n, k), shaped like θ*, is worth on fresh samples; and (3, BINS): counts, fitted and observed sums."""
        truth = self._truth
        X = stream(self.seed, "test", str(number)).standard_normal((self.test_samples, self.features))
        P, H = probabilities(self.noise, X @ truth.theta), logits(X @ theta)
        right = np.take_along_axis(P, np.argmax(H, axis=1)[:, None], axis=1)[:, 0]
        along = float(np.sum(theta * truth.theta) / np.sum(truth.theta**2))
        measured = {
            "test/error": float(1 - right.mean()),
            "test/regret": float((P.max(axis=1) - right).mean()),
            "train/along": along,
            "train/across": float(np.linalg.norm(theta - along * truth.theta) ** 2),
            "train/variance": self.samples * float(np.linalg.norm(theta - truth.theta) ** 2),
        }
        table = np.zeros((3, BINS))
        if self.loss.target is Target.REAL:  # whose h is no logit
            return measured, table
        measured["test/excess"] = trials(self.noise) * float((cross_entropy(P, H) - entropies(P)).mean())
        measured["test/slope"] = recalibrated(H, P)[0]
        noisy = lied(P, self.flips)
        if self.flips > 0:
            measured["test/noisy_slope"] = recalibrated(H, noisy)[0]
        found = binned(softmax(H)[:, -1], noisy[:, -1], BINS)
        table[:, found.index] = found.counts, found.fitted, found.observed
        return measured, table

    def _no_limit(self) -> str:
        """Why fits tend to nothing, where they do not."""
        try:
            _ = self._truth.limit
        except ValueError as error:
            return str(error)
        return ""

    def _exactly(self, X: Array, y: NDArray[Any], H: Array) -> dict[str, float]:
        """What holds to rounding: a fit is calibrated on its own samples, and its twin's fit is the same."""
        errors = {}
        found = fit(self.loss, X, y, self._truth.outputs)
        if found.parted:
            return {}
        theta = found.theta
        if self.loss.target is not Target.REAL:
            counts = y if self.loss.target is Target.COUNTS else np.eye(self._truth.classes)[y.astype(np.int64)]
            shares = counts / counts.sum(axis=1, keepdims=True)
            errors["train/slope_error"] = abs(recalibrated(logits(X @ self._truth.shaped(theta)), shares)[0] - 1)
        twin = Twin.of(self.loss, self.noise, y)
        return errors | (twin.compare(self.loss, self.noise, X, y, H, theta) if twin else {})

    def _means(self, parts: list[dict[str, float]], controls: Array) -> dict[str, float]:
        """The means over fits, their standard errors and intervals, and ratios to p/(2m)."""
        metrics: dict[str, float] = {}
        small = self._truth.parameters / (2 * self.samples)
        for name in parts[0]:
            mean, error, freedom = controlled(np.array([part[name] for part in parts]), controls)
            half = float(stats.t.ppf(0.5 + SHOWN / 2, freedom)) * error if freedom else np.nan
            units = {name: 1.0}
            if self._truth.is_likelihood and name in ("test/excess", "train/gain"):
                units[f"{name}_ratio"] = small
            for key, unit in units.items():
                metrics |= {key: mean / unit, f"{key}_error": error / unit}
                metrics |= {f"{key}_low": (mean - half) / unit, f"{key}_high": (mean + half) / unit}
            metrics["train/freedom"] = float(freedom)
        return metrics

    def _reliability(self, bins: Array) -> Iterator[Row]:
        """A row a bin: fitted and observed over all fits, with the standard error of their difference, from fit to fit."""
        law = self._truth.law(self.samples)
        counts, fitted, observed = bins.sum(axis=0)
        for step, b in enumerate(np.flatnonzero(counts >= self.fits)):  # a sample a fit, or more
            place, gap = float(fitted[b] / counts[b]), float((observed[b] - fitted[b]) / counts[b])
            apart = bins[:, 2, b] - bins[:, 1, b] - gap * bins[:, 0, b]
            error = float(np.sqrt(apart @ apart * self.fits / max(self.fits - 1, 1)) / counts[b])
            row = {"test/fitted": place, "test/miscalibration": gap, "test/miscalibration_error": error}
            if law:
                row["model/miscalibration"] = float(law.observed(np.array([place]), self.flips)[0]) - place
            yield Row(step, row)
