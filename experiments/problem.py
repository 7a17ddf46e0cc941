"""A random problem for a loss: h = Xθ*, y drawn from the loss's own noise around it."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from experiments.data import Synthetic
from kernels import noises
from kernels.losses import Loss
from kernels.noises import Noise


def random_data(loss: Loss, samples: int, features: int, classes: int, condition: float) -> Synthetic:
    """Their X has singular values from 1 down to 1/condition, before sampling; k = `classes` where the noise has classes.

    Raises ValueError, in one line, where no noise gives what the loss takes.
    """
    return Synthetic(
        noise=own_noise(loss), samples=samples, features=features, classes=classes, condition=condition
    )  # fmt: skip


def own_noise(loss: Loss) -> Noise:
    """The noise that the loss is −log of, parameters and all; else, as for Huber's, one that is no other loss's own."""
    fitting = sorted(
        (cls for cls in noises.ALL.values() if cls.target is loss.target),
        key=lambda cls: (cls.loss != loss.name, cls.loss is not None),
    )
    if not fitting:
        raise ValueError(
            f"loss={loss.name} takes {loss.target.value}; should have a noise that gives them, in kernels/noises"
        )
    defaults: dict[str, Any] = {f.name: f.default for f in fields(fitting[0]) if hasattr(loss, f.name)}
    return fitting[0](**{name: type(default)(getattr(loss, name)) for name, default in defaults.items()})
