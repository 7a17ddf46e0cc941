"""RMSprop (Hinton 2012)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

import numpy as np

from kernels.autodiff.optim.optimizer import Array, Optimizer


class RMSprop(Optimizer):
    """θ ← θ − lr·u, with u ← momentum·u + g/(√v + ε), v ← αv + (1 − α)g² from 0 and g the gradient + weight_decay·θ."""

    at_least_zero: ClassVar = ("lr", "weight_decay", "momentum", "alpha", "eps")

    def __init__(
        self, params: Iterable[Any], lr: float = 1e-2, alpha: float = 0.99, eps: float = 1e-8, weight_decay: float = 0,
        momentum: float = 0,
    ) -> None:  # fmt: skip
        super().__init__(
            params, {"lr": lr, "alpha": alpha, "eps": eps, "weight_decay": weight_decay, "momentum": momentum}
        )

    def move(self, theta: Array, grad: Array, state: dict[str, Any], group: Mapping[str, Any]) -> None:
        if not state:
            state.update(v=np.zeros_like(theta), u=np.zeros_like(theta))
        state["v"] *= group["alpha"]
        state["v"] += (1 - group["alpha"]) * grad * grad
        state["u"] *= group["momentum"]
        state["u"] += grad / (np.sqrt(state["v"]) + group["eps"])
        theta -= group["lr"] * state["u"]
