"""What a loss is: ℓ(h, y), its derivative δ = ∂ℓ/∂h, the kind of target it takes and how curved it can be.

A loss of one number (k = 1) is two formulas, `value(h, y, p)` and `delta(h, y, p)`, plain arithmetic on scalars, where
`p` holds the loss's parameters. A loss of k logits is one formula for a whole block of samples. Both end up as
a *block*: `block(H, y, v, p)` takes the logits of a few samples, H (k, samples), writes each sample's loss into v (samples,)
and turns H into δ in place. Blocks are what the passes in `kernels.passes` call; no loss knows a layout.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from numbers import Real
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kernels._jit import inline

Block = Callable[..., None]


class Target(Enum):
    """What the targets y of m samples are."""

    REAL = "real numbers"
    BINARY = "labels 0 or 1"
    CLASS = "classes 0..k-1"
    COUNTS = "counts (m, k)"


@dataclass(frozen=True)
class Loss:
    """A loss ℓ(h, y). Its fields are its parameters; a subclass in a file of its own is all that a new loss takes."""

    name: ClassVar[str]
    target: ClassVar[Target]
    block: ClassVar[Block]

    @property
    def parameters(self) -> tuple[float, ...]:
        """The numbers `p` that the formulas read, in their order."""
        return ()

    @property
    def curvature(self) -> float:
        """Upper bound of the largest eigenvalue of ∂²ℓ/∂h²; `inf` where δ jumps."""
        raise NotImplementedError(f"{type(self).__name__} states no curvature bound")

    def values(self, h: ArrayLike, y: ArrayLike) -> NDArray[np.float64]:
        """ℓ(h, y) for each sample: h (m,) or (m, k), y as the loss takes it → (m,). Not averaged.

        Raises ValueError as `Objective` does.
        """
        return self._pointwise(h, y)[0]

    def deltas(self, h: ArrayLike, y: ArrayLike) -> NDArray[Any]:
        """δ = ∂ℓ/∂h for each sample, shaped like h. Raises ValueError as `Objective` does."""
        return self._pointwise(h, y)[1]

    def _pointwise(self, h: ArrayLike, y: ArrayLike) -> tuple[NDArray[np.float64], NDArray[Any]]:
        from kernels import check, passes  # the door's checks and the compiled loops build on this module

        logits = check.floats("h", h, ndim=(1, 2))
        columns = logits.reshape(len(logits), -1)
        targets = check.targets(y, self.target, len(columns), columns.shape[1], columns.dtype)
        check.outputs("h", self, columns.shape[1])
        check.blame(h=logits, y=targets)  # before the formulas: log(1 + e^−∞) = 0 would hide an infinity
        deltas = np.array(columns.T, order="C")
        values = np.empty(len(columns))
        passes.pointwise(type(self), columns.dtype)(deltas, targets, values, check.parameters(self, columns.dtype))
        return values, np.ascontiguousarray(deltas.T).reshape(logits.shape)


def elementwise(value: Callable[..., Any], delta: Callable[..., Any]) -> Block:
    """The block of a loss of one number, from its two formulas."""

    def block(H, y, v, p):
        for r in range(H.shape[1]):
            h = H[0, r]
            v[r] = value(h, y[r], p)
            H[0, r] = delta(h, y[r], p)

    return inline(block)


def positive(**parameters: float) -> None:
    """Raise ValueError unless every named parameter is a finite number above zero."""
    for name, x in parameters.items():
        if not (isinstance(x, Real) and 0 < x < math.inf):
            raise ValueError(f"{name}: {x}; should be a finite number above 0")
