"""Verdicts by one rule, against other libraries' intervals; a false claim fails."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from statsmodels.stats.weightstats import DescrStatsW

from harness.contract import Claim, Estimate, Evidence
from harness.estimates import bracket, mean, mean_of, median_of
from harness.report.verdicts import FAMILY_ERROR, decide, judge, table, weigh
from harness.timing import fewest

CLAIM = Claim("c", "it is 1", "a note", lambda runs, history: None)
NAN, INF = math.nan, math.inf


def verdict(samples, accept=(0.9, 1.1), of="every", confidence=0.95, predicted=1.0):
    return judge(CLAIM, Evidence("q", predicted, samples, accept, of), confidence)


@pytest.mark.parametrize(
    ("samples", "outcome", "measured", "interval"),
    [
        ([1.0, 0.95, 1.02], "PASS", 0.95, (0.95, 1.02)),
        ([0.9, 1.1, 0.9], "PASS", 1.1, (0.9, 1.1)),  # the edge is inside
        ([1.0], "PASS", 1.0, (1.0, 1.0)),
        ([1.0, 1.2], "FAIL", 1.2, (1.0, 1.2)),  # one counter-example is enough
        ([0.8, 1.0], "FAIL", 0.8, (0.8, 1.0)),
        ([1.0, np.nextafter(1.1, 2)], "FAIL", np.nextafter(1.1, 2), (1.0, np.nextafter(1.1, 2))),
        ([1.0, INF], "FAIL", INF, (1.0, INF)),
        ([1.0, NAN], "FAIL", NAN, (NAN, NAN)),
        ([], "INCONCLUSIVE", NAN, (NAN, NAN)),
    ],
)
def test_every_sample_must_lie_within(samples, outcome, measured, interval):
    found = verdict(samples)
    assert found.outcome == outcome
    assert found.measured == pytest.approx(measured, nan_ok=True)
    assert found.interval == pytest.approx(interval, nan_ok=True)
    if samples:
        assert found.rule == f"every one of {len(samples)} in [0.9, 1.1]"


@pytest.mark.parametrize(
    ("accept", "outcome", "measured"),
    [((0.9, INF), "PASS", 0.95), ((1.0, INF), "FAIL", 0.95), ((-INF, 3.0), "PASS", 2.0), ((-INF, INF), "PASS", 2.0)],
)
def test_with_one_bound_the_sample_nearest_to_it_is_what_was_measured(accept, outcome, measured):
    found = verdict([1.2, 0.95, 2.0], accept)
    assert (found.outcome, found.measured) == (outcome, measured)
    assert math.isnan(verdict([1.2, NAN], accept).measured)


@pytest.mark.parametrize(
    ("samples", "outcome"),
    [
        ([1.0, 1.001, 0.999, 1.0], "PASS"),
        ([2.0, 2.001, 1.999, 2.0], "FAIL"),
        ([0.5, 0.501, 0.499, 0.5], "FAIL"),
        ([0.8, 1.0, 1.2], "INCONCLUSIVE"),  # it may be anything
        ([1.1, 1.11, 1.09], "INCONCLUSIVE"),  # on the edge
        ([1.0], "INCONCLUSIVE"),
        ([5.0], "INCONCLUSIVE"),  # one sample has no spread
        ([1.0, NAN], "INCONCLUSIVE"),
        ([1.0, INF], "INCONCLUSIVE"),
        ([], "INCONCLUSIVE"),
        ([1.0, 1.0], "PASS"),
    ],
)
def test_a_mean_must_lie_within_with_its_interval(samples, outcome):
    assert verdict(samples, of="mean").outcome == outcome


def test_a_one_sided_claim():
    assert verdict([2.0, 2.1, 2.2], accept=(1.5, INF), of="mean").outcome == "PASS"
    assert verdict([2.0, 2.1, 2.2], accept=(-INF, 1.5), of="mean").outcome == "FAIL"
    assert verdict([2.0], accept=(1.5, INF), of="mean").outcome == "INCONCLUSIVE"
    assert verdict([2.0, 3.0], accept=(1.5, INF)).outcome == "PASS"


@pytest.mark.parametrize("confidence", [0.5, 0.9, 0.95, 0.99, 0.998])
@pytest.mark.parametrize("n", [2, 3, 10, 200])
def test_the_interval_is_students(n, confidence):
    samples = np.random.default_rng(n).normal(3, 2, n)
    found = mean_of(samples).interval(confidence)
    assert found == pytest.approx(stats.t.interval(confidence, n - 1, samples.mean(), stats.sem(samples)), rel=1e-12)
    assert found == pytest.approx(DescrStatsW(samples).tconfint_mean(1 - confidence), rel=1e-12)
    judged = verdict(samples, of="mean", confidence=confidence)
    assert judged.interval == found
    assert judged.measured == pytest.approx(DescrStatsW(samples).mean, rel=1e-14)
    assert judged.rule == f"{confidence:.2%} interval of the mean of {n} in [0.9, 1.1]"


def test_the_interval_covers_the_mean_as_often_as_it_says():
    rng, trials = np.random.default_rng(8), 4000
    covered = sum(
        low <= 0 <= high for low, high in (mean_of(rng.standard_normal(5)).interval(0.9) for _ in range(trials))
    )
    assert abs(covered / trials - 0.9) < 4 * math.sqrt(0.09 / trials)


@pytest.mark.parametrize(
    ("samples", "outcome"),
    [
        ([1.0] * 14 + [9.0], "PASS"),  # a slow spell moves a mean, not a median
        ([1.0] * 10 + [9.0] * 5, "INCONCLUSIVE"),
        ([2.0] * 14 + [1.0], "FAIL"),
        ([1.0] * 7, "INCONCLUSIVE"),  # all seven on one side of the median: 1.6 %
        ([1.0] * 14 + [NAN], "INCONCLUSIVE"),
        ([], "INCONCLUSIVE"),
    ],
)
def test_a_median_must_lie_within_with_its_interval(samples, outcome):
    assert verdict(samples, of="median", confidence=0.99).outcome == outcome


def test_the_interval_of_a_median_is_that_of_order_statistics():
    samples = np.random.default_rng(1).permutation(np.arange(15.0))
    # P(X < 4) for X ~ binomial(15, ½) is 1.76 %, P(X < 3) 0.37 %
    assert median_of(samples).interval(0.96) == (3.0, 11.0)
    assert median_of(samples).interval(0.99) == (2.0, 12.0)
    assert median_of(samples).interval(1 - 2.0**-14) == (0.0, 14.0)
    assert median_of(samples).interval(1 - 2.0**-15) == (-INF, INF)
    judged = verdict(samples, of="median", confidence=0.96)
    assert (judged.measured, judged.interval) == (7.0, (3.0, 11.0))
    assert judged.rule == "96.00% interval of the median of 15 in [0.9, 1.1]"


@pytest.mark.parametrize("confidence", [0.5, 0.9, 0.95, 0.99, 0.9996])
def test_too_few_samples_for_an_interval_are_said_to_be(confidence):
    needed = fewest(confidence)
    for count in (needed - 1, needed):
        judged = verdict([1.0] * count, of="median", confidence=confidence)
        assert math.isinf(judged.interval[0]) == (count < needed)
        assert judged.needed is None
        assert judged.interval_of.endswith(f"n = {count}" + f"; it takes {needed}" * (count < needed))
    assert verdict([1.0], of="mean", confidence=confidence).interval_of.endswith("n = 1; it takes 2")


@pytest.mark.parametrize("of", ["every", "mean", "median"])
def test_a_false_claim_fails(of):
    """The value is 1.3; the claim says 1 ± 0.1."""
    samples = 1.3 + 0.01 * np.random.default_rng(3).standard_normal(20)
    assert verdict(samples, of=of, confidence=1 - FAMILY_ERROR).outcome == "FAIL"


def claiming(id, samples, of="mean"):
    evidence = None if samples is None else Evidence("q", 1.0, samples, (0.9, 1.1), of)
    return Claim(id, id, id, lambda runs, history: evidence)


def test_the_chance_of_error_is_shared_among_all_claims_of_a_report():
    samples = [1.0, 1.1, 1.2, 0.9]
    claims = [claiming("a", samples), claiming("silent", None), claiming("b", samples), claiming("c", [1.0], "every")]
    found = decide(weigh(claims, pd.DataFrame(), pd.DataFrame()))
    assert [v.claim.id for v in found] == ["a", "b", "c"]
    assert found[0].interval == pytest.approx(mean_of(samples).interval(1 - FAMILY_ERROR / 3), rel=1e-12)
    assert found[0].rule.startswith("99.67% interval")
    assert decide([]) == []


def test_a_claim_that_can_not_be_read_does_not_take_the_others_with_it():
    broken = Claim("broken", "s", "n", lambda runs, history: runs["no such column"])
    found = decide(weigh([broken, claiming("well", [1.0], "every")], pd.DataFrame(), pd.DataFrame()))
    assert [(v.claim.id, v.outcome) for v in found] == [("broken", "INCONCLUSIVE"), ("well", "PASS")]
    assert found[0].evidence.conditions == "KeyError: 'no such column'"
    assert found[0].rule == "there are no samples"


def test_a_table_has_a_row_for_each_verdict():
    evidence = Evidence("quantity", 1.0, [1.0, 1.05], (0.9, 1.1), unit="s", conditions="cold")
    frame = table([judge(Claim("id", "statement", "source", CLAIM.weigh), evidence, 0.99)])
    assert frame.iloc[0].to_dict() == {
        "claim": "id", "statement": "statement", "source": "source", "quantity": "quantity", "predicted": 1.0,
        "measured": 1.05, "low": 1.0, "high": 1.05, "interval_of": "range of 2",
        "accept_low": 0.9, "accept_high": 1.1, "needed": None, "unit": "s", "verdict": "PASS",
        "rule": "every one of 2 in [0.9, 1.1]", "conditions": "cold",
    }  # fmt: skip
    assert list(table([]).columns) == list(frame.columns)
    assert table([]).empty


@pytest.mark.parametrize(
    ("ratio", "outcome"),
    [(1.3, "PASS"), (1.08, "INCONCLUSIVE"), (1.0, "INCONCLUSIVE"), (0.93, "INCONCLUSIVE"), (0.8, "FAIL")],
)
def test_an_effect_below_the_noise_floor_is_not_held_against_a_claim(ratio, outcome):
    """Where noise alone makes up to 1.1 of a ratio, and 1/1.1."""
    samples = ratio * np.linspace(0.995, 1.005, 30)
    evidence = Evidence("q", 2.0, samples.tolist(), (1.1, math.inf), of="median", noise_floor=1.1)
    assert judge(CLAIM, evidence, 0.99).outcome == outcome
    assert judge(CLAIM, replace(evidence, noise_floor=1.0), 0.99).outcome == ("PASS" if ratio > 1.1 else "FAIL")


def known(value, half, count=100):
    """An estimate whose interval is value ± half at any confidence."""
    return Estimate(value, lambda confidence: (value - half, value + half), count)


@pytest.mark.parametrize(
    ("estimates", "outcome", "measured", "needed"),
    [
        ([known(1.0, 0.05), known(1.05, 0.04)], "PASS", 1.05, None),
        ([known(1.0, 0.05), known(1.3, 0.1)], "FAIL", 1.3, None),
        ([known(1.3, 0.5), known(1.3, 0.1)], "FAIL", 1.3, None),  # one that is sure is enough
        ([known(1.0, 0.05), known(1.05, 0.1)], "INCONCLUSIVE", 1.05, 400),  # 0.05 from the edge, half of its interval
        ([known(1.08, 0.04), known(0.95, 0.1)], "INCONCLUSIVE", 1.08, 400),
        ([known(1.2, 0.2)], "INCONCLUSIVE", 1.2, 400),  # outside, and not sure of it
        ([known(1.0, 0.3)], "INCONCLUSIVE", 1.0, 900),  # it reaches over both edges
        ([known(1.1, 0.1)], "INCONCLUSIVE", 1.1, None),  # on the edge, no number of replicates is enough
        ([known(1.0, INF)], "INCONCLUSIVE", 1.0, None),
        ([bracket(0.95, 1.05)], "PASS", 1.0, None),
        ([bracket(1.0, 1.2)], "INCONCLUSIVE", 1.1, None),
    ],
)
def test_each_estimate_must_lie_within_with_its_own_interval(estimates, outcome, measured, needed):
    found = verdict(estimates, of="each")
    assert (found.outcome, found.measured) == (outcome, pytest.approx(measured))
    assert found.needed == (None if needed is None else pytest.approx(needed, abs=1))
    assert ("would decide" in found.interval_of) == (needed is not None)
    assert ("the one of 2 that decides" in found.interval_of) == (len(estimates) == 2)


def test_estimates_share_the_chance_of_an_error():
    estimates = [mean(1.0, 0.01, 30, 1000), mean(0.99, 0.02, 30, 1000)]
    found = verdict(estimates, of="each", confidence=0.98)
    half = stats.t.ppf(0.995, 30) * 0.02
    assert found.interval == pytest.approx((0.99 - half, 0.99 + half))
    assert found.rule == "99.0000% interval of each of 2 in [0.9, 1.1]"
    assert found.interval_of == "99.0000% interval, n = 1,000; the one of 2 that decides"


def test_what_would_decide_does():
    """A mean of 1.05 where 1.1 is the edge: so many samples as were asked for decide, a third of them does not."""
    rng = np.random.default_rng(5)
    few = verdict((1.05 + 0.2 * rng.standard_normal(12)).tolist(), of="mean", confidence=0.99)
    assert few.outcome == "INCONCLUSIVE"
    outcomes = {
        share: [
            verdict((1.05 + 0.2 * rng.standard_normal(count)).tolist(), of="mean", confidence=0.99).outcome
            for _ in range(40)
        ]
        for share, count in ((3, 320), (1 / 3, 35))
    }  # fmt: skip
    assert 30 < few.needed < 1000
    assert outcomes[3].count("PASS") > 35
    assert outcomes[1 / 3].count("PASS") < 10
