"""PyTorch on the CPU; how it works is in `_torch.py`."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

from experiments.backends.base import Peer, Work

COMPILERS = ("g++", "clang++")


class Torch(Peer):
    """PyTorch, eager, the gradient by explicit formulas."""

    name = "torch"
    package = "torch"
    module = "_torch"
    how: ClassVar[str] = "explicit"
    block: ClassVar[int | None] = None  # numbers of X in a block that both products take

    @property
    def options(self) -> dict[str, Any]:
        return {"how": self.how, "block": self.block}

    @contextmanager
    def threads(self, count: int | None) -> Iterator[int]:
        import torch

        before = torch.get_num_threads()
        torch.set_num_threads(count or before)
        try:
            yield torch.get_num_threads()
        finally:
            torch.set_num_threads(before)


class TorchTuned(Torch):
    """PyTorch as fast as it was seen to be: the explicit formulas in blocks that are still in cache at the second product."""

    name = "torch_tuned"
    block = 1 << 20


class TorchAutograd(Torch):
    """PyTorch, eager, the gradient by autograd."""

    name = "torch_autograd"
    how = "autograd"


class TorchCompiled(Torch):
    """PyTorch, the explicit formulas through `torch.compile`."""

    name = "torch_compiled"
    how = "compiled"

    def refusal(self, work: Work, batch_size: int | None) -> str | None:
        if not any(map(shutil.which, COMPILERS)):
            return f"compiles only where there is {' or '.join(COMPILERS)}; should be torch"
        return super().refusal(work, batch_size)
