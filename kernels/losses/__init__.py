"""Losses, one file each: `Squared Absolute Huber StudentT Logistic Softmax Multinomial`.

`losses.ALL` maps each loss's name to its class; `losses.named("huber")` makes one with its defaults.
"""

from __future__ import annotations

from kernels.losses.absolute import Absolute
from kernels.losses.base import Loss
from kernels.losses.huber import Huber
from kernels.losses.logistic import Logistic
from kernels.losses.multinomial import Multinomial
from kernels.losses.softmax import Softmax
from kernels.losses.squared import Squared
from kernels.losses.student_t import StudentT
from kernels.targets import Target

ALL: dict[str, type[Loss]] = {
    loss.name: loss for loss in (Squared, Absolute, Huber, StudentT, Logistic, Softmax, Multinomial)
}

__all__ = [
    "ALL", "Absolute", "Huber", "Logistic", "Loss", "Multinomial", "Softmax", "Squared", "StudentT", "Target", "named",
]  # fmt: skip


def named(name: str) -> Loss:
    """The loss of that name with its default parameters. Raises ValueError for an unknown name."""
    if name not in ALL:
        raise ValueError(f"loss: {name!r}; should be one of {', '.join(ALL)}, or a Loss object")
    return ALL[name]()
