"""JAX as its users write it: the objective, `jax.value_and_grad` of it, jitted; an epoch is one `lax.scan`.

Measured on two cores with 60000 samples of 784 features and 10 classes, in float32: samples gathered in the scan instead of
all up front take 62 ms instead of 99 at batch 256, and the labels as one-hot rows 440 instead of 590 at batch 1. What XLA
gains from more than that is in `_jax_tuned.py`.
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

from kernels.losses import Huber, Loss

jax.config.update("jax_enable_x64", True)  # float64 where it is asked for; float32 stays what it is


def squared(loss: Loss, h: Array, y: Array) -> Array:
    return 0.5 * (h - y) ** 2


def absolute(loss: Loss, h: Array, y: Array) -> Array:
    return jnp.abs(h - y)


def huber(loss: Loss, h: Array, y: Array) -> Array:
    assert isinstance(loss, Huber)
    r = jnp.abs(h - y)
    return jnp.where(r <= loss.delta, 0.5 * r**2, loss.delta * (r - 0.5 * loss.delta))


def student_t(loss: Loss, h: Array, y: Array) -> Array:
    width, _, exponent, constant = loss.parameters
    return constant + exponent * jnp.log1p(((h - y) / width) ** 2)


def logistic(loss: Loss, h: Array, y: Array) -> Array:
    return jax.nn.softplus(h) - y * h


def softmax(loss: Loss, H: Array, y: Array) -> Array:
    return -jnp.sum(jax.nn.one_hot(y, H.shape[1], dtype=H.dtype) * jax.nn.log_softmax(H, axis=1), axis=1)


def multinomial(loss: Loss, H: Array, y: Array) -> Array:
    return -jnp.sum(y * jax.nn.log_softmax(H, axis=1), axis=1)


# The loss of each sample: of its logit (m,), or of its logits (m, k).
FORMULAS: dict[str, Callable[[Loss, Array, Array], Array]] = {
    f.__name__: f for f in (squared, absolute, huber, student_t, logistic, softmax, multinomial)
}


class Passes:
    """The passes of `jax.Jax`, each one jitted function, waited for."""

    def __init__(self, loss: Loss, columns: bool) -> None:
        self.loss, self.columns = loss, columns

    def native(self, array: NDArray[Any] | None) -> Array | None:
        return None if array is None else jax.device_put(array)

    def forward(self, X: Array, theta: Array, order: Array | None = None) -> Array:
        return jax.block_until_ready(_forward(theta, X, order, columns=self.columns))

    def gradient(self, X: Array, deltas: Array, order: Array | None = None) -> Array:
        return jax.block_until_ready(_gradient(X, deltas, order, columns=self.columns))

    def value_and_grad(self, X: Array, y: Array, theta: Array, order: Array | None = None) -> tuple[Array, Array]:
        value, grad = jax.block_until_ready(_value_and_grad(theta, X, y, order, loss=self.loss, columns=self.columns))
        return value, grad

    def sgd_epoch(
        self, X: Array, y: Array, theta: NDArray[Any], batch_size: int, step_size: float, order: Array | None = None
    ) -> float:
        moving = jnp.asarray(theta)
        met, moving = _epoch(moving, X, y, order, step_size, loss=self.loss, columns=self.columns, batch=batch_size)
        theta[...] = np.asarray(moving)
        return float(met)


@partial(jax.jit, static_argnames=("columns",))
def _forward(theta: Array, X: Array, order: Array | None, columns: bool) -> Array:
    x = _taken(X, order, columns)
    return theta.T @ x if columns else x @ theta


@partial(jax.jit, static_argnames=("columns",))
def _gradient(X: Array, deltas: Array, order: Array | None, columns: bool) -> Array:
    x = _taken(X, order, columns)
    return x @ deltas.T if columns else x.T @ deltas


@partial(jax.jit, static_argnames=("loss", "columns"))
def _value_and_grad(
    theta: Array, X: Array, y: Array, order: Array | None, loss: Loss, columns: bool
) -> tuple[Array, Array]:
    value, grad = _objective(theta, _taken(X, order, columns), y if order is None else y[order], loss, columns)
    return value, grad


@partial(jax.jit, static_argnames=("loss", "columns", "batch"))
def _epoch(
    theta: Array, X: Array, y: Array, order: Array | None, step: float, loss: Loss, columns: bool, batch: int
) -> tuple[Array, Array]:
    """The mean loss met, and θ after the last batch."""
    visits = jnp.arange(len(y)) if order is None else order
    whole = len(visits) - len(visits) % batch

    def descend(theta: Array, picks: Array) -> tuple[Array, Array]:
        value, grad = _objective(theta, _taken(X, picks, columns), y[picks], loss, columns)
        return theta - step * grad, value * len(picks)

    theta, values = lax.scan(descend, theta, visits[:whole].reshape(-1, batch))
    met = values.sum()
    if whole < len(visits):
        theta, value = descend(theta, visits[whole:])
        met += value
    return met / len(visits), theta


@partial(jax.value_and_grad, argnums=0)
def _objective(theta: Array, X: Array, y: Array, loss: Loss, columns: bool) -> Array:
    H = X.T @ theta if columns else X @ theta
    return jnp.mean(FORMULAS[loss.name](loss, H[:, 0] if loss.target.one_logit else H, y))


def _taken(X: Array, picks: Array | None, columns: bool) -> Array:
    if picks is None:
        return X
    return X[:, picks] if columns else X[picks]
