"""step_size and edge: counts against plain loops, edges against SciPy's eigenvalues, claims under planted errors."""

from __future__ import annotations

import dataclasses
import math

import naive
import numpy as np
import pandas as pd
import pytest
from scipy import linalg

from experiments.claims import step_size as claims_step_size
from experiments.data import BreastCancer, Synthetic
from experiments.edge import Edge, edge, settles
from experiments.fitting.descent import Descent
from experiments.problem import random_data
from experiments.step_size import StepSize, ground, mean_gaps
from experiments.theory import curvature
from experiments.theory.gradient_moments import problem
from experiments.theory.sgd import recursion
from harness.contract import DIVERGED, WHOLE_RUN, Curve, LeftOut
from harness.report.figures import draw
from harness.report.verdicts import judge
from kernels import losses, noises, stream

EMPTY = pd.DataFrame(columns=["run_id", "metric", "step", "value"])
DATA = Synthetic(noise=noises.Gaussian(), samples=60, features=3, condition=2)
PLAIN = StepSize(data=DATA, loss=losses.Squared(), iterations=5000)
SMOOTH = [name for name, cls in losses.ALL.items() if cls().curvature < math.inf]


def changed(**settings):
    return dataclasses.replace(PLAIN, **settings)


def table(experiment):
    """The rows of a run as a frame, one row a step."""
    experiment.check()
    experiment.warm_up()
    steps: dict[int, dict[str, float]] = {}
    for row in experiment.run():
        steps.setdefault(row.step, {}).update(row.metrics)
    return pd.DataFrame(steps).T


def whole(experiment):
    return table(experiment).loc[WHOLE_RUN]


def frame(experiments):
    """The runs as the harness hands them to a claim."""
    rows = []
    for i, e in enumerate(experiments):
        fields = {"batch_size": e.batch_size, "target": e.target, "relative_step": e.relative_step, "seed": e.seed}
        rows.append({"run_id": str(i), "loss": e.loss.name, **fields, **whole(e).to_dict()})
    return pd.DataFrame(rows).astype({"batch_size": float, "target": float})


def outcome(claim, runs):
    evidence = claim.weigh(runs, EMPTY)
    return None if evidence is None else judge(claim, evidence, 0.99).outcome


# Descent and its counts


@pytest.mark.parametrize("name", ["squared", "student_t", "logistic", "softmax"])
def test_many_iterations_in_a_call_are_the_iterations_one_by_one(name):
    loss = losses.named(name)
    d = random_data(loss, 40, 3, 3, 2.0).load(0)
    descent, theta = Descent(loss, d.X, d.y, np.zeros((3, d.outputs)), 0.3), np.zeros((3, d.outputs))
    descent.advance(25)
    for _ in range(25):
        theta = theta - 0.3 * naive.value_and_grad(name, d.X, d.y, theta)[1]
    np.testing.assert_allclose(descent.theta, theta, rtol=1e-10, atol=1e-14)
    value, grad = naive.value_and_grad(name, d.X, d.y, theta)
    assert descent.look() == (pytest.approx(value), pytest.approx(np.linalg.norm(grad)))


@pytest.mark.parametrize("relative_step", [0.003, 0.1, 0.9, 0.99])
@pytest.mark.parametrize(("name", "noise"), [("squared", noises.Gaussian()), ("logistic", noises.Bernoulli())])
def test_iterations_are_those_of_a_plain_loop(relative_step, name, noise):
    data = dataclasses.replace(DATA, noise=noise)
    found = whole(changed(data=data, loss=losses.named(name), relative_step=relative_step, target=0.02))
    one = ground(data, losses.named(name), 0)
    p, theta, count = one.problem, np.zeros((3, 1)), 0
    level = p.optimum.value + 0.02 * (p.start_value - p.optimum.value)
    while naive.value_and_grad(name, p.X, p.y, theta)[0] > level:
        theta = theta - relative_step * 2 / one.bound * naive.value_and_grad(name, p.X, p.y, theta)[1]
        count += 1
    assert found["train/iterations_to_target"] == count
    assert found["train/rises"] == 0
    assert found[DIVERGED] == 0
    if name == "squared":
        assert found["model/iterations_to_target"] == count
        assert found["model/edge"] == pytest.approx(1, rel=1e-6)


def test_beyond_the_edge_a_parabola_runs_away_and_a_logistic_loss_goes_round():
    parabola = whole(changed(relative_step=1.05))
    assert parabola[DIVERGED] == 1
    assert parabola["model/iterations_to_target"] == math.inf
    assert "train/iterations_to_target" not in parabola.dropna()
    logistic = changed(
        data=dataclasses.replace(DATA, noise=noises.Bernoulli()), loss=losses.Logistic(), relative_step=6.0
    )
    found = whole(logistic)
    assert found[DIVERGED] == 0
    assert found["train/rises"] > 0
    assert "train/iterations_to_target" not in found.dropna()


def test_without_a_target_the_way_is_written_down_beside_theory():
    way = table(changed(relative_step=0.1, target=None, iterations=200)).loc[1:]
    assert way["train/iteration"].tolist() == way.index.tolist()
    assert way.index[-1] == 200 or way["train/excess"].iloc[-1] <= 1e-11
    np.testing.assert_allclose(way["train/excess"], way["model/excess"], rtol=1e-6, atol=1e-11)


def test_the_mean_of_sgd_is_that_of_its_moments():
    """The recursion's powers against a simulation in plain NumPy of many chains."""
    one = ground(DATA, losses.Squared(), 0)
    p, step, rng = one.problem, 0.3, np.random.default_rng(0)
    E = np.tile(-p.optimum.theta[:, 0], (4000, 1))
    residual = p.y - p.X @ p.optimum.theta[:, 0]
    for _ in range(7):
        rows = rng.integers(len(p.X), size=(4000, 4))
        inner = np.einsum("cbn,cn->cb", p.X[rows], E) - residual[rows]
        E = E - step * np.einsum("cbn,cb->cn", p.X[rows], inner) / 4
    simulated = 0.5 * np.einsum("cn,nk,ck->c", E, p.X.T @ p.X / len(p.X), E)
    (predicted,) = mean_gaps(recursion(p), step, 1 / 4, -p.optimum.theta[:, 0], [7])
    assert abs(simulated.mean() - predicted) <= 5 * simulated.std() / math.sqrt(4000)
    assert mean_gaps(recursion(p), step, 0.0, -p.optimum.theta[:, 0], [0, 3, 9]) == pytest.approx(
        one.parabola.excess(step, [0, 3, 9]), rel=1e-9
    )


def test_chains_of_sgd_come_down_as_predicted_and_the_seed_decides():
    e = changed(batch_size=8, chains=8, relative_step=0.01, target=0.1)
    found = whole(e)
    assert found["train/iterations_to_target"] == pytest.approx(found["model/iterations_to_target"], rel=0.15)
    assert found["model/floor"] < 0.1
    assert 0.3 < found["model/edge"] < 1
    assert whole(e)["train/last_excess"] == found["train/last_excess"]


# The edge


@pytest.mark.parametrize("true", [0.004, 0.3, 0.51, 1.0, 37.0])
def test_bisection_finds_the_edge(true):
    low, high = edge(lambda ratio: ratio < true)
    assert low < true <= high
    assert high / low <= 1.0006


def test_the_first_edge_counts_and_none_is_said():
    assert edge(lambda ratio: ratio < 0.9 or ratio > 1.2)[1] == pytest.approx(0.9, rel=1e-3)
    assert edge(lambda ratio: True)[1] == math.inf
    assert edge(lambda ratio: False)[0] == 0


@pytest.mark.parametrize("name", SMOOTH)
def test_edges_are_where_curvature_puts_them(name):
    """A new smooth loss is held to 2/L, and to the dense Hessian at its optimum, without an edit here."""
    found = whole(Edge(loss=losses.named(name), samples=100, features=3, seed=3))
    assert found["train/edge_low"] >= (0.99 if found["model/quadratic"] else 1.0)
    assert found["train/edge_low"] <= found["model/edge"] * 1.001
    assert 0.95 * found["model/edge"] < found["train/edge_high"]
    if found["model/quadratic"]:
        assert found["train/edge_low"] < 1 < found["train/edge_high"]
        assert found["train/edge_high"] / found["train/edge_low"] < 1.0025


def test_a_step_two_thousandths_off_the_edge_is_told_apart():
    p = problem(random_data(losses.Squared(), 100, 3, 3, 2.0), losses.Squared(), 0)
    top = 2 / linalg.eigvalsh(p.X.T @ p.X / 100)[-1]
    start = stream(0, "start").standard_normal((3, 1))
    assert settles(p, start, 0.998 * top, 3000)
    assert not settles(p, start, 1.002 * top, 3000)


# What makes no sense


@pytest.mark.parametrize(
    ("experiment", "message"),
    [
        (
            changed(loss=losses.Absolute()),
            "loss=absolute: its δ jumps, so there is no L .*should be smooth, as loss=huber",
        ),
        (changed(loss=losses.Softmax()), "loss=softmax takes classes"),
        (Edge(loss=losses.Absolute()), "loss=absolute: its δ jumps"),
        (Edge(loss=losses.Squared(), iterations=10), "iterations: 10; should be at least 500"),
    ],
)
def test_what_makes_no_sense_is_refused_before_it_runs(experiment, message):
    with pytest.raises(ValueError, match=message):
        experiment.check()


def test_a_sweep_leaves_out_a_loss_without_curvature():
    with pytest.raises(LeftOut):
        Edge(loss=losses.Absolute()).check()


def test_labels_that_can_be_parted_have_no_edge_and_can_be_descended_all_the_same():
    with pytest.raises(ValueError, match="samples: 8 have labels that can be parted"):
        list(Edge(loss=losses.Logistic(), samples=8, features=6).run())
    found = whole(changed(data=BreastCancer(standardize=True, bias=True), loss=losses.Logistic(), target=0.2))
    assert 0 < found["train/iterations_to_target"] < 100


# Claims


@pytest.fixture(scope="module")
def descents():
    return frame([changed(relative_step=step) for step in (0.005, 0.01, 0.02, 0.5, 0.9, 1.1)])


def test_claims_hold_of_what_was_measured_and_fall_with_planted_errors(descents):
    count, slow, overshoot = (
        claims_step_size.STEP_SIZE_COUNT, claims_step_size.STEP_SIZE_SLOW, claims_step_size.STEP_SIZE_OVERSHOOT,
    )  # fmt: skip
    assert [outcome(claim, descents) for claim in (count, slow, overshoot)] == ["PASS"] * 3
    measured = "train/iterations_to_target"
    assert outcome(count, descents.assign(**{measured: descents[measured] + 2})) == "FAIL"
    assert outcome(count, descents.assign(**{measured: descents[measured].fillna(40)})) == "FAIL"  # never, it should be
    assert outcome(slow, descents.assign(**{measured: descents[measured] ** 0.9})) == "FAIL"
    assert outcome(overshoot, descents.assign(**{"train/rises": 1.0})) == "FAIL"
    assert outcome(overshoot, descents.assign(**{DIVERGED: 0.0})) == "FAIL"


def edges(low=0.9995, high=1.0005, local=1.0, quadratic=1.0):
    return pd.DataFrame(
        {"loss": ["squared"], "train/edge": [(low + high) / 2], "train/edge_low": [low], "train/edge_high": [high],
         "model/edge": [local], "model/quadratic": [quadratic]}
    )  # fmt: skip


def test_the_edge_is_held_to_a_hundredth_below_and_above():
    claim = claims_step_size.STEP_SIZE
    assert outcome(claim, edges()) == "PASS"
    assert outcome(claim, edges(0.95, 0.951)) == "FAIL"
    assert outcome(claim, edges(1.02, 1.03)) == "FAIL"
    assert outcome(claim, edges(0.98, 1.0)) == "INCONCLUSIVE"
    assert outcome(claim, edges(quadratic=0.0)) is None


def test_bounds_hold_for_losses_that_are_no_parabola():
    bound, local = claims_step_size.STEP_SIZE_BOUND, claims_step_size.STEP_SIZE_LOCAL
    assert outcome(bound, edges(1.2, 1.21, 1.21, 0.0)) == "PASS"
    assert outcome(bound, edges(0.9, 0.91, 1.21, 0.0)) == "FAIL"
    assert outcome(bound, edges()) is None
    assert outcome(local, edges(1.2, 1.21, 1.21, 0.0)) == "PASS"
    assert outcome(local, edges(1.3, 1.31, 1.21, 0.0)) == "FAIL"


def test_sgd_is_held_to_its_moments():
    claim = claims_step_size.STEP_SIZE_SGD
    runs = pd.DataFrame(
        {"relative_step": [0.01, 0.02], "batch_size": [8.0, 8.0], "target": 0.01, "model/quadratic": 1.0, "model/floor": 1e-3,
         "train/iterations_to_target": [500.0, 240.0], "model/iterations_to_target": [480.0, 250.0]}
    )  # fmt: skip
    assert outcome(claim, runs) == "PASS"
    assert outcome(claim, runs.assign(**{"train/iterations_to_target": [500.0, math.nan]})) == "FAIL"
    assert outcome(claim, runs.assign(**{"model/floor": 0.02})) is None
    assert outcome(claim, runs.assign(batch_size=math.nan)) is None


@pytest.mark.parametrize("claim", [*StepSize.claims, *Edge.claims], ids=lambda claim: claim.id)
def test_runs_that_do_not_speak_to_a_claim_decide_nothing(claim):
    assert claim.weigh(pd.DataFrame({"run_id": ["a"], "seed": [0]}), EMPTY) is None


class Understated(losses.Squared):
    """A loss that states half of its curvature."""

    @property
    def curvature(self):
        return 0.5


def test_a_curvature_bound_that_is_none_turns_the_verdict():
    p = problem(DATA, losses.Squared(), 0)
    claimed, true = curvature.bound(Understated(), p.X), curvature.bound(losses.Squared(), p.X)
    start = stream(0, "start").standard_normal((3, 1))
    low, high = edge(lambda ratio: settles(p, start, ratio * 2 / claimed, 1000))
    assert (low + high) / 2 == pytest.approx(claimed / true, rel=0.01)
    assert outcome(claims_step_size.STEP_SIZE, edges(low, high)) == "FAIL"


# The figures


def test_the_run_that_runs_away_is_drawn_and_the_axis_shows_all_that_was_tried(descents):
    history = []
    experiments = [changed(relative_step=step, target=None, iterations=100) for step in (0.5, 1.1)]
    for i, e in enumerate(experiments):
        history += [(str(i), name, row.step, value) for row in e.run() for name, value in row.metrics.items()]
    long = pd.DataFrame(history, columns=["run_id", "metric", "step", "value"])
    by_count, way = StepSize.figures
    drawn = draw(way, frame(experiments), long)
    assert {trace.name for trace in drawn.data if trace.showlegend} == {"0.5", "1.1 (1 of 1 diverged)"}
    assert max(float(np.nanmax(trace.y)) for trace in drawn.data) > 1e3
    without = draw(dataclasses.replace(way, with_diverged=False), frame(experiments), long)
    assert max(float(np.nanmax(trace.y)) for trace in without.data if trace.y[0] is not None) <= 1
    assert isinstance(by_count, Curve)
    counted = draw(by_count, descents, EMPTY)
    low, high = counted.layout.xaxis.range
    assert low < math.log10(0.005) < math.log10(1.1) < high
    assert [shape.label.text for shape in counted.layout.shapes] == ["2/L"]
