"""Losses, one file each: `Squared Absolute Huber StudentT Logistic Softmax Multinomial`, and what you add.

`losses.ALL` maps each loss's name to its class; `losses.named("huber")` makes one with its defaults.
"""

from __future__ import annotations

from kernels.losses.absolute import Absolute as Absolute
from kernels.losses.base import Loss as Loss
from kernels.losses.huber import Huber as Huber
from kernels.losses.logistic import Logistic as Logistic
from kernels.losses.multinomial import Multinomial as Multinomial
from kernels.losses.softmax import Softmax as Softmax
from kernels.losses.squared import Squared as Squared
from kernels.losses.student_t import StudentT as StudentT
from kernels.siblings import pick, siblings
from kernels.targets import Target as Target

ALL = siblings(__name__, __path__, Loss)
globals().update({cls.__name__: cls for cls in ALL.values()})  # also those that are not imported above


def named(name: str) -> Loss:
    """The loss of that name with its default parameters. Raises ValueError for an unknown name."""
    return pick("loss", name, ALL)()
