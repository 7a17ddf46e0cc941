"""Monte Carlo of estimates of location: what is measured, and verdicts that planted errors turn."""

from __future__ import annotations

import dataclasses
import itertools
import math
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest
import scipy.stats

from experiments.claims import location as claims_location
from experiments.location import BATCHES, GROUPS, Location
from experiments.location_race import LocationRace, vectorised
from experiments.mixture import Mixture
from experiments.shapes import Shapes
from harness.contract import WHOLE_RUN, Claim, Evidence, LeftOut
from harness.estimates import mean_of
from harness.report.verdicts import FAMILY_ERROR, judge
from kernels import noises, threads
from kernels._jit import inline
from kernels.draws import draw, states
from kernels.losses import Absolute, Huber, Logistic, Multinomial, Softmax, Squared, StudentT
from kernels.losses.base import elementwise

CLAIMS = {claim.id: claim for claim in Location.claims}


def frames_of(*experiments):
    """The runs and the history that a report would have of these experiments."""
    runs, history = [], []
    for number, experiment in enumerate(experiments):
        experiment.check()
        run_id, last = f"r{number}", {}
        for row in experiment.run():
            last |= row.metrics
            history += [(run_id, metric, row.step, value) for metric, value in row.metrics.items()]
        own = {"run_id": run_id, "name": run_id}
        for field in dataclasses.fields(experiment):
            value = getattr(experiment, field.name)
            if dataclasses.is_dataclass(value):
                own[field.name] = value.name
                own |= {f"{field.name}.{key}": inner for key, inner in dataclasses.asdict(value).items()}
            else:
                own[field.name] = value
        runs.append({**own, **last})
    frame = pd.DataFrame(history, columns=["run_id", "metric", "step", "value"])
    return pd.DataFrame(runs), frame.drop_duplicates(["run_id", "metric", "step"], keep="last")


def outcome(claim, runs, history, confidence=1 - FAMILY_ERROR):
    evidence = claim.weigh(runs, history)
    return None if evidence is None else judge(claim, evidence, confidence).outcome


@pytest.fixture(scope="module")
def table():
    """Two noises and their losses, enough replicates for intervals within 2 %."""
    pairs = itertools.product((noises.Gaussian(), noises.Laplace()), (Squared(), Absolute(), Huber()))
    return frames_of(*(Location(noise=noise, loss=loss, samples=51, replicates=300_000) for noise, loss in pairs))


def test_a_run_is_what_numpy_makes_of_the_same_draws():
    e = Location(noise=noises.StudentT(5.0), loss=Absolute(), samples=15, replicates=GROUPS * BATCHES * 2)
    runs, history = frames_of(e)
    moving = states(GROUPS, 0, "location", "samples", "StudentT", "5.0", "1.0", "15")
    medians = []
    for _ in range(BATCHES):
        x = np.empty((GROUPS, 2 * 15))
        draw(e.noise, moving, x)
        medians.append(np.median(x.reshape(-1, 15), axis=1))
    row = runs.iloc[0]
    assert row["mc/variance"] == pytest.approx(15 * np.mean([m.var(ddof=1) for m in medians]), rel=1e-12)
    assert row["mc/bias"] == pytest.approx(np.mean(medians), abs=1e-15)
    batches = history[history["metric"] == "batch/variance"].sort_values("step")["value"]
    np.testing.assert_allclose(batches, [15 * m.var(ddof=1) for m in medians])
    assert row["mc/variance_error"] == pytest.approx(scipy.stats.sem(batches), rel=1e-12)
    assert row["mc/efficiency"] == pytest.approx(row["model/bound"] / row["mc/variance"])
    assert row["mc/replicates"] == GROUPS * BATCHES * 2


def test_threads_change_nothing():
    e = Location(noise=noises.Gaussian(), loss=Huber(), samples=11, replicates=10_000)
    one, all_ = (frames_of(dataclasses.replace(e, threads=count))[1] for count in (1, threads.available()))
    keep = ~one["metric"].str.startswith(("time/", "rate/"))
    pd.testing.assert_frame_equal(one[keep], all_[keep])


def test_large_samples_are_drawn_in_pieces(monkeypatch):
    e = Location(noise=noises.Gaussian(), loss=Squared(), samples=11, replicates=GROUPS * BATCHES * 4)
    whole = frames_of(e)[0].iloc[0]
    monkeypatch.setattr("experiments.location.AT_ONCE", 11 * GROUPS * 3)
    pieces = frames_of(e)[0].iloc[0]
    assert pieces["mc/replicates"] == whole["mc/replicates"]
    assert pieces["mc/variance"] == pytest.approx(whole["mc/variance"], rel=0.05)


@pytest.mark.parametrize("claim", ["efficiency", "efficiency-winner", "location-unbiased", "bias-variance"])
def test_true_claims_pass(claim, table):
    assert outcome(CLAIMS[claim], *table) == "PASS"


def test_the_limit_is_not_reached_by_fifty_samples(table):
    """The median of 51 Laplace numbers has a quarter more than its limit: the density has a kink, and the expansion is in 1/√n."""
    assert outcome(CLAIMS["efficiency-limit"], *table) == "FAIL"
    runs, history = table
    without = runs[runs["noise"] != "laplace"]
    assert outcome(CLAIMS["efficiency-limit"], without, history) in ("PASS", "INCONCLUSIVE")


def test_the_number_of_intervals_that_hold_is_said(table):
    said = CLAIMS["efficiency"].weigh(*table).conditions
    assert "6 of 6 intervals at 99% for all of them together hold the prediction" in said


def test_too_few_replicates_decide_nothing():
    runs, history = frames_of(
        *(Location(noise=noises.Gaussian(), loss=loss, samples=25, replicates=6400) for loss in (Squared(), Huber()))
    )
    judged = judge(CLAIMS["efficiency"], CLAIMS["efficiency"].weigh(runs, history), 0.99)
    assert judged.outcome == "INCONCLUSIVE"
    assert judged.needed > 6400


def beats(factor):
    """A claim: under contaminated noise the median's variance is below the mean's by that factor."""

    def weigh(runs, history):
        mine = runs[runs["noise"] == "contaminated"].set_index("loss")["run_id"]
        of = {
            loss: history[(history["run_id"] == mine[loss]) & (history["metric"] == "batch/variance")]
            .sort_values("step")["value"].to_numpy()
            for loss in ("squared", "absolute")
        }  # fmt: skip
        estimate = dataclasses.replace(
            mean_of(of["squared"] / of["absolute"]), count=int(runs["mc/replicates"].iloc[0])
        )
        return Evidence(
            "variance of the mean over that of the median", factor, [estimate], (factor, math.inf), of="each"
        )

    return Claim("planted", "the median beats the mean", "nowhere", weigh)


def contaminated(replicates):
    noise = noises.Contaminated(0.1, 3.0)
    return frames_of(
        *(Location(noise=noise, loss=loss, samples=101, replicates=replicates) for loss in (Squared(), Absolute()))
    )


def test_a_planted_false_claim_fails():
    """Median and mean tie under 0.9 N(0, 1) + 0.1 N(0, 9), 0.998 in the limit."""
    assert outcome(beats(1.10), *contaminated(100_000)) == "FAIL"


def test_a_claim_that_the_replicates_can_not_decide_is_inconclusive_and_says_how_many_would():
    few = contaminated(6_400)
    judged = judge(beats(1.0), beats(1.0).weigh(*few), 0.99)
    assert judged.outcome == "INCONCLUSIVE"
    judged = judge(beats(1.04), beats(1.04).weigh(*few), 0.99)
    assert judged.outcome == "INCONCLUSIVE"
    assert judged.needed > 6_400
    assert outcome(beats(1.04), *contaminated(min(8 * judged.needed, 600_000)), 0.99) == "FAIL"


# A wrong sign in any ψ turns a verdict.


def flipped(kind, branch):
    """The loss, its δ with the wrong sign everywhere, or for residuals of one kind."""
    module = __import__(kind.__module__, fromlist=["delta"])
    value, delta = module.value, module.delta

    if branch == "everywhere":

        @inline
        def wrong(h, y, p):
            return -delta(h, y, p)
    elif branch == "far":

        @inline
        def wrong(h, y, p):
            return -delta(h, y, p) if abs(h - y) > 1.345 else delta(h, y, p)
    else:

        @inline
        def wrong(h, y, p):
            return -delta(h, y, p) if h < y else delta(h, y, p)

    return dataclass(frozen=True)(type(f"Wrong{kind.__name__}", (kind,), {"block": elementwise(value, wrong)}))


@pytest.mark.parametrize("branch", ["everywhere", "far", "below"])
@pytest.mark.parametrize("kind", [Squared, Absolute, Huber, StudentT, Logistic])
def test_a_wrong_sign_in_a_delta_turns_the_verdict_on_slopes(kind, branch):
    [slope] = [claim for claim in Shapes.claims if claim.id == "loss-delta"]
    assert outcome(slope, *frames_of(Shapes(loss=kind()))) == "PASS"
    assert outcome(slope, *frames_of(Shapes(loss=flipped(kind, branch)()))) == "FAIL"


def flipped_logit(kind):
    """Softmax or multinomial loss, the δ of one logit with the wrong sign."""
    right = kind.block

    @inline
    def wrong(H, count, y, v, p, spare):
        right(H, count, y, v, p, spare)
        for r in range(count):
            H[1, r] = -H[1, r]

    return dataclass(frozen=True)(type(f"Wrong{kind.__name__}", (kind,), {"block": wrong}))


@pytest.mark.parametrize("kind", [Softmax, Multinomial])
def test_a_wrong_sign_in_one_logits_delta_turns_it_too(kind):
    [slope] = [claim for claim in Shapes.claims if claim.id == "loss-delta"]
    assert outcome(slope, *frames_of(Shapes(loss=kind()))) == "PASS"
    assert outcome(slope, *frames_of(Shapes(loss=flipped_logit(kind)()))) == "FAIL"


@pytest.mark.sampled(1)
@pytest.mark.parametrize("kind", [Squared, Absolute, Huber, StudentT])
def test_a_wrong_sign_turns_the_efficiency(kind):
    """With the right one it passes, as `test_true_claims_pass` sees."""
    wrong = Location(noise=noises.Gaussian(), loss=flipped(kind, "everywhere")(), samples=25, replicates=20_000)
    assert outcome(CLAIMS["efficiency"], *frames_of(wrong)) == "FAIL"


@dataclass(frozen=True)
class HalfBend(Huber):
    """Huber's loss, bent at half of what it says."""

    @property
    def parameters(self):
        return (self.delta / 2,)


def test_hubers_pieces_are_told_apart():
    [between] = [claim for claim in Shapes.claims if claim.id == "huber-between"]
    assert outcome(between, *frames_of(Shapes(loss=Huber()), Shapes(loss=Huber(0.5)))) == "PASS"
    assert outcome(between, *frames_of(Shapes(loss=flipped(Huber, "far")()))) == "FAIL"
    assert outcome(between, *frames_of(Shapes(loss=Squared()))) is None


def test_hubers_estimate_goes_from_the_median_to_the_mean():
    runs = [Location(noise=noises.Laplace(), loss=Huber(bend), samples=51, replicates=200_000) for bend in (0.02, 20.0)]
    assert outcome(CLAIMS["huber-between-estimates"], *frames_of(*runs)) == "PASS"
    near = [dataclasses.replace(run, loss=Huber(bend)) for run, bend in zip(runs, (0.5, 2.0), strict=True)]
    assert outcome(CLAIMS["huber-between-estimates"], *frames_of(*near)) == "FAIL"


def test_shapes_are_densities_that_scipy_knows():
    for loss, law in ((Squared(), scipy.stats.norm), (Absolute(), scipy.stats.laplace), (StudentT(), scipy.stats.t(3))):
        rows = [row.metrics for row in Shapes(loss=loss).run()]
        r, density = (np.array([row[f"profile/{name}"] for row in rows[:-1]]) for name in ("residual", "density"))
        np.testing.assert_allclose(density, law.pdf(r), rtol=1e-9)


# Student's t as a mixture


def test_the_mixture_is_students_t_and_a_wrong_one_is_not(monkeypatch):
    [claim] = Mixture.claims
    assert outcome(claim, *frames_of(Mixture(nu=3.0, replicates=400_000))) == "PASS"
    real = np.sqrt
    monkeypatch.setattr("experiments.mixture.np.sqrt", lambda x: real(real(x)))
    assert outcome(claim, *frames_of(Mixture(nu=3.0, replicates=400_000))) == "FAIL"


def test_too_few_draws_do_not_decide_the_mixture():
    [claim] = Mixture.claims
    judged = judge(claim, claim.weigh(*frames_of(Mixture(replicates=1000))), 0.99)
    assert judged.outcome == "INCONCLUSIVE"
    assert judged.needed > 1000


# Bad input, and races


def test_labels_have_no_location():
    with pytest.raises(ValueError, match="noise=bernoulli gives labels 0 or 1; should be a noise of real numbers"):
        Location(noise=noises.Bernoulli(), loss=Squared()).check()
    with pytest.raises(ValueError, match="loss=logistic takes labels 0 or 1"):
        Location(noise=noises.Gaussian(), loss=Logistic()).check()
    with pytest.raises(ValueError, match=r"should be in 1\.\."):
        Location(noise=noises.Gaussian(), loss=Squared(), threads=10_000).check()


def test_an_estimator_without_a_variance_is_measured_and_judges_nothing():
    runs, history = frames_of(Location(noise=noises.StudentT(2.0), loss=Squared(), samples=11, replicates=6400))
    assert runs["model/variance"].iloc[0] == math.inf
    assert "mc/over_theory" not in runs
    assert all(claim.weigh(runs, history) is None for claim in Location.claims)


@pytest.mark.parametrize("loss", [Squared(), Absolute(), Huber(), StudentT()])
def test_a_race_has_both_forms_agree_first(loss):
    e = LocationRace(noise=noises.Laplace(), loss=loss, samples=25, replicates=640, rounds=3)
    e.check()
    e.warm_up()
    rows = list(e.run())
    assert rows[-1].step == WHOLE_RUN
    last = rows[-1].metrics
    assert last["time/times_faster"] == pytest.approx(last["time/numpy_s"] / last["time/bench_s"], rel=0.5)
    assert last["time/bench_s"] > 0


def test_a_race_between_different_estimators_is_none(monkeypatch):
    monkeypatch.setattr("experiments.location_race.vectorised", lambda loss: lambda x: x.mean(axis=1))
    with pytest.raises(ValueError, match=r"NumPy's best constants are up to .* away; should be the same"):
        list(LocationRace(noise=noises.Laplace(), loss=Absolute(), samples=25, replicates=640, rounds=3).run())


def test_what_numpy_has_no_form_of_is_left_out():
    with pytest.raises(LeftOut, match="there is no vectorised form"):
        vectorised(Logistic())


@pytest.mark.parametrize("loss", [Huber(), StudentT(4.0, 2.0)])
def test_vectorised_forms_minimise(loss):
    x = np.random.default_rng(3).standard_t(3, (20, 31))
    for sample, a in zip(x, vectorised(loss)(x), strict=True):
        near = [loss.values(np.full(31, a + step), sample).sum() for step in (0.0, -1e-4, 1e-4)]
        assert near[0] <= min(near[1:])


def test_a_table_names_what_differs_from_the_default():
    row = pd.Series({"loss": "huber", "loss.delta": 0.5, "noise": "student_t", "noise.nu": 5.0, "noise.scale": 1.0})
    assert list(claims_location._titles(row)) == ["huber delta=0.5,", "student_t nu=5"]
