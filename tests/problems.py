"""Small random problems for every loss, layout and dtype: the test matrices find new ones by themselves."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from kernels import Objective, layouts, losses
from kernels.losses import Target

LOSSES = [pytest.param(name, id=name) for name in losses.ALL]
LAYOUTS = [pytest.param(name, id=name) for name in layouts.ALL]
DTYPES = [pytest.param(np.float64, id="float64"), pytest.param(np.float32, id="float32")]


@dataclass
class Problem:
    """X (m, n), y and θ in float64, samples in rows, as an oracle takes them; `X` and `theta` as the kernels take them."""

    objective: Objective
    rows: np.ndarray
    y: np.ndarray
    theta64: np.ndarray
    X: np.ndarray
    theta: np.ndarray


def targets(target, H, rng):
    """Targets of a kind that are plausible for logits H (m, k)."""
    if target is Target.REAL:
        return H[:, 0] + rng.standard_t(3, len(H))
    if target is Target.BINARY:
        return (rng.random(len(H)) < 0.5).astype(float)
    if target is Target.CLASS:
        return rng.integers(0, H.shape[1], len(H))
    return rng.multinomial(5, np.full(H.shape[1], 1 / H.shape[1]), len(H)).astype(float)


def problem(loss, layout="rows", dtype=np.float64, m=203, n=7, k=5, seed=0):
    """A problem whose float32 and float64 forms hold the very same numbers."""
    rng = np.random.default_rng(seed)
    objective = Objective(loss, layout=layout)
    if objective.loss.target in (Target.REAL, Target.BINARY):
        k = 1
    X = rng.standard_normal((m, n)).astype(np.float32).astype(np.float64)
    theta = rng.standard_normal((n, k)).astype(np.float32).astype(np.float64)
    y = targets(objective.loss.target, X @ theta, rng)
    if objective.loss.target is Target.REAL:
        y = y.astype(np.float32).astype(np.float64)
    arranged = objective.layout.arrange(X).astype(dtype)
    return Problem(objective, X, y, theta, arranged, theta.astype(dtype))


def relative_error(measured, expected):
    """Largest deviation over the largest expected entry."""
    measured, expected = np.asarray(measured, np.float64), np.asarray(expected, np.float64)
    return np.max(np.abs(measured - expected)) / max(np.max(np.abs(expected)), np.finfo(float).tiny)


def in_layout(layout, rows):
    """What has a row a sample, as the layout has it."""
    return rows if layout == "rows" else rows.T
