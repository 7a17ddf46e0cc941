"""Modules made of modules."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from kernels.autodiff.nn.module import Module


class _Numbered(Module):
    """Modules by number, in the attributes 0, 1, 2, …"""

    def _append(self, module: Module) -> None:
        number = len(self)
        if not isinstance(module, Module):
            raise TypeError(
                f"{type(self).__name__}: number {number} is {module!r}; should be a module, made by a call: nn.ReLU()"
            )
        setattr(self, str(number), module)

    def __iter__(self) -> Iterator[Module]:
        return self.children()

    def __len__(self) -> int:
        return len(list(self.children()))

    def __getitem__(self, at: Any) -> Any:
        """A module, or with a slice another of these."""
        return type(self)._of(list(self)[at]) if isinstance(at, slice) else list(self)[at]

    @classmethod
    def _of(cls, modules: Iterable[Module]) -> _Numbered:
        made = cls()
        for module in modules:
            made._append(module)
        return made


class Sequential(_Numbered):
    """Modules one after another."""

    def __init__(self, *modules: Module) -> None:
        for module in modules:
            self._append(module)

    def forward(self, input: Any) -> Any:
        for module in self:
            input = module(input)
        return input


class ModuleList(_Numbered):
    """Modules whose parameters are found; what becomes of them the module that has it says."""

    def __init__(self, modules: Iterable[Module] = ()) -> None:
        for module in modules:
            self._append(module)

    def append(self, module: Module) -> ModuleList:
        """One more, at the end."""
        self._append(module)
        return self
