"""Claims weigh what the runs say: a planted error turns the verdict, and runs that do not speak to a claim decide nothing."""

from __future__ import annotations

import pandas as pd
import pytest

from experiments.claims.train import (
    LAYOUT_TRANSPOSE,
    MNIST_NETWORK,
    MNIST_NETWORK_ERROR,
    MNIST_TABLE,
    NETWORK,
    NETWORK_ERROR,
    REGRESSION,
)
from experiments.constant import Constant
from experiments.likelihood import Likelihood
from harness.report.verdicts import judge

EMPTY = pd.DataFrame(columns=["run_id", "metric", "step", "value"])
L2_MEAN, L1_MEDIAN = Constant.claims
(LOSS_IS_NOISE,) = Likelihood.claims


def outcome(claim, runs, history=EMPTY):
    evidence = claim.weigh(runs, history)
    return None if evidence is None else judge(claim, evidence, 0.99).outcome


def trajectory(run_id, values, norm=1.0):
    rows = []
    for step, value in enumerate(values):
        rows += [(run_id, "train/loss", step, value), (run_id, "train/theta_norm", step, norm)]
        rows += [(run_id, "train/theta_probe", step, 0.5)]
    return pd.DataFrame(rows, columns=["run_id", "metric", "step", "value"])


def two_layouts(dtype="float64", **more):
    fixed = {"run_id": ["a", "b"], "name": ["x", "y"], "layout": ["rows", "columns"], "dtype": dtype, "seed": 0, **more}
    return pd.DataFrame(fixed)


@pytest.mark.parametrize(("dtype", "apart", "expected"), [
    ("float64", 1e-14, "PASS"), ("float64", 1e-11, "FAIL"), ("float32", 1e-6, "PASS"), ("float32", 1e-4, "FAIL"),
])  # fmt: skip
def test_layouts_must_stay_together_at_every_step(dtype, apart, expected):
    history = pd.concat([trajectory("a", [2.0, 1.0, 0.5]), trajectory("b", [2.0, 1.0 + apart, 0.5])])
    assert outcome(LAYOUT_TRANSPOSE, two_layouts(dtype), history) == expected


def test_layouts_are_compared_in_pairs_that_differ_in_nothing_else():
    history = pd.concat([trajectory("a", [2.0, 1.0]), trajectory("b", [2.0, 1.5])])
    assert outcome(LAYOUT_TRANSPOSE, two_layouts(seed=[0, 1]), history) is None
    assert outcome(LAYOUT_TRANSPOSE, two_layouts().assign(layout="rows"), history) is None
    assert outcome(LAYOUT_TRANSPOSE, two_layouts().drop(columns="layout"), history) is None


def test_a_layout_that_diverges_where_the_other_does_not_fails():
    history = pd.concat([trajectory("a", [2.0, 1.0]), trajectory("b", [2.0])])
    assert outcome(LAYOUT_TRANSPOSE, two_layouts(), history) == "FAIL"


def mnist(change=0.0, **settings):
    chosen = {
        "run_id": ["a"], "name": ["x"], "data": ["mnist"], "loss": ["softmax"], "batch_size": [100], "step_size": [0.2],
        "order": ["sequential"], "data.standardize": ["false"], "data.bias": ["false"], "model": ["linear"], **settings,
    }  # fmt: skip
    history = [
        ("a", metric, epoch, value + change * (metric == "test/error") * (epoch == 9))
        for epoch, row in REGRESSION.iterrows()
        for metric, value in row.items()
    ]
    return pd.DataFrame(chosen), pd.DataFrame(history, columns=["run_id", "metric", "step", "value"])


@pytest.mark.parametrize(("change", "expected"), [(0.0, "PASS"), (4e-6, "PASS"), (1e-5, "FAIL"), (-1e-5, "FAIL")])
def test_the_table_is_held_to_its_last_digit(change, expected):
    assert outcome(MNIST_TABLE, *mnist(change)) == expected


@pytest.mark.parametrize("settings", [
    {"step_size": [0.1]}, {"order": ["shuffled"]}, {"data": ["digits"]}, {"data.samples": [2000]}, {"data.bias": ["true"]},
    {"model": ["mlp"]},
])  # fmt: skip
def test_other_settings_do_not_speak_to_the_table(settings):
    assert outcome(MNIST_TABLE, *mnist(**settings)) is None


def test_too_few_epochs_do_not_speak_to_the_table():
    runs, history = mnist()
    assert outcome(MNIST_TABLE, runs, history[history["step"] == 0]) is None
    assert outcome(MNIST_TABLE, runs.drop(columns="order"), history) is None


def network(**changes):
    published = pd.concat([NETWORK, NETWORK_ERROR], axis=1).iloc[0]
    runs, _ = mnist(model=["mlp"], hidden=[100], seed=[0], dtype=["float64"])
    rows = [("a", metric, 0, value + changes.get(metric.split("/")[1], 0.0)) for metric, value in published.items()]
    return runs, pd.DataFrame(rows, columns=["run_id", "metric", "step", "value"])


def test_the_network_is_held_to_the_last_digit_of_each_figure_and_the_courses_test_of_its_error():
    assert outcome(MNIST_NETWORK, *network(error=2e-5, weight1_norm=4e-7, loss=4e-6)) == "PASS"
    assert outcome(MNIST_NETWORK, *network(weight1_norm=1e-6)) == "FAIL"
    assert outcome(MNIST_NETWORK, *network(loss=1e-5)) == "FAIL"
    assert outcome(MNIST_NETWORK_ERROR, *network(weight1_norm=1.0)) == "PASS"
    assert outcome(MNIST_NETWORK_ERROR, *network(error=1.0e-4)) == "PASS"
    assert outcome(MNIST_NETWORK_ERROR, *network(error=1.1e-4)) == "FAIL"
    runs, history = network()
    for other in ({"hidden": [50]}, {"dtype": ["float32"]}, {"seed": [1]}, {"model": ["linear"]}):
        assert outcome(MNIST_NETWORK, runs.assign(**other), history) is None


def best_constants(mean_distance, median_distance, loss):
    return pd.DataFrame(
        {
            "name": ["x"], "loss": [loss], "train/constant": [1.0], "model/mean": [1.0], "model/median": [2.0],
            "model/mean_distance": [mean_distance], "model/median_distance": [median_distance],
        }
    )  # fmt: skip


def test_the_mean_and_the_median_are_told_apart():
    assert outcome(L2_MEAN, best_constants(1e-12, 0.3, "squared")) == "PASS"
    assert outcome(L2_MEAN, best_constants(1e-3, 0.3, "squared")) == "FAIL"
    assert outcome(L2_MEAN, best_constants(0.0, 0.0, "squared")) is None  # mean = median: proves nothing
    assert outcome(L1_MEDIAN, best_constants(0.3, 0.0, "absolute")) == "PASS"
    assert outcome(L1_MEDIAN, best_constants(0.0, 0.3, "absolute")) is None
    assert outcome(L1_MEDIAN, best_constants(0.3, 0.1, "absolute")) == "FAIL"


def test_a_loss_that_is_not_its_noise_fails():
    runs = pd.DataFrame({"noise": ["gaussian"], "model/own_misfit": [1e-15], "model/misfit_squared": [1e-15]})
    assert outcome(LOSS_IS_NOISE, runs) == "PASS"
    assert outcome(LOSS_IS_NOISE, runs.assign(**{"model/own_misfit": 1e-6})) == "FAIL"
    assert outcome(LOSS_IS_NOISE, runs.drop(columns="model/own_misfit")) is None
