"""convexity: the search against second derivatives by hand, moves against their definition, claims under planted errors."""

from __future__ import annotations

import dataclasses
import math

import naive
import numpy as np
import pandas as pd
import pytest
from scipy import optimize

from experiments.claims import convexity as claims_convexity
from experiments.convexity import Convexity, chords, decided, distances, least_slope, moved
from experiments.problem import random_data
from harness.contract import WHOLE_RUN
from harness.report.verdicts import judge
from kernels import Objective, losses
from kernels.losses import Target

EMPTY = pd.DataFrame(columns=["run_id", "metric", "step", "value"])
PLAIN = Convexity(loss=losses.Softmax(), samples=60, features=3, pairs=60)
OF_LABELS = [name for name, cls in losses.ALL.items() if cls.target is not Target.REAL]


def rows(experiment):
    experiment.check()
    experiment.warm_up()
    return list(experiment.run())


def whole(experiment):
    return rows(experiment)[-1].metrics


def frame(*names, **changes):
    return pd.DataFrame(
        [{"loss": name, **whole(dataclasses.replace(PLAIN, loss=losses.named(name), **changes))} for name in names]
    )


def outcome(claim, runs):
    evidence = claim.weigh(runs, EMPTY)
    return None if evidence is None else judge(claim, evidence, 0.99).outcome


@pytest.fixture(scope="module")
def of_labels():
    return frame(*OF_LABELS)


def test_cross_entropy_passes_and_a_new_loss_of_labels_is_covered(of_labels):
    assert outcome(claims_convexity.CE_CONVEX, of_labels) == "PASS"
    assert outcome(claims_convexity.ERROR_FLAT, of_labels) == "PASS"
    assert outcome(claims_convexity.NOT_CONVEX, of_labels) is None


@pytest.mark.parametrize(
    ("metric", "value"),
    [("model/chord_excess", 1e-9), ("model/least_alignment", -1e-6), ("model/least_curvature", -1e-4)],
)
def test_one_violation_turns_the_verdict(of_labels, metric, value):
    planted = of_labels[metric].where(of_labels.index > 0, value)
    assert outcome(claims_convexity.CE_CONVEX, of_labels.assign(**{metric: planted})) == "FAIL"


def test_students_t_is_found_out_in_every_way():
    found = frame("student_t")
    assert found["model/chord_excess"].item() > 1e-3
    assert found["model/least_alignment"].item() < -1e-3
    assert -1 / 8 < found["model/least_curvature"].item() < -1e-3
    assert outcome(claims_convexity.NOT_CONVEX, found) == "PASS"
    assert outcome(claims_convexity.CE_CONVEX, found) is None  # not of labels
    assert outcome(claims_convexity.CE_CONVEX, found.assign(**{"model/of_labels": 1.0})) == "FAIL"
    assert outcome(claims_convexity.NOT_CONVEX, found.assign(**{"model/least_curvature": 0.0})) == "FAIL"


def test_the_least_slope_of_delta():
    """Student's t: δ' = (ν+1)(νσ² − r²)/(νσ² + r²)², least at r² = 3νσ², where it is −⅛ of δ'(0)."""
    loss = losses.StudentT(nu=4, scale=2)
    least = optimize.minimize_scalar(
        lambda r: (16 - r**2) / (16 + r**2) ** 2 * 16, bounds=(1, 50), method="bounded"
    )  # fmt: skip
    assert least.fun == pytest.approx(-1 / 8)
    assert least_slope(loss) == pytest.approx(least.fun, rel=1e-3)
    assert least_slope(losses.Squared()) == pytest.approx(1)
    assert least_slope(losses.Huber()) == 0
    assert 0 <= least_slope(losses.Logistic()) < 1e-9


def test_chords_by_hand():
    """One sample, one feature: f is ℓ itself; the pair straddles the bend of Student's t."""
    X, y = np.ones((1, 1)), np.zeros(1)
    ones, others = np.array([[[2.0]]]), np.array([[[12.0]]])
    found = chords(Objective("student_t"), X, y, ones, others)
    high, low = (naive.losses_and_deltas("student_t", np.array([[h]]), y) for h in (2.0, 12.0))
    t = np.linspace(0.1, 0.9, 9)
    between = [naive.losses_and_deltas("student_t", np.array([[h]]), y)[0][0] for h in 2 * t + 12 * (1 - t)]
    above = max(b - (s * high[0][0] + (1 - s) * low[0][0]) for b, s in zip(between, t, strict=True))
    assert found["model/chord_excess"] == pytest.approx(above / low[0][0])
    slopes = high[1].item(), low[1].item()
    assert found["model/least_alignment"] == pytest.approx((slopes[0] - slopes[1]) * -10 / (sum(slopes) * 10))


@pytest.mark.parametrize("name", ["logistic", "softmax"])
def test_no_move_within_the_distance_changes_a_label_and_one_beyond_it_may(name):
    d = random_data(losses.named(name), 40, 3, 3, 2.0).load(0)
    rng = np.random.default_rng(0)
    thetas = rng.standard_normal((50, 3, d.outputs))
    away = rng.standard_normal(thetas.shape)
    away /= np.linalg.norm(away, axis=(1, 2), keepdims=True)
    reach = distances(d.X, thetas)[:, None, None]
    assert (decided(d.X, thetas) == decided(d.X, thetas + 0.999 * reach * away)).all()
    assert moved(d.X, d.y, thetas, 0.999 * reach * away) == (0.0, 0.0)
    # the nearest sample's own direction crosses just beyond it
    for theta, far in zip(thetas, reach[:, 0, 0], strict=True):
        H = d.X @ theta
        sizes = np.linalg.norm(d.X, axis=1)
        if name == "logistic":
            i = np.argmin(np.abs(H[:, 0]) / sizes)
            move = -np.sign(H[i]) * d.X[i][:, None] / sizes[i]
        else:
            ordered = np.sort(H, axis=1)
            i = np.argmin((ordered[:, -1] - ordered[:, -2]) / sizes)
            first, second = np.argsort(H[i])[::-1][:2]
            move = np.zeros_like(theta)
            move[:, second], move[:, first] = d.X[i], -d.X[i]
            move /= np.linalg.norm(move)
        before, after = (decided(d.X, (theta + size * move)[None])[0, i] for size in (0.999 * far, 1.001 * far))
        assert before != after


def test_the_error_is_flat_and_the_cross_entropy_is_not(of_labels):
    flat = of_labels.dropna(subset=["train/moves"])
    assert set(flat["loss"]) == {name for name in OF_LABELS if losses.ALL[name].target is not Target.COUNTS}
    assert (flat["train/still_moves"] >= flat["model/still_moves"] * flat["train/moves"] - 1e-9).all()
    assert (flat["train/loss_moved"] > 0.99).all()
    claim = claims_convexity.ERROR_FLAT
    assert outcome(claim, of_labels.assign(**{"train/still_moves": of_labels["train/moves"] * 0.9})) == "FAIL"
    few = of_labels.assign(**{"train/still_moves": 30.0, "train/moves": 30.0})
    assert outcome(claim, few) == "INCONCLUSIVE"


@pytest.mark.parametrize("name", ["logistic", "softmax", "student_t"])
def test_along_a_line_are_the_loss_and_the_staircase(name):
    loss = losses.named(name)
    found = pd.DataFrame([row.metrics for row in rows(dataclasses.replace(PLAIN, loss=loss, reach=2.0))])
    line = found.dropna(subset=["slice/along"])
    assert line["slice/along"].iloc[[0, -1]].tolist() == [-2, 2]
    assert line["slice/loss"].min() == 0
    assert line["slice/loss"].max() == 1
    assert ("slice/error" in line) == (name != "student_t")
    if name != "student_t":
        assert (np.diff(line["slice/loss"], 2) >= -1e-12).all()  # convex
        assert (np.diff(line["slice/error"]) == 0).mean() > 0.5  # stairs
        moves = found.dropna(subset=["train/length"])
        assert (moves["train/changed"] <= moves["model/in_reach"] + 1e-12).all()
        assert moves["train/changed"].iloc[0] == 0
        assert moves["train/changed"].iloc[-1] > 0.5


def test_the_seed_decides():
    assert whole(PLAIN) == whole(PLAIN)
    assert whole(PLAIN) != whole(dataclasses.replace(PLAIN, seed=1))


@pytest.mark.parametrize("claim", Convexity.claims, ids=lambda claim: claim.id)
def test_runs_that_do_not_speak_to_a_claim_decide_nothing(claim):
    assert claim.weigh(pd.DataFrame({"run_id": ["a"], "loss": ["softmax"]}), EMPTY) is None


def test_a_loss_whose_delta_jumps_has_no_hessian_and_is_searched_all_the_same():
    found = whole(dataclasses.replace(PLAIN, loss=losses.Absolute()))
    assert found["model/chord_excess"] <= 1e-13
    assert not {"model/least_curvature", "model/least_slope"} & set(found)
    assert rows(PLAIN)[-1].step == WHOLE_RUN
    assert all(math.isfinite(value) for value in found.values())
