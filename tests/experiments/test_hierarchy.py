"""What runs say about memory: on any machine numbers, or NaN and the reason; and the models against brute force."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments import hierarchy
from experiments.hierarchy import Geometry, lines_per_element, order_of
from kernels import layouts, losses
from kernels.memory import Cache

KNOWN = Cache(32 << 10, 8, name="l1"), Cache(1 << 20, 16, name="l2"), Cache(8 << 20, 16, name="l3", shared=True)
SIMULATED = ("sim/", "dram/")


def geometry(**settings):
    given = {
        "work": "epoch", "loss": losses.named("softmax"), "layout": layouts.named("rows"), "samples": 2000, "features": 64,
        "outputs": 3, "dtype": "float32", "order": "sequential", "batch_size": 32, "threads": 1,
    }  # fmt: skip
    return Geometry(**{**given, **settings})


@pytest.fixture
def caches(monkeypatch):
    """Lets a test say which caches there are."""

    def say(*there, reasons=None):
        monkeypatch.setattr(hierarchy, "here", lambda: (there, reasons or {}))
        hierarchy.asked.cache_clear()

    yield say
    monkeypatch.undo()
    hierarchy.asked.cache_clear()


def test_every_number_is_there_where_the_caches_are_known(caches):
    caches(*KNOWN)
    asked = hierarchy.asked(geometry(samples=60_000))
    metrics = {name: value for name, value in asked.metrics.items() if not name.startswith("hw/")}
    assert all(math.isfinite(value) for value in metrics.values()), metrics
    assert {f"sim/l{i}/misses_per_element" for i in (1, 2, 3)} <= set(metrics)
    assert {"sim/l3/bytes_per_element", "sim/dtlb/misses_per_element", "model/lower_bound_bytes_per_element"} <= set(
        metrics
    )
    assert metrics["sim/l3/misses_per_element"] == pytest.approx(1 / 16, rel=0.05)
    assert metrics["sim/l3/bytes_per_element"] >= metrics["model/lower_bound_bytes_per_element"] > 0
    assert metrics["cache/l3_bytes"] == 8 << 20


def test_samples_as_columns_cost_a_line_a_number_where_they_are_shuffled(caches):
    caches(*KNOWN[:2], Cache(2 << 20, 16, name="l3", shared=True))  # an eighth of X
    shuffled = {"samples": 60_000, "order": "shuffled", "batch_size": 1}
    of = {
        name: hierarchy.asked(geometry(layout=layouts.named(name), **shuffled)).metrics for name in ("rows", "columns")
    }
    assert of["columns"]["model/x_lines_per_element"] == 1
    assert of["columns"]["sim/l3/misses_per_element"] == pytest.approx(7 / 8, rel=0.1)
    assert 1 / 16 <= of["rows"]["sim/l3/misses_per_element"] <= 1 / 16 + 2 / 64  # y and the order: a line a sample each
    assert of["columns"]["dram/RoRaBaCoCh/row_hit_ratio"] < 0.1 < of["rows"]["dram/RoRaBaCoCh/row_hit_ratio"]


def silent(metrics):
    return all(math.isnan(value) for name, value in metrics.items() if name.startswith(SIMULATED))


def test_a_machine_that_does_not_describe_its_caches_gives_nothing_and_the_reason(caches):
    caches(reasons={hierarchy.SIM: "/sys/…: describes no data cache"})
    asked = hierarchy.asked(geometry())
    assert silent(asked.metrics)
    assert {"sim/l1/misses_per_element", "sim/l3/bytes_per_element", "dram/RoRaBaCoCh/row_hit_ratio"} <= set(
        asked.metrics
    )
    assert asked.reasons[hierarchy.SIM] == "/sys/…: describes no data cache"


def test_so_does_one_whose_caches_make_no_sense_together(caches):
    caches(Cache(32 << 10, 8, 128, "l1"), Cache(1 << 20, 16, 64, "l2"))
    asked = hierarchy.asked(geometry())
    assert silent(asked.metrics)
    assert "lines of 64 bytes" in asked.reasons[hierarchy.SIM]


def test_another_line_size_is_simulated(caches):
    caches(*(Cache(each.size_bytes, each.ways, 128, each.name, each.shared) for each in KNOWN))
    metrics = hierarchy.asked(geometry(samples=60_000)).metrics
    assert metrics["sim/l3/misses_per_element"] == pytest.approx(1 / 32, rel=0.05)


def test_work_that_is_left_to_blas_is_not_simulated(caches):
    caches(*KNOWN)
    asked = hierarchy.asked(geometry(features=6000, outputs=64, samples=64, batch_size=64))
    assert silent(asked.metrics)
    assert "BLAS" in asked.reasons[hierarchy.SIM]


def test_counters_are_null_with_the_reason_or_positive(caches):
    caches(*KNOWN)
    metrics = hierarchy.metrics_of(geometry(), lambda: np.zeros(1 << 16).sum())
    counts = {name: value for name, value in metrics.items() if name.startswith("hw/")}
    assert len(counts) == len(hierarchy.counters.EVENTS)
    reason = hierarchy.asked(geometry()).reasons.get(hierarchy.HW, "")
    assert all(math.isnan(value) for value in counts.values()) if reason else counts["hw/instructions_per_element"] > 0


def test_a_geometry_is_simulated_once_and_its_seconds_are_said_once(caches):
    caches(*KNOWN)
    mine = geometry(samples=1234)
    assert hierarchy.metrics_of(mine)["time/simulation_s"] > 0
    before = hierarchy.asked.cache_info().misses
    assert hierarchy.metrics_of(geometry(samples=1234))["time/simulation_s"] == 0
    assert hierarchy.asked.cache_info().misses == before


def test_another_process_finds_on_disk_what_was_simulated(caches, monkeypatch):
    caches(*KNOWN)
    first = hierarchy.asked(geometry(samples=4321))
    hierarchy.asked.cache_clear()
    monkeypatch.setattr(hierarchy, "levels_and_memory", lambda *_, **__: pytest.fail("simulated again"))
    assert hierarchy.asked(geometry(samples=4321)).metrics == pytest.approx(dict(first.metrics), nan_ok=True)
    for other in ({"samples": 4322}, {"order": "shuffled"}, {"leading": 80}, {"outputs": 4}):
        with pytest.raises(pytest.fail.Exception, match="simulated again"):
            hierarchy.asked(geometry(**{"samples": 4321, **other}))
    caches(*KNOWN[:2])
    with pytest.raises(pytest.fail.Exception, match="simulated again"):
        hierarchy.asked(geometry(samples=4321))


@given(st.integers(1, 500), st.sampled_from(["shuffled", "blocks"]), st.integers(0, 2**32 - 1))
def test_every_order_visits_each_sample_once(samples, kind, seed):
    order = order_of(kind, samples, np.random.default_rng(seed))
    assert sorted(order.tolist()) == list(range(samples))
    if kind == "blocks":
        jumps = np.flatnonzero(np.diff(order) != 1)
        assert len(jumps) <= samples // hierarchy.NEIGHBOURS + 1


@given(
    st.integers(1, 200), st.integers(1, 40), st.integers(1, 70), st.sampled_from(["rows", "columns"]),
    st.sampled_from(["sequential", "shuffled", "blocks"]), st.sampled_from(["float32", "float64"]),
)  # fmt: skip
def test_the_lines_of_a_batch_are_counted(samples, features, batch, layout, order, dtype):
    problem = geometry(
        samples=samples, features=features, batch_size=batch, layout=layouts.named(layout), order=order, dtype=dtype
    ).problem()
    visits = range(samples) if problem.order is None else problem.order.tolist()
    per_line, lines = 64 // np.dtype(dtype).itemsize, 0
    for first in range(0, samples, batch):
        picks = list(visits)[first : first + batch]
        if layout == "rows":
            lines += len(picks) * math.ceil(features / per_line)
        else:
            lines += features * len({pick // per_line for pick in picks})
    assert lines_per_element(problem, 64) == pytest.approx(lines / (samples * features))
