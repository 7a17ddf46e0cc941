"""Where parameters start from: each fills a tensor in place, and returns it. fan_in is the second axis, fan_out the first."""

from __future__ import annotations

import math
from typing import Literal

from numpy.typing import ArrayLike

from kernels.autodiff import draws, memory
from kernels.autodiff.tensor import Tensor

_GAINS = {"linear": 1.0, "sigmoid": 1.0, "tanh": 5 / 3, "relu": math.sqrt(2)}


def calculate_gain(nonlinearity: str, param: float | None = None) -> float:
    """By what a layer has to scale so that variances stay: √2 for relu, 5/3 for tanh, √(2/(1 + a²)) for leaky_relu."""
    if nonlinearity == "leaky_relu":
        return math.sqrt(2 / (1 + (0.01 if param is None else param) ** 2))
    if nonlinearity not in _GAINS:
        raise ValueError(f"nonlinearity: {nonlinearity!r}; should be one of {', '.join([*_GAINS, 'leaky_relu'])}")
    return _GAINS[nonlinearity]


def _fans(tensor: Tensor) -> tuple[int, int]:
    if tensor.ndim < 2:
        raise ValueError(f"tensor: shape {tensor.shape}; should have two axes at least, (fan_out, fan_in)")
    field = tensor.array[0, 0].size
    return tensor.shape[1] * field, tensor.shape[0] * field


def _filled(tensor: Tensor, values: ArrayLike) -> Tensor:
    tensor.array[...] = values
    memory.note(tensor.array)  # what used it before has no derivative any more
    return tensor


def uniform_(tensor: Tensor, a: float = 0.0, b: float = 1.0) -> Tensor:
    """U(a, b)"""
    return _filled(tensor, draws.source().uniform(a, b, tensor.shape))


def normal_(tensor: Tensor, mean: float = 0.0, std: float = 1.0) -> Tensor:
    """N(mean, std²)"""
    return _filled(tensor, draws.source().normal(mean, std, tensor.shape))


def constant_(tensor: Tensor, val: float) -> Tensor:
    """One number all over"""
    return _filled(tensor, val)


def zeros_(tensor: Tensor) -> Tensor:
    """0"""
    return constant_(tensor, 0.0)


def ones_(tensor: Tensor) -> Tensor:
    """1"""
    return constant_(tensor, 1.0)


def xavier_uniform_(tensor: Tensor, gain: float = 1.0) -> Tensor:
    """U(−b, b), b = gain·√(6/(fan_in + fan_out)) (Glorot and Bengio 2010)"""
    bound = gain * math.sqrt(6 / sum(_fans(tensor)))
    return uniform_(tensor, -bound, bound)


def xavier_normal_(tensor: Tensor, gain: float = 1.0) -> Tensor:
    """N(0, gain²·2/(fan_in + fan_out)) (Glorot and Bengio 2010)"""
    return normal_(tensor, 0.0, gain * math.sqrt(2 / sum(_fans(tensor))))


def _kaiming(tensor: Tensor, a: float, mode: str, nonlinearity: str) -> float:
    fan_in, fan_out = _fans(tensor)
    return calculate_gain(nonlinearity, a) / math.sqrt(fan_in if mode == "fan_in" else fan_out)


def kaiming_uniform_(
    tensor: Tensor, a: float = 0, mode: Literal["fan_in", "fan_out"] = "fan_in", nonlinearity: str = "leaky_relu"
) -> Tensor:
    """U(−b, b), b = √3·gain/√fan (He et al. 2015)"""
    bound = math.sqrt(3) * _kaiming(tensor, a, mode, nonlinearity)
    return uniform_(tensor, -bound, bound)


def kaiming_normal_(
    tensor: Tensor, a: float = 0, mode: Literal["fan_in", "fan_out"] = "fan_in", nonlinearity: str = "leaky_relu"
) -> Tensor:
    """N(0, gain²/fan) (He et al. 2015)"""
    return normal_(tensor, 0.0, _kaiming(tensor, a, mode, nonlinearity))
