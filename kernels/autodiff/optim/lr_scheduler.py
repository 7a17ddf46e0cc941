"""Step sizes that change from epoch to epoch: `step()` once after each.

Each changes the `lr` that a group has then, so that several can take turns at one optimizer, and what is set by hand stays.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from kernels.autodiff.optim.optimizer import Optimizer


class LRScheduler(ABC):
    """The base of all: `rate` says what becomes of a group's `lr` when an epoch has passed."""

    def __init__(self, optimizer: Optimizer) -> None:
        self.optimizer, self.last_epoch = optimizer, 0
        self.base_lrs = [group.setdefault("initial_lr", group["lr"]) for group in optimizer.param_groups]
        self._set()

    @abstractmethod
    def rate(self, lr: float, base: float, group: int) -> float:
        """The `lr` of a group after `last_epoch` epochs: of the one it has, and the one that it started with."""

    def step(self) -> None:
        """One epoch more has passed."""
        self.last_epoch += 1
        self._set()

    def get_last_lr(self) -> list[float]:
        """The `lr` of each group."""
        return [group["lr"] for group in self.optimizer.param_groups]

    def state_dict(self) -> dict[str, Any]:
        """Where it is."""
        return {"last_epoch": self.last_epoch, "base_lrs": list(self.base_lrs)}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Go on from there; the optimizer's own state has the `lr`."""
        self.last_epoch, self.base_lrs = state_dict["last_epoch"], list(state_dict["base_lrs"])

    def _set(self) -> None:
        for i, (group, base) in enumerate(zip(self.optimizer.param_groups, self.base_lrs, strict=True)):
            group["lr"] = self.rate(group["lr"], base, i)


class LambdaLR(LRScheduler):
    """lr = base·f(epoch), of one function or one for each group"""

    def __init__(
        self, optimizer: Optimizer, lr_lambda: Callable[[int], float] | Sequence[Callable[[int], float]]
    ) -> None:
        groups = len(optimizer.param_groups)
        self.lr_lambdas = [lr_lambda] * groups if callable(lr_lambda) else list(lr_lambda)
        if len(self.lr_lambdas) != groups:
            raise ValueError(f"lr_lambda: {len(self.lr_lambdas)} functions; should be {groups}, one for each group")
        super().__init__(optimizer)

    def rate(self, lr: float, base: float, group: int) -> float:
        return base * self.lr_lambdas[group](self.last_epoch)


class StepLR(LRScheduler):
    """lr ← γ·lr whenever `step_size` epochs have passed"""

    def __init__(self, optimizer: Optimizer, step_size: int, gamma: float = 0.1) -> None:
        self.step_size, self.gamma = step_size, gamma
        super().__init__(optimizer)

    def rate(self, lr: float, base: float, group: int) -> float:
        return lr * self.gamma if self.last_epoch and self.last_epoch % self.step_size == 0 else lr


class MultiStepLR(LRScheduler):
    """lr ← γ·lr at each of the milestones"""

    def __init__(self, optimizer: Optimizer, milestones: Sequence[int], gamma: float = 0.1) -> None:
        self.milestones, self.gamma = list(milestones), gamma
        super().__init__(optimizer)

    def rate(self, lr: float, base: float, group: int) -> float:
        return lr * self.gamma ** self.milestones.count(self.last_epoch)


class ExponentialLR(LRScheduler):
    """lr ← γ·lr"""

    def __init__(self, optimizer: Optimizer, gamma: float) -> None:
        self.gamma = gamma
        super().__init__(optimizer)

    def rate(self, lr: float, base: float, group: int) -> float:
        return lr * self.gamma if self.last_epoch else lr


class CosineAnnealingLR(LRScheduler):
    """lr = eta_min + (base − eta_min)·½(1 + cos(π·epoch/T_max)), from epoch to epoch (Loshchilov and Hutter 2017)"""

    def __init__(self, optimizer: Optimizer, T_max: int, eta_min: float = 0.0) -> None:
        self.T_max, self.eta_min = T_max, eta_min
        super().__init__(optimizer)

    def rate(self, lr: float, base: float, group: int) -> float:
        if self.last_epoch == 0:
            return lr
        now, before = (1 + math.cos(math.pi * (self.last_epoch - ago) / self.T_max) for ago in (0, 1))
        if (self.last_epoch - 1) % (
            2 * self.T_max
        ) == self.T_max:  # it was at its lowest, from where no factor leads up
            return lr + (base - self.eta_min) * now / 2
        return self.eta_min + (lr - self.eta_min) * now / before
