"""One seed, a stream for each name: none depends on the others, and none changes silently."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from kernels import stream


def draw(*name, seed=0, size=8):
    return stream(seed, *name).random(size)


def test_the_same_name_gives_the_same_numbers():
    np.testing.assert_array_equal(draw("noise"), draw("noise"))
    np.testing.assert_array_equal(draw("order", "epoch 3", seed=7), draw("order", "epoch 3", seed=7))


def test_other_names_and_seeds_give_other_numbers():
    first = [
        draw(*name, seed=seed)[0]
        for seed in (0, 1, 2**32, 2**64 + 1)
        for name in [("noise",), ("Noise",), ("order",), ("order", "0"), ("order", "1"), ("0", "order"), ()]
    ]
    assert len(set(first)) == len(first)


@pytest.mark.parametrize(
    ("one", "other"),
    [(("ab", "c"), ("a", "bc")), (("abc",), ("ab", "c")), (("a", "b"), ("b", "a")), (("a b",), ("a", "b"))],
)
def test_names_are_not_run_together(one, other):
    assert not np.array_equal(draw(*one), draw(*other))


@pytest.mark.parametrize("name", [("",), ("a", ""), ("", "a"), ("a\0b",), (1,), ("epoch", 3), (None,)])
def test_a_name_that_could_be_taken_for_another_is_refused(name):
    with pytest.raises(ValueError, match=r"name: .*; should be non-empty strings without NUL"):
        stream(0, *name)


@pytest.mark.parametrize("seed", [-1, 1.5, None, "0", [1, 2], True])
def test_a_seed_is_a_whole_number(seed):
    """None would draw a seed from the operating system: no run could be repeated."""
    with pytest.raises(ValueError, match=r"seed: .*; should be a whole number of at least 0"):
        stream(seed, "noise")


def test_another_consumer_changes_no_stream():
    alone = draw("noise", size=20)
    noise = stream(0, "noise")
    others = [stream(0, "order"), stream(0, "noise", "again"), stream(1, "noise")]
    interleaved = []
    for _ in range(20):
        for other in others:
            other.standard_normal(3)
        interleaved.append(noise.random())
    np.testing.assert_array_equal(interleaved, alone)


@pytest.mark.parametrize(
    ("seed", "name", "raw"),
    [
        (0, ("noise",), [10004888137482078290, 3970784305896465970]),
        (0, ("order", "epoch 3"), [5456311125246821150, 2209612838431491761]),
        (1, ("noise",), [3888060768390896545, 5611565019139382859]),
        (20240229, ("data", "features"), [18407710370433527705, 17094070759638076461]),
        (0, (), [5816225197484497120, 5324723550046623499]),
        (0, ("Rauschen ß",), [18289213973831082574, 3697947642612559394]),
    ],
)
def test_streams_never_change(seed, name, raw):
    """The raw bits, which NumPy promises to keep: a change here changes every published number."""
    assert stream(seed, *name).bit_generator.random_raw(2).tolist() == raw


def test_streams_are_not_correlated():
    """Of all pairs of 40 streams, seeds next to each other included, none is further than chance allows."""
    names = [(seed, f"consumer {i}") for seed in (0, 1) for i in range(20)]
    size = 20_000
    draws = np.array([stream(seed, name).standard_normal(size) for seed, name in names])
    correlation = np.corrcoef(draws)
    pairs = [correlation[i, j] for i, j in itertools.combinations(range(len(names)), 2)]
    assert np.abs(pairs).max() < 4.5 / np.sqrt(size)  # 780 pairs: beyond 4.5 σ with probability 0.005
    assert np.std(pairs) == pytest.approx(1 / np.sqrt(size), rel=0.1)
