"""gradient_noise and noise_floor: small runs, planted errors that turn verdicts, and what is refused."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from framed import framed

import experiments.gradient_noise
from experiments.claims.gradient_noise import CLAIMS, slopes_of
from experiments.claims.noise_floor import CLAIMS as FLOORS
from experiments.data import Diabetes, Digits, Mnist, Synthetic
from experiments.gradient_noise import GradientNoise
from experiments.noise_floor import NoiseFloor
from harness.contract import LeftOut
from harness.report.verdicts import judge
from kernels import losses, noises

UNBIASED, VARIANCE, SIZE, FINITE, WHOLE = CLAIMS
FLOOR, FLOOR_SMALL, FLOOR_EXACT = FLOORS
DATA = Synthetic(noise=noises.Gaussian(), samples=100, features=3)
BASE = GradientNoise(data=DATA, loss=losses.Squared(), draws=60, repeats=20)
AT_REST = NoiseFloor(data=DATA, loss=losses.Squared(), batch_size=4, step_size=0.1, chains=20)


def with_batches(*sizes, **changes):
    return framed([dataclasses.replace(BASE, batch_size=size, **changes) for size in sizes])


def outcome(claim, found, confidence=0.999):
    evidence = claim.weigh(*found)
    return None if evidence is None else judge(claim, evidence, confidence)


@pytest.fixture(scope="module")
def honest():
    return with_batches(1, 4, 16, 64)


@pytest.fixture(scope="module")
def drawn_apart():
    return with_batches(1, 10, 50, 100, replacement=False)


def test_honest_batches_are_unbiased_with_a_variance_of_one_over_b(honest):
    assert outcome(UNBIASED, honest).outcome != "FAIL"
    verdict = outcome(VARIANCE, honest)
    assert verdict.outcome != "FAIL"
    assert verdict.measured == pytest.approx(-1, abs=0.03)
    assert outcome(SIZE, honest).outcome != "FAIL"
    assert outcome(SIZE, honest).measured == pytest.approx(1, abs=0.15)
    assert outcome(FINITE, honest) is None


def test_without_replacement_it_is_the_finite_population_factor_less(drawn_apart):
    runs, _ = drawn_apart
    assert outcome(FINITE, drawn_apart).measured == pytest.approx(1, abs=0.15)
    assert outcome(FINITE, drawn_apart).outcome != "FAIL"
    assert outcome(WHOLE, drawn_apart).outcome == "PASS"
    half = runs[runs["batch_size"] == 50].iloc[0]
    assert half["model/variance"] == pytest.approx(half["model/total_variance"] / 50 * 50 / 99)
    assert outcome(VARIANCE, drawn_apart) is None
    whole = runs[runs["batch_size"] == 100].iloc[0]
    assert math.isnan(whole["noise/variance"])
    assert outcome(WHOLE, (runs.assign(**{"noise/left": 1e-3}), drawn_apart[1])).outcome == "FAIL"


def test_a_sampler_that_leaves_samples_out_is_found_out(monkeypatch):
    """The first 30 samples of 100 are never drawn: the gradient of a batch is that of the others."""
    monkeypatch.setattr(experiments.gradient_noise, "draw", lambda rng, m, B, replacement: rng.integers(30, m, B))
    assert outcome(UNBIASED, with_batches(4, 64)).outcome == "FAIL"


def test_a_sampler_that_draws_half_a_batch_twice_is_found_out(monkeypatch):
    """Unbiased, but with twice the variance."""
    monkeypatch.setattr(
        experiments.gradient_noise, "draw", lambda rng, m, B, replacement: np.repeat(rng.integers(0, m, B // 2), 2)
    )
    found = with_batches(4, 16, 64)
    assert outcome(UNBIASED, found).outcome != "FAIL"
    assert outcome(SIZE, found).outcome == "FAIL"
    assert outcome(SIZE, found).measured == pytest.approx(2, rel=0.25)


def test_a_sampler_whose_batches_hang_together_falls_more_slowly(monkeypatch):
    """B samples that are √B in truth: the slope is −½, and not −1."""
    monkeypatch.setattr(
        experiments.gradient_noise, "draw",
        lambda rng, m, B, replacement: np.repeat(rng.integers(0, m, math.isqrt(B)), math.isqrt(B)),
    )  # fmt: skip
    verdict = outcome(VARIANCE, with_batches(1, 4, 16, 64))
    assert verdict.outcome == "FAIL"
    assert verdict.measured == pytest.approx(-0.5, abs=0.05)


def test_slopes_are_those_of_statsmodels():
    rng = np.random.default_rng(3)
    x, y = rng.standard_normal(6), rng.standard_normal((4, 6))
    expected = [sm.OLS(row, sm.add_constant(x)).fit().params[1] for row in y]
    np.testing.assert_allclose(slopes_of(x, y), expected)


@pytest.mark.parametrize("name", losses.ALL)
def test_every_loss_has_noise_that_is_predicted(name):
    """A new loss is found here without an edit: on the first noise that gives targets of its kind."""
    loss = losses.named(name)
    noise = next(n() for n in noises.ALL.values() if n.target is loss.target)
    data = Synthetic(noise=noise, samples=100, features=3)
    runs, _ = framed([dataclasses.replace(BASE, data=data, loss=loss, batch_size=4, progress=0.5, repeats=5)])
    assert runs["noise/ratio"].iloc[0] == pytest.approx(1, abs=0.35)
    assert math.isfinite(runs["model/noise_scale"].iloc[0])


def test_the_same_seed_gives_the_same_bits(honest):
    again = with_batches(1, 4, 16, 64)
    pd.testing.assert_frame_equal(again[1], honest[1])
    other = with_batches(1, seed=1)
    assert other[0]["noise/variance"].iloc[0] != honest[0]["noise/variance"].iloc[0]


@pytest.mark.parametrize(
    ("experiment", "error", "message"),
    [
        (dataclasses.replace(BASE, draws=1), ValueError, "draws=1, repeats=20: should be at least 2 each"),
        (dataclasses.replace(BASE, batch_size=101, replacement=False), LeftOut, "batch_size: more than there are samples"),
        (dataclasses.replace(BASE, data=Digits()), ValueError, "loss=squared takes real numbers"),
        (dataclasses.replace(BASE, data=Mnist(root="/none"), loss=losses.Softmax()), ValueError, "data.root=/none: no such folder"),
        (dataclasses.replace(AT_REST, chains=1), ValueError, "chains: 1; should be at least 2"),
        (dataclasses.replace(AT_REST, step_size=5.0), LeftOut, "step_size: larger than the batch allows"),
        (dataclasses.replace(AT_REST, step_size=1e-6), ValueError, "takes more than 100,000 steps to settle; should be larger"),
        (dataclasses.replace(AT_REST, loss=losses.Absolute()), ValueError, "loss=absolute: its δ jumps, so there is no H"),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused_before_it_runs(experiment, error, message):
    with pytest.raises(error, match=message):
        experiment.check()


@pytest.fixture(scope="module")
def floors():
    return framed(
        [
            dataclasses.replace(AT_REST, batch_size=B, step_size=s)
            for B, s in ((1, 0.02), (4, 0.02), (16, 0.02), (4, 0.5))
        ]
    )


def test_the_floor_is_where_theory_has_it(floors):
    runs, _ = floors
    exact = outcome(FLOOR_EXACT, floors)
    assert exact.outcome != "FAIL"
    assert exact.measured == pytest.approx(1, abs=0.1)
    assert outcome(FLOOR, floors).measured == pytest.approx(1, abs=0.05)
    assert outcome(FLOOR_SMALL, floors).outcome != "FAIL"
    assert len(FLOOR_SMALL.weigh(*floors).samples) == 3  # the step of 0.5 is not small
    assert runs["model/exact"].tolist() == [1, 1, 1, 1]
    bent = runs.iloc[3]  # a large step: the floor is far above s·tr Σ/4B, and theory knows it
    assert bent["noise/floor"] > 1.5 * bent["model/small_step_floor"]
    assert bent["noise/ratio"] == pytest.approx(1, abs=0.15)


def test_a_floor_that_is_a_fifth_too_high_is_found_out(floors):
    runs, history = floors
    wrong = history.assign(value=history["value"] * np.where(history["metric"] == "chains/floor", 1.25, 1))
    assert outcome(FLOOR_EXACT, (runs, wrong)).outcome == "FAIL"
    assert outcome(FLOOR_SMALL, (runs, wrong)).outcome == "FAIL"
    assert outcome(FLOOR, (runs, wrong)).outcome != "FAIL"  # a factor for all changes no slope
    # … and one that depends on the batch does
    factor = history["run_id"].map(dict(zip(runs["run_id"], runs["batch_size"] ** 0.2, strict=True)))
    steeper = history.assign(value=history["value"] * np.where(history["metric"] == "chains/floor", factor, 1))
    assert outcome(FLOOR, (runs, steeper)).outcome == "FAIL"


def test_several_classes_have_a_floor_too():
    data = Synthetic(noise=noises.Categorical(), samples=200, features=3)
    runs, _ = framed([dataclasses.replace(AT_REST, data=data, loss=losses.Softmax(), batch_size=32, step_size=0.1)])
    assert runs["model/exact"].iloc[0] == 0
    assert runs["noise/ratio"].iloc[0] == pytest.approx(1, abs=0.15)


def test_other_runs_do_not_speak_to_these_claims():
    other = pd.DataFrame({"run_id": ["a"], "loss": ["softmax"], "batch_size": [8], "train/loss": [1.0]})
    none = pd.DataFrame(columns=["run_id", "metric", "step", "value"])
    for claim in (*CLAIMS, *FLOORS):
        assert claim.weigh(other, none) is None


def test_diabetes_is_noisy_and_its_noise_scale_is_that_of_its_samples():
    runs, _ = framed([dataclasses.replace(BASE, data=Diabetes(standardize=True), repeats=2, draws=2)])
    d = Diabetes(standardize=True).load(0)
    v = -d.X * d.y[:, None]  # at θ = 0
    expected = np.trace(np.cov(v.T, bias=True)) / np.sum(v.mean(axis=0) ** 2)
    assert runs["model/noise_scale"].iloc[0] == pytest.approx(expected)
