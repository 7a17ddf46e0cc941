"""Changes in place: of leaves where no gradient is asked of them, and of what was computed, on the tape."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from kernels.autodiff import functions as F
from kernels.autodiff.numbers import plain
from kernels.autodiff.tape import is_grad_enabled, now

if TYPE_CHECKING:
    from kernels.autodiff.tensor import Tensor

# Functions whose output may lie in the memory of their input.
VIEWS = ("index", "reshape", "permute", "transpose", "broadcast_to")


class Changes:
    """A base of `Tensor`."""

    __slots__ = ()

    def __setitem__(self: Tensor, at: Any, value: Any) -> None:
        self._replace(plain(at), value)

    def __iadd__(self: Tensor, other: Any) -> Tensor:
        return self.add_(other)

    def __isub__(self: Tensor, other: Any) -> Tensor:
        return self.sub_(other)

    def __imul__(self: Tensor, other: Any) -> Tensor:
        return self.mul_(other)

    def __itruediv__(self: Tensor, other: Any) -> Tensor:
        return self.div_(other)

    def add_(self: Tensor, other: Any, alpha: Any = 1) -> Tensor:
        return self._by(F.add, np.add, other if alpha == 1 else alpha * other)

    def sub_(self: Tensor, other: Any, alpha: Any = 1) -> Tensor:
        return self._by(F.subtract, np.subtract, other if alpha == 1 else alpha * other)

    def mul_(self: Tensor, other: Any) -> Tensor:
        return self._by(F.multiply, np.multiply, other)

    def div_(self: Tensor, other: Any) -> Tensor:
        return self._by(F.divide, np.divide, other)

    def copy_(self: Tensor, other: Any) -> Tensor:
        return self._replace(..., other)

    def fill_(self: Tensor, value: Any) -> Tensor:
        return self._replace(..., value)

    def zero_(self: Tensor) -> Tensor:
        return self.fill_(0)

    def _by(self: Tensor, function: Callable[[Tensor, Any], Tensor], change: np.ufunc, other: Any) -> Tensor:
        return self._changed(
            lambda array: change(array, plain(other), out=array, casting="same_kind"),
            lambda before: function(before, other),
            other,
        )

    def _replace(self: Tensor, at: Any, value: Any) -> Tensor:
        return self._changed(
            lambda array: array.__setitem__(at, plain(value)), lambda before: F.replace(before, value, at=at), value
        )

    def _changed(
        self: Tensor, change: Callable[[NDArray[Any]], Any], function: Callable[[Tensor], Tensor], value: Any
    ) -> Tensor:
        """Change the array; where gradients are asked for, be what a function makes of the tensor as it was before.

        Whoever used it before does not know: the tape notices by `changed`.
        """
        if is_grad_enabled() and (self.requires_grad or getattr(value, "requires_grad", False)):
            if self.requires_grad and self.is_leaf:
                raise RuntimeError(
                    "in place: a leaf that requires grad; should be changed within `no_grad()`, or be a new tensor: w = w + 1"
                )
            if self.node is not None and self.node.name in VIEWS:
                raise RuntimeError(
                    f"in place: a part of another tensor, by {self.node.name}; should be assigned there: x[0] = 2 * x[0]"
                )
            before = self.of(self.array)
            before.requires_grad, before.node = self.requires_grad, self.node
            after = function(before).to(self.dtype)
            if after.shape != self.shape:
                raise RuntimeError(f"in place: from shape {self.shape} to {after.shape}; should keep its shape")
            self.array, self.node, self.requires_grad = after.array, after.node, after.requires_grad
        else:
            change(self.array)
        self.changed = now()
        return self
