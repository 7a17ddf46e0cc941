"""Gradients as values, rather than left at the leaves."""

from __future__ import annotations

from collections.abc import Sequence

from kernels.autodiff import tape
from kernels.autodiff.tensor import Tensor


def grad(
    outputs: Tensor | Sequence[Tensor],
    inputs: Tensor | Sequence[Tensor],
    grad_outputs: Tensor | Sequence[Tensor | None] | None = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    allow_unused: bool = False,
) -> tuple[Tensor | None, ...]:
    """∂/∂input Σ grad_output·output for each input; nothing is left at the leaves.

    With `create_graph` the gradients can be differentiated themselves. An input that no output depends on raises RuntimeError,
    or with `allow_unused` has None.
    """
    of = [outputs] if isinstance(outputs, Tensor) else list(outputs)
    by = [inputs] if isinstance(inputs, Tensor) else list(inputs)
    if grad_outputs is None:
        given: list[Tensor | None] = [None] * len(of)
    else:
        given = [grad_outputs] if isinstance(grad_outputs, Tensor) else list(grad_outputs)
    starts = [output.cotangent(start) for output, start in zip(of, given, strict=True)]
    found = tape.pull_back(of, starts, retain_graph, create_graph, by)
    gradients = [found.get(id(tensor.node or tensor), (None, None))[1] for tensor in by]
    if not create_graph:  # what may be changed in place must be nobody else's
        gradients = [None if gradient is None else Tensor.of(gradient.array.copy()) for gradient in gradients]
    if not allow_unused and any(gradient is None for gradient in gradients):
        which = next(i for i, gradient in enumerate(gradients) if gradient is None)
        raise RuntimeError(f"inputs: no output depends on number {which}; leave it out, or give allow_unused=True")
    return tuple(gradients)
