"""What is done to the gradients of a model before a step."""

from __future__ import annotations

import math
from collections.abc import Iterable

from kernels.autodiff.modes import no_grad
from kernels.autodiff.tensor import Tensor


def clip_grad_norm_(parameters: Tensor | Iterable[Tensor], max_norm: float) -> Tensor:
    """Scale all gradients by one factor, so that the norm of them together is `max_norm` at most; the norm before."""
    if not max_norm > 0:
        raise ValueError(f"max_norm: {max_norm}; should be above 0")
    given = [parameters] if isinstance(parameters, Tensor) else list(parameters)
    grads = [parameter.grad for parameter in given if parameter.grad is not None]
    total = math.sqrt(sum(float((grad.array**2).sum()) for grad in grads))
    factor = max_norm / (total + 1e-6)
    if factor < 1:
        with no_grad():
            for grad in grads:
                grad.mul_(factor)
    return Tensor(total)
