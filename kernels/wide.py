"""The passes for a wide θ, one that no cache near the cores holds: both products by BLAS, with the same loss between them.

BLAS packs both its matrices as it goes, which pays from some hundred outputs on. A pass goes through the samples in
chunks; `kernels.chunks` says what is done with each.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
from numba import types
from numpy.typing import NDArray

from kernels._jit import COMPILED, named, once, serial
from kernels.arrays import empty
from kernels.chunks import chunk, gather, places, products, room_for, visiting
from kernels.layouts import Layout
from kernels.losses import Loss
from kernels.signatures import Kernel, epoch_signature, fused_signature, product_signature, real_type
from kernels.sums import all_finite, finite

if COMPILED:
    from kernels import blas

# A θ of more bytes than this is wide, if there are enough samples and outputs for BLAS to pay; twice as many bytes where
# there are so many samples that it hardly matters how long the tiles take to turn θ.
WIDE_BYTES, MANY = 1 << 19, 1024
FEWEST = 64


def pays(samples: int, theta: NDArray[Any]) -> bool:
    """Whether a pass over so many samples with a θ (n, k) is for BLAS."""
    least = WIDE_BYTES if samples < MANY else 2 * WIDE_BYTES
    return samples >= FEWEST and theta.shape[1] >= FEWEST // 2 and theta.nbytes > least


@once
def fused(loss: type[Loss], layout: type[Layout], dtype: np.dtype[Any]) -> Kernel:
    """`kernels.passes.fused`, for a wide θ; `fine` is False as well if a logit is infinite or NaN."""
    real, room_of = real_type(dtype), room_for(layout)
    visit = visiting(loss, layout, dtype)

    def fused(X, y, order, theta, p, grad):
        (n, k), samples = theta.shape, order.size if order.size else len(y)
        size = chunk(samples, n, k, order.size > 0)
        room, work, weight = room_of(X, n, size, order), places(X, y, k, size), 1.0 / samples
        mean, doubt = 0.0, 0.0
        for first in range(0, samples, size):
            count, keep = min(size, samples - first), 0.0 if first == 0 else 1.0
            total, doubts = visit((X, y, order), first, count, theta, p, weight, weight, keep, room, work, grad)
            mean += total
            doubt += doubts
        return mean, doubt == 0 and finite(mean)

    signature = fused_signature(loss.target, real)
    return _by_blas(serial(signature, loss, layout)(named(fused, "wide", loss.name, layout.name, dtype.name)))


@once
def epoch(loss: type[Loss], layout: type[Layout], dtype: np.dtype[Any]) -> Kernel:
    """`kernels.epochs.epoch`, for a wide θ. A batch of one chunk goes into θ at once; a longer one is summed first."""
    real, room_of = real_type(dtype), room_for(layout)
    visit = visiting(loss, layout, dtype)

    def epoch(X, y, order, theta, p, batch, step_size):
        (n, k), samples = theta.shape, order.size if order.size else len(y)
        most = chunk(batch, n, k, order.size > 0)
        if batch > most:  # there is a gradient to be kept as well
            most = chunk(batch, n, k, order.size > 0, times=1)
        room, work, data, mean = room_of(X, n, most, order), places(X, y, k, most), (X, y, order), 0.0
        G = empty((0, 0) if batch <= most else theta.shape, theta.dtype)
        for first in range(0, samples, batch):
            size = min(batch, samples - first)
            weight = 1.0 / size
            step, share = step_size * weight, size / samples
            if batch <= most:
                total, _ = visit(data, first, size, theta, p, weight, -step, 1.0, room, work, theta)
                mean += total * share
                continue
            for start in range(0, size, most):
                count, keep = min(most, size - start), 0.0 if start == 0 else 1.0
                total, _ = visit(data, first + start, count, theta, p, weight, step, keep, room, work, G)
                mean += total * share
            theta -= G
        return mean, all_finite(theta) and finite(mean)

    signature = epoch_signature(loss.target, real, types.int64)
    return _by_blas(serial(signature, loss, layout)(named(epoch, "wide", loss.name, layout.name, dtype.name)))


@once
def forward(layout: type[Layout], dtype: np.dtype[Any]) -> Kernel:
    """`kernels.passes.forward`, for a wide θ."""
    real, extent, room_of, fetch = real_type(dtype), layout.extent, room_for(layout), gather(layout, dtype)
    logits, _ = products(layout, dtype, turned=layout.features_first)

    def forward(X, order, theta, out):
        (n, k), samples = theta.shape, extent(out)[0]
        size = chunk(samples, n, k, order.size > 0)
        room = room_of(X, n, size, order)
        for first in range(0, samples, size):
            count = min(size, samples - first)
            if order.size:
                fetch(X, order, first, count, room)
                logits(room, 0, count, theta, out, first)
            else:
                logits(X, first, count, theta, out, first)
        return all_finite(out)

    signature = product_signature(real)
    return _by_blas(serial(signature, layout)(named(forward, "wide", layout.name, dtype.name)))


@once
def gradient(layout: type[Layout], dtype: np.dtype[Any]) -> Kernel:
    """`kernels.passes.gradient`, for a wide θ."""
    real, extent, room_of, fetch = real_type(dtype), layout.extent, room_for(layout), gather(layout, dtype)
    _, accumulate = products(layout, dtype, turned=layout.features_first)

    def gradient(X, order, deltas, grad):
        (n, k), samples = grad.shape, extent(deltas)[0]
        size = chunk(samples, n, k, order.size > 0)
        room = room_of(X, n, size, order)
        for first in range(0, samples, size):
            count, keep = min(size, samples - first), 0.0 if first == 0 else 1.0
            if order.size:
                fetch(X, order, first, count, room)
                accumulate(room, 0, count, deltas, first, 1.0, keep, grad)
            else:
                accumulate(X, first, count, deltas, first, 1.0, keep, grad)
        return all_finite(grad)

    signature = product_signature(real)
    return _by_blas(serial(signature, layout)(named(gradient, "wide", layout.name, dtype.name)))


def _by_blas(kernel: Kernel) -> Kernel:
    """The kernel with BLAS kept to one thread a call, while it runs."""

    if not COMPILED:
        return kernel

    @functools.wraps(kernel)
    def call(*arguments: Any) -> Any:
        with blas.one_thread():
            return kernel(*arguments)

    return call
