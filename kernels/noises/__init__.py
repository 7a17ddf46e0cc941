"""Noises, one file each: `Gaussian Laplace StudentT Contaminated Bernoulli Categorical Multinomial`, and what you add.

`noises.ALL` maps each noise's name to its class; `noises.named("laplace")` makes one with its defaults.
"""

from __future__ import annotations

from kernels.noises.base import Noise as Noise
from kernels.noises.bernoulli import Bernoulli as Bernoulli
from kernels.noises.categorical import Categorical as Categorical
from kernels.noises.contaminated import Contaminated as Contaminated
from kernels.noises.gaussian import Gaussian as Gaussian
from kernels.noises.laplace import Laplace as Laplace
from kernels.noises.multinomial import Multinomial as Multinomial
from kernels.noises.student_t import StudentT as StudentT
from kernels.siblings import pick, siblings

ALL = siblings(__name__, __path__, Noise)
globals().update({cls.__name__: cls for cls in ALL.values()})  # also those that are not imported above


def named(name: str) -> Noise:
    """The noise of that name with its default parameters. Raises ValueError for an unknown name."""
    return pick("noise", name, ALL)()
