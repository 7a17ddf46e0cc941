"""ℓ(h, y) = log Σⱼ e^(hⱼ) − h_y, −log of the categorical probability softmax(h)_y; δ = z − onehot(y) (notes 6.2, 7).

With the largest logit h_t taken out, Σⱼ e^(hⱼ − h_t) = 1 + rest, and 1 − z_t = rest/(1 + rest): nothing overflows, and
neither a loss near 0 nor a δ_y near 0 is the difference of two numbers near 1.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kernels._jit import inline
from kernels.losses.base import Loss
from kernels.targets import Target


@inline
def largest(H, r):
    """Index of the first largest logit of sample r."""
    top = 0
    for j in range(1, H.shape[0]):
        if H[j, r] > H[top, r]:
            top = j
    return top


@inline
def exponentials(H, r, top, peak):
    """Turn the logits of sample r into e^(hⱼ − peak); returns their sum but for class `top`, whose own is 1."""
    rest = peak - peak  # 0 in the type of the data; NaN where the peak is infinite or NaN, so that it shows
    for j in range(H.shape[0]):
        if j == top:
            H[j, r] = 1
        else:
            H[j, r] = np.exp(H[j, r] - peak)
            rest += H[j, r]
    return rest


@inline
def block(H, y, v, p):
    for r in range(H.shape[1]):
        label = y[r]
        top = largest(H, r)
        peak = H[top, r]
        gap = peak - H[label, r]
        rest = exponentials(H, r, top, peak)
        total = type(peak)(1) + rest
        v[r] = gap + np.log1p(rest)
        for j in range(H.shape[0]):
            H[j, r] /= total
        if label == top:
            H[label, r] = -rest / total
        else:
            H[label, r] -= type(peak)(1)


@dataclass(frozen=True)
class Softmax(Loss):
    """ℓ = logsumexp(h) − h_y, δ = softmax(h) − onehot(y): cross-entropy of k ≥ 1 classes."""

    name = "softmax"
    target = Target.CLASS
    block = block

    @property
    def curvature(self) -> float:
        return 0.5
