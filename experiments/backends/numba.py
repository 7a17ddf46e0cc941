"""The bench's own kernels: `kernels.Objective`, with what else a backend has."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

from numpy.typing import NDArray

from experiments.backends.base import Backend, Work
from kernels import Objective, losses, threads


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
