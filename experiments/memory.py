"""Whether there is memory for what a run would make, asked before any run starts."""

from __future__ import annotations

import psutil


def check_fits(settings: str, size: int, processes: int = 1, what: str = "X") -> None:
    """Raise ValueError, beginning with the settings, if `size` bytes (of `what`) in so many processes exceed this memory."""
    needed, memory = processes * size, psutil.virtual_memory().total
    if needed > memory:
        each = f", in each of {processes} processes {size / 2**30:.0f}" * (processes > 1)
        raise ValueError(
            f"{settings}: {what} would take {needed / 2**30:.0f} GiB{each}; should fit into this machine's {memory / 2**30:.0f} GiB"
        )
