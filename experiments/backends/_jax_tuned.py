"""JAX with explicit formulas, barriers and blocks, as fast as XLA was seen to be; `_jax.py` is what its users write.

What is fast was measured on two cores with 60000 samples of 784 features and 10 classes, in float32, milliseconds:
- θ carried as (k, n), and ΔᵀX instead of XᵀΔ: an epoch at batch 1, 32, 256: 66, 37, 27 instead of 380, 78, 53. A barrier keeps
  XLA from turning ΔᵀX back into XᵀΔ: value and gradient 26 instead of 41; and blocks that stay in cache: 22.
- The explicit δ instead of `jax.value_and_grad`: 66 instead of 90 at batch 1, 54 instead of 70 at 8, the same from 256 on.
- Samples gathered in the scan instead of all up front: 62 instead of 99 at 256. `unroll=4`: 5 % less at batch 1, more above.
- Columns in an order, copied as rows first: 107 instead of 260 at 256.
θ is too small for `donate_argnums` to show.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from numpy.typing import NDArray

from experiments.backends.base import turned
from kernels.losses import Huber, Loss

jax.config.update("jax_enable_x64", True)  # float64 where it is asked for; float32 stays what it is

# Numbers in a block of X that both products take while it is in cache.
BLOCK = 1 << 19


def squared(loss: Loss, H: Array, y: Array, axis: int) -> tuple[Array, Array]:
    R = H - y
    return 0.5 * jnp.sum(R * R), R


def absolute(loss: Loss, H: Array, y: Array, axis: int) -> tuple[Array, Array]:
    R = H - y
    return jnp.sum(jnp.abs(R)), jnp.sign(R)


def huber(loss: Loss, H: Array, y: Array, axis: int) -> tuple[Array, Array]:
    """With δ = r clipped to ±bend: ℓ = δ(r − ½δ), inside and outside."""
    assert isinstance(loss, Huber)
    R = H - y
    D = jnp.clip(R, -loss.delta, loss.delta)
    return jnp.sum(D * (R - 0.5 * D)), D


def student_t(loss: Loss, H: Array, y: Array, axis: int) -> tuple[Array, Array]:
    width, _, exponent, constant = loss.parameters
    U = (H - y) / width
    return jnp.sum(constant + exponent * jnp.log1p(U * U)), 2 * exponent / width * (U / (1 + U * U))


def logistic(loss: Loss, H: Array, y: Array, axis: int) -> tuple[Array, Array]:
    return jnp.sum(jax.nn.softplus(H) - y * H), jax.nn.sigmoid(H) - y


def softmax(loss: Loss, H: Array, y: Array, axis: int) -> tuple[Array, Array]:
    logs = jax.nn.log_softmax(H, axis=axis)
    Y = jax.nn.one_hot(y, H.shape[axis], dtype=H.dtype, axis=axis)
    return -jnp.sum(Y * logs), jnp.exp(logs) - Y


def multinomial(loss: Loss, H: Array, y: Array, axis: int) -> tuple[Array, Array]:
    logs = jax.nn.log_softmax(H, axis=axis)
    Y = y if axis == 1 else y.T
    return -jnp.sum(Y * logs), jnp.sum(Y, axis=axis, keepdims=True) * jnp.exp(logs) - Y


# Sum of the losses, and δ, of logits H: (k, b) with `axis` 0, or of one sample (1, k) with `axis` 1.
FORMULAS: dict[str, Callable[[Loss, Array, Array, int], tuple[Array, Array]]] = {
    f.__name__: f for f in (squared, absolute, huber, student_t, logistic, softmax, multinomial)
}


class Passes:
    """The passes of `jax.JaxTuned`, each one jitted function, waited for."""

    def __init__(self, loss: Loss, columns: bool) -> None:
        self.loss, self.columns = loss, columns

    def native(self, array: NDArray[Any] | None) -> Array | None:
        if array is None:
            return None
        whole = array.dtype.kind in "iu"  # classes and orders: half the bytes, and vectors of twice the length
        return jax.device_put(array.astype(np.int32) if whole else array)

    def forward(self, X: Array, theta: Array, order: Array | None = None) -> Array:
        return jax.block_until_ready(_forward(X, theta, order, columns=self.columns))

    def gradient(self, X: Array, deltas: Array, order: Array | None = None) -> Array:
        return jax.block_until_ready(_gradient(X, deltas, order, columns=self.columns))

    def value_and_grad(self, X: Array, y: Array, theta: Array, order: Array | None = None) -> tuple[Array, Array]:
        value, grad = jax.block_until_ready(_value_and_grad(X, y, theta, order, loss=self.loss, columns=self.columns))
        return value, grad

    def sgd_epoch(
        self, X: Array, y: Array, theta: NDArray[Any], batch_size: int, step_size: float, order: Array | None = None
    ) -> float:
        weight = jnp.asarray(np.ascontiguousarray(theta.T))
        met, weight = _epoch(X, y, weight, order, step_size, loss=self.loss, columns=self.columns, batch=batch_size)
        theta[...] = np.asarray(weight).T
        return float(met)


@partial(jax.jit, static_argnames=("columns",))
def _forward(X: Array, theta: Array, order: Array | None, columns: bool) -> Array:
    if columns:
        return theta.T @ (X if order is None else lax.optimization_barrier(X[:, order]))
    if order is None:
        return X @ theta
    whole, block = _whole_blocks(len(order), X.shape[1])
    H = lax.map(lambda picks: _taken(X, picks) @ theta, order[: whole * block].reshape(whole, block))
    return jnp.concatenate([H.reshape(-1, theta.shape[1]), _taken(X, order[whole * block :]) @ theta])


@partial(jax.jit, static_argnames=("columns",))
def _gradient(X: Array, deltas: Array, order: Array | None, columns: bool) -> Array:
    if columns:
        return (X if order is None else lax.optimization_barrier(X[:, order])) @ deltas.T
    if order is None:
        return lax.optimization_barrier(lax.optimization_barrier(deltas.T) @ X).T

    def part(start: Array | int, size: int) -> Array:
        D = lax.dynamic_slice_in_dim(deltas, start, size)
        return lax.optimization_barrier(D.T) @ _taken(X, lax.dynamic_slice_in_dim(order, start, size))

    return lax.optimization_barrier(_by_blocks(part, 0, len(order), X.shape[1])).T


@partial(jax.jit, static_argnames=("loss", "columns"))
def _value_and_grad(
    X: Array, y: Array, theta: Array, order: Array | None, loss: Loss, columns: bool
) -> tuple[Array, Array]:
    if columns and order is not None:
        if len(order) > len(y) // 4:
            X, columns = lax.optimization_barrier(X.T), False  # see _epoch
        else:
            X, y, order = lax.optimization_barrier(X[:, order]), y[order], None
    samples = len(y) if order is None else len(order)
    value, G = _sums(loss, columns, X, y, lax.optimization_barrier(theta.T), order, 0, samples)
    return value / samples, lax.optimization_barrier(G / samples).T


@partial(jax.jit, static_argnames=("loss", "columns", "batch"))
def _epoch(
    X: Array, y: Array, theta: Array, order: Array | None, step: float, loss: Loss, columns: bool, batch: int
) -> tuple[Array, Array]:
    """The mean loss met, and θ (k, n) after the last batch."""
    if columns and (order is not None or turned(batch, order)):
        # one copy costs less than to gather each sample from as many lines as it has features
        X, columns = lax.optimization_barrier(X.T), False
    samples = len(y) if order is None else len(order)

    def descend(theta: Array, start: Array | int, size: int) -> tuple[Array, Array]:
        value, G = _sums(loss, columns, X, y, theta, order, start, size)
        return theta - step / size * G, value

    whole, rest = divmod(samples, batch)
    theta, values = lax.scan(lambda theta, i: descend(theta, i * batch, batch), theta, jnp.arange(whole))
    met = values.sum()
    if rest:
        theta, value = descend(theta, whole * batch, rest)
        met += value
    return met / samples, theta


def _sums(
    loss: Loss, columns: bool, X: Array, y: Array, theta: Array, order: Array | None, start: Array | int, size: int
) -> Any:
    """Sums of the losses and of their gradients (k, n) over `size` samples from `start` on, for θ (k, n)."""
    formula = FORMULAS[loss.name]

    def part(start: Array | int, size: int) -> tuple[Array, Array]:
        if order is None:
            labels = lax.dynamic_slice_in_dim(y, start, size)
            x = lax.dynamic_slice_in_dim(X, start, size, axis=int(columns))
        else:
            picks = lax.dynamic_slice_in_dim(order, start, size)
            labels, x = _taken(y, picks), _taken(X, picks)
        if size == 1 and not columns:
            value, D = formula(loss, x @ theta.T, labels, 1)
            return value, D.T @ x
        value, D = formula(loss, theta @ (x if columns else x.T), labels, 0)
        return value, (x @ D.T).T if columns else D @ x

    return _by_blocks(part, start, size, X.shape[0 if columns else 1])


def _by_blocks(part: Callable[[Array | int, int], Any], start: Array | int, size: int, features: int) -> Any:
    """part(start, size) as the sum of parts of a block each, and one of what is left."""
    whole, block = _whole_blocks(size, features)
    if whole <= 1:
        return part(start, size)

    def add(i: Array, sums: Any) -> Any:
        return jax.tree.map(jnp.add, sums, part(start + i * block, block))

    sums = lax.fori_loop(1, whole, add, part(start, block))
    rest = size - whole * block
    return jax.tree.map(jnp.add, sums, part(start + whole * block, rest)) if rest else sums


def _whole_blocks(samples: int, features: int) -> tuple[int, int]:
    """How many whole blocks so many samples have, and how many of them make one."""
    block = max(1, min(samples, BLOCK // features))
    return samples // block, block


def _taken(array: Array, picks: Array) -> Array:
    return array.at[picks].get(mode="promise_in_bounds")
