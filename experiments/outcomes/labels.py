"""Labels as outcomes: how probable each is, how a loss takes them, what it makes of its logits, and labels that lie.

Classes are 0 … c − 1; a noise of labels 0 and 1 has c = 2, and one logit h, which stands for the two (0, h).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kernels.losses import Loss, Target
from kernels.noises import Multinomial, Noise
from kernels.noises.base import log_softmax

Array = NDArray[np.float64]
# A loss of real numbers takes label 0 as −½ and label 1 as ½: a hypothesis without a constant goes through the middle.
MIDDLE = 0.5
# Where a loss's δ is looked at, to see whether it is one that grows.
LOOKED_AT = np.linspace(-50.0, 50.0, 2001)


def probabilities(noise: Noise, H: Array) -> Array:
    """P(label = j | h), (m, c), by the noise's density, for logits H (m, k); of counts: of one trial."""
    if noise.target is Target.BINARY:
        ones = np.exp(noise.log_density(np.ones(len(H)), H[:, 0]))
        return np.stack([1 - ones, ones], axis=1)
    classes = range(H.shape[1])
    if noise.target is Target.CLASS:
        return np.stack([np.exp(noise.log_density(np.full(len(H), j), H)) for j in classes], axis=1)
    one = one_trial(noise)
    each = np.eye(H.shape[1])
    return np.stack([np.exp(one.log_density(np.broadcast_to(each[j], H.shape), H)) for j in classes], axis=1)


def one_trial(noise: Noise) -> Noise:
    """The noise of counts with a single trial."""
    return replace(noise, trials=1) if isinstance(noise, Multinomial) else noise


def trials(noise: Noise) -> int:
    """Labels in a sample: 1, or the trials of counts."""
    return noise.trials if isinstance(noise, Multinomial) else 1


def logits(H: Array) -> Array:
    """(m, c): one logit h as (0, h), several as they are."""
    return np.hstack([np.zeros_like(H), H]) if H.shape[1] == 1 else H


def softmax(H: Array) -> Array:
    """The probabilities that logits (m, c) stand for."""
    return np.exp(log_softmax(H))


def cross_entropy(P: Array, H: Array) -> Array:
    """−Σⱼ Pⱼ log softmax(h)ⱼ for each sample: P (m, c) are labels' probabilities, shares or one-hot rows, H (m, c) logits."""
    return np.asarray(-np.sum(P * log_softmax(H), axis=1))


def entropies(P: Array) -> Array:
    """−Σⱼ Pⱼ log Pⱼ for each sample; 0 log 0 = 0."""
    return np.asarray(-np.sum(P * np.log(np.where(P > 0, P, 1.0)), axis=1))


def taken(loss: Loss, labels: NDArray[np.int64], classes: int) -> NDArray[Any]:
    """The labels (m,) as the loss takes them: 0/1, classes, counts of one trial, or −½ and ½ for real numbers."""
    if loss.target is Target.CLASS:
        return labels
    if loss.target is Target.COUNTS:
        return np.eye(classes)[labels]
    return labels.astype(np.float64) - (MIDDLE if loss.target is Target.REAL else 0.0)


def refuse_misfit(loss: Loss, kind: Target) -> None:
    """Raise ValueError, in one line, unless the loss can be minimised over such labels, and has one minimum."""
    if kind is Target.REAL:
        raise ValueError(
            f"labels: there are {kind.value}; should be labels or counts, as of noise=bernoulli or =categorical"
        )
    fitting = {Target.CLASS, Target.COUNTS} if kind is Target.CLASS else {Target.COUNTS}
    if kind is not Target.BINARY and loss.target not in fitting:
        names = "softmax or loss=multinomial" if kind is Target.CLASS else "multinomial"
        raise ValueError(f"loss={loss.name} takes {loss.target.value}, but there are {kind.value}; use loss={names}")
    if not np.isfinite(loss.curvature):
        raise ValueError(f"loss={loss.name}: its δ jumps; should be a smooth loss, such as logistic or squared")
    if loss.target is Target.REAL:
        falls = [bool(np.any(np.diff(loss.deltas(LOOKED_AT, np.full(LOOKED_AT.size, y))) < 0)) for y in (0.0, 1.0)]
        if any(falls):
            raise ValueError(
                f"loss={loss.name}: its δ falls somewhere, so that there may be several minima; use a convex loss"
            )


def is_likelihood(loss: Loss, noise: Noise) -> bool:
    """Whether the loss is −log of the labels' probability: the noise's own; softmax and one trial's counts for any labels."""
    return loss.name == noise.loss or (noise.target is not Target.COUNTS and loss.name in ("softmax", "multinomial"))


def lied(P: Array, flips: float) -> Array:
    """Probabilities of labels of which a share `flips` is turned into one of the others, each as likely."""
    others = (1 - P) / (P.shape[1] - 1)
    return np.asarray((1 - flips) * P + flips * others)


def lie(labels: NDArray[np.int64], flips: float, classes: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """The labels, each turned with the chance `flips` into one of the others, each as likely."""
    turned = rng.random(labels.shape) < flips
    return np.where(turned, (labels + rng.integers(1, classes, labels.shape)) % classes, labels)
