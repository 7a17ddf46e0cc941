"""Values, gradients and second derivatives of every function against PyTorch, in float64."""

from __future__ import annotations

import numpy as np
import pytest
from differentiable import CASES, EVERY

from kernels import autodiff

torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install -e '.[peers]'")


def ours(arrays):
    return [autodiff.tensor(x, requires_grad=True) for x in arrays]


def theirs(arrays):
    return [torch.tensor(x, dtype=torch.float64, requires_grad=True) for x in arrays]


def close(mine, yours, atol):
    assert (mine is None) == (yours is None)
    if mine is not None:
        expected = yours.detach().numpy()
        assert np.shape(mine) == expected.shape
        np.testing.assert_allclose(
            mine.detach(), expected, rtol=0, atol=atol * max(1.0, np.abs(expected).max(initial=0))
        )


@pytest.mark.parametrize(("name", "shapes"), EVERY, ids=[f"{name}-{shapes}" for name, shapes in EVERY])
def test_values_and_derivatives_are_pytorchs(name, shapes):
    case = CASES[name]
    arrays = case.draw(shapes)
    mine, yours = ours(arrays), theirs(arrays)
    y, z = case.call(autodiff, *mine), case.call(torch, *yours)
    assert tuple(y.shape) == tuple(z.shape)
    close(y, z, 1e-12)
    rng = np.random.default_rng(1)
    for _ in range(2):
        g = rng.standard_normal(z.shape)
        first = autodiff.autograd.grad(y, mine, autodiff.tensor(g), create_graph=True, allow_unused=True)
        expected = torch.autograd.grad(
            z, yours, torch.tensor(g, dtype=torch.float64), create_graph=True, allow_unused=True
        )
        for a, b in zip(first, expected, strict=True):
            close(a, b, 1e-12)
        u = [rng.standard_normal(x.shape) for x in arrays]  # ∂/∂x of gradient · u, the second derivative along u
        along, along_expected = (
            sum((a * lib.tensor(v)).sum() for a, v in zip(found, u, strict=True) if a is not None)
            for lib, found in ((autodiff, first), (torch, expected))
        )
        second, second_expected = (
            lib.autograd.grad(found, by, allow_unused=True, retain_graph=True)
            if found.requires_grad
            else [None] * len(by)
            for lib, found, by in ((autodiff, along, mine), (torch, along_expected, yours))
        )
        for a, b in zip(second, second_expected, strict=True):  # what does not depend has a derivative of 0
            zero = np.zeros(()) if b is None else b.detach().numpy(force=True)
            np.testing.assert_allclose(
                0 if a is None else a.detach(), zero, rtol=0, atol=1e-10 * max(1.0, np.abs(zero).max(initial=0))
            )
