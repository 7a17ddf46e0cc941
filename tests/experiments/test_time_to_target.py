"""time_to_target: steps against the oracle's descent, and claims on ways that were made up, some of them with planted errors."""

from __future__ import annotations

import dataclasses
import math

import naive
import numpy as np
import pandas as pd
import pytest
from framed import framed
from hypothesis import given, settings
from hypothesis import strategies as st

from experiments.claims.steps import critical, ratio_of
from experiments.data import Digits, Synthetic
from experiments.fitting.sgd_steps import Visits, steps_to_level
from experiments.time_to_target import GIVE_UP, TimeToTarget
from harness.contract import DIVERGED, LeftOut
from harness.report.verdicts import judge
from kernels import Objective, layouts, losses, noises

STEPS, SCALING, STOPS, FALLING, SATURATION, SCALE, PRODUCT, FASTEST = CLAIMS = TimeToTarget.claims
DATA = Synthetic(noise=noises.Gaussian(scale=0.3), samples=200, features=3)
BASE = TimeToTarget(
    data=DATA,
    loss=losses.Squared(),
    layout=layouts.Rows(),
    batch_size=50,
    step_size=0.05,
    draws="replacement",
    repeats=8,
)
NONE = pd.DataFrame(columns=["run_id", "metric", "step", "value"])


def outcome(claim, runs, history, confidence=0.99):
    evidence = claim.weigh(runs, history)
    return None if evidence is None else judge(claim, evidence, confidence).outcome


@settings(max_examples=25, deadline=None)
@given(
    st.integers(1, 12),
    st.lists(st.integers(1, 9), min_size=1, max_size=6),
    st.sampled_from(["replacement", "shuffled"]),
)
def test_visits_come_in_batches_however_they_are_asked_for(batch, parts, draws):
    visits = Visits(3, 10, batch, draws, "test")
    found = np.concatenate([visits.next(steps) for steps in parts])
    assert len(found) == batch * sum(parts)
    assert set(found) <= set(range(10))
    if draws == "shuffled":
        at_once = Visits(3, 10, batch, draws, "test").next(sum(parts))
        np.testing.assert_array_equal(found, at_once)
        for epoch in range(len(found) // 10):  # every sample once in every ten
            assert sorted(found[10 * epoch : 10 * epoch + 10]) == list(range(10))


def test_no_batch_size_is_all_samples_each_time():
    np.testing.assert_array_equal(Visits(0, 3, None, "shuffled", "x").next(2), [0, 1, 2, 0, 1, 2])


@pytest.mark.parametrize("batch", [1, 7, None])
def test_the_step_that_reaches_a_level_is_that_of_the_oracles_descent(batch):
    """Step by step by the notes' formulas; of a way that falls steadily, the first step below is found exactly."""
    d = DATA.load(0)
    f, level, step = Objective("squared"), 0.12, 0.02

    def value(theta):
        return naive.value_and_grad("squared", d.X, d.y, theta)[0]

    reached = steps_to_level(
        f, d.X, d.y, np.zeros((3, 1)), value, level, Visits(0, 200, batch, "shuffled", "x"), step, 2000
    )
    order, theta, values = Visits(0, 200, batch, "shuffled", "x").next(2000), np.zeros((3, 1)), []
    for chosen in order.reshape(2000, -1):
        theta = theta - step * naive.value_and_grad("squared", d.X[chosen], d.y[chosen], theta)[1]
        values.append(value(theta))
    steps = int(reached.steps)
    assert 10 < steps < 2000
    assert values[steps - 1] <= level < values[steps - 2]
    if batch is None:
        assert steps == 1 + int(np.argmax(np.array(values) <= level))


def test_what_runs_away_and_what_never_gets_there_are_told_apart():
    d = DATA.load(0)

    def reach(step, level, most=200):
        theta = np.zeros((3, 1))
        visits = Visits(0, 200, 5, "replacement", "x")
        found = steps_to_level(
            Objective("squared"), d.X, d.y, theta, lambda t: Objective("squared").value_and_grad(d.X, d.y, t)[0], level,
            visits, step, most,
        )  # fmt: skip
        assert not theta.any()  # θ is not changed
        return found

    assert reach(20.0, 0.1).diverged
    never = reach(0.01, 1e-9)
    assert math.isnan(never.steps)
    assert not never.diverged
    assert reach(0.01, 1e9).steps == 0


@pytest.fixture(scope="module")
def run():
    return framed([BASE])


def test_a_run_says_what_it_measured(run):
    runs, history = run
    row = runs.iloc[0]
    steps = history.loc[history["metric"] == "repeats/steps", "value"]
    assert len(steps) == BASE.repeats
    assert row["train/steps_to_target"] == steps.median()
    assert row["train/steps_to_target"] == pytest.approx(row["model/steps_to_target"], rel=0.1)
    assert row["time/to_target_s"] == pytest.approx(row["train/steps_to_target"] * row["time/step_s"])
    assert 0 < row["time/step_low_s"] <= row["time/step_s"] <= row["time/step_high_s"]
    assert row["train/reached"] == 1
    assert row["model/noise_scale"] > 0


def test_ways_do_not_depend_on_layout_or_threads(run):
    columns = framed([dataclasses.replace(BASE, layout=layouts.Columns(), threads=1)])
    steps = [h.loc[h["metric"] == "repeats/steps", "value"].tolist() for _, h in (run, columns)]
    assert steps[0] == steps[1]


def test_a_step_beyond_the_edge_is_a_result():
    runs, history = framed([dataclasses.replace(BASE, step_size=9.0)])
    row = runs.iloc[0]
    assert row[DIVERGED] == 1
    assert row["train/reached"] == 0
    assert row["model/reaches"] == 0
    assert (history["metric"] == "repeats/steps").sum() == GIVE_UP
    assert "time/step_s" not in runs
    assert outcome(STOPS, runs.assign(**{"train/steps_to_target": np.nan}), history) == "PASS"
    assert outcome(STOPS, runs.assign(**{"train/steps_to_target": 9.0, "train/reached": 0.2}), history) == "FAIL"


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_digits_get_there_in_both_float_types(dtype):
    e = dataclasses.replace(
        BASE, data=Synthetic(noise=noises.Categorical(), samples=200, features=3), loss=losses.Softmax(), dtype=dtype,
        step_size=2.0, repeats=3,
    )  # fmt: skip
    runs, _ = framed([e])
    assert runs["train/reached"].iloc[0] == 1
    assert math.isnan(runs["model/steps_to_target"].iloc[0])  # no quadratic loss: no theory of its steps


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"loss": losses.Softmax()}, ValueError, "loss=softmax takes classes"),
        ({"data": Digits()}, ValueError, "use loss=softmax"),
        ({"batch_size": 201}, LeftOut, "batch_size: more than there are samples"),
        ({"threads": 10**6}, ValueError, r"threads: 1000000; should be in 1\.\."),
    ],
)
def test_what_makes_no_sense_is_refused_before_it_runs(changes, error, message):
    with pytest.raises(error, match=message):
        dataclasses.replace(BASE, **changes).check()


def made_up(points, noise=0.03, repeats=20, seconds=None, scale=64.0):
    """Runs with so many steps for each (batch, step): {(batch, step): steps}, each way a little off."""
    rng, runs, history = np.random.default_rng(5), [], []
    for number, ((batch, step), steps) in enumerate(points.items()):
        name = f"r{number}"
        ways = steps * np.exp(noise * rng.standard_normal(repeats))
        per_step = (seconds or {}).get((batch, step), 1e-5) * np.exp(0.02 * rng.standard_normal(repeats))
        history += [(name, "repeats/steps", i, value) for i, value in enumerate(ways)]
        history += [(name, "rounds/step_s", i, value) for i, value in enumerate(per_step)]
        history += [(name, "rounds/reference_s", i, 3e-5) for i in range(repeats)]
        history += [(name, "rounds/direct_ratio", i, 1 + 0.01 * rng.standard_normal()) for i in range(repeats)]
        to_target = np.median(ways) * np.median(per_step)
        runs.append(
            {
                "run_id": name, "name": name, "data": "synthetic", "loss": "squared", "batch_size": batch, "step_size": step,
                "draws": "replacement", "layout": "rows", "dtype": "float64", "train/reached": 1.0, "model/batch": batch,
                "model/full_edge": 2.0, "model/noise_scale": scale, "train/steps_to_target": np.median(ways),
                "model/steps_to_target": steps, "model/floor_share": 0.1, "model/reaches": 1.0,
                "time/step_s": np.median(per_step), "time/to_target_s": to_target, "time/direct_s": to_target,
                "time/direct_ratio": 1.0, "time/aa_ratio": 1.0,
            }
        )  # fmt: skip
    return pd.DataFrame(runs), pd.DataFrame(history, columns=["run_id", "metric", "step", "value"])


LINEAR = {(4, 0.03125): 800, (16, 0.125): 200, (64, 0.5): 50}


def test_steps_are_held_to_theory():
    runs, history = made_up(LINEAR)
    assert outcome(STEPS, runs, history) == "PASS"
    assert (
        outcome(STEPS, runs.assign(**{"model/steps_to_target": 0.7 * runs["model/steps_to_target"]}), history) == "FAIL"
    )
    assert outcome(STEPS, runs.assign(draws="shuffled"), history) is None  # theory is of independent batches
    assert outcome(STEPS, runs.assign(**{"model/floor_share": 0.5}), history) is None


def test_linear_scaling_is_told_from_root_scaling():
    assert outcome(SCALING, *made_up(LINEAR)) == "PASS"
    root = {(4, 0.03125): 200, (16, 0.125): 100, (64, 0.5): 50}
    assert outcome(SCALING, *made_up(root)) == "FAIL"
    assert outcome(SCALING, *made_up({(4, 0.5): 100, (16, 2.0): 25})) is None  # the larger step is not well below 2/L
    assert outcome(SCALING, *made_up({(4, 0.5): 100, (16, 0.25): 25})) is None  # not in proportion


def saturating(scale, S=20):
    return {(B, 0.1): S * (1 + scale / B) for B in (1, 4, 16, 64, 256, 1024, 4096)}


def test_steps_fall_and_saturate_where_the_noise_scale_says():
    runs, history = made_up(saturating(64.0))
    assert outcome(FALLING, runs, history) == "PASS"
    assert outcome(SATURATION, runs, history) == "PASS"
    assert outcome(SCALE, runs, history) == "PASS"
    # the same steps, but a noise scale that is far too large or too small
    wrong = runs.assign(**{"model/noise_scale": 800.0})
    assert outcome(FALLING, wrong, history) == "FAIL"
    assert outcome(SCALE, wrong, history) == "FAIL"
    wrong = runs.assign(**{"model/noise_scale": 2.0})
    assert outcome(SATURATION, wrong, history) == "FAIL"
    assert outcome(SCALE, wrong, history) is None  # no batch is so much smaller


@given(st.floats(0.5, 500), st.floats(1, 1e4))
def test_the_fit_finds_the_batch_that_was_put_in(scale, least):
    batches = np.array([1.0, 4, 16, 64, 256, 1024])
    found = critical(batches, least * (1 + scale / batches)[None])
    assert found[0] == pytest.approx(scale, rel=1e-3)


def test_the_best_step_of_each_batch_is_what_counts():
    points = saturating(64.0) | {(B, 0.2): 10 * steps for (B, _), steps in saturating(64.0).items()}
    assert outcome(SATURATION, *made_up(points)) == "PASS"


def test_a_product_that_misses_a_third_is_found_out():
    runs, history = made_up({(B, 0.1): 600 for B in range(1, 5)})
    assert outcome(PRODUCT, runs, history) == "PASS"
    is_ratio = (history["metric"] == "rounds/direct_ratio") & (history["run_id"] == "r2")
    assert outcome(PRODUCT, runs, history.assign(value=history["value"] * np.where(is_ratio, 1.35, 1))) == "FAIL"
    assert outcome(PRODUCT, *made_up({(4, 0.1): 100})) is None  # of so short a way the call is a good part


def test_the_fastest_setting_is_named_if_it_surely_is():
    points = {(4, 0.1): 400, (16, 0.4): 100, (64, 1.0): 60}
    runs, history = made_up(points, seconds={(4, 0.1): 1e-6, (16, 0.4): 2e-6, (64, 1.0): 5e-6}, repeats=40)
    assert FASTEST.weigh(runs, history) is None  # there is no choice of layout
    runs["layout"] = ["rows", "rows", "columns"]
    evidence = FASTEST.weigh(runs, history)
    assert judge(FASTEST, evidence, 0.99).outcome == "PASS"
    assert "Least time to target: batch_size=16 step_size=0.4 rows, 0." in evidence.details
    assert [sample.value for sample in evidence.samples] == pytest.approx([1.5, 2.0], rel=0.1)
    assert outcome(FASTEST, runs[:1], history) is None
    # twice as fast in the rounds that are to weigh what others say is the fastest
    later = (history["run_id"] == "r2") & (history["metric"] == "rounds/step_s") & (history["step"] % 2 == 1)
    assert outcome(FASTEST, runs, history.assign(value=history["value"] / np.where(later, 4, 1))) == "FAIL"
    fewer = history[(history["run_id"] != "r0") | (history["step"] < 30)]
    assert outcome(FASTEST, runs, fewer) == "PASS"  # not all went as often


def test_settings_that_noise_cannot_tell_apart_are_not_ranked():
    seconds = {(4, 0.1): 0.502e-6, (16, 0.4): 2e-6}
    points = {(4, 0.1): 400, (16, 0.4): 100}
    runs, history = made_up(points, seconds=seconds, repeats=40, noise=0.5)
    assert outcome(FASTEST, runs.assign(layout=["rows", "columns"]), history) == "INCONCLUSIVE"
    runs, history = made_up(points, seconds=seconds, repeats=40)  # as good as the other: recommended without loss
    assert outcome(FASTEST, runs.assign(layout=["rows", "columns"]), history) == "PASS"


def test_ratios_are_as_likely_too_large_as_too_small():
    logs = np.log([0.5, 2.0, 0.9, 1 / 0.9])
    found = ratio_of(logs)
    low, high = found.interval(0.95)
    assert found.value == pytest.approx(1)
    assert low * high == pytest.approx(1)


def test_other_runs_do_not_speak_to_these_claims():
    other = pd.DataFrame({"run_id": ["a"], "loss": ["softmax"], "batch_size": [8], "train/loss": [1.0]})
    for claim in CLAIMS:
        assert claim.weigh(other, NONE) is None
