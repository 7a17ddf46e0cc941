"""What a layout is: how X lies in memory, and how the passes move a block of samples through the two products.

The passes in `kernels.passes` work on blocks of `samples_per_block` samples. Inside a block the logits and deltas lie as
H (k, samples) whatever the layout, and the parameters and their gradient as (k, n), so that a loss knows no layout
and both products run along contiguous memory. A layout is these plain functions:

    logits(X, order, start, count, theta, H)     H[:, :count] = the block's rows of Xθ
    accumulate(X, order, start, count, D, G)     G += the block's part of (XᵀΔ)ᵀ, Δ given as D (k, samples)
    store(H, out, start, count)                  the block's logits into the caller's array
    load(given, start, count, D)                 the block's deltas out of the caller's array

The block's samples are `order[start : start + count]`, or `start … start + count` where `order` is empty.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

from numpy.typing import NDArray


@dataclass(frozen=True)
class Layout:
    """A layout convention. A subclass in a file of its own is all that a new layout takes."""

    name: ClassVar[str]
    samples_per_block: ClassVar[int]
    logits: ClassVar[Callable[..., None]]
    accumulate: ClassVar[Callable[..., None]]
    store: ClassVar[Callable[..., None]]
    load: ClassVar[Callable[..., None]]

    def shape(self, samples: int, width: int) -> tuple[int, int]:
        """Shape in this layout of an array that has `width` numbers for each of so many samples."""
        raise NotImplementedError(f"{type(self).__name__} states no shape")

    def samples(self, shape: tuple[int, ...]) -> int:
        """How many samples an array of that shape holds."""
        raise NotImplementedError(f"{type(self).__name__} states no sample axis")

    def width(self, shape: tuple[int, ...]) -> int:
        """How many numbers for each sample an array of that shape holds."""
        raise NotImplementedError(f"{type(self).__name__} states no feature axis")

    def arrange(self, rows: NDArray[Any]) -> NDArray[Any]:
        """X (m, n), given as samples in rows, in this layout's memory order: C-contiguous, copied only if need be."""
        raise NotImplementedError(f"{type(self).__name__} states no arrangement")
