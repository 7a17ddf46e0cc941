"""What the kernels are raced against, one file a library, behind one interface: `backend(loss, layout=layout)`.

`find()` gives the class of each by name. The files of PyTorch and JAX import without them: `check` says what is missing.
"""

from __future__ import annotations

import importlib
import pkgutil

from experiments.backends.base import Backend, environment

__all__ = ["Backend", "environment", "find"]


def find() -> dict[str, type[Backend]]:
    """The backends by name: every class in a file of this folder that has one."""
    names = [info.name for info in pkgutil.iter_modules(__path__) if info.name[0] != "_"]
    modules = [vars(importlib.import_module(f"{__name__}.{name}")) for name in names]
    classes = (cls for contents in modules for cls in contents.values() if isinstance(cls, type))
    return {cls.name: cls for cls in classes if issubclass(cls, Backend) and hasattr(cls, "name")}
