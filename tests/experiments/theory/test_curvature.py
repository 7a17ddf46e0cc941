"""Curvature: Hessians against differences and closed forms, and the bound that none exceeds."""

from __future__ import annotations

import math

import naive
import numpy as np
import pytest
from scipy import linalg

from experiments.problem import own_noise, random_data
from experiments.theory import curvature
from kernels import Objective, losses, noises, stream

SMOOTH = [name for name, cls in losses.ALL.items() if cls().curvature < math.inf]


@pytest.mark.parametrize("name", SMOOTH)
def test_no_hessian_anywhere_exceeds_the_bound_and_differences_give_it(name):
    loss = losses.named(name)
    d = random_data(loss, 50, 3, 3, 2.0).load(1)
    bound = curvature.bound(loss, d.X)
    assert bound == pytest.approx(loss.curvature * linalg.eigvalsh(d.X.T @ d.X / 50)[-1], rel=1e-12)
    for size in (0.0, 1.0, 5.0):
        theta = size * stream(0, "theta").standard_normal((3, d.outputs))
        H = curvature.hessian(Objective(loss), d.X, d.y, theta)
        assert linalg.eigvalsh(H)[-1] <= bound * (1 + 1e-7)
        assert curvature.sharpness(Objective(loss), d.X, d.y, theta) == pytest.approx(linalg.eigvalsh(H)[-1], rel=1e-9)
        if name == "softmax":  # Xᵀ(diag z − zzᵀ)X, written down
            z = naive.softmax(d.X @ theta)
            W = np.einsum("ia,ab->iab", z, np.eye(3)) - np.einsum("ia,ib->iab", z, z)
            dense = np.einsum("ij,iab,ik->jakb", d.X, W, d.X).reshape(9, 9) / 50
            np.testing.assert_allclose(H, dense, atol=1e-9)


@pytest.mark.parametrize("name", losses.ALL)
def test_a_noise_is_found_for_every_loss_and_is_its_own_where_there_is_one(name):
    loss = losses.named(name)
    noise = own_noise(loss)
    assert noise.target is loss.target
    if name in {cls.loss for cls in noises.ALL.values()}:
        assert noise.loss == name
    assert own_noise(losses.StudentT(nu=5, scale=2)) == noises.StudentT(nu=5, scale=2)
    assert own_noise(losses.Multinomial(trials=10.0)) == noises.Multinomial(trials=10)
