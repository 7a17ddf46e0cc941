"""The same layer, and a step of its training, in either library."""

from __future__ import annotations

import numpy as np

RNG = np.random.default_rng(0)
X, Y = RNG.standard_normal((30, 3)), RNG.standard_normal((30, 2))
START = {name: RNG.standard_normal(shape) for name, shape in (("weight", (2, 3)), ("bias", (2,)))}


def linear(t):
    """The same layer in either library, in float64."""
    layer = t.nn.Linear(3, 2).double()
    layer.load_state_dict({name: t.tensor(value) for name, value in START.items()})
    return layer


def step(t, model, optimizer, rows=slice(None)):
    optimizer.zero_grad()
    loss = t.nn.functional.mse_loss(model(t.tensor(X[rows])), t.tensor(Y[rows]))
    loss.backward()
    optimizer.step()
    return loss.item()
