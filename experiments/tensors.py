"""The losses once more, written with tensors, as a course writes them: automatic differentiation finds their deltas by itself.

Complex logits go through all of them, each formula by its real part's branch, so that a complex step differentiates them too.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kernels import losses
from kernels.autodiff import Tensor
from kernels.autodiff import functional as F
from kernels.losses import Loss

Array = NDArray[Any]


def squared(loss: Loss, H: Tensor, y: Array) -> Tensor:
    """½(h − y)²"""
    r = H - y
    return (r * r).sum() * 0.5


def absolute(loss: Loss, H: Tensor, y: Array) -> Tensor:
    """|h − y|"""
    r = H - y
    signs: Array = np.sign(r.array.real)
    return (r * signs).sum()


def huber(loss: Loss, H: Tensor, y: Array) -> Tensor:
    """c·(r − ½c) with c = r, but at most the bend"""
    assert isinstance(loss, losses.Huber)
    return F.huber_loss(H, y, "sum", loss.delta)


def student_t(loss: Loss, H: Tensor, y: Array) -> Tensor:
    """½(ν + 1) log(1 + r²/νσ²) + constant"""
    width, _, exponent, constant = loss.parameters
    u = (H - y) / width
    return (exponent * (u * u).log1p() + constant).sum()


def logistic(loss: Loss, H: Tensor, y: Array) -> Tensor:
    """log(1 + eʰ) − y·h"""
    return F.binary_cross_entropy_with_logits(H, y, "sum")


def softmax(loss: Loss, H: Tensor, y: Array) -> Tensor:
    """log Σ eʰ − h_y"""
    return F.cross_entropy(H, y, reduction="sum")


def multinomial(loss: Loss, H: Tensor, y: Array) -> Tensor:
    """−Σ c·log softmax(h)"""
    return -(H.log_softmax(-1) * y).sum()


FORMULAS: dict[str, Callable[[Loss, Tensor, Array], Tensor]] = {
    f.__name__: f for f in (squared, absolute, huber, student_t, logistic, softmax, multinomial)
}


def mean_loss(loss: Loss, H: Tensor, y: Array) -> Tensor:
    """1/m Σ ℓ(hᵢ, yᵢ) of logits H (m, k), a single number; y as the loss takes it."""
    if loss.target.one_logit:
        H, y = H[:, 0], y.astype(H.dtype)
    return FORMULAS[loss.name](loss, H, y) / len(y)
