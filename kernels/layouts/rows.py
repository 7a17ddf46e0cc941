"""Samples as rows: X (m, n) in C order, H = Xθ (m, k). A sample's features are neighbours in memory (notes 0, 1)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kernels._jit import inline
from kernels.layouts.base import Layout


@inline
def logits(X, order, start, count, theta, H):
    k, n = theta.shape
    for r in range(count):
        i = order[start + r] if order.size else start + r
        for j in range(k):
            total = X.dtype.type(0)
            for f in range(n):
                total += X[i, f] * theta[j, f]
            H[j, r] = total


@inline
def accumulate(X, order, start, count, D, G):
    k, n = G.shape
    for r in range(count):
        i = order[start + r] if order.size else start + r
        for j in range(k):
            delta = D[j, r]
            for f in range(n):
                G[j, f] += delta * X[i, f]


@inline
def store(H, out, start, count):
    for r in range(count):
        for j in range(H.shape[0]):
            out[start + r, j] = H[j, r]


@inline
def load(given, start, count, D):
    for r in range(count):
        for j in range(D.shape[0]):
            D[j, r] = given[start + r, j]


@dataclass(frozen=True)
class Rows(Layout):
    """X (m, n): one sample a row."""

    name = "rows"
    samples_per_block = 8  # 8 rows of 784 float32 fill three quarters of a 32 KB L1, and stay there for both products
    logits = logits
    accumulate = accumulate
    store = store
    load = load

    def shape(self, samples: int, width: int) -> tuple[int, int]:
        return samples, width

    def samples(self, shape: tuple[int, ...]) -> int:
        return shape[0]

    def width(self, shape: tuple[int, ...]) -> int:
        return shape[1] if len(shape) > 1 else 1

    def arrange(self, rows: NDArray[Any]) -> NDArray[Any]:
        return np.ascontiguousarray(rows)
