"""Differentiable functions: value and derivatives of each stand together, as a rule for the tape."""

from kernels.autodiff.functions.arithmetic import add, divide, matmul, multiply, negative, power, remainder, subtract
from kernels.autodiff.functions.contraction import einsum
from kernels.autodiff.functions.derived import (
    chunk,
    cumsum,
    diag,
    dot,
    flip,
    masked_fill,
    meshgrid,
    outer,
    repeat,
    split,
    square,
    trace,
    tril,
    triu,
    unbind,
)
from kernels.autodiff.functions.elementwise import (
    absolute,
    clamp,
    clone,
    cos,
    erf,
    exp,
    expm1,
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
from kernels.autodiff.functions.selections import (
    argsort,
    concatenate,
    gather,
    index,
    max,
    min,
    put,
    replace,
    sort,
    stack,
    topk,
)
from kernels.autodiff.functions.shapes import broadcast_to, permute, reshape, squeeze, sum_to_size, transpose, unsqueeze
from kernels.autodiff.functions.steps import ceil, floor, round, sign

__all__ = [
    "absolute", "add", "argsort", "broadcast_to", "ceil", "chunk", "clamp", "clone", "concatenate", "cos", "cumsum", "diag",
    "divide", "dot", "einsum", "erf", "exp", "expm1", "flip", "floor", "gather", "index", "log", "log1p", "log_softmax",
    "logsumexp", "masked_fill", "matmul", "max", "maximum", "mean", "meshgrid", "min", "minimum", "multiply", "negative",
    "norm", "outer", "permute", "power", "put", "relu", "remainder", "repeat", "replace", "reshape", "round", "sigmoid",
    "sign", "sin", "softmax", "softplus", "sort", "split", "sqrt", "square", "squeeze", "stack", "std", "subtract", "sum",
    "sum_to_size", "tanh", "to", "topk", "trace", "transpose", "tril", "triu", "unbind", "unsqueeze", "var", "where",
]  # fmt: skip
