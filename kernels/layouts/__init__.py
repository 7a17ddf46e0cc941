"""Layout conventions, one file each: `Rows` (X (m, n)) and `Columns` (X (n, m)); `layouts.ALL` maps names to classes."""

from __future__ import annotations

from kernels.layouts.base import Layout as Layout
from kernels.layouts.columns import Columns as Columns
from kernels.layouts.rows import Rows as Rows
from kernels.siblings import pick, siblings

ALL = siblings(__name__, __path__, Layout)
globals().update({cls.__name__: cls for cls in ALL.values()})  # also those that are not imported above


def named(name: str) -> Layout:
    """The layout of that name. Raises ValueError for an unknown name."""
    return pick("layout", name, ALL)()
