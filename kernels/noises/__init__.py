"""Noises, one file each: `Gaussian Laplace StudentT Contaminated Bernoulli Categorical Multinomial`.

`noises.ALL` maps each noise's name to its class; `noises.named("laplace")` makes one with its defaults.
"""

from __future__ import annotations

from kernels.noises.base import Noise
from kernels.noises.bernoulli import Bernoulli
from kernels.noises.categorical import Categorical
from kernels.noises.contaminated import Contaminated
from kernels.noises.gaussian import Gaussian
from kernels.noises.laplace import Laplace
from kernels.noises.multinomial import Multinomial
from kernels.noises.student_t import StudentT

ALL: dict[str, type[Noise]] = {
    noise.name: noise for noise in (Gaussian, Laplace, StudentT, Contaminated, Bernoulli, Categorical, Multinomial)
}

__all__ = [
    "ALL", "Bernoulli", "Categorical", "Contaminated", "Gaussian", "Laplace", "Multinomial", "Noise", "StudentT", "named",
]  # fmt: skip


def named(name: str) -> Noise:
    """The noise of that name with its default parameters. Raises ValueError for an unknown name."""
    if name not in ALL:
        raise ValueError(f"noise: {name!r}; should be one of {', '.join(ALL)}, or a Noise object")
    return ALL[name]()
