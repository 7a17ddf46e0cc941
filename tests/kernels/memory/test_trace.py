"""Traces against what a pass must ask of memory, whatever its order: every number of X, θ and the gradient that there is."""

from __future__ import annotations

import re
from dataclasses import replace

import numba
import numpy as np
import pytest

from kernels import Objective
from kernels.memory import NoTrace, Problem, expanded, record, trace
from kernels.memory.trace import START

WORKS = ("forward", "gradient", "fused", "epoch")


def problem(work, layout="rows", loss="softmax", samples=150, features=37, **others):
    f = Objective(loss, layout=layout)
    outputs = 1 if f.loss.target.one_logit else 7
    return Problem(work, f, samples, features, outputs, **others)


def touched(accesses, operand, write=None):
    """The bytes of an operand that are read, or written."""
    mine = accesses.operands == accesses.names.index(operand)
    if write is not None:
        mine &= accesses.writes.astype(bool) == write
    starts, sizes = accesses.addresses[mine].astype(np.int64), accesses.sizes[mine]
    return set(
        np.unique(np.concatenate([starts[:0], *(starts[sizes > i] + i for i in range(sizes.max(initial=0)))])).tolist()
    )


def bytes_of_X(p):
    """Where the numbers of X are that the pass visits."""
    shape, itemsize = p.objective.layout.shape(p.samples, p.features), np.dtype(p.dtype).itemsize
    places = np.arange(shape[0])[:, None] * (p.leading or shape[1]) + np.arange(shape[1])
    if p.order is not None:
        places = places[p.order] if p.objective.layout.name == "rows" else places[:, p.order]
    starts = START + p.address + itemsize * places.ravel()
    return set((starts[:, None] + np.arange(itemsize)).ravel().tolist())


@pytest.mark.parametrize("order", [None, "some"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("work", WORKS)
def test_every_number_of_X_is_read_and_no_other(work, layout, dtype, order):
    visits = None if order is None else np.random.default_rng(0).permutation(150)[:90]
    p = problem(work, layout, dtype=dtype, order=visits, batch_size=32)
    accesses = expanded(trace(p))
    assert touched(accesses, "X", write=False) == bytes_of_X(p)
    assert not touched(accesses, "X", write=True)


@pytest.mark.sampled(2)
@pytest.mark.parametrize("batch", [1, 2, 32, 150])
def test_an_epoch_reads_every_number_of_X_whatever_the_batch(layout, batch):
    p = problem("epoch", layout, batch_size=batch)
    assert touched(expanded(trace(p)), "X") == bytes_of_X(p)


@pytest.mark.sampled(3)
@pytest.mark.parametrize("samples", [1, 2, 150])
@pytest.mark.parametrize("features", [5, 37, 300])
def test_value_and_gradient_read_theta_and_write_the_gradient(layout, loss, samples, features):
    p = problem("fused", layout, loss, samples, features)
    accesses, size = expanded(trace(p)), 4 * features * p.outputs
    assert len(touched(accesses, "theta", write=False)) == len(touched(accesses, "gradient", write=True)) == size
    assert not touched(accesses, "theta", write=True)
    assert touched(accesses, "X") == bytes_of_X(p)
    assert touched(accesses, "y", write=False)


@pytest.mark.sampled(2)
@pytest.mark.parametrize("work", WORKS)
def test_two_threads_share_out_what_one_does(work, layout):
    """Together they ask for the same numbers of X, and neither does all the work."""
    p = problem(work, layout, samples=1200, features=300, batch_size=512)
    alone, both = (trace(replace(p, threads=count)) for count in (1, 2))
    parts = [touched(expanded(both, thread), "X") for thread in (0, 1)]
    assert set.union(*parts) == touched(expanded(alone), "X") == bytes_of_X(p)
    assert all(0.3 < len(part) / len(bytes_of_X(p)) < 0.7 for part in parts)


@pytest.mark.skipif(numba.config.DISABLE_JIT, reason="there partial sums are made cheap, and teams are formed later")
def test_a_team_has_its_features_each():
    p = problem("fused", samples=64, features=600, threads=2)
    recorded = record(p)
    assert recorded.team == 2
    parts = [touched(expanded(recorded.trace, thread), "X") for thread in (0, 1)]
    assert not parts[0] & parts[1]


SINGLY = pytest.param("epoch", 1, marks=pytest.mark.slow)


@pytest.mark.sampled(2)
@pytest.mark.parametrize(("work", "batch"), [("forward", None), ("fused", None), SINGLY, ("epoch", 16), ("epoch", 512)])
@pytest.mark.parametrize("threads", [1, 2])
def test_a_recording_may_end_early(work, batch, layout, threads):
    """It is where the whole one begins, thread by thread, up to the beginning of a block."""
    p = problem(work, layout, samples=6000, features=300, batch_size=batch, threads=threads)
    whole, part = record(p), record(p, 500, samples=100)
    assert whole.is_whole
    assert not part.is_whole
    for thread, (body, marks) in enumerate(zip(part.trace.threads, part.marks, strict=True)):
        assert body == whole.trace.threads[thread][: len(body)]
        if marks or thread == 0:
            assert len(body) == marks[-1].length
            assert 100 <= marks[-1].samples < 6000


def test_rows_may_have_a_gap_between_them(layout):
    p = problem("fused", layout, leading=160)
    assert touched(expanded(trace(p)), "X") == bytes_of_X(p)


def test_what_is_left_to_blas_has_no_trace():
    with pytest.raises(NoTrace, match="left to BLAS"):
        trace(Problem("fused", Objective("softmax"), 64, 6000, 64))


NONSENSE = {
    "work: 'foo'; should be one of forward, gradient, fused, epoch": {"work": "foo"},
    "objective: 'softmax'; should be a kernels.Objective": {"objective": "softmax"},
    "samples: 0; should be a whole number of at least 1": {"samples": 0},
    "features: 2.5; should be a whole number of at least 1": {"features": 2.5},
    "outputs: 2; should be 1, for loss huber": {"objective": Objective("huber")},
    "dtype: 'float16'; should be float32 or float64": {"dtype": "float16"},
    "order: 10; should be in 0..9, for 10 samples": {"order": np.array([10])},
    "batch_size: 0; should be a whole number of at least 1": {"batch_size": 0},
    "leading: 2; should be 0, or at least 3: rows would overlap": {"leading": 2},
    "leading: -1; should be a whole number of at least 0": {"leading": -1},
    "threads: 0; should be a whole number of at least 1": {"threads": 0},
    "address: 1.5; should be a whole number of at least 0": {"address": 1.5},
}


@pytest.mark.parametrize("said", NONSENSE)
def test_a_problem_that_makes_no_sense_is_refused_in_one_line(said):
    sensible = {"work": "fused", "objective": Objective("softmax"), "samples": 10, "features": 3, "outputs": 2}
    Problem(**sensible)
    with pytest.raises(ValueError, match=f"^{re.escape(said)}$"):
        Problem(**{**sensible, **NONSENSE[said]})
