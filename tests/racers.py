"""Backends for races, which their own processes import: one that is right, and some that are not."""

from __future__ import annotations

import os

import numpy as np

from experiments.backends.numba import Numba


class Off(Numba):
    """Its gradient is 1 % too long."""

    def value_and_grad(self, X, y, theta, order=None):
        value, grad = super().value_and_grad(X, y, theta, order)
        return value, 1.01 * grad


class Nothing(Numba):
    """Its gradient is not a number."""

    def value_and_grad(self, X, y, theta, order=None):
        value, grad = super().value_and_grad(X, y, theta, order)
        return value, np.nan * grad


class Raising(Numba):
    """Says what is wrong."""

    def value_and_grad(self, X, y, theta, order=None):
        raise MemoryError("no room for X")


class Dying(Numba):
    """Leaves without a word."""

    def value_and_grad(self, X, y, theta, order=None):
        os._exit(3)


class Telling(Numba):
    """Its value is the number of threads that its process's environment asks for."""

    def value_and_grad(self, X, y, theta, order=None):
        return float(os.environ["NPROC"]), super().value_and_grad(X, y, theta, order)[1]


class Slow(Numba):
    """Counts its calls, of which each takes 10 ms."""

    calls = 0

    def value_and_grad(self, X, y, theta, order=None):
        import time

        time.sleep(0.01)
        Slow.calls += 1
        return float(Slow.calls), super().value_and_grad(X, y, theta, order)[1]
