"""A tensor: an array, and, if it is asked to, the way its derivative goes (PyTorch's `torch.Tensor`, in what it has of it)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

import kernels.autodiff.tape as tape
from kernels.autodiff.kinds import default_dtype
from kernels.autodiff.methods import Methods


class Tensor(Methods):
    """An n-dimensional array that can be asked for gradients.

    `requires_grad`: whether derivatives by it are wanted; what is computed from it then has it too, and a `node` on the tape.
    `grad`: the sum of the gradients that `backward` brought so far, or None. Numbers become float32, arrays keep their type;
    like `torch.tensor`, it copies what it is made from.
    """

    array: NDArray[Any]
    requires_grad: bool = False
    retains_grad: bool = False
    grad: Tensor | None = None
    node: tape.Node | None = None
    changed: int = 0  # when it was last changed in place, by the tape's clock

    # of `array + tensor` the tensor's `__radd__` takes care, not NumPy's loop over elements
    __array_priority__ = 1000

    def __init__(self, data: ArrayLike | Tensor, dtype: DTypeLike | None = None, requires_grad: bool = False) -> None:
        array = np.array(data.array if isinstance(data, Tensor) else data, dtype)
        if dtype is None and array.dtype == np.float64 and not hasattr(data, "dtype"):
            array = array.astype(default_dtype())
        if requires_grad and array.dtype.kind not in "fc":
            raise RuntimeError(
                f"requires_grad: of a tensor of {array.dtype}; only floating-point tensors have gradients"
            )
        self.array = array
        self.requires_grad = requires_grad

    @classmethod
    def of(cls, array: NDArray[Any]) -> Tensor:
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
            if not create_graph:  # what changes in place must be nobody else's
                array = cotangent.array
                shared = array.base is not None or id(array) in held
                held.add(id(array))
                cotangent = Tensor.of(array.copy() if shared else array)
            tensor.grad = cotangent if tensor.grad is None else tensor.grad + cotangent

    def cotangent(self, given: Tensor | ArrayLike | None) -> Tensor:
        """What a pull-back starts with here: as given, or 1."""
        if not self.requires_grad:
            raise RuntimeError(
                "backward: the tensor does not require a gradient, nor was it computed from one that does"
            )
        if given is None:
            if self.array.size != 1:
                raise RuntimeError(
                    f"backward: of a tensor of shape {self.array.shape}; should be one number, or have a `gradient` of that shape"
                )
            return Tensor.of(np.ones_like(self.array))
        cotangent = given if isinstance(given, Tensor) else Tensor.of(np.asarray(given, self.array.dtype))
        if cotangent.array.shape != self.array.shape:
            raise RuntimeError(
                f"gradient: shape {cotangent.array.shape}; should be {self.array.shape}, as the tensor's own"
            )
        return cotangent

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
        self.retains_grad = True

    def requires_grad_(self, requires_grad: bool = True) -> Tensor:
        """Ask for gradients from now on, or no more."""
        if not self.is_leaf:
            raise RuntimeError(
                "requires_grad_: of a tensor that was computed; should be a leaf, as `detach()` makes one"
            )
        self.requires_grad = requires_grad
        return self

    def detach(self) -> Tensor:
        """The same numbers, in the same memory, without a tape."""
        return Tensor.of(self.array)

    # Its numbers

    @property
    def data(self) -> Tensor:
        """The same numbers, in the same memory, without a tape; what changes them in place here is not noticed there."""
        return self.detach()

    @data.setter
    def data(self, value: Tensor | ArrayLike) -> None:
        self.array = value.array if isinstance(value, Tensor) else np.asarray(value)

    def numpy(self) -> NDArray[Any]:
        """The array, in the same memory."""
        if self.requires_grad:
            raise RuntimeError("numpy: of a tensor that requires grad; use tensor.detach().numpy()")
        return self.array

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> NDArray[Any]:
        return np.array(self.array, dtype, copy=copy)

    def item(self) -> Any:
        """The one number in it."""
        if self.array.size != 1:
            raise RuntimeError(f"item: of a tensor of shape {self.array.shape}; should hold one number")
        return self.array.item()

    def tolist(self) -> Any:
        """The numbers, in nested lists."""
        return self.array.tolist()

    @property
    def shape(self) -> tuple[int, ...]:
        return self.array.shape

    @property
    def ndim(self) -> int:
        return self.array.ndim

    @property
    def dtype(self) -> np.dtype[Any]:
        return self.array.dtype

    def __len__(self) -> int:
        return len(self.array)

    def __iter__(self) -> Iterator[Tensor]:
        return (self[i] for i in range(len(self)))

    def __bool__(self) -> bool:
        return bool(self.item())

    def __float__(self) -> float:
        return float(self.item())

    def __int__(self) -> int:
        return int(self.item())

    def __index__(self) -> int:
        return self.array.__index__()

    def __format__(self, form: str) -> str:
        return format(self.item(), form) if self.ndim == 0 else object.__format__(self, form)

    def __repr__(self) -> str:
        text = np.array2string(self.array, precision=4, separator=", ", prefix="tensor(")
        kind = "" if self.dtype in (default_dtype(), np.int64, np.bool_) else f", dtype={self.dtype}"
        made = f", grad_fn={self.node}" if self.node else ", requires_grad=True" if self.requires_grad else ""
        return f"tensor({text}{kind}{made})"
