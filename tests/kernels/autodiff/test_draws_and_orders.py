"""Random tensors, orders, and what is turned or repeated, against PyTorch."""

from __future__ import annotations

import numpy as np
import pytest

from kernels import autodiff

torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install -e '.[peers]'")

BOTH = (autodiff, torch)


def test_a_generator_gives_the_same_again_and_leaves_the_others_alone():
    draws = autodiff
    draws.manual_seed(1)
    one = draws.Generator().manual_seed(7)
    first = [
        draws.rand(3, generator=one),
        draws.randperm(5, generator=one),
        draws.normal(0.0, 2.0, (4,), generator=one),
    ]
    plain = draws.rand(2)
    draws.manual_seed(1)
    assert draws.rand(2).tolist() == plain.tolist()
    one.manual_seed(7)
    assert draws.rand(3, generator=one).tolist() == first[0].tolist()
    assert draws.randperm(5, generator=one).tolist() == first[1].tolist()
    data = draws.utils.data.TensorDataset(draws.arange(10))
    orders = [
        [x.tolist() for (x,) in draws.utils.data.DataLoader(data, 4, shuffle=True, generator=one.manual_seed(2))]
        for _ in range(2)
    ]
    assert orders[0] == orders[1]
    chances = draws.bernoulli(draws.full((4000,), 0.3)).mean().item()
    assert chances == pytest.approx(0.3, abs=0.03)
    with pytest.raises(ValueError, match="input: should be chances"):
        draws.bernoulli(draws.tensor([2.0]))


def test_a_draw_below_one_is_below_one():
    """In float32 too, where 1 − 2⁻⁵⁴ is 1."""
    autodiff.manual_seed(0)
    assert max(autodiff.rand(3_000_000).max().item() for _ in range(5)) < 1
    assert autodiff.normal(autodiff.zeros(2, dtype=autodiff.float64), 1.0).dtype == autodiff.float64
    assert (
        autodiff.rand(2, generator=autodiff.Generator()).tolist()
        == autodiff.rand(2, generator=autodiff.Generator()).tolist()
    )
    with pytest.raises(ValueError, match="n: -1; should be a whole number"):
        autodiff.randperm(-1)


@pytest.mark.parametrize("kind", [np.uint8, np.int64, np.float32, bool])
def test_orders_are_pytorchs(kind):
    numbers = {np.float32: [3, np.nan, 2, 3], np.int64: [-(2**63), 0, 5, 0], bool: [True, False, True, True]}
    data = np.array(numbers.get(kind, [0, 3, 255, 3]), kind)
    for descending in (False, True):
        mine, yours = (t.sort(t.tensor(data), descending=descending) for t in BOTH)
        np.testing.assert_array_equal(mine.values, yours.values)
        if descending:
            np.testing.assert_array_equal(
                mine.indices, torch.sort(torch.tensor(data), stable=True, descending=True).indices
            )
    if kind is not bool:
        np.testing.assert_array_equal(*(t.topk(t.tensor(data), 2).values for t in BOTH))


def test_what_is_turned_or_repeated_is_in_memory_of_its_own():
    for t in BOTH:
        x = t.tensor([[1.0, 2.0], [3.0, 4.0]])
        turned = x.flip(0, 1), t.flip(x, [1]), x.t().contiguous()
        for made in (*turned, x.repeat(1, 1), x[0].repeat(2, 1), x[:1].expand(2, 2).contiguous()):
            made += 1
        assert x.tolist() == [[1, 2], [3, 4]]
        for dims in ([3], [0, 0]):
            with pytest.raises((IndexError, RuntimeError)):
                t.flip(x, dims)
        assert x.sum(dim=()).item() == x.mean(dim=[]).item() * 4 == 10
        assert t.tensor(3.0).mean(0).item() == 3
        assert t.max(x, np.int64(0).item()).values.tolist() == [3, 4]
        with pytest.raises((IndexError, RuntimeError)):
            t.gather(x, 0, t.tensor([[-1, 0]]))
        with pytest.raises((ValueError, RuntimeError)):
            t.trace(x[0])
        with pytest.raises((ValueError, RuntimeError)):
            t.meshgrid(x[0], x[0], indexing="xyz")
        with pytest.raises((ValueError, RuntimeError)):
            t.nn.functional.gelu(x, approximate="tnah")
        with pytest.raises((ValueError, RuntimeError)):
            t.nn.functional.cross_entropy(x, x.softmax(-1), ignore_index=1)
        assert t.einsum("ij,jk->ik", [x, x]).tolist() == (x @ x).tolist()


def test_numpys_numbers_are_axes_too():
    assert autodiff.tensor([[1.0, 2.0], [3.0, 4.0]]).max(np.int64(0)).values.tolist() == [3, 4]


def test_tensors_like_others():
    like = autodiff.zeros(2, 3, dtype=autodiff.float64)
    assert autodiff.full_like(like, 7).tolist() == [[7] * 3] * 2
    for made in (
        autodiff.full_like(like, 7),
        autodiff.empty_like(like),
        autodiff.rand_like(like),
        autodiff.randn_like(like),
    ):
        assert (made.shape, made.dtype) == (like.shape, like.dtype)
