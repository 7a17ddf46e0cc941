"""What tests of bad input share: good arguments for each method, ways to spoil them, and the refusal that is expected."""

from __future__ import annotations

import re

import numpy as np
import pytest
from problems import problem

from kernels import losses
from kernels.losses import Target

ARGUMENTS = {
    "forward": ("X", "theta"),
    "value_and_grad": ("X", "y", "theta"),
    "sgd_epoch": ("X", "y", "theta"),
    "gradient": ("X", "delta"),
}
METHODS = list(ARGUMENTS)
ONE_OUTPUT = [name for name, loss in losses.ALL.items() if loss.target in (Target.REAL, Target.BINARY)]
NOT_FINITE = [np.nan, np.inf, -np.inf]
BAD_LABELS = {
    Target.CLASS: [
        (-1, "y: -1 at [65]; should be integers in 0..4"),
        (5, "y: 5 at [65]; should be integers in 0..4"),
        (2**62, "y: 4611686018427387904 at [65]; should be integers in 0..4"),
    ],
    Target.BINARY: [
        (bad, f"y: {float(bad)} at [65]; should be 0 or 1") for bad in (0.5, -1, 2, 1e-300, np.nan, np.inf)
    ],
    Target.COUNTS: [(bad, f"y: {float(bad)} at [13, 0]; should be counts of 0 or more") for bad in (-1, -0.5, np.nan)],
    Target.REAL: [],  # any finite number will do
}


def case(loss, layout="rows", dtype=np.float64, m=131, n=3, **sizes):
    """An objective, which has had a good call already, and good arguments for each of its methods."""
    p = problem(loss, layout, dtype, m=m, n=n, **sizes)
    p.objective.value_and_grad(p.X, p.y, p.theta)  # from the second call on there is a quicker road
    delta = np.random.default_rng(1).standard_normal((m, p.theta.shape[1])).astype(dtype)
    return p.objective, {"X": p.X, "y": p.y, "theta": p.theta, "delta": p.objective.layout.arrange(delta)}


def call(objective, method, arguments, **others):
    chosen = {name: arguments[name] for name in ARGUMENTS[method]}
    if method == "sgd_epoch":
        chosen |= {"batch_size": 50, "step_size": 0.1}
    return getattr(objective, method)(**{**chosen, **others})


def spoiled(array, position, value):
    """A copy with one entry replaced: as floats, for integers hold no NaN."""
    copy = np.array(array, np.result_type(array, np.float32))
    copy.reshape(-1)[position] = value
    return copy


def refused(message):
    return pytest.raises(ValueError, match=re.escape(message))
