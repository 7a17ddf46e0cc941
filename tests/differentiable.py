"""Every differentiable function, written once for PyTorch and for ours: `call(torch, *tensors)`, and the shapes to try it on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

ONE = [((),), ((5,),), ((3, 4),), ((2, 3, 4),), ((2, 1, 3, 2),)]
MATRICES = [((3, 4),), ((1, 5),), ((4, 1),), ((2, 3, 4),), ((2, 1, 3, 2),)]
LOGITS = [((3, 4),), ((1, 5),), ((4, 1),), ((6, 2),), ((2, 7),)]
TWO = [((3, 4), (3, 4)), ((3, 4), (4,)), ((3, 1), (1, 4)), ((2, 3, 4), (3, 1)), ((), (2, 3))]


@dataclass(frozen=True)
class Case:
    call: Callable[..., Any]
    shapes: list[tuple[tuple[int, ...], ...]]
    domain: str = "real"
    square: bool = True  # takes square matrices

    def draw(self, shapes, seed=0):
        """Inputs in its domain, none near a kink."""
        rng = np.random.default_rng(seed)
        return [DOMAINS[self.domain](rng.standard_normal(shape)) for shape in shapes]


DOMAINS = {
    "real": lambda z: np.asarray(z),
    "positive": lambda z: np.exp(0.5 * np.asarray(z)),
    "off_zero": lambda z: np.asarray(z) + 0.3 * np.sign(z),
}


def assigned(y, b):
    """y, with b in its first row."""
    y[0] = b
    return y


CASES = {
    "add": Case(lambda t, a, b: a + b, TWO),
    "subtract": Case(lambda t, a, b: a - b, TWO),
    "multiply": Case(lambda t, a, b: a * b, TWO),
    "divide": Case(lambda t, a, b: a / b, TWO, "off_zero"),
    "power": Case(lambda t, a, b: a**b, TWO, "positive"),
    "square": Case(lambda t, a: a**2, ONE),
    "cube": Case(lambda t, a: a**3.0, ONE),
    "base": Case(lambda t, a: 2**a, ONE),
    "numbers": Case(lambda t, a: 3 - 2 * a / 5 + (1 - a) * 0.5 - 1 / (a * a + 1), ONE),
    "matmul": Case(
        lambda t, a, b: a @ b,
        [((3, 4), (4, 2)), ((2, 3, 4), (4, 5)), ((3, 4), (2, 4, 2)), ((2, 1, 3, 4), (3, 4, 2)), ((4,), (4,)), ((4,), (4, 3)),
         ((3, 4), (4,)), ((2, 3, 4), (4,)), ((4,), (2, 4, 3))],
    ),
    "einsum": Case(
        lambda t, a, b: t.einsum("mn,nk->km", a, b),
        [((3, 4), (4, 2)), ((1, 1), (1, 1)), ((2, 2), (2, 2)), ((4, 1), (1, 3)), ((1, 5), (5, 1))],
    ),
    "einsum_batched": Case(
        lambda t, a, b, c: t.einsum("bij,bjk,i", a, b, c),
        [((2, 3, 4), (2, 4, 2), (3,)), ((1, 1, 1), (1, 1, 1), (1,)), ((3, 2, 2), (3, 2, 2), (2,)), ((2, 1, 3), (2, 3, 1), (1,)),
         ((1, 4, 2), (1, 2, 3), (4,))],
        square=False,
    ),
    "einsum_rest": Case(
        lambda t, a, b: t.einsum("...ij,...jk->...ik", a, b) + t.einsum("...ij,...jk", a, b) ** 2,
        [((3, 4), (4, 2)), ((2, 3, 4), (2, 4, 2)), ((2, 3, 4), (4, 2)), ((2, 1, 3, 4), (3, 4, 2)), ((1, 1), (5, 1, 1))],
        square=False,
    ),
    "einsum_diagonal": Case(
        lambda t, a, b: t.einsum("iji,j->ij", a, b),
        [((n, m, n), (m,)) for n, m in ((1, 1), (2, 3), (3, 2), (4, 1), (3, 3))],
        square=False,
    ),
    "einsum_trace": Case(
        lambda t, a: t.einsum("iji", a) ** 2, [((n, m, n),) for n, m in ((1, 1), (2, 3), (3, 2), (4, 1), (3, 3))], square=False
    ),
    "einsum_one": Case(
        lambda t, a, b: t.einsum("ij,jk->ik", a, b),
        [((3, 1), (4, 2)), ((3, 4), (1, 2)), ((1, 1), (5, 1)), ((2, 1), (1, 2)), ((2, 2), (1, 3))],
        square=False,
    ),
    "einsum_sums": Case(lambda t, a: t.einsum("ij->j", a), [((3, 4),), ((1, 5),), ((4, 1),), ((2, 2),), ((6, 3),)]),
    "negative": Case(lambda t, a: -a, ONE),
    "exp": Case(lambda t, a: a.exp(), ONE),
    "log": Case(lambda t, a: a.log(), ONE, "positive"),
    "log1p": Case(lambda t, a: a.log1p(), ONE, "positive"),
    "sqrt": Case(lambda t, a: a.sqrt(), ONE, "positive"),
    "expm1": Case(lambda t, a: a.expm1(), ONE),
    "erf": Case(lambda t, a: t.erf(a), ONE),
    "steps": Case(lambda t, a: a * (t.sign(a) + t.floor(3 * a) + t.ceil(3 * a) + t.round(3 * a)), ONE, "off_zero"),
    "sin": Case(lambda t, a: a.sin(), ONE),
    "cos": Case(lambda t, a: a.cos(), ONE),
    "tanh": Case(lambda t, a: a.tanh(), ONE),
    "sigmoid": Case(lambda t, a: (3 * a).sigmoid(), ONE),
    "relu": Case(lambda t, a: a.relu(), ONE, "off_zero"),
    "softplus": Case(lambda t, a: t.nn.functional.softplus(a), ONE),
    "abs": Case(lambda t, a: a.abs(), ONE, "off_zero"),
    "maximum": Case(lambda t, a, b: t.maximum(a, b), TWO),
    "minimum": Case(lambda t, a, b: t.minimum(a, b), TWO),
    "clamp": Case(lambda t, a: a.clamp(-0.4, 0.7), ONE),
    "clamp_below": Case(lambda t, a: a.clamp(min=0.1), ONE),
    "where": Case(lambda t, a, b: t.where(a > b, a * b, b), TWO),
    "sum": Case(lambda t, a: a.sum(), ONE),
    "sum_dim": Case(lambda t, a: a.sum(-1), MATRICES),
    "sum_dims": Case(lambda t, a: a.sum((0, -1), keepdim=True), MATRICES),
    "norm": Case(lambda t, a: a.norm(), ONE),
    "norm_dim": Case(lambda t, a: a.norm(dim=-1, keepdim=True), MATRICES),
    "norm_first": Case(lambda t, a: a.norm(1, -1), MATRICES, "off_zero"),
    "std": Case(lambda t, a: a.std(), [((5,),), ((3, 4),), ((2, 3, 4),), ((2, 1, 3, 2),), ((6, 1),)]),
    "clone": Case(lambda t, a: a.clone() * a, ONE),
    "mean": Case(lambda t, a: a.mean(), ONE),
    "mean_dim": Case(lambda t, a: a.mean(0), MATRICES),
    "var": Case(lambda t, a: a.var(-2, correction=0), MATRICES),
    "max": Case(lambda t, a: a.max(), ONE),
    "max_dim": Case(lambda t, a: a.max(-1).values, MATRICES),
    "max_keep": Case(lambda t, a: a.max(0, keepdim=True)[0], MATRICES),
    "min_dim": Case(lambda t, a: a.min(1)[0], MATRICES),
    "gather": Case(lambda t, a: t.gather(a, -1, (a.argsort(-1) // 2)) ** 2, MATRICES),
    "sort": Case(lambda t, a: a.sort(0, descending=True).values[:1].exp(), MATRICES),
    "topk": Case(lambda t, a: t.topk(a, 1, -1)[0] ** 2 + a.topk(1, 0, largest=False)[0] ** 3, MATRICES),
    "logsumexp": Case(lambda t, a: a.logsumexp(-1), MATRICES),
    "logsumexp_dims": Case(lambda t, a: t.logsumexp(a, (0, 1), keepdim=True), MATRICES),
    "softmax": Case(lambda t, a: a.softmax(-1), MATRICES),
    "softmax_first": Case(lambda t, a: t.softmax(a, 0), MATRICES),
    "log_softmax": Case(lambda t, a: a.log_softmax(-1), MATRICES),
    "reshape": Case(lambda t, a: a.reshape(-1, 2) * 2, [((4,),), ((3, 4),), ((2, 3, 4),), ((2, 1, 3, 2),), ((6, 1),)]),
    "flatten": Case(lambda t, a: a.flatten(1) ** 2, MATRICES),
    "transpose": Case(lambda t, a: a.transpose(0, -1) ** 2, MATRICES),
    "mT": Case(lambda t, a: a.mT.exp(), MATRICES),
    "permute": Case(lambda t, a: a.permute(-1, *range(a.ndim - 1)).exp(), MATRICES),
    "broadcast_to": Case(
        lambda t, a: t.broadcast_to(a, (2, 3, 4)) ** 2, [((),), ((4,),), ((3, 1),), ((1, 3, 4),), ((2, 3, 4),)],
        square=False,
    ),
    "expand": Case(lambda t, a: a.unsqueeze(0).expand(3, *[-1] * a.ndim) ** 2, ONE),
    "squeeze": Case(lambda t, a: a.squeeze() ** 2, ONE),
    "squeeze_dim": Case(lambda t, a: a.unsqueeze(-1).squeeze(-1) ** 2, ONE),
    "slice": Case(lambda t, a: a[1:, ::2] ** 2, [((3, 4),), ((2, 5),), ((4, 1),), ((2, 3, 4),), ((2, 1, 3, 2),)]),
    "number": Case(lambda t, a: a[..., 0] ** 2, MATRICES),
    "mask": Case(lambda t, a: a[a > 0] ** 2, [*ONE[1:], ((7, 1),)]),
    "fancy": Case(lambda t, a: a[[0, 1, 0, 0]] ** 2, [((2,),), ((3, 4),), ((2, 3, 4),), ((2, 1, 3, 2),), ((5, 1),)]),
    "none": Case(lambda t, a: a[:, None] ** 2, MATRICES),
    "assigned": Case(
        lambda t, a, b: assigned(a * 2, b), [((3, 4), (4,)), ((2, 3), (3,)), ((1, 2), (2,)), ((4, 1), (1,)), ((2, 5), ())],
        square=False,
    ),
    "changed": Case(lambda t, a, b: (a * 2).sin().mul_(b).add_(a, alpha=3), [(s, s) for (s,) in ONE]),
    "squared": Case(lambda t, a: a.square(), ONE),
    "dot": Case(lambda t, a, b: t.dot(a, b), [((n,), (n,)) for n in (1, 2, 3, 5, 8)]),
    "outer": Case(lambda t, a, b: t.outer(a, b), [((n,), (m,)) for n, m in ((1, 1), (2, 3), (3, 2), (4, 4), (5, 1))]),
    "masked_fill": Case(lambda t, a: a.masked_fill(t.tensor(np.arange(a.shape[-1]) % 2 == 0), 3.0) ** 2, MATRICES),
    "meshgrid": Case(
        lambda t, a, b: t.meshgrid(a, b, indexing="ij")[0] * t.meshgrid(a, b, indexing="xy")[1].mT ** 2,
        [((n,), (m,)) for n, m in ((1, 1), (2, 3), (3, 2), (4, 4), (5, 1))],
    ),
    "diag": Case(
        lambda t, a: t.diag(a[0], 1).diag(1).exp() * a.diag().sum(), [((2, 3),), ((3, 4),), ((1, 5),), ((4, 1),), ((6, 2),)]
    ),
    "trace": Case(lambda t, a: t.trace(a) ** 2, [((2, 3),), ((3, 4),), ((1, 5),), ((4, 1),), ((3, 3),)]),
    "flip": Case(lambda t, a: a * a.flip([-1, 0]), MATRICES),
    "repeat": Case(lambda t, a: a.repeat(2, *[1] * (a.ndim - 1), 3) ** 2, [*ONE[1:], ((7, 1),)]),
    "tril": Case(lambda t, a: t.tril(a) ** 2, MATRICES),
    "triu": Case(lambda t, a: t.triu(a, 1) ** 2, MATRICES),
    "cumsum": Case(lambda t, a: a.cumsum(-1) ** 2, MATRICES),
    "split": Case(lambda t, a: a.split(2, -1)[0].exp().sum() * t.chunk(a, 2)[-1].sum(), MATRICES),
    "unbind": Case(lambda t, a: a.unbind(-1)[-1] ** 2, MATRICES),
    "stack": Case(lambda t, a, b: t.stack([a, b, a], 1) ** 2, [(s, s) for (s,) in MATRICES]),
    "concatenate": Case(
        lambda t, a, b: t.cat([a, b, a], 0) ** 2,
        [((2, 3), (4, 3)), ((2,), (3,)), ((1, 2, 3), (3, 2, 3)), ((1, 1), (2, 1)), ((4, 2), (4, 2))],
    ),
    "cross_entropy": Case(
        lambda t, a: t.nn.functional.cross_entropy(a, t.arange(a.shape[0]) % a.shape[1]),
        LOGITS,
    ),
    "cross_entropy_each": Case(
        lambda t, a: t.nn.functional.cross_entropy(a, t.arange(a.shape[0]) % a.shape[1], reduction="none"),
        LOGITS,
    ),
    "cross_entropy_soft": Case(
        lambda t, a, b: t.nn.functional.cross_entropy(a, b.softmax(-1)), [s * 2 for s in LOGITS]
    ),
    "leaky_relu": Case(lambda t, a: t.nn.functional.leaky_relu(a, 0.2), ONE, "off_zero"),
    "cross_entropy_smoothed": Case(
        lambda t, a: t.nn.functional.cross_entropy(a, t.arange(a.shape[0]) % a.shape[1], label_smoothing=0.3),
        LOGITS,
    ),
    "gelu": Case(lambda t, a: t.nn.functional.gelu(a), ONE),
    "gelu_tanh": Case(lambda t, a: t.nn.functional.gelu(a, approximate="tanh"), ONE),
    "silu": Case(lambda t, a: t.nn.functional.silu(a), ONE),
    "elu": Case(lambda t, a: t.nn.functional.elu(a, 0.7), ONE, "off_zero"),
    "nll_loss": Case(
        lambda t, a: t.nn.functional.nll_loss(a.log_softmax(1), t.arange(a.shape[0]) % a.shape[1]),
        LOGITS,
    ),
    "mse_loss": Case(lambda t, a, b: t.nn.functional.mse_loss(a, b), [(s, s) for (s,) in ONE]),
    "mse_sum": Case(lambda t, a, b: t.nn.functional.mse_loss(a, b, reduction="sum"), [(s, s) for (s,) in ONE]),
    "l1_loss": Case(lambda t, a, b: t.nn.functional.l1_loss(a, b), [(s, s) for (s,) in ONE]),
    "huber_loss": Case(lambda t, a, b: t.nn.functional.huber_loss(a, b, delta=0.7), [(s, s) for (s,) in ONE]),
    "bce_with_logits": Case(
        lambda t, a, b: t.nn.functional.binary_cross_entropy_with_logits(a, b.sigmoid()), [(s, s) for (s,) in ONE]
    ),
    "bce": Case(
        lambda t, a, b: t.nn.functional.binary_cross_entropy(a.sigmoid(), b.sigmoid()), [(s, s) for (s,) in ONE]
    ),
    "batch_norm": Case(
        lambda t, a, w, b: t.nn.functional.batch_norm(a, None, None, w, b, training=True),
        [((m, n), (n,), (n,)) for m, n in ((3, 4), (2, 1), (7, 2), (5, 3), (4, 4))],
    ),
    "linear": Case(
        lambda t, a, w, b: t.nn.functional.linear(a, w, b),
        [((3, 4), (2, 4), (2,)), ((4,), (2, 4), (2,)), ((5, 3, 4), (2, 4), (2,)), ((1, 1), (1, 1), (1,)), ((6, 2), (3, 2), (3,))],
    ),
    "layer_norm": Case(
        lambda t, a, w, b: t.nn.functional.layer_norm(a, (4,), w, b),
        [((3, 4), (4,), (4,)), ((4,), (4,), (4,)), ((2, 3, 4), (4,), (4,)), ((1, 4), (4,), (4,)), ((2, 1, 3, 4), (4,), (4,))],
    ),
}  # fmt: skip
BROADCASTING = [
    name
    for name, case in CASES.items()
    if case.shapes is TWO or name in ("matmul", "broadcast_to", "expand", "linear", "layer_norm")
]
EVERY = [(name, shapes) for name, case in CASES.items() for shapes in case.shapes]
