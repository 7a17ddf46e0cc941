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
from typing import TYPE_CHECKING, Any, Optional, Union

import numpy as np
from numpy import ndarray
from numpy.typing import NDArray

import kernels.autodiff.tensor as tensors  # tensors need functions, functions the tape, and the tape, when it runs, tensors
from kernels.autodiff import memory, modes
from kernels.autodiff.kinds import together

if TYPE_CHECKING:
    from kernels.autodiff.tensor import Tensor

new, now = object.__new__, memory.now  # looked up once, and not for each operation
Source = Union["Node", "Tensor", None]
# (cotangent of the output, output) → cotangent of one input. Axes that broadcasting added are summed away by the tape. What it
# closes over it needs as it was, and the output too, unless it calls it `_`.
Derivative = Callable[["Tensor", "Tensor"], Optional["Tensor"]]
Rule = Callable[..., tuple[NDArray[Any], Sequence[Derivative]]]


class Node:
    """One line of the tape: a function that was called, with which inputs, and how a cotangent gets back to each.

    `sources`: what made each input, a node or, of a leaf, the tensor itself, if it asks for a gradient; an input that is changed in
    place has another node afterwards. `retained`: the output, if it is to be left a gradient.
    """

    __slots__ = ("derivatives", "inputs", "name", "number", "retained", "sources")

    def __init__(
        self, name: str, inputs: Sequence[Tensor], sources: Sequence[Source], derivatives: Sequence[Derivative]
    ) -> None:
        self.name = name
        self.number = now()
        self.inputs: Sequence[Tensor] = inputs
        self.sources: Sequence[Source] = sources
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
                made = source.number if isinstance(source, Node) else self.number
                if memory.latest > made:
                    memory.check_unchanged(self.name, self.number, derivative, output)
                    memory.check_whole(self.name, made, self.number, tensor)
                part = derivative(cotangent, output)
                if part is None:  # it does not depend on this input
                    continue
                shape = tensor.array.shape
                parts.append((source, tensor, part if part.array.shape == shape else part.sum_to_size(shape)))
        return parts

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
        inputs = together(given if len(given) == count else given[:count])
        try:
            if settings or len(inputs) < len(given):
                value, derivatives = rule(*inputs, *given[len(inputs) :], **settings)
            else:  # as nearly always, and sooner called
                value, derivatives = rule(*inputs)
        except ValueError as error:
            raise ValueError(f"{name}: of {' and '.join(str(tensor.shape) for tensor in inputs)}: {error}") from None
        return record(name, inputs, value, derivatives)

    return call


def record(name: str, inputs: Sequence[Tensor], value: NDArray[Any], derivatives: Sequence[Derivative]) -> Tensor:
    """The tensor of a value, with a line on the tape if one is kept and an input asks for a gradient."""
    output = new(tensors.Tensor)  # `Tensor.of`, written out: a tenth of what an operation costs
    output.array = value if type(value) is ndarray else np.asarray(value)
    if modes.recording and value.dtype.kind in "fc":
        sources: list[Source] = []
        asked = False
        for tensor in inputs:
            sources.append((tensor.node or tensor) if tensor.requires_grad else None)
            asked = asked or tensor.requires_grad
        if asked:
            output.requires_grad = True
            output.node = Node(name, inputs, sources, derivatives)
    return output


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
