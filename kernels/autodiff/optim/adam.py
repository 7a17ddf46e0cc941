"""Adam (Kingma and Ba 2015) and AdamW (Loshchilov and Hutter 2019)."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from kernels.autodiff.optim.optimizer import Array, Optimizer


class Adam(Optimizer):
    """θ ← θ − lr·m̂/(√v̂ + ε): m and v are running means of g and g², from 0, and m̂, v̂ make up for that start.

    m ← β₁m + (1 − β₁)g, v ← β₂v + (1 − β₂)g², m̂ = m/(1 − β₁ᵗ), v̂ = v/(1 − β₂ᵗ); g is the gradient + weight_decay·θ.
    """

    def __init__(
        self, params: Iterable[Any], lr: float = 1e-3, betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-8,
        weight_decay: float = 0,
    ) -> None:  # fmt: skip
        if not all(0 <= beta < 1 for beta in betas):
            raise ValueError(f"betas: {betas}; should be in 0..1, below 1")
        super().__init__(params, {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay})

    def move(self, theta: Array, grad: Array, state: dict[str, Any], group: Mapping[str, Any]) -> None:
        if not state:
            state.update(t=0, m=np.zeros_like(theta), v=np.zeros_like(theta))
        state["t"] += 1
        for name, power, beta in (("m", grad, group["betas"][0]), ("v", grad * grad, group["betas"][1])):
            state[name] *= beta
            state[name] += (1 - beta) * power
        first, second = (1 - beta ** state["t"] for beta in group["betas"])
        theta -= (group["lr"] / first) * state["m"] / (np.sqrt(state["v"]) / math.sqrt(second) + group["eps"])


class AdamW(Adam):
    """Adam, with weight decay apart from the gradient: θ ← θ − lr·weight_decay·θ, then Adam's step along g alone."""

    decays_apart = True

    def __init__(
        self, params: Iterable[Any], lr: float = 1e-3, betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-8,
        weight_decay: float = 1e-2,
    ) -> None:  # fmt: skip
        super().__init__(params, lr, betas, eps, weight_decay)
