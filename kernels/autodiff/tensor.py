"""A tensor: an array, and, if it is asked to, the way its derivative goes (PyTorch's `torch.Tensor`, in what it has of it)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

import kernels.autodiff.tape as tape
from kernels.autodiff import memory
from kernels.autodiff.changes import Changes
from kernels.autodiff.kinds import default_dtype
from kernels.autodiff.methods import Methods
from kernels.autodiff.numbers import Numbers


class Tensor(Methods, Changes, Numbers):
    """An n-dimensional array that can be asked for gradients.

    `requires_grad`: whether derivatives by it are wanted; what is computed from it then has it too, and a `node` on the tape.
    `grad`: the sum of the gradients that `backward` brought so far, or None. Numbers become float32, whole ones too, arrays keep
    their type; it copies what it is made from. `tensor` is the same, but for whole numbers, which stay whole there.
    """

    array: NDArray[Any]
    requires_grad: bool = False
    node: tape.Node | None = None
    _grad: Tensor | None = None

    # of `array + tensor` the tensor's `__radd__` takes care, not NumPy's loop over elements
    __array_priority__ = 1000

    def __init__(self, data: ArrayLike | Tensor, dtype: DTypeLike | None = None, requires_grad: bool = False) -> None:
        array = np.array(data.array if isinstance(data, Tensor) else data, dtype)
        if array.dtype.kind not in "biufc":
            raise TypeError(f"data: {type(data).__name__} of {array.dtype}; should be numbers")
        if dtype is None and not hasattr(data, "dtype") and array.dtype.kind in "biuf":
            array = array.astype(default_dtype())
        if requires_grad and array.dtype.kind not in "fc":
            raise RuntimeError(f"requires_grad: of a tensor of {array.dtype}; should be floating-point")
        self.array = array
        self.requires_grad = requires_grad

    @staticmethod
    def of(array: NDArray[Any]) -> Tensor:
        """The tensor that shares its memory with the array."""
        tensor: Tensor = object.__new__(Tensor)
        tensor.array = array if type(array) is np.ndarray else np.asarray(array)
        return tensor

    # Gradients

    def backward(
        self, gradient: Tensor | None = None, retain_graph: bool | None = None, create_graph: bool = False
    ) -> None:
        """Add ∂/∂leaf Σ gradient·self to the `grad` of each leaf that requires it; `gradient` may be left out for a single number.

        The tape that leads here is gone afterwards, unless it is retained; with `create_graph` the gradients are on the tape
        themselves, for derivatives of higher order. Raises RuntimeError where there is no tape, or none any more.
        """
        start = self.cotangent(gradient)
        held = {id(start.array)}
        for tensor, cotangent in tape.pull_back([self], [start], retain_graph, create_graph).values():
            assert tensor is not None  # nothing else was wanted
            array, before = cotangent.array, tensor._grad
            shared = array.base is not None or id(array) in held
            held.add(id(array))
            if create_graph:
                tensor._grad = (cotangent.clone() if shared else cotangent) if before is None else before + cotangent
            elif before is None or before.requires_grad:
                tensor._grad = Tensor.of(array.copy() if shared else array) if before is None else before + cotangent
            else:
                before.add_(cotangent)

    def cotangent(self, given: Tensor | ArrayLike | None) -> Tensor:
        """What a pull-back starts with here: as given, or 1."""
        if not self.requires_grad:
            raise RuntimeError("backward: the tensor does not require a gradient, nor does what it was made of")
        if self.node is not None and memory.changed(self.array, on_tape=True) > self.node.number:
            raise RuntimeError("backward: the tensor was changed in place through another, which has the gradient")
        if given is None:
            if self.array.size != 1:
                raise RuntimeError(
                    f"backward: of a tensor of shape {self.array.shape}; should be one number, or have a `gradient` of that shape"
                )
            return Tensor.of(np.ones_like(self.array))
        cotangent = given.to(self.dtype) if isinstance(given, Tensor) else Tensor.of(np.asarray(given, self.dtype))
        if cotangent.array.shape != self.array.shape:
            raise RuntimeError(
                f"gradient: shape {cotangent.array.shape}; should be {self.array.shape}, as the tensor's own"
            )
        return cotangent

    @property
    def grad(self) -> Tensor | None:
        """The sum of the gradients that `backward` brought so far, or None."""
        return self._grad

    @grad.setter
    def grad(self, grad: Tensor | None) -> None:
        if grad is not None and (grad.shape, grad.dtype) != (self.shape, self.dtype):
            given, own = f"{grad.dtype} of shape {grad.shape}", f"{self.dtype} of shape {self.shape}"
            raise RuntimeError(f"grad: {given}; should be {own}, as the tensor itself")
        self._grad = grad

    @property
    def is_leaf(self) -> bool:
        """Whether no function on the tape made it."""
        return self.node is None

    @property
    def grad_fn(self) -> tape.Node | None:
        """The line of the tape that made it."""
        return self.node

    def retain_grad(self) -> None:
        """Let `backward` leave a gradient here too, though it is no leaf."""
        if self.node is not None:
            self.node.retained = self

    def requires_grad_(self, requires_grad: bool = True) -> Tensor:
        """Ask for gradients from now on, or no more."""
        if not self.is_leaf:
            raise RuntimeError("requires_grad_: of a tensor that was computed; should be a leaf, as by `detach()`")
        if requires_grad and self.array.dtype.kind not in "fc":
            raise RuntimeError(f"requires_grad: of a tensor of {self.dtype}; should be floating-point")
        self.requires_grad = requires_grad
        return self

    def detach(self) -> Tensor:
        """The same numbers, in the same memory, without a tape."""
        return Tensor.of(self.array)
