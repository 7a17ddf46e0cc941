"""The number of threads: asked for, given back, refused where there are not so many."""

from __future__ import annotations

import numba
import pytest

from kernels import threads


def test_within_there_are_as_many_as_asked_for_and_after_it_as_before():
    before = numba.get_num_threads()
    with threads.using(1) as count:
        assert count == numba.get_num_threads() == 1
    assert numba.get_num_threads() == before
    with threads.using(None) as count:
        assert count == numba.get_num_threads() == threads.available()


def test_a_failure_gives_them_back_too():
    before = numba.get_num_threads()
    with pytest.raises(RuntimeError, match="on the way"), threads.using(1):
        raise RuntimeError("on the way")
    assert numba.get_num_threads() == before


@pytest.mark.parametrize("count", [0, -1, 10**6])
def test_there_are_not_so_many(count):
    with (
        pytest.raises(ValueError, match=rf"threads: {count}; should be in 1\.\.{threads.available()}"),
        threads.using(count),
    ):
        pass
