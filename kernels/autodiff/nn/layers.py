"""Layers with parameters, and those that shape what goes through."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from kernels.autodiff import creation, draws
from kernels.autodiff.devices import placed
from kernels.autodiff.nn import functional as F
from kernels.autodiff.nn import init
from kernels.autodiff.nn.module import Module, Parameter
from kernels.autodiff.tensor import Tensor
from kernels.check import whole


class Linear(Module):
    """x Wᵀ + b: samples in rows (m, in_features), weight (out_features, in_features), from U(−1/√in, 1/√in) both."""

    def __init__(
        self, in_features: int, out_features: int, bias: bool = True, device: Any = None, dtype: DTypeLike | None = None
    ) -> None:
        dtype = placed(device, dtype)
        self.in_features, self.out_features = whole("in_features", in_features), whole("out_features", out_features)
        self.weight = Parameter(creation.empty(out_features, in_features, dtype=dtype))
        init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        self.bias = Parameter(creation.empty(out_features, dtype=dtype)) if bias else None
        if self.bias is not None:
            bound = 1 / math.sqrt(in_features)
            init.uniform_(self.bias, -bound, bound)

    def forward(self, input: Tensor) -> Tensor:
        return F.linear(input, self.weight, self.bias)

    def extra_repr(self) -> str:
        return f"in_features={self.in_features}, out_features={self.out_features}, bias={self.bias is not None}"


class Identity(Module):
    """x"""

    def forward(self, input: Tensor) -> Tensor:
        return input


class Embedding(Module):
    """A learnt row for each of so many numbers, from N(0, 1)."""

    def __init__(self, num_embeddings: int, embedding_dim: int) -> None:
        self.num_embeddings = whole("num_embeddings", num_embeddings)
        self.embedding_dim = whole("embedding_dim", embedding_dim)
        self.weight = Parameter(draws.randn(num_embeddings, embedding_dim))

    def forward(self, input: Tensor) -> Tensor:
        return F.embedding(input, self.weight)

    def extra_repr(self) -> str:
        return f"{self.num_embeddings}, {self.embedding_dim}"


class Flatten(Module):
    """The axes from `start_dim` to `end_dim` in one: all but the first."""

    def __init__(self, start_dim: int = 1, end_dim: int = -1) -> None:
        self.start_dim, self.end_dim = start_dim, end_dim

    def forward(self, input: Tensor) -> Tensor:
        return input.flatten(self.start_dim, self.end_dim)

    def extra_repr(self) -> str:
        return f"start_dim={self.start_dim}, end_dim={self.end_dim}"


class Dropout(Module):
    """In training, zero with chance p, else x/(1 − p)."""

    def __init__(self, p: float = 0.5, inplace: bool = False) -> None:
        if not 0 <= p <= 1:
            raise ValueError(f"p: {p}; should be a chance, in 0..1")
        self.p, self.inplace = p, inplace

    def forward(self, input: Tensor) -> Tensor:
        return F.dropout(input, self.p, self.training)

    def extra_repr(self) -> str:
        return f"p={self.p}, inplace={self.inplace}"


class LayerNorm(Module):
    """(x − mean)/√(variance + ε) over the last axes, then ·weight + bias, from 1 and 0."""

    def __init__(
        self, normalized_shape: Any, eps: float = 1e-5, elementwise_affine: bool = True, bias: bool = True,
        device: Any = None, dtype: DTypeLike | None = None,
    ) -> None:  # fmt: skip
        dtype = placed(device, dtype)
        self.normalized_shape = tuple(normalized_shape) if np.ndim(normalized_shape) else (normalized_shape,)
        self.eps = eps
        self.weight = Parameter(creation.ones(self.normalized_shape, dtype=dtype)) if elementwise_affine else None
        self.bias = (
            Parameter(creation.zeros(self.normalized_shape, dtype=dtype)) if elementwise_affine and bias else None
        )

    def forward(self, input: Tensor) -> Tensor:
        return F.layer_norm(input, self.normalized_shape, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        affine, bias = self.weight is not None, self.bias is not None
        return f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={affine}, bias={bias}"


class BatchNorm1d(Module):
    """(x − mean)/√(variance + ε) of each feature over a batch, later by running means, then ·weight + bias, from 1 and 0."""

    running_mean: Tensor | None
    running_var: Tensor | None
    num_batches_tracked: Tensor | None

    def __init__(
        self, num_features: int, eps: float = 1e-5, momentum: float = 0.1, affine: bool = True,
        track_running_stats: bool = True, device: Any = None, dtype: DTypeLike | None = None,
    ) -> None:  # fmt: skip
        dtype = placed(device, dtype)
        self.num_features, self.eps, self.momentum = whole("num_features", num_features), eps, momentum
        self.weight = Parameter(creation.ones(num_features, dtype=dtype)) if affine else None
        self.bias = Parameter(creation.zeros(num_features, dtype=dtype)) if affine else None
        tracked = track_running_stats
        self.register_buffer("running_mean", creation.zeros(num_features, dtype=dtype) if tracked else None)
        self.register_buffer("running_var", creation.ones(num_features, dtype=dtype) if tracked else None)
        self.register_buffer("num_batches_tracked", creation.tensor(0) if tracked else None)

    def forward(self, input: Tensor) -> Tensor:
        if input.shape[-1:] != (self.num_features,):
            raise ValueError(
                f"input: shape {input.shape}; should be (…, {self.num_features}), as the layer has features"
            )
        if self.training and self.num_batches_tracked is not None:
            self.num_batches_tracked += 1
        return F.batch_norm(
            input,
            self.running_mean,
            self.running_var,
            self.weight,
            self.bias,
            self.training or self.running_mean is None,
            self.momentum,
            self.eps,
        )

    def extra_repr(self) -> str:
        return (
            f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, affine={self.weight is not None}, "
            f"track_running_stats={self.running_mean is not None}"
        )
