"""Stochastic gradient descent."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from kernels.autodiff.optim.optimizer import Array, Optimizer
from kernels.axpy import axpy


class SGD(Optimizer):
    """θ ← θ − lr·v, with v ← momentum·v + (1 − dampening)·g and g the gradient + weight_decay·θ.

    v starts as the first g. With `nesterov`, the step is along g + momentum·v.
    """

    at_least_zero: ClassVar = ("lr", "weight_decay", "momentum")

    def __init__(
        self, params: Iterable[Any], lr: float = 1e-3, momentum: float = 0, dampening: float = 0, weight_decay: float = 0,
        nesterov: bool = False,
    ) -> None:  # fmt: skip
        if nesterov and not (momentum > 0 and dampening == 0):
            raise ValueError(f"nesterov: with momentum {momentum} and dampening {dampening}; should be above 0, and 0")
        super().__init__(
            params,
            {
                "lr": lr,
                "momentum": momentum,
                "dampening": dampening,
                "weight_decay": weight_decay,
                "nesterov": nesterov,
            },
        )

    def move(self, theta: Array, grad: Array, state: dict[str, Any], group: Mapping[str, Any]) -> None:
        momentum = group["momentum"]
        if momentum:
            if "v" in state:
                state["v"] *= momentum
                state["v"] += (1 - group["dampening"]) * grad
            else:
                state["v"] = grad.copy()
            grad = grad + momentum * state["v"] if group["nesterov"] else state["v"]
        axpy(-float(group["lr"]), grad, theta)
