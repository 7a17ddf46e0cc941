"""The law behind synthetic labels: x ~ N(0, 1), h* = xθ*, a noise, a share of labels flipped; and a loss to fit them with."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from experiments.outcomes import labels as outcomes
from experiments.outcomes.labels import lied, probabilities, taken, trials
from experiments.theory.label_limits import Limits, first_order_slope
from experiments.theory.mean_field import Law, law
from kernels import Objective, stream
from kernels.losses import Loss, Target
from kernels.noises import Noise

Array = NDArray[np.float64]

RANK = 1e-10  # softmax does not see what is added to all classes


def true_theta(noise: Noise, features: int, classes: int, signal: float, seed: int) -> Array:
    """θ* (n, k) in a random direction: h*, or on average the difference of two classes' logits, has standard deviation `signal`."""
    width = 1 if noise.target is Target.BINARY else classes
    drawn = stream(seed, "theta").standard_normal((features, width))
    if width > 1:
        drawn -= drawn.mean(axis=1, keepdims=True)
        signal *= np.sqrt((width - 1) / 2)  # of the k(k − 1)/2 differences' squares the mean is 2‖θ‖²/(k − 1)
    return np.asarray(signal * drawn / np.linalg.norm(drawn))


@dataclass(frozen=True, eq=False)
class Truth:
    """θ* (n, k), the noise, the share of labels that is flipped, and the loss that is to fit them."""

    noise: Noise
    loss: Loss
    theta: Array
    flips: float = 0.0

    @property
    def classes(self) -> int:
        return max(2, int(self.theta.shape[1]))

    @property
    def outputs(self) -> int:
        """Numbers that the loss takes for a sample."""
        return 1 if self.loss.target.one_logit else self.classes

    @property
    def parameters(self) -> int:
        """p = n(c − 1): what can be told of θ."""
        return len(self.theta) * (self.classes - 1)

    @property
    def is_likelihood(self) -> bool:
        """Whether the fit is that of the labels' own law."""
        return outcomes.is_likelihood(self.loss, self.noise) and self.flips == 0

    @cached_property
    def limits(self) -> Limits:
        return Limits.of(self.noise, self.theta)

    @cached_property
    def limit(self) -> Array:
        """θ∞ (n, outputs), to which fits tend."""
        return self.limits.limit(self.loss, self.flips, self.outputs)

    def sample(self, seed: int, number: int, samples: int) -> tuple[Array, NDArray[Any], Array]:
        """(X, y as the loss takes it, H*) of the training sample of that number."""
        X = stream(seed, "features", str(number)).standard_normal((samples, len(self.theta)))
        H = X @ self.theta
        drawn = self.noise.sample(H[:, 0] if H.shape[1] == 1 else H, stream(seed, "noise", str(number)))
        if self.noise.target is Target.COUNTS:
            return X, drawn, H
        labels = outcomes.lie(drawn.astype(np.int64), self.flips, self.classes, stream(seed, "flips", str(number)))
        return X, taken(self.loss, labels, self.classes), H

    def shaped(self, theta: Array) -> Array:
        """A fit in the shape of θ*: two logits of two classes are one, their difference; of more, the mean is taken out."""
        if self.theta.shape[1] == 1:
            return theta[:, 1:] - theta[:, :1] if theta.shape[1] == 2 else theta
        return np.asarray(theta - theta.mean(axis=1, keepdims=True))

    def information(self) -> Array:
        """E[xxᵀ ⊗ δδᵀ] of a sample at θ∞, (n·outputs, n·outputs): of a likelihood, what the sample says about θ."""
        return self.limits.moment(self._delta_squares(self.limits.H, self.limits.logits(self.limit)))

    def controls(self, X: Array, y: NDArray[Any], information: Array) -> list[float]:
        """Two numbers of mean 0: g = ∇f(θ∞) along θ∞; and gᵀK⁻¹g less its mean, rank(K)/m. `information`: K = m·E ggᵀ."""
        _, grad = Objective(self.loss).value_and_grad(X, y, self.limit)
        inverse = np.linalg.pinv(information, rcond=RANK, hermitian=True)
        towards = inverse @ grad.ravel()
        rank = np.linalg.matrix_rank(information, tol=RANK * float(np.abs(information).max()), hermitian=True)
        return [float(towards @ self.limit.ravel()), float(grad.ravel() @ towards) - int(rank) / len(X)]

    def _delta_squares(self, star: Array, H: Array) -> Array:
        """E[δδᵀ | x] (m, outputs, outputs) for logits H, over the labels' law at the true logits."""
        P = lied(probabilities(self.noise, star), self.flips)
        total = np.zeros((len(H), self.outputs, self.outputs))
        for j in range(self.classes):
            deltas = self.loss.deltas(H, taken(self.loss, np.full(len(H), j), self.classes))
            total += P[:, j, None, None] * deltas[:, :, None] * deltas[:, None, :]
        return trials(self.noise) * total

    def law(self, samples: int) -> Law | None:
        """The mean-field law of a fit to so many samples; None for several logits, and where labels are separable."""
        if not (self.noise.target is Target.BINARY and self.loss.target.one_logit):
            return None
        signal = float(np.linalg.norm(self.theta))
        return law(self.loss, self.noise, signal, len(self.theta) / samples, self.flips)

    def theory(self, samples: int) -> Mapping[str, float]:
        """What is predicted of a fit to so many samples: by the mean-field law, else to first order in 1/m, else its limit."""
        limit, law, flipped = self.shaped(self.limit), self.law(samples), self.flips > 0
        found = {
            "bayes_error": self.limits.bayes_error(),
            "limit_along": float(np.sum(limit * self.theta) / np.sum(self.theta**2)),
            "limit_regret": self.limits.rule_regret(limit),
        }
        if law is not None:
            n = len(self.theta)
            seen = replace(law, across=law.across * math.sqrt((n - 1) / n))  # one of n directions is not across
            found |= {"along": law.along, "across": seen.across**2, "regret": seen.regret()}
            found["error"] = found["bayes_error"] + found["regret"]
        elif flipped:
            found["along"] = found["limit_along"]
        if self.loss.target is Target.REAL:
            return found
        found["limit_slope"] = self.limits.slope(limit)
        if law:
            found |= {"excess": law.excess(), "slope": law.slope()}
        elif flipped:
            # of labels whose law is none of the loss's the fit's bias does not all cancel: a fifth less was measured
            own = trials(self.noise) * self.limits.slope_information(limit)
            found["noisy_slope"] = first_order_slope(self.parameters, samples, own)
            found["slope"] = found["limit_slope"] * found["noisy_slope"]
        else:
            own = trials(self.noise) * self.limits.slope_information()
            found["excess"] = self.parameters / (2 * samples)
            found["slope"] = first_order_slope(self.parameters, samples, own)
        if flipped and law:
            found["noisy_slope"] = law.slope(self.flips)
        if self.is_likelihood:
            found["excess_ratio"] = found["excess"] * 2 * samples / self.parameters
            if self.limit.shape == self.theta.shape:
                found["variance"] = float(np.trace(np.linalg.pinv(self.information(), rcond=RANK, hermitian=True)))
        return found
