"""Modules made of modules."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from kernels.autodiff.nn.module import Module


class _Named(Module):
    """Modules in attributes of any name."""

    def _name(self, name: str, module: Any) -> None:
        if not isinstance(module, Module):
            raise TypeError(
                f"{type(self).__name__}: ({name}) is {module!r}; should be a module, made by a call: nn.ReLU()"
            )
        if not name or "." in name or hasattr(type(self), name):
            raise KeyError(
                f"{type(self).__name__}: a module named {name!r}; should have no dots, and be no name of its own"
            )
        setattr(self, name, module)

    def __len__(self) -> int:
        return len(list(self.children()))


class _Numbered(_Named):
    """Modules by number, in the attributes 0, 1, 2, …"""

    def _append(self, module: Any) -> None:
        self._name(str(len(self)), module)

    def __iter__(self) -> Iterator[Module]:
        return self.children()

    def __getitem__(self, at: Any) -> Any:
        """A module, or with a slice another of these."""
        return self._part(at) if isinstance(at, slice) else list(self)[at]

    def _part(self, at: slice) -> _Numbered:
        """Some of the modules, by the names that they have here."""
        part = type(self)()
        for name, module in list(self.named_children())[at]:
            part._name(name, module)
        return part


class Sequential(_Numbered):
    """Modules one after another, by number, or by the names that a dictionary gives them."""

    def __init__(self, *modules: Module | Mapping[str, Module]) -> None:
        named = modules[0] if len(modules) == 1 and isinstance(modules[0], Mapping) else None
        for name, module in enumerate(modules) if named is None else named.items():
            self._name(str(name), module)

    def forward(self, input: Any) -> Any:
        for name, module in self.named_children():
            input = module(input)
            if input is None:
                raise TypeError(
                    f"Sequential: ({name}) {type(module).__name__} returned None; should return what the next one takes"
                )
        return input


class ModuleList(_Numbered):
    """Modules whose parameters are found; what becomes of them the module that has it says."""

    def __init__(self, modules: Iterable[Module] = ()) -> None:
        for module in modules:
            self._append(module)

    def _part(self, at: slice) -> ModuleList:
        return ModuleList(list(self)[at])  # by new numbers, as in PyTorch

    def append(self, module: Module) -> ModuleList:
        """One more, at the end."""
        self._append(module)
        return self


class ModuleDict(_Named):
    """Modules by name, whose parameters are found; what becomes of them the module that has it says."""

    def __init__(self, modules: Mapping[str, Module] | None = None) -> None:
        for name, module in (modules or {}).items():
            self._name(name, module)

    def __getitem__(self, name: str) -> Module:
        return dict(self.named_children())[name]

    def __setitem__(self, name: str, module: Module) -> None:
        self._name(name, module)

    def __contains__(self, name: str) -> bool:
        return name in dict(self.named_children())

    def __iter__(self) -> Iterator[str]:
        return iter(dict(self.named_children()))

    def keys(self) -> Iterable[str]:
        """The names."""
        return dict(self.named_children()).keys()

    def values(self) -> Iterable[Module]:
        """The modules."""
        return dict(self.named_children()).values()

    def items(self) -> Iterable[tuple[str, Module]]:
        """Each name with its module."""
        return dict(self.named_children()).items()
