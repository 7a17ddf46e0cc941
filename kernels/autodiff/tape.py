"""The tape: what was computed from what, and by which rule a derivative goes back through it (reverse mode).

A function of tensors is written as one *rule*: from its inputs, the value, and beside it one derivative for each input. A
derivative takes the cotangent g = ∂f/∂output of some scalar f and gives ∂f/∂input: a vector-Jacobian product, made of tensors
itself, so that it can be differentiated once more. While gradients are on, a call also writes a `Node` down: the inputs, and
their derivatives.

`pull_back` reads the tape from its newest node to its oldest. A function's inputs are there before it is called, so newest
first is a topological order: once a tensor's turn comes, all that was made of it has had its turn, and its cotangent is
complete.
"""

from __future__ import annotations

import functools
import heapq
import inspect
import itertools
from collections.abc import Callable, Sequence
from contextlib import ContextDecorator
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

import kernels.autodiff.tensor as tensors  # tensors need functions, functions the tape, and the tape, when it runs, tensors
from kernels.autodiff.kinds import together

if TYPE_CHECKING:
    from kernels.autodiff.tensor import Tensor

# (cotangent of the output, output) → cotangent of one input. Axes that broadcasting added are summed away by the tape.
Derivative = Callable[["Tensor", "Tensor"], "Tensor"]
Rule = Callable[..., tuple[NDArray[Any], Sequence[Derivative]]]

# A clock for all that happens to tensors: when a function was called, when one was changed in place.
now = itertools.count(1).__next__
_recording = True


class Node:
    """One line of the tape: a function that was called, with which inputs, and how a cotangent gets back to each."""

    __slots__ = ("derivatives", "inputs", "name", "number")

    def __init__(self, name: str, inputs: Sequence[Tensor], derivatives: Sequence[Derivative]) -> None:
        self.name = name
        self.number = now()
        self.inputs: Sequence[Tensor] | None = inputs
        self.derivatives: Sequence[Derivative] = derivatives

    def __repr__(self) -> str:
        return f"<{self.name}>"

    def cotangents(self, cotangent: Tensor, output: Tensor) -> list[tuple[Tensor, Tensor]]:
        """Each input that asks for a gradient, with its part: shaped like it, broadcasting undone."""
        if self.inputs is None:
            raise RuntimeError(
                f"{self.name}: backward went through here before, and what it needs was freed; use retain_graph=True the first time"
            )
        parts = []
        for tensor, derivative in zip(self.inputs, self.derivatives, strict=True):
            if tensor.changed > self.number:
                raise RuntimeError(
                    f"{self.name}: an input of shape {tensor.shape} was changed in place after it was used, so that its "
                    "derivative would be wrong; should be changed after backward, or be a new tensor"
                )
            if tensor.requires_grad:
                part = derivative(cotangent, output)
                parts.append(
                    (tensor, part if part.array.shape == tensor.array.shape else part.sum_to_size(tensor.array.shape))
                )
        return parts

    def free(self) -> None:
        """Let go of the inputs, and of all that the derivatives hold."""
        self.inputs, self.derivatives = None, ()


def function(rule: Rule) -> Callable[..., Tensor]:
    """The function of tensors whose rule this is.

    The rule's parameters that are annotated `Tensor` are its inputs; numbers and arrays may be given for them. The rest are
    settings.
    """
    kinds = [p for p in inspect.signature(rule).parameters.values() if p.annotation == "Tensor"]
    count = None if any(p.kind is p.VAR_POSITIONAL for p in kinds) else len(kinds)
    name = rule.__name__.strip("_")

    @functools.wraps(rule)
    def call(*given: Any, **settings: Any) -> Tensor:
        inputs = together(given[:count])
        try:
            value, derivatives = rule(*inputs, *given[len(inputs) :], **settings)
        except ValueError as error:
            raise ValueError(f"{name}: of {' and '.join(str(tensor.shape) for tensor in inputs)}: {error}") from None
        output = tensors.Tensor.of(value)
        if _recording and value.dtype.kind in "fc":
            for tensor in inputs:
                if tensor.requires_grad:
                    output.requires_grad = True
                    output.node = Node(name, inputs, derivatives)
                    break
        return output

    return call


def pull_back(
    outputs: Sequence[Tensor],
    cotangents: Sequence[Tensor],
    retain_graph: bool | None,
    create_graph: bool,
    wanted: Sequence[Tensor] = (),
) -> dict[int, tuple[Tensor, Tensor]]:
    """Take cotangents of the outputs back to the leaves, and to what is `wanted` on the way: {id: (tensor, its cotangent)}.

    The tape is freed on the way, unless it is to be retained, which None leaves to `create_graph`.
    """
    retained = create_graph if retain_graph is None else retain_graph
    totals: dict[int, Tensor] = {}
    found: dict[int, tuple[Tensor, Tensor]] = {}
    asked = {id(tensor) for tensor in wanted}
    waiting: list[tuple[int, Node, Tensor]] = []

    def arrive(tensor: Tensor, cotangent: Tensor) -> None:
        before = totals.get(id(tensor))
        totals[id(tensor)] = cotangent if before is None else before + cotangent
        if tensor.node is None or tensor.retains_grad or id(tensor) in asked:
            found[id(tensor)] = tensor, totals[id(tensor)]
        if before is None and tensor.node is not None:
            heapq.heappush(waiting, (-tensor.node.number, tensor.node, tensor))

    with set_grad_enabled(create_graph):
        for output, cotangent in zip(outputs, cotangents, strict=True):
            arrive(output, cotangent)
        while waiting:
            _, node, tensor = heapq.heappop(waiting)
            for source, part in node.cotangents(totals.pop(id(tensor)), tensor):
                arrive(source, part)
            if not retained:
                node.free()
    return found


class set_grad_enabled(ContextDecorator):
    """Whether functions write to the tape: within a `with`, or in a decorated function."""

    def __init__(self, mode: bool) -> None:
        self.mode = mode
        self.before: list[bool] = []

    def __enter__(self) -> None:
        global _recording
        self.before.append(_recording)
        _recording = self.mode

    def __exit__(self, *error: object) -> None:
        global _recording
        _recording = self.before.pop()


def no_grad() -> set_grad_enabled:
    """Write nothing to the tape."""
    return set_grad_enabled(False)


def enable_grad() -> set_grad_enabled:
    """Write to the tape, within `no_grad` too."""
    return set_grad_enabled(True)


def is_grad_enabled() -> bool:
    """Whether functions write to the tape now."""
    return _recording
