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
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

import kernels.autodiff.tensor as tensors  # tensors need functions, functions the tape, and the tape, when it runs, tensors
from kernels.autodiff import memory, modes
from kernels.autodiff.kinds import together

if TYPE_CHECKING:
    from kernels.autodiff.tensor import Tensor

# (cotangent of the output, output) → cotangent of one input. Axes that broadcasting added are summed away by the tape. What it
# closes over it needs as it was, and the output too, unless it calls it `_`.
Derivative = Callable[["Tensor", "Tensor"], "Tensor"]
Rule = Callable[..., tuple[NDArray[Any], Sequence[Derivative]]]


class Node:
    """One line of the tape: a function that was called, with which inputs, and how a cotangent gets back to each.

    `sources`: what made each input, a node or, of a leaf, the tensor itself, if it asks for a gradient; an input that is changed in
    place has another node afterwards. `retained`: the output, if it is to be left a gradient.
    """

    __slots__ = ("derivatives", "inputs", "name", "number", "retained", "sources")

    def __init__(self, name: str, inputs: Sequence[Tensor], derivatives: Sequence[Derivative]) -> None:
        self.name = name
        self.number = memory.now()
        self.inputs: Sequence[Tensor] = inputs
        self.sources: list[Node | Tensor | None] = []
        for tensor in inputs:  # a comprehension takes longer
            self.sources.append((tensor.node or tensor) if tensor.requires_grad else None)
        self.derivatives: Sequence[Derivative] | None = derivatives
        self.retained: Tensor | None = None

    def __repr__(self) -> str:
        return f"<{self.name}>"

    def cotangents(self, cotangent: Tensor, output: Tensor) -> list[tuple[Node | Tensor, Tensor, Tensor]]:
        """What made each input that asks for a gradient, the input, and its part: shaped like it, broadcasting undone."""
        if self.derivatives is None:
            raise RuntimeError(
                f"{self.name}: backward went through here before, and what it needs was freed; use retain_graph=True the first time"
            )
        parts = []
        for tensor, source, derivative in zip(self.inputs, self.sources, self.derivatives, strict=True):
            if source is not None:
                if memory.latest > (source.number if isinstance(source, Node) else self.number):
                    self._check(tensor, source, derivative, output)
                part = derivative(cotangent, output)
                shape = tensor.array.shape
                parts.append((source, tensor, part if part.array.shape == shape else part.sum_to_size(shape)))
        return parts

    def _check(self, tensor: Tensor, source: Node | Tensor, derivative: Derivative, output: Tensor) -> None:
        """Raise RuntimeError where the derivative would be made of numbers that have changed since, or is that of others."""
        needed = [cell.cell_contents for cell in getattr(derivative, "__closure__", None) or ()]
        if derivative.__code__.co_varnames[1] != "_":
            needed.append(output)
        for each in needed:
            for held in each if isinstance(each, (tuple, list)) else (each,):
                if isinstance(held, tensors.Tensor) and memory.changed(held.array) > self.number:
                    which = "its output" if held is output else "an input"
                    raise RuntimeError(
                        f"{self.name}: {which} of shape {held.shape} was changed in place after it was used, so that its "
                        "derivative would be wrong; should be changed after backward, or be a new tensor"
                    )
        if isinstance(source, Node) and source.number < memory.changed(tensor.array, on_tape=True) < self.number:
            raise RuntimeError(
                f"{self.name}: an input of shape {tensor.shape} is a part of a tensor that was changed in place between the two; "
                "should be taken from it again"
            )

    def free(self) -> None:
        """Let go of the inputs, and of all that the derivatives hold."""
        self.inputs, self.sources, self.derivatives, self.retained = (), [], None, None


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
        if modes.recording and value.dtype.kind in "fc":
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
) -> dict[int, tuple[Tensor | None, Tensor]]:
    """Take cotangents of the outputs back to the leaves, or to what is `wanted`: {id of node or leaf: (tensor, its cotangent)}.

    The tape is freed on the way, unless it is to be retained, which None leaves to `create_graph`.
    """
    retained = create_graph if retain_graph is None else retain_graph
    totals: dict[int, Tensor] = {}
    found: dict[int, tuple[Tensor | None, Tensor]] = {}
    asked = {id(tensor.node or tensor) for tensor in wanted}
    # nothing that is wanted is older
    oldest = min((tensor.node.number if tensor.node else 0 for tensor in wanted), default=0)
    waiting: list[tuple[int, Node, Tensor]] = []

    def arrive(source: Node | Tensor, tensor: Tensor, cotangent: Tensor) -> None:
        before = totals.get(id(source))
        total = totals[id(source)] = cotangent if before is None else before + cotangent
        if not isinstance(source, Node):
            found[id(source)] = source, total
            return
        if source.retained is not None or id(source) in asked:
            found[id(source)] = source.retained, total
        if before is None and source.number > oldest:
            heapq.heappush(waiting, (-source.number, source, tensor))

    with modes.grad_mode(create_graph):
        for output, cotangent in zip(outputs, cotangents, strict=True):
            arrive(output.node or output, output, cotangent)
        while waiting:
            _, node, tensor = heapq.heappop(waiting)
            for source, of, part in node.cotangents(totals.pop(id(node)), tensor):
                arrive(source, of, part)
            if not retained:
                node.free()
    return found
