"""What the kernels are raced against, one file a library, behind one interface: `backend(loss, layout=layout)`.

`find()` gives the class of each by name. The files of PyTorch and JAX import without them: `check` says what is missing.
"""

from __future__ import annotations

import importlib
import pkgutil

from experiments.backends.base import Backend, environment

__all__ = ["Backend", "environment", "find"]


def find() -> dict[str, type[Backend]]:
    """The backends by name, each in the file of that name."""
    names = [info.name for info in pkgutil.iter_modules(__path__) if info.name != "base" and info.name[0] != "_"]
    modules = {name: vars(importlib.import_module(f"{__name__}.{name}")) for name in names}
    return {
        cls.name: cls
        for name, contents in modules.items()
        for cls in contents.values()
        if isinstance(cls, type) and issubclass(cls, Backend) and getattr(cls, "name", None) == name
    }
