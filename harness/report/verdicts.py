"""From evidence to a verdict: PASS, FAIL or INCONCLUSIVE, by one rule for all claims."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy import stats

from harness.contract import Claim, Evidence, Outcome, Verdict
from harness.timing import fewest, median_interval

# Chance that a report holds any verdict on noisy means that its interval got wrong: shared among the report's claims.
FAMILY_ERROR = 0.01

Weighed = tuple[Claim, Evidence]


def weigh(claims: Sequence[Claim], runs: pd.DataFrame, history: pd.DataFrame) -> list[Weighed]:
    """The evidence for each claim that the runs speak to; without samples where a claim fails to read it off them."""
    weighed = []
    for claim in claims:
        try:
            evidence = claim.weigh(runs, history)
        except Exception as error:  # one claim that can't be read must not take the report of all runs with it
            said = f"{type(error).__name__}: {error}"
            evidence = Evidence("evidence that can't be read", math.nan, (), (-math.inf, math.inf), conditions=said)
        if evidence is not None:
            weighed.append((claim, evidence))
    return weighed


def decide(weighed: Sequence[Weighed]) -> list[Verdict]:
    """A verdict for each claim of a report."""
    confidence = 1 - FAMILY_ERROR / max(len(weighed), 1)
    return [judge(claim, evidence, confidence) for claim, evidence in weighed]


def judge(claim: Claim, evidence: Evidence, confidence: float) -> Verdict:
    """PASS if the interval lies in what the claim accepts, FAIL if it lies outside, INCONCLUSIVE if it straddles the edge.

    `of="every"`: the interval is the samples' range, and one sample outside is a counter-example: FAIL. `of="mean"`: Student's
    t interval for the mean at `confidence`; fewer than two samples decide nothing. `of="median"`: the interval of the median
    from order statistics; fewer than it takes decide nothing, 13 where two dozen claims share
    the error. No samples at all never do. What overlaps with what noise alone makes of a ratio is not held against a claim.
    """
    samples = np.asarray(evidence.samples, np.float64)
    if not len(samples):
        return Verdict(claim, evidence, math.nan, (math.nan, math.nan), "", "INCONCLUSIVE", "there are no samples")
    low, high = evidence.accept
    accepted = f"[{low:g}, {high:g}]"
    if evidence.of == "every":
        measured = _worst(samples, evidence)
        interval = (float(samples.min()), float(samples.max()))
        inside = bool(np.all((samples >= low) & (samples <= high)))
        outcome: Outcome = "PASS" if inside else "FAIL"
        rule = f"every one of {len(samples)} in {accepted}"
        return Verdict(claim, evidence, measured, interval, f"range of {len(samples)}", outcome, rule)
    of_mean, of_median = (np.mean, mean_interval, 2), (np.median, exact_interval, fewest(confidence))
    centre, interval_at, needed = of_mean if evidence.of == "mean" else of_median
    measured, interval = float(centre(samples)), interval_at(samples, confidence)
    floor = evidence.noise_floor
    is_noise = floor > 1 and interval[0] < floor and 1 / floor < interval[1]
    if low <= interval[0] and interval[1] <= high:
        outcome = "PASS"
    elif (interval[1] < low or interval[0] > high) and not is_noise:
        outcome = "FAIL"
    else:
        outcome = "INCONCLUSIVE"
    rule = f"{confidence:.2%} interval of the {evidence.of} of {len(samples)} in {accepted}"
    interval_of = f"{confidence:.2%} interval, n = {len(samples)}"
    if len(samples) < needed:
        interval_of += f"; it takes {needed}"
    return Verdict(claim, evidence, measured, interval, interval_of, outcome, rule)


def _worst(samples: np.ndarray, evidence: Evidence) -> float:
    """The sample nearest to the only bound of what is accepted; of two, the furthest from the prediction; NaN if there is one."""
    low, high = evidence.accept
    if math.isinf(low) != math.isinf(high):
        return float(samples.min() if math.isinf(high) else samples.max())
    return float(samples[np.argmax(np.where(np.isnan(samples), np.inf, np.abs(samples - evidence.predicted)))])


def mean_interval(samples: Sequence[float] | np.ndarray, confidence: float) -> tuple[float, float]:
    """Student's t interval for the mean; infinitely wide for fewer than two samples or where one is not finite."""
    values = np.asarray(samples, np.float64)
    if len(values) < 2 or not np.isfinite(values).all():
        return -math.inf, math.inf
    half = stats.t.ppf(0.5 + confidence / 2, len(values) - 1) * values.std(ddof=1) / math.sqrt(len(values))
    return float(values.mean() - half), float(values.mean() + half)


def exact_interval(samples: Sequence[float] | np.ndarray, confidence: float) -> tuple[float, float]:
    """Interval for the median from order statistics; infinitely wide where not even the samples' range is that sure."""
    values = np.asarray(samples, np.float64)
    if len(values) < fewest(confidence) or not np.isfinite(values).all():
        return -math.inf, math.inf
    return median_interval(values, confidence)


def table(verdicts: Sequence[Verdict]) -> pd.DataFrame:
    """The verdicts as a frame, a row each, with what was predicted, measured, accepted, and by which rule."""
    rows = {
        "claim": [v.claim.id for v in verdicts],
        "statement": [v.claim.statement for v in verdicts],
        "source": [v.claim.source for v in verdicts],
        "quantity": [v.evidence.quantity for v in verdicts],
        "predicted": [v.evidence.predicted for v in verdicts],
        "measured": [v.measured for v in verdicts],
        "low": [v.interval[0] for v in verdicts],
        "high": [v.interval[1] for v in verdicts],
        "interval_of": [v.interval_of for v in verdicts],
        "accept_low": [v.evidence.accept[0] for v in verdicts],
        "accept_high": [v.evidence.accept[1] for v in verdicts],
        "unit": [v.evidence.unit for v in verdicts],
        "verdict": [v.outcome for v in verdicts],
        "rule": [v.rule for v in verdicts],
        "conditions": [v.evidence.conditions for v in verdicts],
    }
    return pd.DataFrame(rows)
