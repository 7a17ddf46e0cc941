"""Races: arms in processes of their own, equal results first, ratios with intervals, and the claims they decide."""

from __future__ import annotations

import dataclasses
import importlib.metadata
import importlib.util
import os
import signal
from types import SimpleNamespace

import numpy as np
import pandas as pd
import psutil
import pytest
import racers

from experiments import backends
from experiments.arms import ArmFailed, Racer, racing
from experiments.backends.numba import Numba
from experiments.backends.numpy import NumPy
from experiments.backends.sklearn import Sklearn
from experiments.backends.torch import Torch
from experiments.claims.peers import CLAIMS, RATIOS, ROOFS
from experiments.peers import Peers
from experiments.workload import Workload
from harness.contract import WHOLE_RUN, LeftOut
from harness.timing import BURST_S
from kernels import layouts, losses, threads

RACE = Peers(
    losses.Softmax(), layouts.Rows(), backend=NumPy, samples=50, features=8, classes=3, batch_size=10, rounds=3
)
LOAD = Workload(losses.Softmax(), layouts.Rows(), 50, 8, 3, 10, "sequential", "float64", 0)


def measured(race):
    race.check()
    race.warm_up()
    return list(race.run())


# A race


@pytest.mark.sampled(2)
@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"backend": Numba, "dtype": "float64"},
        {"work": "epoch", "order": "shuffled", "layout": layouts.Columns()},
        {"work": "epoch", "backend": Sklearn, "loss": losses.Huber(), "classes": 1, "batch_size": 1},
        {"work": "forward", "dtype": "float64"},
        {"work": "gradient"},
        {"classes": 1},  # whose loss and gradient are 0
    ],
    ids=lambda changes: " ".join(changes) or "fused",
)
def test_a_race_is_of_equals_and_its_figures_agree(changes):
    race = dataclasses.replace(RACE, **changes)
    *rounds, whole = measured(race)
    assert [row.step for row in rounds] == [0, 1, 2]
    assert whole.step == WHOLE_RUN
    m = whole.metrics
    ratios = [row.metrics["rounds/peer_s"] / row.metrics["rounds/bench_s"] for row in rounds]
    assert [row.metrics["rounds/ratio"] for row in rounds] == pytest.approx(ratios)
    assert m["time/ratio"] == pytest.approx(np.median(ratios))
    assert (m["time/ratio_low"], m["time/ratio_high"]) == pytest.approx((min(ratios), max(ratios)))
    flop = (2 if race.work in ("fused", "epoch") else 1) * 2 * 50 * 8 * race.classes
    logits = 50 * race.classes if race.work in ("forward", "gradient") else 0
    size = (50 * 8 + logits) * np.dtype(race.dtype).itemsize
    assert m["model/flop_per_byte"] == pytest.approx(flop / size)
    gemm, read = (
        np.array([row.metrics[f"rounds/{name}"] for row in rounds]) for name in ("gemm_flop_per_s", "read_bytes_per_s")
    )
    roofs = np.minimum(gemm, flop / size * read)
    assert [row.metrics["rounds/roof_flop_per_s"] for row in rounds] == pytest.approx(roofs)
    found = [m["roof/gemm_flop_per_s"], m["roof/read_bytes_per_s"], m["roof/flop_per_s"]]
    assert found == pytest.approx([np.median(gemm), np.median(read), np.median(roofs)])
    for arm in ("bench", "peer"):
        seconds = np.array([row.metrics[f"rounds/{arm}_s"] for row in rounds])
        fractions = flop / seconds / roofs
        assert m[f"time/{arm}_s"] == pytest.approx(np.median(seconds))
        assert [row.metrics[f"rounds/{arm}_roof_fraction"] for row in rounds] == pytest.approx(fractions)
        assert m[f"rate/{arm}_roof_fraction"] == pytest.approx(np.median(fractions))
        assert m[f"time/{arm}_compile_s"] > 0
    assert m["equality/array"] <= {"float32": 1e-5, "float64": 1e-12}[race.dtype]
    assert ("equality/value" in m) == (race.work == "fused" or (race.work == "epoch" and race.backend is not Sklearn))
    assert race.tags()["threads"] == str(threads.available())


@pytest.mark.slow
@pytest.mark.parametrize("name", ["torch", "jax"])
def test_a_heavy_peer_races_too(name):
    backend = backends.find()[name]
    if importlib.util.find_spec(backend.package) is None:
        pytest.skip(f"{backend.package} is not installed: pip install -e '.[peers]'")
    race = dataclasses.replace(RACE, backend=backend, rounds=1, threads=1)
    assert measured(race)[-1].metrics["equality/array"] <= 1e-5
    assert race.tags()["version.backend"] == f"{name} {importlib.metadata.version(name)}"


@pytest.mark.sampled(1)
@pytest.mark.parametrize("racer", [racers.Off, racers.Nothing])
def test_a_race_between_different_answers_is_none(racer):
    with pytest.raises(
        ValueError, match=r"^backend: its array differs from the bench's by (0\.01|nan); should be within"
    ):
        measured(dataclasses.replace(RACE, backend=racer))


# The arms


def arm(backend, count=1):
    return racing({"it": Racer(backend, LOAD, "fused", 0.1, count)}, count)


def test_what_goes_wrong_in_an_arm_is_said():
    with arm(racers.Raising) as arms, pytest.raises(ArmFailed, match=r"^it: MemoryError: no room for X$"):
        arms["it"].first()


def test_an_arm_that_dies_is_noticed():
    with arm(racers.Dying) as arms, pytest.raises(ArmFailed, match=r"^it: its process ended with status 3$"):
        arms["it"].first()


def test_arms_leave_the_keyboard_to_the_sweep(capfd):
    with arm(Numba) as arms:
        arms["it"].first()
        os.kill(arms["it"]._process.pid, signal.SIGINT)
        assert arms["it"].burst()["fused"] > 0
    assert capfd.readouterr().err == ""


def test_arms_start_with_the_threads_they_are_to_have(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    before = dict(os.environ)
    with arm(racers.Telling, count=1) as arms:
        assert dict(os.environ) == before
        assert arms["it"].first().value == 1


def test_a_burst_is_of_several_calls_and_times_one():
    with arm(racers.Slow) as arms:
        assert arms["it"].first().value == 1
        for _ in range(2):
            assert 0.01 <= arms["it"].burst()["fused"] < BURST_S + 1
        process = arms["it"]._process
    assert not process.is_alive()


# What can't be raced


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"backend": Sklearn, "work": "epoch"}, "backend: sklearn has no SGD epoch for loss=softmax"),
        ({"backend": Sklearn, "work": "forward"}, "backend: sklearn has no forward pass of its own"),
        ({"backend": Sklearn, "loss": losses.StudentT(), "classes": 1}, "backend: sklearn has no formula for loss=student_t"),
    ],
)  # fmt: skip
def test_what_a_backend_has_not_is_left_out(changes, reason):
    with pytest.raises(LeftOut, match=f"^{reason}"):
        dataclasses.replace(RACE, **changes).check()


def test_a_missing_library_is_left_out(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(LeftOut, match=r"^backend: torch needs torch, which is not installed: pip install -e"):
        dataclasses.replace(RACE, backend=Torch).check()


def test_threads_that_are_not_there_are_left_out():
    with pytest.raises(LeftOut, match=r"^threads: more than there are; should be in 1"):
        dataclasses.replace(RACE, threads=10**6).check()


def test_memory_is_asked_for_before_a_race(monkeypatch):
    """Both arms hold X: what one of them could hold is refused."""
    one = RACE.workload.size_bytes()
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(total=2 * one))
    RACE.check()
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(total=2 * one - 1))
    with pytest.raises(
        ValueError, match=r"^samples=50, features=8: X would take 0 GiB, in each of 2 processes 0; should fit "
    ):
        RACE.check()


def test_what_is_wrong_is_no_reason_to_leave_out():
    with pytest.raises(ValueError, match=r"classes: 3; should be 1") as caught:
        dataclasses.replace(RACE, loss=losses.Huber()).check()
    assert not isinstance(caught.value, LeftOut)


# The claims


def runs_of(settings, **ratios):
    """A frame of races at those settings, a row a backend, with a ratio of each, and their rounds."""
    rows, rounds = [], []
    for i, (backend, ratio) in enumerate(ratios.items()):
        metrics = {"time/ratio": ratio, "time/ratio_low": 0.9 * ratio, "time/ratio_high": 1.1 * ratio}
        times = {"time/bench_s": 2.0, "time/peer_s": 2 * ratio, "roof/flop_per_s": 5e9 * ratio}
        rows.append(
            {"run_id": f"r{i}", "name": backend, "backend": backend, "rounds": 3, **settings, **metrics, **times}
        )
        for step, noise in enumerate((0.99, 1.0, 1.01)):
            figures = {"rounds/ratio": ratio * noise, "rounds/bench_roof_fraction": 0.8 / noise}
            rounds += [(f"r{i}", name, step, value) for name, value in figures.items()]
    return pd.DataFrame(rows), pd.DataFrame(rounds, columns=["run_id", "metric", "step", "value"])


def evidence(id, runs, history):
    return next(claim for claim in CLAIMS if claim.id == id).weigh(runs, history)


@pytest.mark.parametrize("bar", RATIOS, ids=lambda bar: bar.id)
def test_a_bar_is_held_against_the_best_peer(bar):
    runs, history = runs_of(
        bar.settings, numba=1.02, numba_turned=1.1, torch=7.0, numpy=5.0, jax_tuned=1.5, torch_tuned=1.25
    )
    found = evidence(bar.id, runs, history)
    assert found.samples == pytest.approx([4.95, 5.0, 5.05])
    assert found.accept == (bar.least, np.inf)
    assert "A/A arm: 1.02 [0.918, 1.12]" in found.conditions
    assert "the best of numpy, torch, each" in found.conditions
    assert found.conditions.endswith("not for a reader: torch_tuned 1.25, jax_tuned 1.50")
    other = {**bar.settings, "dtype": "float16"}
    assert evidence(bar.id, *runs_of(other, numba=1.0, numpy=5.0)) is None
    assert evidence(bar.id, *runs_of(bar.settings, numba=1.0)) is None  # nobody to race against


@pytest.mark.parametrize("bar", ROOFS, ids=lambda bar: bar.id)
def test_the_roof_is_held_against_the_bench_in_every_race(bar):
    runs, history = runs_of(bar.settings, numba=1.0, numpy=5.0)
    found = evidence(bar.id, runs, history)
    assert found.samples == pytest.approx([0.8 / noise for noise in (0.99, 1.0, 1.01)] * 2)
    assert "in 2 races" in found.conditions
    assert "5 to 25 GFLOP/s" in found.conditions
    assert evidence(bar.id, *runs_of({**bar.settings, "dtype": "float16"}, numpy=5.0)) is None


def test_what_columns_cost_is_the_bench_against_itself():
    settings = next(bar.settings for bar in RATIOS if bar.id == "peers-large")
    found = evidence("columns", *runs_of(settings, numba=1.0, numpy=5.0, numba_turned=1.2))
    assert found.samples == pytest.approx([1.2 * 0.99, 1.2, 1.2 * 1.01])
    assert found.accept == (0, 1.25)
    assert "2.4e+03 and 2e+03 ms" in found.conditions
    assert evidence("columns", *runs_of(settings, numba=1.0, numpy=5.0)) is None
    other = {**settings, "layout": "columns"}
    assert evidence("columns", *runs_of(other, numba_turned=0.8)) is None


def test_nowhere_slower_looks_at_every_race():
    runs, history = runs_of(RATIOS[0].settings, numba=0.5, numba_turned=0.4, numpy=5.0, jax_tuned=0.9)
    found = evidence("peers-nowhere-slower", runs, history)
    assert found.samples == pytest.approx([0.9 * 0.99, 0.9, 0.9 * 1.01])
    assert found.of == "median"
    assert found.quantity.endswith("in the closest of 2 races: jax_tuned")
    assert found.conditions == "the race whose interval reaches lowest; A/A arm: 0.5 [0.45, 0.55]"
    assert found.accept[0] == 0.95
    lines = found.details.splitlines()
    assert [line.split("|")[1].strip() for line in lines[2:]] == ["jax_tuned", "numpy"]  # the closest first


def test_the_table_says_what_its_intervals_are_and_which_shape_each_race_had():
    runs, history = runs_of(RATIOS[0].settings, numpy=5.0, torch=4.0)
    runs.loc[0, "batch_size"] = 7.0
    head, _, *rows = evidence("peers-nowhere-slower", runs, history).details.splitlines()
    titles = [cell.strip() for cell in head.split("|")[1:-1]]
    assert titles == ["backend", "batch_size", "ratio", "range of the rounds", "bench, ms", "peer, ms"]
    assert [[cell.strip() for cell in row.split("|")[1:-1]] for row in rows] == [
        ["torch", "–", "4", "3.6 – 4.4", "2000", "8000"],
        ["numpy", "7", "5", "4.5 – 5.5", "2000", "10000"],
    ]
    enough = evidence("peers-nowhere-slower", runs.assign(rounds=8), history).details
    assert "99% interval" in enough.splitlines()[0]


def test_the_noise_is_that_of_the_race_that_decides():
    small, history = runs_of({**RATIOS[0].settings, "samples": 5}, numba=0.98, numpy=0.9)
    large, _ = runs_of({**RATIOS[0].settings, "samples": 6}, numba=800.0, numpy=3.0)
    found = evidence("peers-nowhere-slower", pd.concat([small, large], ignore_index=True), history)
    assert found.quantity.endswith("of 2 races: numpy samples=5")
    assert found.conditions.endswith("A/A arm: 0.98 [0.882, 1.08]")


def test_a_race_that_is_lost_for_sure_decides_before_one_that_is_in_doubt():
    runs, history = runs_of(RATIOS[0].settings, numpy=0.8, torch=1.2)
    runs.loc[runs["backend"] == "torch", "time/ratio_low"] = 0.1
    assert evidence("peers-nowhere-slower", runs, history).samples[1] == 0.8


def test_the_claims_are_silent_on_other_runs():
    runs = pd.DataFrame({"run_id": ["a"], "loss": ["huber"]})
    assert all(claim.weigh(runs, pd.DataFrame()) is None for claim in CLAIMS)
