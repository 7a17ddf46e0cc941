"""Races of the tape and of the wave equation's step: equal answers first, what is missing is left out, and planted times decide."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import pytest

from experiments import network_race, wave_race
from experiments.network_race import OPERATIONS, NetworkRace, Tape, _of_an_operation
from experiments.wave_race import WaveRace
from harness.contract import LeftOut
from harness.report.verdicts import judge
from kernels import layouts, threads

NETWORK = NetworkRace(samples=64, hidden=6, batch_size=16, threads=1, rounds=2)
WAVE = WaveRace(layout=layouts.Rows(), pulses=3, cells=50, threads=1, rounds=2)


def run(experiment):
    experiment.check()
    rows = list(experiment.run())
    return rows[:-1], rows[-1].metrics


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_network_race(dtype):
    pytest.importorskip("torch", reason="PyTorch is not installed: pip install -e '.[peers]'")
    rounds, found = run(dataclasses.replace(NETWORK, dtype=dtype))
    assert [row.step for row in rounds] == [0, 1]
    assert found["equality/array"] <= network_race.AGREEMENT[dtype]
    ratios = [row.metrics["rounds/peer_s"] / row.metrics["rounds/bench_s"] for row in rounds]
    assert found["time/ratio"] == pytest.approx(np.median(ratios))
    assert found["rate/samples_per_s"] == pytest.approx(64 / found["time/bench_s"])


@pytest.mark.slow
@pytest.mark.parametrize("library", ["numpy", "jax"])
@pytest.mark.parametrize("layout", layouts.ALL)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_wave_race(library, layout, dtype):
    pytest.importorskip(library, reason=f"{library} is not installed: pip install -e '.[peers]'")
    rounds, found = run(dataclasses.replace(WAVE, library=library, layout=layouts.named(layout), dtype=dtype))
    assert len(rounds) == 2
    assert found["model/bytes"] == 2 * 3 * 50 * np.dtype(dtype).itemsize
    assert found["rate/cells_per_s"] == pytest.approx(150 / found["time/bench_s"])


@pytest.mark.parametrize("library", ["numpy", "jax"])
@pytest.mark.parametrize("layout", ["rows", "columns"])
def test_libraries_step_as_a_loop_over_cells_does(library, layout):
    pytest.importorskip(library, reason=f"{library} is not installed: pip install -e '.[peers]'")
    shape = (3, 20) if layout == "rows" else (20, 3)
    arms = [
        kind(shape, int(layout == "rows"), 0.8, 5, "float64", 0, 1)
        for kind in (wave_race.Bench, wave_race.PEERS[library])
    ]
    now, before = arms[0].moments()
    if layout == "columns":
        now, before = now.T, before.T
    for _ in range(10):
        after = np.empty_like(now)
        for j in range(20):
            after[:, j] = 2 * now[:, j] - before[:, j] + 0.64 * (now[:, j - 1] - 2 * now[:, j] + now[:, (j + 1) % 20])
        now, before = after, now
    for arm in arms:
        with arm.calls() as calls:
            calls["leap"]()
            np.testing.assert_allclose(
                np.asarray(calls["leap"]()), now if layout == "rows" else now.T, rtol=1e-12, atol=1e-13
            )


@pytest.mark.slow
def test_another_answer_is_no_race(monkeypatch):
    monkeypatch.setitem(wave_race.PEERS, "numpy", OtherCourant)
    with pytest.raises(ValueError, match=r"library: numpy's pulses are up to .* away; should be the same"):
        run(WAVE)


@dataclasses.dataclass(frozen=True)
class OtherCourant(wave_race.Numpy):
    """Steps at another Courant number."""

    def __post_init__(self):
        object.__setattr__(self, "courant", self.courant / 2)


def test_what_is_not_here_is_left_out(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(LeftOut, match=r"library: numpy is not installed: pip install -e '.\[peers\]'"):
        WAVE.check()
    with pytest.raises(LeftOut, match="network_race: PyTorch is not installed"):
        NETWORK.check()
    for race in (WAVE, NETWORK):
        with pytest.raises(LeftOut, match="threads: more than there are"):
            dataclasses.replace(race, threads=threads.available() + 1).check()


def test_pulses_that_fit_no_memory_are_refused():
    with pytest.raises(ValueError, match="pulses=1000000, cells=16777216: ψ would take"):
        dataclasses.replace(WAVE, pulses=10**6, cells=1 << 24).check()


def test_the_tapes_chains_are_products_written_down_and_pulled_back():
    with Tape("float64").calls() as calls:
        np.testing.assert_array_equal(calls["plain"](), np.ones(10))
        end, count = calls["recorded"](), 0
        while end.node is not None:
            end, count = end.node.inputs[0], count + 1
        assert count == OPERATIONS
        calls["there_and_back"]()
        np.testing.assert_array_equal(end.grad, np.ones(10))  # of the leaf that all chains begin with
    costs = _of_an_operation({"plain": 1e-4, "recorded": 5e-4, "there_and_back": 8e-4})
    assert costs == pytest.approx(
        {
            "plain_s": 1e-4 / OPERATIONS,
            "recorded_s": 5e-4 / OPERATIONS,
            "pulled_back_s": 3e-4 / OPERATIONS,
            "tape_s": 4e-4 / OPERATIONS,
        }
    )


def outcome(claim, runs, metric, values):
    rows = [(run, f"rounds/{metric}", step, value) for run in runs["run_id"] for step, value in enumerate(values)]
    history = pd.DataFrame(rows, columns=["run_id", "metric", "step", "value"])
    evidence = claim.weigh(runs, history)
    return None if evidence is None else judge(claim, evidence, 0.99).outcome


@pytest.mark.parametrize(("ratio", "expected"), [(1.2, "PASS"), (0.8, "FAIL")])
def test_times_decide_about_the_tape(ratio, expected):
    double, single, operation_cost = NetworkRace.claims
    runs = pd.DataFrame({
        "run_id": ["a"], "dtype": ["float64"], "hidden": [100], "batch_size": [100], "time/bench_s": [1.0], "time/peer_s": [ratio],
        "time/plain_s": [5e-7], "time/recorded_s": [3e-6], "time/pulled_back_s": [5e-6],
    })  # fmt: skip
    assert outcome(double, runs, "ratio", [ratio] * 15) == expected
    assert outcome(single, runs, "ratio", [ratio] * 15) is None
    assert outcome(operation_cost, runs, "tape_s", [5e-6 / ratio] * 15) == expected


@pytest.mark.parametrize(("factor", "expected"), [(1.1, "PASS"), (0.9, "FAIL")])
def test_times_decide_about_the_wave(factor, expected):
    bandwidth, speed = WaveRace.claims
    runs = pd.DataFrame({
        "run_id": ["a"], "library": ["numpy"], "pulses": [1], "cells": [1 << 24], "layout": ["rows"], "dtype": ["float64"],
        "model/bytes": [2.0**28], "time/threads": [2],
    })  # fmt: skip
    assert outcome(bandwidth, runs, "triad_fraction", [0.7 * factor] * 15) == expected
    assert outcome(speed, runs, "ratio", [1.5 * factor] * 15) == expected
    assert outcome(bandwidth, runs.assign(**{"model/bytes": 1e6}), "triad_fraction", [0.1] * 15) is None
