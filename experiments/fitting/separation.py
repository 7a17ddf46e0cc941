"""Can labels be parted by a plane, so that −log of their probability has no minimum, only an infimum at infinity?

There is none exactly if some direction D lets no sample's loss grow, however far one goes along it, and some fall: the logits
g = XD must have g_y ≥ gⱼ for every class j and sample, one of them strictly (Albert and Anderson, 1984,
doi:10.1093/biomet/71.1.1); for counts, gᵢ = gⱼ ≥ gₗ for classes i and j that were drawn, l that was not. Linear programming
finds D.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, sparse

from kernels.losses import Target

Array = NDArray[np.float64]

# Entries of the programme's matrix beyond which it would take minutes.
MOST = 20_000_000
# What all margins together gain along D, as a share of what they could, above which it is no rounding.
PARTED = 1e-7


def is_parted(X: Array, y: NDArray[np.generic], target: Target, outputs: int) -> bool | None:
    """Whether the samples X (m, n) are parted; of real numbers never. None where the programme would be too large to tell."""
    if target is Target.REAL:
        return False
    counts = one_hot(y, target, outputs)
    if 2 * len(X) * X.shape[1] * counts.shape[1] > MOST:
        return None
    equal, at_least = _margins(X, counts)
    total = np.asarray(at_least.sum(axis=0)).ravel()
    found = optimize.linprog(
        -total, A_ub=-at_least, b_ub=np.zeros(at_least.shape[0]), A_eq=equal, b_eq=np.zeros(equal.shape[0]), bounds=(-1, 1),
        method="highs",
    )  # fmt: skip
    return bool(-found.fun > PARTED * float(np.abs(at_least).sum()))


def least_margin(H: Array, counts: Array) -> float:
    """The least of what a sample's own logit is above its others, of logits H (m, k): where it is above 0, they part the samples.

    −∞ where there is a sample of several classes, or one class alone.
    """
    logits = np.column_stack([np.zeros(len(H)), H]) if H.shape[1] < counts.shape[1] else H
    drawn = counts > 0
    if counts.shape[1] < 2 or not (drawn.sum(axis=1) == 1).all() or not np.isfinite(logits).all():
        return -np.inf
    return float((logits[drawn] - np.where(drawn, -np.inf, logits).max(axis=1)).min())


def one_hot(y: NDArray[np.generic], target: Target, outputs: int) -> Array:
    """Labels as counts (m, k); of one logit, the classes are 0, whose logit is 0, and 1."""
    if target is Target.COUNTS:
        return np.asarray(y, np.float64)
    return np.eye(2 if target is Target.BINARY else outputs)[np.asarray(y, np.int64)]


def _margins(X: Array, counts: Array) -> tuple[sparse.csr_array, sparse.csr_array]:
    """Rows over D, classes one after the other: those that must be 0, and those that must not be below it."""
    k = counts.shape[1]
    rows: dict[bool, list[sparse.csr_array]] = {True: [], False: []}
    first = counts.argmax(axis=1)
    samples = sparse.csr_array(X)
    for other in range(k):
        for same in (True, False):
            at = np.flatnonzero((first != other) & ((counts[:, other] > 0) == same))
            if not len(at):
                continue
            part = samples[at]
            blocks = []
            for j in range(k):
                sign = np.where(first[at] == j, 1.0, 0.0) - (1.0 if j == other else 0.0)
                blocks.append(sparse.diags_array(sign) @ part)
            # one logit's other class has the logit 0
            rows[same].append(sparse.csr_array(sparse.hstack(blocks[1:] if k == 2 else blocks)))
    width = X.shape[1] * (1 if k == 2 else k)
    stacked = [sparse.vstack(rows[same]) if rows[same] else np.zeros((0, width)) for same in (True, False)]
    return sparse.csr_array(stacked[0]), sparse.csr_array(stacked[1])
