"""PyTorch on the CPU; how it works is in `_torch.py`."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

from experiments.backends.base import Peer, Work
from kernels.layouts import Layout
from kernels.losses import Loss

HOW = ("explicit", "autograd", "compiled")
COMPILERS = ("g++", "clang++")


class Torch(Peer):
    """PyTorch: the gradient by explicit formulas, by autograd, or by the explicit formulas through `torch.compile`."""

    name = "torch"
    package = "torch"

    def __init__(
        self,
        loss: str | Loss,
        layout: str | Layout = "rows",
        how: Literal["explicit", "autograd", "compiled"] = "explicit",
    ) -> None:
        super().__init__(loss, layout)
        if how not in HOW:
            raise ValueError(f"how: {how!r}; should be one of {', '.join(HOW)}")
        self.options = {"how": how}

    def refusal(self, work: Work, batch_size: int | None) -> str | None:
        if self.options["how"] == "compiled" and not any(map(shutil.which, COMPILERS)):
            return f"compiles only where there is {' or '.join(COMPILERS)}; should be how=explicit"
        return super().refusal(work, batch_size)

    @contextmanager
    def threads(self, count: int | None) -> Iterator[int]:
        import torch

        before = torch.get_num_threads()
        torch.set_num_threads(count or before)
        try:
            yield torch.get_num_threads()
        finally:
            torch.set_num_threads(before)
