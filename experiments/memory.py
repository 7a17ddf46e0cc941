"""Whether there is memory for what a run would make, asked before any run starts."""

from __future__ import annotations

import psutil


def check_fits(samples: int, features: int, itemsize: int, prefix: str = "", processes: int = 1) -> None:
    """Raise ValueError if X (samples, features) in so many processes takes more than this machine's memory."""
    size, memory = processes * itemsize * samples * features, psutil.virtual_memory().total
    if size > memory:
        each = f", in each of {processes} processes {size / processes / 2**30:.0f}" * (processes > 1)
        raise ValueError(
            f"{prefix}samples={samples}, {prefix}features={features}: X would take {size / 2**30:.0f} GiB{each}; should "
            f"fit into this machine's {memory / 2**30:.0f} GiB"
        )
