"""One likelihood in two guises: the same labels given to another loss, and what the two differ by.

one_trial: softmax on classes, and multinomial on their counts of one trial (notes 6.3).
two_classes: logistic on 0/1, and softmax on two classes, h = h₁ − h₀ (notes 6.1, 6.2).
many_trials: multinomial on counts of N trials, and softmax on N samples with the same x each, whose sums count.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from experiments.fitting.newton import fit
from kernels import noises
from kernels.losses import Loss, Multinomial, Softmax, Target
from kernels.noises import Noise

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Twin:
    """The other guise of labels y with logits h: its kind, loss, y, and how often each sample is there."""

    kind: str
    loss: Loss
    y: NDArray[Any]
    repeats: int = 1

    @classmethod
    def of(cls, loss: Loss, noise: Noise, y: NDArray[Any]) -> Twin | None:
        """The twin of a noise's own loss on y; None where there is none."""
        if loss.name != noise.loss:
            return None
        if noise.target is Target.BINARY:
            return cls("two_classes", Softmax(), y.astype(np.int64))
        if noise.target is Target.CLASS:
            return cls("one_trial", Multinomial(), np.eye(int(y.max()) + 1)[y])
        if isinstance(noise, noises.Multinomial):
            classes = np.tile(np.arange(y.shape[1]), len(y))
            return cls("many_trials", Softmax(), np.repeat(classes, y.ravel().astype(np.int64)), noise.trials)
        return None

    def compare(self, loss: Loss, noise: Noise, X: Array, y: NDArray[Any], H: Array, theta: Array) -> dict[str, float]:
        """The largest deviations, as shares of the largest value: of ℓ, δ and probabilities at logits H (m, k), and of θ̂."""
        logits = np.hstack([np.zeros_like(H), H]) if self.kind == "two_classes" else H
        many = np.repeat(logits, self.repeats, axis=0)
        values = self.loss.values(many, self.y).reshape(len(H), -1).sum(axis=1)
        deltas = self.loss.deltas(many, self.y).reshape(len(H), self.repeats, -1).sum(axis=1)
        own = loss.deltas(H, y)
        pairs = [(loss.values(H, y), values)]
        if self.kind == "two_classes":
            pairs += [(own[:, 0], deltas[:, 1]), (-own[:, 0], deltas[:, 0])]
        else:
            pairs.append((own, deltas))
        if self.kind == "one_trial":
            pairs.append((noise.log_density(y, H), noises.Multinomial(trials=1).log_density(self.y, H)))
        many = np.repeat(X, self.repeats, axis=0) if self.repeats > 1 else X
        found = fit(self.loss, many, self.y, logits.shape[1]).theta
        back = found[:, 1:] - found[:, :1] if self.kind == "two_classes" else found
        return {
            f"model/{self.kind}_formula_error": max(apart(ours, theirs) for ours, theirs in pairs),
            f"model/{self.kind}_fit_error": apart(theta, back),
        }


def apart(ours: Array, theirs: Array) -> float:
    """max |ours − theirs| / max |ours|."""
    return float(np.abs(ours - theirs).max() / np.abs(ours).max())
