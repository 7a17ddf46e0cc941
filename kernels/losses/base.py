"""What a loss is: ℓ(h, y), its derivative δ = ∂ℓ/∂h, the kind of target it takes and how curved it can be.

A loss of one number (k = 1) is two formulas, `value(h, y, p)` and `delta(h, y, p)`, plain arithmetic on scalars, where
`p` holds the loss's parameters. A loss of k logits is one formula for a whole block of samples. Both end up as
a *block*: `block(H, count, y, v, p, spare)` takes the logits of a few samples, the first `count` columns of H (k, …), writes
each sample's loss into v and turns H into δ in place; `spare` (SPARE, …) is room to work in, of H's kind. Blocks are
what the passes in `kernels.passes` call; no loss knows a layout. Their inner loops run over samples: as vectors.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numba import types
from numpy.typing import ArrayLike, NDArray

from kernels import check
from kernels._jit import copied, inline, linked, named, once, serial
from kernels.arrays import empty
from kernels.signatures import Kernel, reads, reads_targets, real_type, writes
from kernels.targets import Target

Block = Callable[..., None]

SPARE = 3  # rows of room that a block may use


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

    def constants(self, dtype: np.dtype[Any]) -> NDArray[Any]:
        """`parameters` as an array, as the kernels take them. Raises ValueError if they are beyond `dtype`."""
        with np.errstate(over="ignore"):
            constants = np.array(self.parameters, float).astype(dtype)
        lost = [not math.isfinite(c) or (c == 0) != (p == 0) for c, p in zip(constants, self.parameters, strict=True)]
        if any(lost):
            raise ValueError(f"loss: {self!r} is beyond the range of {dtype.name}; should have parameters nearer to 1")
        return constants

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
        logits = check.floats("h", h, ndim=(1, 2))
        columns = logits.reshape(len(logits), -1)
        targets = check.targets(y, self.target, len(columns), columns.shape[1], columns.dtype)
        check.outputs("h", self.name, self.target, columns.shape[1])
        check.labels(y, targets, self.target, columns.shape[1])
        check.blame(h=logits, y=targets)  # before the formulas: log(1 + e^−∞) = 0 would hide an infinity
        deltas = np.array(columns.T, order="C")
        values = np.empty(len(columns))
        pointwise(type(self), columns.dtype)(deltas, targets, values, self.constants(columns.dtype))
        return values, np.ascontiguousarray(deltas.T).reshape(logits.shape)


@once
def pointwise(loss: type[Loss], dtype: np.dtype[Any]) -> Kernel:
    """`pointwise(H (k, m), y, values (m,), p)`: each sample's loss into `values`, its δ in place of its logits."""
    real, block = real_type(dtype), loss.block

    def pointwise(H, y, values, p):
        block(H, H.shape[1], y, values, p, empty((SPARE, H.shape[1]), H.dtype))

    signature = types.void(writes(real, 2), reads_targets(loss.target, real), writes(types.float64, 1), reads(real, 1))
    return serial(signature, loss)(named(pointwise, loss.name, dtype.name))


@once
def block_of(loss: type[Loss], dtype: np.dtype[Any]) -> Kernel:
    """The loss's block for one float type, compiled on its own: kernels call it."""
    real = real_type(dtype)
    y = reads_targets(loss.target, real)
    signature = types.void(
        writes(real, 2), types.int64, writes(y.dtype, y.ndim), writes(types.float64, 1), reads(real, 1), writes(real, 2)
    )
    return linked(named(copied(loss.block), loss.name, dtype.name), signature, loss)


def elementwise(value: Callable[..., Any], delta: Callable[..., Any]) -> Block:
    """The block of a loss of one number, from its two formulas."""

    def block(H, count, y, v, p, spare):
        for r in range(count):
            h = H[0, r]
            v[r] = value(h, y[r], p)
            H[0, r] = delta(h, y[r], p)

    block.delta = delta  # type: ignore[attr-defined]  # for kernels that want nothing else
    return inline(block)
