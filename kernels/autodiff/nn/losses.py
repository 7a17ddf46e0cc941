"""Losses as modules."""

from __future__ import annotations

from typing import Any

from kernels.autodiff.nn import functional as F
from kernels.autodiff.nn.module import Module
from kernels.autodiff.tensor import Tensor


class _Loss(Module):
    def __init__(self, reduction: F.Reduction = "mean") -> None:
        self.reduction = reduction


class NLLLoss(_Loss):
    """−h_y, of log-probabilities: `functional.nll_loss`"""

    def __init__(
        self, weight: Tensor | None = None, ignore_index: int = F.IGNORED, reduction: F.Reduction = "mean"
    ) -> None:
        super().__init__(reduction)
        self.weight, self.ignore_index = weight, ignore_index

    def forward(self, input: Tensor, target: Any) -> Tensor:
        return F.nll_loss(input, target, self.weight, self.ignore_index, self.reduction)


class CrossEntropyLoss(NLLLoss):
    """ln Σ eʰ − h_y: `functional.cross_entropy`"""

    def __init__(
        self, weight: Tensor | None = None, ignore_index: int = F.IGNORED, reduction: F.Reduction = "mean",
        label_smoothing: float = 0.0,
    ) -> None:  # fmt: skip
        super().__init__(weight, ignore_index, reduction)
        self.label_smoothing = label_smoothing

    def forward(self, input: Tensor, target: Any) -> Tensor:
        return F.cross_entropy(input, target, self.weight, self.ignore_index, self.reduction, self.label_smoothing)


class MSELoss(_Loss):
    """(h − y)²: `functional.mse_loss`"""

    def forward(self, input: Tensor, target: Any) -> Tensor:
        return F.mse_loss(input, target, self.reduction)


class L1Loss(_Loss):
    """|h − y|: `functional.l1_loss`"""

    def forward(self, input: Tensor, target: Any) -> Tensor:
        return F.l1_loss(input, target, self.reduction)


class HuberLoss(_Loss):
    """½r² where |r| ≤ δ, δ(|r| − ½δ) beyond: `functional.huber_loss`"""

    def __init__(self, reduction: F.Reduction = "mean", delta: float = 1.0) -> None:
        super().__init__(reduction)
        self.delta = delta

    def forward(self, input: Tensor, target: Any) -> Tensor:
        return F.huber_loss(input, target, self.reduction, self.delta)


class BCELoss(_Loss):
    """−y·log p − (1 − y)·log(1 − p): `functional.binary_cross_entropy`"""

    def forward(self, input: Tensor, target: Any) -> Tensor:
        return F.binary_cross_entropy(input, target, self.reduction)


class BCEWithLogitsLoss(_Loss):
    """ln(1 + eʰ) − y·h: `functional.binary_cross_entropy_with_logits`"""

    def forward(self, input: Tensor, target: Any) -> Tensor:
        return F.binary_cross_entropy_with_logits(input, target, self.reduction)
