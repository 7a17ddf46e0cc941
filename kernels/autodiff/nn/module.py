"""A module: parameters, other modules, and a `forward`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Self, TypeVar

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from kernels.autodiff.devices import placed
from kernels.autodiff.modes import no_grad
from kernels.autodiff.numbers import plain
from kernels.autodiff.tensor import Tensor

Part = TypeVar("Part")


class Parameter(Tensor):
    """A tensor that a module is to learn."""

    def __init__(self, data: ArrayLike | Tensor, requires_grad: bool = True) -> None:
        super().__init__(data, requires_grad=requires_grad)

    def __deepcopy__(self, memo: dict[int, Any]) -> Parameter:
        """Another, without the gradient."""
        copied = memo[id(self)] = type(self)(self.detach(), self.requires_grad)
        return copied

    def __repr__(self) -> str:
        return f"Parameter containing:\n{super().__repr__()}"


def _once(named: Iterable[tuple[str, Part]]) -> Iterator[tuple[str, Part]]:
    """What has several names by the first of them."""
    seen = set[int]()
    for name, part in named:
        if id(part) not in seen:
            seen.add(id(part))
            yield name, part


class Module:
    """The base of all layers. What of its attributes are parameters or modules is found, in the order in which they were set."""

    training: bool = True

    def __setattr__(self, name: str, value: Any) -> None:
        """Set an attribute; where a parameter or a module is, nothing else can take its place but None."""
        before = vars(self).get(name)
        for kind in (Parameter, Module):
            if isinstance(before, kind) and not (value is None or isinstance(value, kind)):
                raise TypeError(
                    f"{name}: a {kind.__name__} can't be replaced by a {type(value).__name__}; should be a {kind.__name__}, or None"
                )
        object.__setattr__(self, name, value)

    def register_buffer(self, name: str, tensor: Tensor | None) -> None:
        """Keep a tensor that is no parameter, and is saved and turned into other types with them."""
        self._buffers = [*getattr(self, "_buffers", []), name]
        setattr(self, name, tensor)

    def named_buffers(self, prefix: str = "") -> Iterator[tuple[str, Tensor]]:
        """Each buffer, its own first, as `layer.mask`."""
        start = f"{prefix}." if prefix else ""
        for name in getattr(self, "_buffers", []):
            if getattr(self, name) is not None:
                yield start + name, getattr(self, name)
        for name, child in self.named_children():
            yield from child.named_buffers(start + name)

    def forward(self, *inputs: Any) -> Any:
        """What the module computes."""
        raise NotImplementedError(f"{type(self).__name__} has no forward()")

    def __call__(self, *inputs: Any, **settings: Any) -> Any:
        return self.forward(*inputs, **settings)

    def apply(self, change: Callable[[Module], Any]) -> Self:
        """Call a function on each module in it, and then on itself."""
        for child in self.children():
            child.apply(change)
        change(self)
        return self

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """The modules in it, not those in them."""
        return ((name, value) for name, value in vars(self).items() if isinstance(value, Module))

    def children(self) -> Iterator[Module]:
        """The modules in it, not those in them."""
        return (child for _, child in self.named_children())

    def named_modules(self, prefix: str = "") -> Iterator[tuple[str, Module]]:
        """Itself, and all modules in it, as `block.layer`, each once."""
        return _once(self._all_modules(prefix))

    def _all_modules(self, prefix: str) -> Iterator[tuple[str, Module]]:
        yield prefix, self
        for name, child in self.named_children():
            yield from child._all_modules(f"{prefix}.{name}" if prefix else name)

    def modules(self) -> Iterator[Module]:
        """Itself, and all modules in it."""
        return (module for _, module in self.named_modules())

    def named_parameters(self, prefix: str = "") -> Iterator[tuple[str, Parameter]]:
        """Each parameter once, its own first, as `layer.weight`."""
        return _once(self._all_parameters(f"{prefix}." if prefix else ""))

    def _all_parameters(self, prefix: str) -> Iterator[tuple[str, Parameter]]:
        for name, value in vars(self).items():
            if isinstance(value, Parameter):
                yield prefix + name, value
        for name, child in self.named_children():
            yield from child._all_parameters(f"{prefix}{name}.")

    def buffers(self) -> Iterator[Tensor]:
        """Each buffer."""
        return (buffer for _, buffer in self.named_buffers())

    def parameters(self) -> Iterator[Parameter]:
        """Each parameter once."""
        return (parameter for _, parameter in self.named_parameters())

    def _saved(self) -> dict[str, Tensor]:
        return {**dict(self._all_parameters("")), **dict(self.named_buffers())}

    def state_dict(self) -> dict[str, Tensor]:
        """The parameters and buffers by name, in their own memory."""
        return {name: tensor.detach() for name, tensor in self._saved().items()}

    def load_state_dict(self, state: Mapping[str, Tensor | NDArray[Any]], strict: bool = True) -> None:
        """Copy numbers into the parameters and buffers; shapes have to be theirs, and names too, if it is `strict`."""
        own = self._saved()
        if strict and set(own) != set(state):
            missing, extra = sorted(set(own) - set(state)), sorted(set(state) - set(own))
            raise RuntimeError(f"state_dict: without {missing}, with {extra} too many; should have {sorted(own)}")
        for name, tensor in own.items():
            if name in state and np.shape(plain(state[name])) != tensor.shape:
                raise RuntimeError(
                    f"state_dict: {name} has shape {np.shape(plain(state[name]))}; should be {tensor.shape}"
                )
        with no_grad():
            for name, tensor in own.items():
                if name in state:
                    tensor.copy_(np.asarray(plain(state[name])))

    def zero_grad(self) -> None:
        """Forget the gradients."""
        for parameter in self.parameters():
            parameter.grad = None

    def train(self, mode: bool = True) -> Self:
        """Let layers like Dropout do what they do in training."""
        for module in self.modules():
            module.training = mode
        return self

    def eval(self) -> Self:
        """Let layers like Dropout do nothing."""
        return self.train(False)

    def requires_grad_(self, requires_grad: bool = True) -> Self:
        """Ask for gradients of all parameters, or of none."""
        for parameter in self.parameters():
            parameter.requires_grad_(requires_grad)
        return self

    def to(self, to: Any, dtype: DTypeLike | None = None) -> Self:
        """Turn all parameters, and buffers of floating-point numbers, into that type."""
        kind = placed(to, dtype)
        for tensor in self._saved().values():
            if kind is not None and tensor.dtype.kind == "f":
                tensor.data = tensor.array.astype(kind)
        return self

    def cpu(self) -> Self:
        """Itself: it is there."""
        return self

    def double(self) -> Self:
        """Turn all parameters into float64."""
        return self.to(np.float64)

    def float(self) -> Self:
        """Turn all parameters into float32."""
        return self.to(np.float32)

    def extra_repr(self) -> str:
        """What stands between its brackets."""
        return ""

    def __repr__(self) -> str:
        lines = [f"({name}): {child!r}".replace("\n", "\n  ") for name, child in self.named_children()]
        inside = "\n  ".join(["", *lines]) + "\n" if lines else self.extra_repr()
        return f"{type(self).__name__}({inside})"
