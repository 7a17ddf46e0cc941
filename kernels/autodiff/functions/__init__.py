"""Differentiable functions: value and derivatives of each stand together, as a rule for the tape."""

from kernels.autodiff.functions.arithmetic import add, divide, matmul, multiply, negative, power, remainder, subtract
from kernels.autodiff.functions.elementwise import (
    absolute,
    clamp,
    cos,
    exp,
    log,
    log1p,
    maximum,
    minimum,
    relu,
    sigmoid,
    sin,
    softplus,
    sqrt,
    tanh,
    to,
    where,
)
from kernels.autodiff.functions.reductions import log_softmax, logsumexp, mean, softmax, sum, var
from kernels.autodiff.functions.selections import concatenate, index, max, min, put, stack
from kernels.autodiff.functions.shapes import broadcast_to, permute, reshape, squeeze, sum_to_size, transpose, unsqueeze

__all__ = [
    "absolute", "add", "broadcast_to", "clamp", "concatenate", "cos", "divide", "exp", "index", "log", "log1p", "log_softmax",
    "logsumexp", "matmul", "max", "maximum", "mean", "min", "minimum", "multiply", "negative", "permute", "power", "put",
    "relu", "remainder", "reshape", "sigmoid", "sin", "softmax", "softplus", "sqrt", "squeeze", "stack", "subtract", "sum",
    "sum_to_size", "tanh", "to", "transpose", "unsqueeze", "var", "where",
]  # fmt: skip
