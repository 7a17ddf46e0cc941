"""Changes in place: of leaves where no gradient is asked of them, and of what was computed, on the tape."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from kernels.autodiff import functions as F
from kernels.autodiff import memory
from kernels.autodiff.modes import is_grad_enabled
from kernels.autodiff.numbers import Numbers, plain

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
        return self._changed(lambda array, by: change(array, by, out=array, casting="same_kind"), function, other)

    def _replace(self: Tensor, at: Any, value: Any) -> Tensor:
        return self._changed(
            lambda array, by: array.__setitem__(at, by), lambda before, by: F.replace(before, by, at=at), value
        )

    def _changed(
        self: Tensor, change: Callable[[NDArray[Any], Any], Any], function: Callable[[Tensor, Any], Tensor], by: Any
    ) -> Tensor:
        """Change the array; where gradients are asked for, become what a function makes of the tensor as it was before."""
        if not (is_grad_enabled() and (self.requires_grad or getattr(by, "requires_grad", False))):
            change(self.array, plain(by))
            memory.note(self.array)
            return self
        self._check_change()
        before = self.of(self.array.copy())
        before.requires_grad, before.node = self.requires_grad, self.node
        if isinstance(by, Numbers) and memory.owner(by.array) is memory.owner(self.array):
            by = F.clone(by)
        memory.note(self.array, on_tape=True)
        after = function(before, by).to(self.dtype)
        if after.shape != self.shape:
            raise RuntimeError(f"in place: from shape {self.shape} to {after.shape}; should keep its shape")
        if self.array.flags.writeable:
            self.array[...] = after.array
        else:
            self.array = after.array
        self.node, self.requires_grad = after.node, after.requires_grad
        return self

    def _check_change(self: Tensor) -> None:
        """Raise RuntimeError where a change on the tape would be lost, or would be one of a leaf."""
        leaf: Any = self
        while leaf.node is not None and leaf.node.name in VIEWS and leaf.node.inputs:
            leaf = leaf.node.inputs[0]
        if leaf.is_leaf and leaf.requires_grad and memory.owner(leaf.array) is memory.owner(self.array):
            raise RuntimeError(
                "in place: a leaf that requires grad, or a part of one; should be changed within `no_grad()`, or be a new tensor: "
                "w = w + 1"
            )
        if not self.requires_grad and memory.owner(self.array) is not self.array:
            raise RuntimeError(
                "in place: a part of a tensor that asks for no gradient, which would not know of it; should be assigned to "
                "that one, x[0, 1] = … for x[0][1] = …, or to a clone()"
            )
