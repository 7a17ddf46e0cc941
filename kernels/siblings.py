"""The classes of a folder, found by their files: a new loss, noise or layout is one file, with no list to add it to."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterable, Mapping
from typing import TypeVar

T = TypeVar("T")


def siblings(package: str, path: Iterable[str], base: type[T]) -> dict[str, type[T]]:
    """The subclasses of `base` that the modules of a package define, by their `name`, in the order of their files.

    Raises ImportError for a class without a name, and for two of the same name.
    """
    found: dict[str, type[T]] = {}
    for info in pkgutil.iter_modules(path):
        module = importlib.import_module(f"{package}.{info.name}")
        for cls in vars(module).values():
            if not (isinstance(cls, type) and issubclass(cls, base) and cls is not base):
                continue
            if cls.__module__ != module.__name__:  # what it imports from a sibling is not its own
                continue
            name = getattr(cls, "name", None)
            if not isinstance(name, str):
                raise ImportError(f"{module.__name__}.{cls.__name__}: has no name; should say name = …")
            if name in found:
                raise ImportError(f"{module.__name__}.{cls.__name__}: its name {name!r} is that of {found[name]}")
            found[name] = cls
    return found


def pick(kind: str, name: str, found: Mapping[str, type[T]]) -> type[T]:
    """The class of that name. Raises ValueError, which lists the names, where there is none."""
    if name not in found:
        raise ValueError(f"{kind}: {name!r}; should be one of {', '.join(found)}, or a {kind.capitalize()} object")
    return found[name]
