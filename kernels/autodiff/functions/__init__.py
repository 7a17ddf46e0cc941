"""Differentiable functions: value and derivatives of each stand together, as a rule for the tape."""

from kernels.autodiff.functions.arithmetic import add, divide, matmul, multiply, negative, power, remainder, subtract
from kernels.autodiff.functions.contraction import einsum
from kernels.autodiff.functions.derived import chunk, cumsum, dot, masked_fill, outer, split, square, tril, triu, unbind
from kernels.autodiff.functions.elementwise import (
    absolute,
    clamp,
    clone,
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
from kernels.autodiff.functions.reductions import log_softmax, logsumexp, mean, norm, softmax, std, sum, var
from kernels.autodiff.functions.selections import concatenate, index, max, min, put, replace, stack
from kernels.autodiff.functions.shapes import broadcast_to, permute, reshape, squeeze, sum_to_size, transpose, unsqueeze

__all__ = [
    "absolute", "add", "broadcast_to", "chunk", "clamp", "clone", "concatenate", "cos", "cumsum", "divide", "dot", "einsum",
    "exp", "index", "log", "log1p", "log_softmax", "logsumexp", "masked_fill", "matmul", "max", "maximum", "mean", "min",
    "minimum", "multiply", "negative", "norm", "outer", "permute", "power", "put", "relu", "remainder", "replace", "reshape",
    "sigmoid", "sin", "softmax", "softplus", "split", "sqrt", "square", "squeeze", "stack", "std", "subtract", "sum",
    "sum_to_size", "tanh", "to", "transpose", "tril", "triu", "unbind", "unsqueeze", "var", "where",
]  # fmt: skip
