"""What a noise is: the distribution of y given the hypothesis h, as a sampler and a log density."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from kernels.losses import Loss, Target

Array = NDArray[Any]

# lgamma for arrays: NumPy has none.
lgamma = np.vectorize(math.lgamma, otypes=[np.float64])


@dataclass(frozen=True)
class Noise:
    """A distribution of y given h. Its fields are its parameters; a subclass in a file of its own is all it takes.

    `loss` names the loss that is −log of the density, up to a factor and a term without h; None where there is no such loss.
    """

    name: ClassVar[str]
    target: ClassVar[Target]
    loss: ClassVar[str | None]
    # `variate(u, v, p)`: a draw around h = 0 from independent uniform numbers u in (0, 1] and v in [0, 1), plain arithmetic that
    # kernels take in, where `p` holds the noise's parameters. None, and no `of_normal`: by `sample` alone, ten times as slowly.
    variate: ClassVar[Callable[..., Any] | None] = None
    # `twin(u, v, p)`: another draw from the same two numbers, independent of the first; None where there is no such formula.
    twin: ClassVar[Callable[..., Any] | None] = None
    # `of_normal(z, p)`: a draw around h = 0 from a standard normal number z. It goes before `variate`.
    of_normal: ClassVar[Callable[..., Any] | None] = None

    @property
    def parameters(self) -> tuple[float, ...]:
        """The numbers `p` that `variate` reads, in their order."""
        return ()

    def sample(self, h: Array, rng: np.random.Generator) -> Array:
        """One y for each sample of h: (m,) for one output, else (m, k)."""
        raise NotImplementedError(f"{type(self).__name__} has no sampler")

    def log_density(self, y: Array, h: Array) -> NDArray[np.float64]:
        """log p(y | h) for each sample, (m,); natural logarithm, probability for labels and counts."""
        raise NotImplementedError(f"{type(self).__name__} has no density")

    def matched_loss(self) -> tuple[Loss, float] | None:
        """The loss ℓ and the factor w with −log p(y | h) = w·ℓ(h, y) + (a term without h); None if there is none."""
        raise NotImplementedError(f"{type(self).__name__} names no loss")


def log_softmax(h: Array) -> NDArray[np.float64]:
    """log softmax along the last axis, in float64."""
    shifted = np.asarray(h, np.float64) - np.max(h, axis=-1, keepdims=True)
    return np.asarray(shifted - np.log(np.sum(np.exp(shifted), axis=-1, keepdims=True)))
