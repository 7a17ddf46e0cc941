"""Functions as `torch.nn.functional` has them: activations, and the losses that courses train with."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from kernels.autodiff import creation, draws
from kernels.autodiff.functions import log_softmax, logsumexp, relu, sigmoid, softmax, softplus, tanh
from kernels.autodiff.functions.arithmetic import rows_by_rows
from kernels.autodiff.functions.fused import binary_cross_entropies, cross_entropies, objective
from kernels.autodiff.tensor import Tensor

__all__ = [
    "batch_norm", "binary_cross_entropy", "binary_cross_entropy_with_logits", "cross_entropy", "dropout", "elu", "embedding",
    "gelu", "huber_loss", "l1_loss", "layer_norm", "leaky_relu", "linear", "log_softmax", "logsumexp", "mse_loss", "nll_loss",
    "objective", "one_hot", "relu", "sigmoid", "silu", "softmax", "softplus", "tanh",
]  # fmt: skip

Reduction = Literal["mean", "sum", "none"]
IGNORED = -100  # the class of samples that count nothing, unless another is given


def _reduced(losses: Tensor, reduction: str) -> Tensor:
    if reduction == "mean":
        return losses.mean()
    if reduction == "sum":
        return losses.sum()
    if reduction == "none":
        return losses
    raise ValueError(f"reduction: {reduction!r}; should be 'mean', 'sum' or 'none'")


def _alike(input: Tensor, target: Tensor) -> None:
    if tuple(input.shape) != tuple(target.shape):
        raise ValueError(f"target: shape {tuple(target.shape)}; should be {tuple(input.shape)}, as that of the input")


def cross_entropy(
    input: Tensor, target: Any, weight: Tensor | None = None, ignore_index: int = IGNORED, reduction: Reduction = "mean",
    label_smoothing: float = 0.0,
) -> Tensor:  # fmt: skip
    """ln Σ eʰ − h_y, of logits `input` (m, k) and classes `target` (m,) in 0..k−1; of probabilities (m, k): −Σ p·log softmax(h).

    Also of one sample: (k,) and a single class. Its derivative is softmax(h) − onehot(y) (notes 7.2). `weight` (k,) and
    `ignore_index` as in `nll_loss`. `label_smoothing` ε: the belief in each label is 1 − ε, and ε is shared out evenly.
    """
    if not 0 <= label_smoothing <= 1:
        raise ValueError(f"label_smoothing: {label_smoothing}; should be a share, in 0..1")
    target = creation.as_tensor(target)
    if target.array.dtype.kind == "f" and target.ndim == input.ndim:
        _alike(input, target)
        if input.ndim > 2:
            raise ValueError(f"input: shape {input.shape}; should be (samples, classes)")
        if ignore_index >= 0:
            raise ValueError(f"ignore_index: {ignore_index}, with chances for a target; should be left out")
        shares = target * (1 - label_smoothing) + label_smoothing / input.shape[-1] if label_smoothing else target
        shares = shares if weight is None else shares * weight
        losses = -(shares * input.log_softmax(-1)).sum(-1)
        return _reduced(losses, reduction)
    labels = target.array
    return _of_classes(
        lambda h, y: cross_entropies(h, labels=y), input, labels, weight, ignore_index, reduction, label_smoothing
    )


def nll_loss(
    input: Tensor, target: Any, weight: Tensor | None = None, ignore_index: int = IGNORED, reduction: Reduction = "mean"
) -> Tensor:
    """−h_y, of log-probabilities `input` (m, k) and classes `target` (m,).

    `weight` (k,): how much each class counts; the mean is over what the samples count. Samples of the class `ignore_index`
    count nothing.
    """

    def losses(h: Tensor, y: NDArray[Any]) -> Tensor:
        return -h[(np.arange(len(y)), y) if y.ndim else y]

    return _of_classes(losses, input, creation.as_tensor(target).array, weight, ignore_index, reduction)


def _of_classes(
    losses_of: Callable[[Tensor, NDArray[Any]], Tensor], input: Tensor, labels: NDArray[Any], weight: Tensor | None,
    ignored: int, reduction: str, smoothing: float = 0.0,
) -> Tensor:  # fmt: skip
    """Losses of classes, reduced: each as much as its class counts; a share of them goes to all classes evenly."""
    gone = labels == ignored
    if weight is None and not smoothing and not gone.any():
        _labels(input, labels)
        return _reduced(losses_of(input, labels), reduction)
    kept = np.where(gone, 0, labels)
    _labels(input, kept)
    counts = (creation.ones(input.shape[-1], dtype=input.dtype) if weight is None else weight)[kept] * ~gone
    losses = losses_of(input, kept) * counts
    if smoothing:
        every = -(input.log_softmax(-1) * (1.0 if weight is None else weight)).sum(-1) * ~gone
        losses = (1 - smoothing) * losses + smoothing / input.shape[-1] * every
    return losses.sum() / counts.sum() if reduction == "mean" else _reduced(losses, reduction)


def _labels(input: Tensor, labels: NDArray[Any]) -> None:
    """Raise ValueError where they are no classes, one for each sample."""
    h, k = input.array, input.shape[-1]
    if labels.shape != h.shape[:-1] or h.ndim not in (1, 2):
        raise ValueError(
            f"target: shape {labels.shape}; should be {h.shape[:-1]}, a class for each sample of {h.shape}"
        )
    _in_range("target", labels, k)


def _in_range(name: str, labels: NDArray[Any], count: int) -> None:
    """Raise ValueError where they are no numbers of so many classes."""
    if labels.dtype.kind not in "iu":
        raise ValueError(f"{name}: {labels.dtype}; should be whole numbers in 0..{count - 1}, as by long()")
    if labels.size and not (labels.min() >= 0 and labels.max() < count):
        raise ValueError(
            f"{name}: {labels.dtype} in {labels.min()}..{labels.max()}; should be whole numbers in 0..{count - 1}"
        )


def mse_loss(input: Tensor, target: Any, reduction: Reduction = "mean") -> Tensor:
    """(h − y)²"""
    target = creation.as_tensor(target)
    _alike(input, target)
    off = input - target
    return _reduced(off * off, reduction)


def l1_loss(input: Tensor, target: Any, reduction: Reduction = "mean") -> Tensor:
    """|h − y|"""
    target = creation.as_tensor(target)
    _alike(input, target)
    return _reduced((input - target).abs(), reduction)


def huber_loss(input: Tensor, target: Any, reduction: Reduction = "mean", delta: float = 1.0) -> Tensor:
    """½r² where |r| ≤ δ, δ(|r| − ½δ) beyond, of r = h − y."""
    if not delta > 0:
        raise ValueError(f"delta: {delta}; should be above 0")
    target = creation.as_tensor(target)
    _alike(input, target)
    off = input - target
    inner = off.clamp(-delta, delta)
    return _reduced(inner * (off - 0.5 * inner), reduction)


def binary_cross_entropy_with_logits(input: Tensor, target: Any, reduction: Reduction = "mean") -> Tensor:
    """ln(1 + eʰ) − y·h, of logits and labels (or probabilities) in [0, 1]."""
    target = creation.as_tensor(target)
    _alike(input, target)
    return _reduced(softplus(input) - target * input, reduction)


def binary_cross_entropy(input: Tensor, target: Any, reduction: Reduction = "mean") -> Tensor:
    """−y·log p − (1 − y)·log(1 − p), of chances p and labels in [0, 1]; each logarithm is −100 at least, as in PyTorch."""
    target = creation.as_tensor(target)
    _alike(input, target)
    for name, chances in (("input", input), ("target", target)):
        if not ((chances.array >= 0) & (chances.array <= 1)).all():
            raise ValueError(f"{name}: should be chances, in 0..1 (of logits: binary_cross_entropy_with_logits)")
    return _reduced(binary_cross_entropies(input, target), reduction)


def one_hot(tensor: Tensor, num_classes: int = -1) -> Tensor:
    """A row of the unit matrix for each class."""
    labels = tensor.array
    count = int(labels.max()) + 1 if num_classes == -1 else num_classes
    _in_range("tensor", labels, count)
    return Tensor.of(np.eye(count, dtype=np.int64)[labels])


def embedding(input: Tensor, weight: Tensor) -> Tensor:
    """The row of `weight` for each number in `input`."""
    _in_range("input", input.array, len(weight))
    return weight[input]


def linear(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """x Wᵀ + b, of samples in rows (m, n) and a weight (k, n)."""
    if input.array.shape[-1:] != weight.array.shape[-1:]:
        raise ValueError(
            f"input: shape {input.shape}; should be (…, {weight.shape[-1]}), since the layer has {weight.shape[-1]} inputs"
        )
    if bias is not None and bias.shape not in ((), weight.shape[:1]):
        raise ValueError(f"bias: shape {bias.shape}; should be {weight.shape[:1]}, a number for each output")
    product = rows_by_rows(input, weight)
    return product if bias is None else product + bias


def leaky_relu(input: Tensor, negative_slope: float = 0.01) -> Tensor:
    """x where x > 0, else negative_slope·x"""
    return input.where(input.array > 0, negative_slope * input)


def gelu(input: Tensor, approximate: Literal["none", "tanh"] = "none") -> Tensor:
    """x·Φ(x), with Φ(x) = ½(1 + erf(x/√2)), or ½(1 + tanh(√(2/π)(x + 0.044715x³))) for it (Hendrycks and Gimpel 2016)"""
    if approximate not in ("none", "tanh"):
        raise ValueError(f"approximate: {approximate!r}; should be 'none' or 'tanh'")
    if approximate == "tanh":
        return 0.5 * input * (1 + (math.sqrt(2 / math.pi) * (input + 0.044715 * input**3)).tanh())
    return 0.5 * input * (1 + (input / math.sqrt(2)).erf())


def silu(input: Tensor) -> Tensor:
    """x·σ(x)"""
    return input * input.sigmoid()


def elu(input: Tensor, alpha: float = 1.0) -> Tensor:
    """x where x > 0, else α(eˣ − 1)"""
    return input.where(input.array > 0, alpha * input.clamp(max=0).expm1())


def dropout(input: Tensor, p: float = 0.5, training: bool = True) -> Tensor:
    """Zero with chance p, else x/(1 − p), so that its mean stays; x itself where it is not training."""
    if not 0 <= p <= 1:
        raise ValueError(f"p: {p}; should be a chance, in 0..1")
    if not training or p == 0:
        return input
    kept = draws.source().random(input.shape) >= p
    return input * (kept / (1 - p) if p < 1 else kept).astype(input.dtype)


def layer_norm(
    input: Tensor, normalized_shape: Any, weight: Tensor | None = None, bias: Tensor | None = None, eps: float = 1e-5
) -> Tensor:
    """(x − mean)/√(variance + ε) over the last axes, then ·weight + bias."""
    shape = tuple(normalized_shape) if np.ndim(normalized_shape) else (normalized_shape,)
    last = len(shape)
    if tuple(input.shape[-last:]) != shape:
        raise ValueError(f"input: shape {input.shape}; should end in {shape}, over which it is normalized")
    dims = tuple(range(-last, 0))
    off = input - input.mean(dims, True)
    return _affine(off / ((off * off).mean(dims, True) + eps).sqrt(), weight, bias)


def batch_norm(
    input: Tensor, running_mean: Tensor | None, running_var: Tensor | None, weight: Tensor | None = None,
    bias: Tensor | None = None, training: bool = False, momentum: float = 0.1, eps: float = 1e-5,
) -> Tensor:  # fmt: skip
    """(x − mean)/√(variance + ε) of each feature (m, n), then ·weight + bias (Ioffe and Szegedy 2015).

    In training mean and variance are those of the batch, and the running ones go the share `momentum` towards them (the variance
    with m − 1); otherwise they are the running ones.
    """
    if input.ndim != 2:
        raise ValueError(f"input: shape {input.shape}; should be (samples, features)")
    if not training:
        if running_mean is None or running_var is None:
            raise ValueError("running_mean: none, and not in training; should be given, as is running_var")
        return _affine((input - running_mean) / (running_var + eps).sqrt(), weight, bias)
    if len(input) < 2:
        raise ValueError(
            f"input: shape {input.shape}; should have more than one sample in training, since they are compared"
        )
    mean = input.mean(0)
    off = input - mean
    variance = (off * off).mean(0)
    if running_mean is not None and running_var is not None:
        unbiased = variance.detach() * (len(input) / (len(input) - 1))
        for running, of_batch in ((running_mean, mean.detach()), (running_var, unbiased)):
            running.mul_(1 - momentum).add_(momentum * of_batch)
    return _affine(off / (variance + eps).sqrt(), weight, bias)


def _affine(scaled: Tensor, weight: Tensor | None, bias: Tensor | None) -> Tensor:
    if weight is not None:
        scaled = scaled * weight
    return scaled if bias is None else scaled + bias
