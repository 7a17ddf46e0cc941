"""The bench's own kernels: `kernels.Objective`, with what else a backend has; and the same in the other layout."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from experiments.backends.base import Backend, Work
from kernels import Objective, losses, threads
from kernels.layouts import Layout
from kernels.losses import Loss


class Numba(Objective, Backend):
    """`kernels.Objective` as it is: NumPy arrays, every loss and layout, every check."""

    name = "numba"
    package = "numba"
    formulas = tuple(losses.ALL)

    def refusal(self, work: Work, batch_size: int | None) -> str | None:
        return None

    def threads(self, count: int | None) -> AbstractContextManager[object]:
        return threads.using(count)

    def native(self, array: NDArray[Any] | None) -> NDArray[Any] | None:
        return array


class NumbaTurned(Numba):
    """The kernels over X turned around, as columns where rows are given: what a layout costs.

    X is turned at the first call with it, which nobody times.
    """

    name = "numba_turned"

    def __init__(self, loss: str | Loss, layout: str | Layout = "rows") -> None:
        super().__init__(loss, layout=layout)
        self._other = Numba(loss, layout="columns" if self.layout.name == "rows" else "rows")
        self._given, self._turned = np.empty((0, 0)), np.empty((0, 0))

    def refusal(self, work: Work, batch_size: int | None) -> str | None:
        return Backend.refusal(self, work, batch_size)  # two layouts are the other of one another

    def forward(self, X: Any, theta: Any, order: Any = None) -> NDArray[Any]:
        return self._other.forward(self._in_turn(X), theta, order).T

    def gradient(self, X: Any, delta: Any, order: Any = None) -> NDArray[Any]:
        return self._other.gradient(self._in_turn(X), delta.T, order)

    def value_and_grad(self, X: Any, y: Any, theta: Any, order: Any = None) -> tuple[float, NDArray[Any]]:
        return self._other.value_and_grad(self._in_turn(X), y, theta, order)

    def sgd_epoch(
        self, X: Any, y: Any, theta: NDArray[Any], batch_size: int, step_size: float, order: Any = None
    ) -> float:
        return self._other.sgd_epoch(self._in_turn(X), y, theta, batch_size, step_size, order)

    def _in_turn(self, X: NDArray[Any]) -> NDArray[Any]:
        if X is not self._given:
            self._given, self._turned = X, np.ascontiguousarray(X.T)
        return self._turned
