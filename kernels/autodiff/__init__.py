"""PyStickOnFire: a minimal PyTorch (notes 2). Names, defaults and meaning are PyTorch's.

>>> from kernels import autodiff as torch
>>> x = torch.tensor([1.0, 2.0], requires_grad=True)
>>> (x ** 2).sum().backward()
>>> x.grad
tensor([2., 4.])

`tape.py` is reverse mode; `functions/` is what can be differentiated, each with its derivatives beside it; `nn`, `optim` and
`utils.data` are what a course's training loop takes. `check_gradient` compares any of it with differences.
"""

import math as _math

import numpy as _np

import kernels.autodiff.tensor  # isort: skip (first: functions need tensors)  # noqa: F401
from kernels.autodiff import autograd, nn, optim, utils
from kernels.autodiff.autograd import grad
from kernels.autodiff.check import check_gradient
from kernels.autodiff.creation import (
    arange,
    as_tensor,
    empty,
    empty_like,
    eye,
    from_numpy,
    full,
    full_like,
    linspace,
    ones,
    ones_like,
    tensor,
    zeros,
    zeros_like,
)
from kernels.autodiff.devices import cuda, device
from kernels.autodiff.draws import (
    Generator,
    bernoulli,
    manual_seed,
    multinomial,
    normal,
    rand,
    rand_like,
    randint,
    randn,
    randn_like,
    randperm,
)
from kernels.autodiff.functions import (
    absolute,
    add,
    argsort,
    broadcast_to,
    ceil,
    chunk,
    clamp,
    clone,
    concatenate,
    cos,
    cumsum,
    diag,
    dot,
    einsum,
    erf,
    exp,
    expm1,
    flip,
    floor,
    gather,
    log,
    log1p,
    log_softmax,
    logsumexp,
    masked_fill,
    matmul,
    max,
    maximum,
    mean,
    meshgrid,
    min,
    minimum,
    norm,
    outer,
    permute,
    relu,
    repeat,
    reshape,
    round,
    sigmoid,
    sign,
    sin,
    softmax,
    softplus,
    sort,
    split,
    sqrt,
    square,
    squeeze,
    stack,
    std,
    sum,
    tanh,
    topk,
    trace,
    transpose,
    tril,
    triu,
    unbind,
    unsqueeze,
    var,
    where,
)
from kernels.autodiff.functions import divide as div
from kernels.autodiff.functions import multiply as mul
from kernels.autodiff.functions import power as pow
from kernels.autodiff.functions import subtract as sub
from kernels.autodiff.kinds import default_dtype as get_default_dtype
from kernels.autodiff.kinds import set_default_dtype
from kernels.autodiff.modes import enable_grad, is_grad_enabled, no_grad, set_grad_enabled
from kernels.autodiff.nn import functional
from kernels.autodiff.saving import load, save
from kernels.autodiff.tensor import Tensor

abs = absolute
argmax, argmin, flatten, numel = Tensor.argmax, Tensor.argmin, Tensor.flatten, Tensor.numel
isnan, isinf, isfinite = Tensor.isnan, Tensor.isinf, Tensor.isfinite
allclose, equal, all, any = Tensor.allclose, Tensor.equal, Tensor.all, Tensor.any
mm = bmm = mv = matmul
cat, clip = concatenate, clamp
float32, float64, int64, bool = _np.dtype("float32"), _np.dtype("float64"), _np.dtype("int64"), _np.dtype("bool")
float, double, long = float32, float64, int64
pi, inf, nan = _math.pi, _math.inf, _math.nan

__all__ = [
    "Generator", "Tensor", "abs", "absolute", "add", "all", "allclose", "any", "arange", "argmax", "argmin", "argsort",
    "as_tensor", "autograd", "bernoulli", "bmm", "bool", "broadcast_to", "cat", "ceil", "check_gradient", "chunk", "clamp",
    "clip", "clone", "concatenate", "cos", "cuda", "cumsum", "device", "diag", "div", "dot", "double", "einsum", "empty",
    "empty_like", "enable_grad", "equal", "erf", "exp", "expm1", "eye", "flatten", "flip", "float", "float32", "float64",
    "floor", "from_numpy", "full", "full_like", "functional", "gather", "get_default_dtype", "grad", "inf", "int64",
    "is_grad_enabled", "isfinite", "isinf", "isnan", "linspace", "load", "log", "log1p", "log_softmax", "logsumexp", "long",
    "manual_seed", "masked_fill", "matmul", "max", "maximum", "mean", "meshgrid", "min", "minimum", "mm", "mul", "multinomial",
    "mv", "nan", "nn", "no_grad", "norm", "normal", "numel", "ones", "ones_like", "optim", "outer", "permute", "pi", "pow",
    "rand", "rand_like", "randint", "randn", "randn_like", "randperm", "relu", "repeat", "reshape", "round", "save",
    "set_default_dtype", "set_grad_enabled", "sigmoid", "sign", "sin", "softmax", "softplus", "sort", "split", "sqrt",
    "square", "squeeze", "stack", "std", "sub", "sum", "tanh", "tensor", "topk", "trace", "transpose", "tril", "triu",
    "unbind", "unsqueeze", "utils", "var", "where", "zeros", "zeros_like",
]  # fmt: skip
