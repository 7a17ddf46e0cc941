"""What the targets y of m samples are: a loss takes one kind, a noise and a data set give one."""

from __future__ import annotations

from enum import Enum


class Target(Enum):
    """What the targets y of m samples are."""

    REAL = "real numbers"
    BINARY = "labels 0 or 1"
    CLASS = "classes 0..k-1"
    COUNTS = "counts (m, k)"

    @property
    def one_logit(self) -> bool:
        """Whether the hypothesis is one number for each sample, rather than k."""
        return self in (Target.REAL, Target.BINARY)
