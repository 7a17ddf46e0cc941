"""Samples as columns: X (n, m) in C order, H = θᵀX (k, m). A feature's samples are neighbours in memory (notes 0)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kernels._jit import inline
from kernels.layouts.base import Layout


@inline
def gather(X, f, order, start, count, x):
    """x[:count] = feature f of the block's samples; a slice of X itself where they are neighbours."""
    if order.size == 0:
        return X[f, start : start + count]
    for r in range(count):
        x[r] = X[f, order[start + r]]
    return x[:count]


@inline
def logits(X, order, start, count, theta, H):
    k, n = theta.shape
    scratch = np.empty(count, X.dtype)
    for j in range(k):
        for r in range(count):
            H[j, r] = 0
    for f in range(n):
        x = gather(X, f, order, start, count, scratch)
        for j in range(k):
            weight = theta[j, f]
            for r in range(count):
                H[j, r] += weight * x[r]


@inline
def accumulate(X, order, start, count, D, G):
    k, n = G.shape
    scratch = np.empty(count, X.dtype)
    for f in range(n):
        x = gather(X, f, order, start, count, scratch)
        for j in range(k):
            total = X.dtype.type(0)
            for r in range(count):
                total += D[j, r] * x[r]
            G[j, f] += total


@inline
def store(H, out, start, count):
    for j in range(H.shape[0]):
        for r in range(count):
            out[j, start + r] = H[j, r]


@inline
def load(given, start, count, D):
    for j in range(D.shape[0]):
        for r in range(count):
            D[j, r] = given[j, start + r]


@dataclass(frozen=True)
class Columns(Layout):
    """X (n, m): one sample a column."""

    name = "columns"
    samples_per_block = 128  # long enough to vectorise over; 784 features of 128 float32 stay in a 1 MB L2
    logits = logits
    accumulate = accumulate
    store = store
    load = load

    def shape(self, samples: int, width: int) -> tuple[int, int]:
        return width, samples

    def samples(self, shape: tuple[int, ...]) -> int:
        return shape[-1]

    def width(self, shape: tuple[int, ...]) -> int:
        return shape[0] if len(shape) > 1 else 1

    def arrange(self, rows: NDArray[Any]) -> NDArray[Any]:
        return np.ascontiguousarray(rows.T)
