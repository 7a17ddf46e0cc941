"""ℓ(h, y) = log Σⱼ e^(hⱼ) − h_y, −log of the categorical probability softmax(h)_y; δ = z − onehot(y) (notes 6.2, 7).

With the largest logit h_t taken out, Σⱼ e^(hⱼ − h_t) = 1 + rest, and 1 − z_t = rest/(1 + rest): nothing overflows, and
neither a loss near 0 nor a δ_y near 0 is the difference of two numbers near 1.
"""

from __future__ import annotations

from dataclasses import dataclass

from kernels._jit import inline
from kernels.elementary import exp, log1p
from kernels.losses.base import Loss
from kernels.targets import Target


@inline
def largest(H, count, peak):
    """`peak`: the largest logit of each sample."""
    for r in range(count):
        peak[r] = H[0, r]
    for j in range(1, H.shape[0]):
        for r in range(count):
            peak[r] = H[j, r] if H[j, r] > peak[r] else peak[r]


@inline
def exponentials(H, count, peak, rest, ties):
    """H ← e^(h − peak), and `rest` = Σⱼ e^(hⱼ − peak) − 1, though not as that difference; 1 + the `ties` are at the peak."""
    for r in range(count):
        rest[r], ties[r] = 0, -1
    if count == 1:  # the classes are what vectors are made of, and sums can stay in registers
        rest[0] = exponentials_of_one(H, peak[0])
        return
    for j in range(H.shape[0]):
        for r in range(count):
            e = exp(H[j, r] - peak[r])  # NaN where the peak is infinite or NaN, so that it shows
            zero, one = type(e)(0), type(e)(1)
            H[j, r] = e
            rest[r] += zero if e == one else e
            ties[r] += one if e == one else zero
    for r in range(count):
        rest[r] += ties[r]


@inline
def exponentials_of_one(H, peak):
    """`exponentials` of a single sample; returns `rest`."""
    zero, one = type(peak)(0), type(peak)(1)
    rest, ties = zero, -one
    for j in range(H.shape[0]):
        e = exp(H[j, 0] - peak)
        H[j, 0] = e
        rest += zero if e == one else e
        ties += one if e == one else zero
    return rest + ties


@inline
def block(H, count, y, v, p, spare):
    peak, rest, ties = spare[0], spare[1], spare[2]
    largest(H, count, peak)
    for r in range(count):
        v[r] = peak[r] - H[y[r], r]
    exponentials(H, count, peak, rest, ties)
    share = peak
    for r in range(count):
        one = type(rest[r])(1)
        v[r] += log1p(rest[r])
        share[r] = one / (one + rest[r])
    for j in range(H.shape[0]):
        for r in range(count):
            H[j, r] *= share[r]
    for r in range(count):
        own = H[y[r], r]
        H[y[r], r] = -rest[r] * share[r] if own == share[r] else own - type(own)(1)


@dataclass(frozen=True)
class Softmax(Loss):
    """ℓ = logsumexp(h) − h_y, δ = softmax(h) − onehot(y): cross-entropy of k ≥ 1 classes."""

    name = "softmax"
    target = Target.CLASS
    block = block

    @property
    def curvature(self) -> float:
        return 0.5
