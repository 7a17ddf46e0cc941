"""Layout conventions, one file each: `Rows` (X (m, n)) and `Columns` (X (n, m)); `layouts.ALL` maps names to classes."""

from __future__ import annotations

from kernels.layouts.base import Layout
from kernels.layouts.columns import Columns
from kernels.layouts.rows import Rows

ALL: dict[str, type[Layout]] = {layout.name: layout for layout in (Rows, Columns)}

__all__ = ["ALL", "Columns", "Layout", "Rows", "named"]


def named(name: str) -> Layout:
    """The layout of that name. Raises ValueError for an unknown name."""
    if name not in ALL:
        raise ValueError(f"layout: {name!r}; should be one of {', '.join(ALL)}, or a Layout object")
    return ALL[name]()
