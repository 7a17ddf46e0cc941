"""The claims of `+sweep=layout`, `+sweep=traversal` and `+sweep=machine`, on times that were made up; and what is walked over."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from experiments import machine, traversal
from experiments.claims import layout as claims_layout
from experiments.claims import traversal as claims_traversal
from experiments.layout import LayoutCost
from experiments.traversal import Traversal
from harness.contract import NONE
from harness.report.verdicts import judge
from kernels import layouts, losses
from kernels.memory import Cache, simulate

NOISE = np.array((0.98, 1.0, 1.02, 0.99, 1.01, 0.985, 1.015, 0.995, 1.005, 1.0, 1.002))
CACHES = {"cache/l1_bytes": 2.0**15, "cache/l2_bytes": 2.0**20, "cache/l3_bytes": 2.0**25}


def frames(rows, metric="ratio"):
    """Runs, and their rounds around the median of that metric."""
    runs = pd.DataFrame([{"run_id": f"r{i}", "name": f"run {i}", **CACHES, **row} for i, row in enumerate(rows)])
    rounds = [
        (run["run_id"], f"rounds/{metric}", step, run[f"time/{metric}"] * noise)
        for _, run in runs.iterrows()
        for step, noise in enumerate(NOISE)
    ]
    return runs, pd.DataFrame(rounds, columns=["run_id", "metric", "step", "value"])


def timed(ratio, **others):
    interval = {"time/ratio": ratio, "time/ratio_low": 0.98 * ratio, "time/ratio_high": 1.02 * ratio}
    return {**interval, "time/aa_ratio": 1.0, "time/aa_ratio_low": 0.99, "time/aa_ratio_high": 1.05, **others}


def verdict(claims, id, runs, history):
    [claim] = [claim for claim in claims if claim.id == id]
    evidence = claim.weigh(runs, history)
    return None if evidence is None else judge(claim, evidence, 0.99)


def layout_run(layout, ratio, order="shuffled", batch=256.0, samples=60_000, work="epoch", moved=4.0, gap=0):
    return timed(
        ratio, layout=layout, order=order, batch_size=batch, samples=samples, features=784, gap=gap, dtype="float32", work=work,
        **{"model/x_bytes": samples * 784 * 4.0, "sim/l3/bytes_per_element": moved},
    )  # fmt: skip


def of_layout(id, *rows):
    return verdict(claims_layout.CLAIMS, id, *frames(rows))


def test_rows_suit_shuffled_batches_if_columns_take_longer_than_noise_makes_of_it():
    rows = layout_run("rows", 1.0)
    found = of_layout("layout-batch", rows, layout_run("columns", 9.0, moved=60.0))
    assert (found.outcome, found.measured, found.evidence.predicted) == ("PASS", 9.0, 15.0)
    assert of_layout("layout-batch", rows, layout_run("columns", 0.9)).outcome == "FAIL"
    assert (
        of_layout("layout-batch", rows, layout_run("columns", 1.045)).outcome == "INCONCLUSIVE"
    )  # A/A arms: up to 1.05


def test_the_setting_that_is_most_against_a_claim_decides():
    runs = [layout_run("columns", ratio, batch=batch) for ratio, batch in ((9.0, 1.0), (0.5, 16.0), (5.0, 256.0))]
    found = of_layout("layout-batch", *runs)
    assert (found.outcome, found.measured) == ("FAIL", 0.5)
    assert "batch 16" in found.evidence.quantity
    assert found.evidence.details.count("\n") == 4


@pytest.mark.parametrize(
    "other",
    [
        layout_run("columns", 9.0, samples=2000),  # in the caches
        layout_run("columns", 9.0, order="sequential"),
        layout_run("columns", 9.0, batch=30_000.0),
        layout_run("columns", 9.0, gap=16),
        layout_run("rows", 1.0),
    ],
)
def test_runs_under_other_conditions_do_not_speak_to_it(other):
    assert of_layout("layout-batch", other) is None


@pytest.mark.parametrize(
    ("ratio", "outcome"), [(1.1, "PASS"), (0.9, "PASS"), (2.0, "FAIL"), (0.5, "FAIL"), (1.25, "INCONCLUSIVE")]
)
def test_for_full_passes_it_hardly_matters(ratio, outcome):
    assert of_layout("layout-batch-full", layout_run("columns", ratio, work="fused", batch=math.nan)).outcome == outcome


def test_blocks_and_what_stays_in_the_caches_have_verdicts_of_their_own():
    assert of_layout("layout-batch-blocks", layout_run("columns", 1.0, order="blocks")).outcome == "PASS"
    assert of_layout("layout-batch-resident", layout_run("columns", 3.0, samples=8000)).outcome == "PASS"


def walk_run(by, ratio, side=4096, lanes="scalar", gap=8, **sim):
    size = side**2 * (64.0 if lanes == "vector" else 8.0)
    known = {"sim/l1/misses_per_element": 1.0, "sim/l2/misses_per_element": 0.125, "sim/l3/bytes_per_element": 8.0}
    hits = {f"dram/{name}/row_hit_ratio": 0.9 for name in (*claims_traversal.IN_A_ROW, *claims_traversal.APART)}
    return timed(ratio, by=by, side=side, lanes=lanes, gap=gap, **{"model/bytes": size}, **{**known, **hits, **sim})


def of_walk(id, *rows):
    return verdict(claims_traversal.CLAIMS, id, *frames(rows))


@pytest.mark.parametrize(("misses", "outcome"), [(1.0, "PASS"), (0.125, "FAIL")])
def test_lines_are_counted_where_a_column_of_them_is_more_than_the_first_cache_holds(misses, outcome):
    rows = walk_run("rows", 1.0, **{"sim/l1/misses_per_element": 0.125})
    assert (
        of_walk("layout-lines", rows, walk_run("columns", 9.0, **{"sim/l1/misses_per_element": misses})).outcome
        == outcome
    )
    assert of_walk("layout-lines", walk_run("rows", 1.0, side=256), walk_run("columns", 1.0, side=256)) is None


@pytest.mark.parametrize(
    ("id", "run", "outcome"),
    [
        ("layout-lines-time", walk_run("columns", 9.0), "PASS"),
        ("layout-lines-time", walk_run("columns", 1.0), "INCONCLUSIVE"),  # the A/A arms: up to 1.05
        ("layout-lines-time", walk_run("columns", 0.5), "FAIL"),
        ("layout-lines-time", walk_run("columns", 9.0, gap=0), None),
        ("layout-lines-resident", walk_run("columns", 1.02, side=32), "PASS"),
        ("layout-lines-resident", walk_run("columns", 3.0, side=32), "FAIL"),
        ("layout-rowbuffer", walk_run("rows", 1.0, lanes="vector"), "PASS"),
        (
            "layout-rowbuffer-apart",
            walk_run("rows", 1.0, lanes="vector", **{"dram/RoCoRaBaCh/row_hit_ratio": 0.1}),
            "FAIL",
        ),
        ("layout-rowbuffer-time", walk_run("columns", 2.0, lanes="vector"), "PASS"),
        (
            "layout-rowbuffer-resident",
            walk_run("columns", 1.4, 512, "vector", **{"sim/l3/bytes_per_element": 0.0}),
            "PASS",
        ),
        ("layout-rowbuffer-resident", walk_run("columns", 1.4, 512, "vector"), "FAIL"),
    ],
)
def test_walks_decide_under_their_conditions(id, run, outcome):
    found = of_walk(id, run)
    assert (found and found.outcome) == outcome


def test_conflicts_are_what_a_line_between_rows_saves():
    without = walk_run("columns", 12.0, 1024, gap=0, **{"sim/l2/misses_per_element": 1.0})
    found = of_walk("layout-conflicts", without, walk_run("columns", 2.0, 1024))
    assert (found.outcome, found.measured, found.evidence.predicted) == ("PASS", pytest.approx(6.0), 8.0)


@pytest.mark.parametrize("claims", [claims_layout.CLAIMS, claims_traversal.CLAIMS, machine.CLAIMS])
def test_other_runs_decide_none_of_it(claims):
    runs, history = frames([{"time/ratio": 1.0, "layout": "rows"}])
    assert all(claim.weigh(runs, history) is None for claim in claims)


@pytest.mark.parametrize(("slower", "outcome"), [(2.0, "PASS"), (1.0, "FAIL")])
def test_a_cache_is_as_large_as_said_if_loads_take_longer_beyond_it(slower, outcome):
    rows = [
        {"size_kib": kib, "model/bytes": 1024.0 * kib, "time/load_s": seconds, "sim/l2/misses_per_element": 0.0}
        for kib, seconds in ((256, 1e-9), (512, 1e-9), (1024, 1.3e-9), (2048, slower * 1e-9), (8192, 5e-9))
    ]
    found = verdict(machine.CLAIMS, "machine-l2", *frames(rows, "load_s"))
    assert (found.outcome, found.measured) == (outcome, pytest.approx(slower))
    assert "512 and 2048 KiB" in found.evidence.quantity


@pytest.mark.parametrize("gap", [0, 8])
@pytest.mark.parametrize("lanes", ["scalar", "vector"])
@pytest.mark.parametrize("by", ["rows", "columns"])
def test_a_piece_of_a_walk_stands_for_the_whole(by, lanes, gap, monkeypatch):
    """Taken again and again: what each level misses for each number, of the piece and of all of it after itself."""
    caches = Cache(8 << 10, 8, name="l1"), Cache(64 << 10, 16, name="l2"), Cache(256 << 10, 16, name="l3")
    side = 256 if lanes == "scalar" else 128
    leading = side * (1 if lanes == "scalar" else 8) + gap
    whole = traversal.piece(by, lanes, side, leading, caches[-1])
    assert whole.elements == side * (leading - gap)
    monkeypatch.setattr(traversal, "LONGEST", 1)
    part = traversal.piece(by, lanes, side, leading, caches[-1])
    found, expected = (
        [level.misses / each.elements for level in simulate(each.piece, caches, after=each.before)]
        for each in (part, whole)
    )
    assert found == pytest.approx(expected, rel=0.05, abs=0.002)


def test_a_walk_reports_what_it_did_and_what_was_foreseen():
    rows = list(Traversal(by="columns", side=64, gap=8, rounds=3).run())
    metrics = rows[-1].metrics
    assert len(rows) == 4
    assert metrics["time/walk_s"] > 0
    assert metrics["time/per_element_s"] == metrics["time/walk_s"] / 64**2
    assert metrics["model/bytes"] == 64 * 64 * 8
    for name, value in metrics.items():
        if name.startswith("model/l"):
            assert value == 1 / 8, name  # empty at first: every line once


def test_a_layout_is_timed_beside_rows_and_may_have_a_gap():
    small = {"samples": 300, "features": 20, "batch_size": 32, "order": "blocks", "rounds": 3, "threads": 1}
    experiment = LayoutCost(loss=losses.named("softmax"), layout=layouts.named("columns"), gap=5, **small)
    experiment.check()
    experiment.warm_up()
    rows = list(experiment.run())
    metrics = rows[-1].metrics
    assert metrics["time/ratio"] == pytest.approx(np.median([row.metrics["rounds/ratio"] for row in rows[:-1]]))
    assert metrics["model/x_bytes"] == 300 * 20 * 4
    assert metrics["model/x_lines_per_element"] > 0
    assert experiment.tags()["threads"] == "1"
    assert NONE not in experiment.tags().values()
