"""Functions whose `backward` is written by hand, as `torch.autograd.Function` has it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kernels.autodiff import modes
from kernels.autodiff.tape import Derivative, record
from kernels.autodiff.tensor import Tensor


class Context:
    """What `forward` leaves for `backward`: tensors by `save_for_backward`, and whatever is set on it."""

    saved_tensors: tuple[Tensor, ...] = ()
    needs_input_grad: tuple[bool, ...] = ()

    def save_for_backward(self, *tensors: Tensor) -> None:
        """Keep inputs or the output, so that it is noticed if they are changed meanwhile."""
        self.saved_tensors = tensors


class Function:
    """A function of tensors: subclasses write `forward(ctx, *inputs)` and `backward(ctx, grad_output)`, and are called by `apply`.

    `forward` gives one tensor; `backward` a gradient for each input, None for what has none.
    """

    @staticmethod
    def forward(ctx: Any, *inputs: Any) -> Tensor:
        """The value."""
        raise NotImplementedError("forward() is missing")

    @staticmethod
    def backward(ctx: Any, grad_output: Tensor) -> Any:
        """∂/∂input Σ grad_output·output for each input."""
        raise NotImplementedError("backward() is missing")

    @classmethod
    def apply(cls, *inputs: Any) -> Tensor:
        """The value, written to the tape."""
        ctx = Context()
        ctx.needs_input_grad = tuple(isinstance(x, Tensor) and x.requires_grad for x in inputs)
        with modes.grad_mode(False):
            value = cls.forward(ctx, *inputs)
        if not isinstance(value, Tensor):
            raise TypeError(f"{cls.__name__}.forward: gives {type(value).__name__}; should be one tensor")
        tensors = [x for x in inputs if isinstance(x, Tensor)]
        return record(cls.__name__, tensors, value.array, cls._derivatives(ctx, inputs, value))

    @classmethod
    def _derivatives(cls, ctx: Context, inputs: Sequence[Any], value: Tensor) -> list[Derivative]:
        """The parts of `backward` that belong to tensors; it is called once for all of them."""
        saved = ctx.saved_tensors
        latest: tuple[Tensor | None, Sequence[Any]] = None, ()

        def parts(g: Tensor, kept: tuple[Tensor, ...]) -> Sequence[Any]:
            nonlocal latest
            if latest[0] is not g:
                ctx.saved_tensors = kept
                found = cls.backward(ctx, g)
                ctx.saved_tensors = saved  # a tensor must not hold itself
                latest = g, cls._checked(found if isinstance(found, tuple) else (found,), inputs)
            return latest[1]

        def derivative(i: int) -> Derivative:
            def of_inputs(g: Tensor, _: Tensor) -> Any:
                return parts(g, saved)[i]

            def of_output(g: Tensor, output: Tensor) -> Any:
                return parts(g, tuple(output if tensor is value else tensor for tensor in saved))[i]

            return of_output if any(tensor is value for tensor in saved) else of_inputs

        return [derivative(i) for i, x in enumerate(inputs) if isinstance(x, Tensor)]

    @classmethod
    def _checked(cls, found: tuple[Any, ...], inputs: Sequence[Any]) -> list[Any]:
        """What `backward` gave: one for each input, like it; None for what has none."""
        said = f"{cls.__name__}.backward: "
        while len(found) > len(inputs) and found[-1] is None:  # of inputs that were left out
            found = found[:-1]
        if len(found) != len(inputs):
            raise RuntimeError(
                f"{said}gives {len(found)} gradients; should be {len(inputs)}, one for each input of forward, or None"
            )
        parts: list[Any] = []
        for i, (part, x) in enumerate(zip(found, inputs, strict=True)):
            if part is not None and not (isinstance(part, Tensor) and isinstance(x, Tensor)):
                wanted = "a tensor" if isinstance(x, Tensor) else "None, since the input is none"
                raise RuntimeError(f"{said}gives a {type(part).__name__} for input {i}; should be {wanted}")
            if part is not None and part.shape != x.shape:
                raise RuntimeError(f"{said}gives shape {part.shape} for input {i}; should be {x.shape}, as the input")
            parts.append(part if part is None else part.to(x.dtype))
        return parts
