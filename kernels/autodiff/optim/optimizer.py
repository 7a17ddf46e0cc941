"""What all optimizers have: parameters in groups, each with settings of its own."""

from __future__ import annotations

import copy
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from kernels.autodiff import memory
from kernels.autodiff.modes import enable_grad
from kernels.autodiff.tensor import Tensor

Array = NDArray[Any]


class Optimizer(ABC):
    """Takes a step along the gradients that `backward` left at the parameters; a parameter without one stays as it is."""

    at_least_zero: ClassVar[tuple[str, ...]] = ("lr", "weight_decay")
    decays_apart: ClassVar[bool] = False  # whether weight decay is a step of its own, and not a part of the gradient

    def __init__(self, params: Iterable[Any], defaults: Mapping[str, Any]) -> None:
        given = list(params)
        groups = given if given and isinstance(given[0], Mapping) else [{"params": given}]
        self.param_groups: list[dict[str, Any]] = [
            {**defaults, **group, "params": [own] if isinstance(own := group["params"], Tensor) else list(own)}
            for group in groups
        ]
        self.state: dict[Tensor, dict[str, Any]] = {}
        if not any(group["params"] for group in self.param_groups):
            raise ValueError("params: none; should be a model's parameters")
        every = [id(parameter) for parameter in self._parameters()]
        if len(set(every)) < len(every):
            raise ValueError("params: a tensor stands there twice; should be stepped once")
        for group in self.param_groups:
            for key in self.at_least_zero:
                if not 0 <= group[key] < math.inf:
                    raise ValueError(f"{key}: {group[key]}; should be at least 0")
            for parameter in group["params"]:
                if not isinstance(parameter, Tensor) or not parameter.is_leaf:
                    raise TypeError(f"params: {parameter!r}; should be leaf tensors")

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients, or set them to zero."""
        for parameter in self._parameters():
            if set_to_none or parameter.grad is None:
                parameter.grad = None
            else:
                parameter.grad = Tensor.of(np.zeros_like(parameter.array))

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Change the parameters, in place, after a call of `closure`, which computes the loss and its gradients; the loss."""
        loss = None
        if closure is not None:
            with enable_grad():
                loss = closure()
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    grad, decay = parameter.grad.array, group["weight_decay"]
                    if decay and self.decays_apart:
                        parameter.array *= 1 - group["lr"] * decay
                    elif decay:
                        grad = grad + decay * parameter.array
                    self.move(parameter.array, grad, self.state.setdefault(parameter, {}), group)
                    memory.note(parameter.array)
        return loss

    def state_dict(self) -> dict[str, Any]:
        """What the next steps depend on, parameters by their numbers."""
        numbers = {parameter: i for i, parameter in enumerate(self._parameters())}
        groups = [
            {**group, "params": [numbers[parameter] for parameter in group["params"]]} for group in self.param_groups
        ]
        return {
            "state": {numbers[parameter]: dict(state) for parameter, state in self.state.items()},
            "param_groups": groups,
        }

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Go on as the optimizer whose state it is would have: one of as many parameters, in groups as large."""
        given, own = (
            [len(group["params"]) for group in groups] for groups in (state_dict["param_groups"], self.param_groups)
        )
        if given != own:
            raise ValueError(f"state_dict: groups of {given} parameters; should be of {own}")
        parameters = list(self._parameters())
        for group, before in zip(self.param_groups, state_dict["param_groups"], strict=True):
            group.update((name, value) for name, value in before.items() if name != "params")
        self.state = {parameters[i]: copy.deepcopy(state) for i, state in state_dict["state"].items()}

    def _parameters(self) -> Iterator[Tensor]:
        return (parameter for group in self.param_groups for parameter in group["params"])

    @abstractmethod
    def move(self, theta: Array, grad: Array, state: dict[str, Any], group: Mapping[str, Any]) -> None:
        """Change one parameter's array, in place; `state` is kept until its next step."""
