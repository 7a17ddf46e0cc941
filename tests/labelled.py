"""Labels drawn from a linear model, for fits."""

from __future__ import annotations

import numpy as np
from scipy.special import expit


def binary(seed=0, m=200, n=3):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((m, n))
    return X, (rng.random(m) < expit(X @ np.linspace(-1, 1.5, n))).astype(float)


def classes(seed=0, m=300, n=3, k=4):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((m, n))
    return X, np.argmax(X @ rng.standard_normal((n, k)) + rng.gumbel(size=(m, k)), axis=1)
