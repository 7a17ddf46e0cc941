"""The oracles, written as in the notes: NumPy, float64, samples in rows, no blocks, no threads, no care for speed."""

from __future__ import annotations

import math

import numpy as np


def onehot(y, k):
    Y = np.zeros((len(y), k))
    Y[np.arange(len(y)), y] = 1
    return Y


def softmax(H):
    Z = np.exp(H - H.max(axis=1, keepdims=True))
    return Z / Z.sum(axis=1, keepdims=True)


def losses_and_deltas(name, H, y, delta=1.345, nu=3.0, scale=1.0):
    """(m,) losses and Δ (m, k) of logits H (m, k), by the formulas of notes 3 to 7."""
    if name == "softmax":
        Z = softmax(H)
        return -np.log(Z[np.arange(len(y)), y]), Z - onehot(y, H.shape[1])
    if name == "multinomial":
        Z = softmax(H)
        return -(y * np.log(Z)).sum(axis=1), y.sum(axis=1, keepdims=True) * Z - y
    h = H[:, 0]
    if name == "logistic":
        p = 1 / (1 + np.exp(-h))
        return -(y * np.log(p) + (1 - y) * np.log(1 - p)), (p - y)[:, None]
    r = h - y
    if name == "squared":
        return r**2 / 2, r[:, None]
    if name == "absolute":
        return np.abs(r), np.sign(r)[:, None]
    if name == "huber":
        inside = np.abs(r) <= delta
        return np.where(inside, r**2 / 2, delta * (np.abs(r) - delta / 2)), np.clip(r, -delta, delta)[:, None]
    if name == "student_t":
        constant = math.lgamma((nu + 1) / 2) - math.lgamma(nu / 2) - math.log(scale * math.sqrt(nu * math.pi))
        value = (nu + 1) / 2 * np.log(1 + r**2 / (nu * scale**2)) - constant
        return value, ((nu + 1) * r / (nu * scale**2 + r**2))[:, None]
    raise AssertionError(f"no oracle for loss {name}: write one, as in the notes")


def value_and_grad(name, X, y, theta, **parameters):
    """Mean loss, and its gradient XᵀΔ/m, shaped like θ (n, k)."""
    losses, Delta = losses_and_deltas(name, X @ theta, y, **parameters)
    return losses.mean(), X.T @ Delta / len(X)


def sgd_epoch(name, X, y, theta, batch_size, step_size, order=None, **parameters):
    """θ after one epoch, and the mean of the losses met on the way."""
    order = np.arange(len(X)) if order is None else order
    met = 0.0
    for start in range(0, len(order), batch_size):
        batch = order[start : start + batch_size]
        value, grad = value_and_grad(name, X[batch], y[batch], theta, **parameters)
        theta = theta - step_size * grad
        met += value * len(batch)
    return theta, met / len(order)
