"""From evidence to a verdict: PASS, FAIL or INCONCLUSIVE, by one rule for all claims."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import cast

import numpy as np
import pandas as pd

from harness.contract import Claim, Estimate, Evidence, Interval, Outcome, Verdict
from harness.estimates import enough, mean_of, median_of
from harness.timing import fewest

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
    the error. `of="each"`: each estimate's own interval, the chance of an error shared among them (Bonferroni): all must lie
    inside, and one outside is enough for FAIL. No samples at all never decide. What overlaps with what noise alone makes of a
    ratio is not held against a claim. INCONCLUSIVE says about how many replicates would decide, where any number would.
    """
    if not len(evidence.samples):
        return Verdict(claim, evidence, math.nan, (math.nan, math.nan), "", "INCONCLUSIVE", "there are no samples")
    if evidence.of == "every":
        return _exact(claim, evidence)
    if evidence.of == "each":
        return _noisy(claim, evidence, list(cast(Sequence[Estimate], evidence.samples)), confidence)
    samples = cast(Sequence[float], evidence.samples)
    of, needs = (mean_of, 2) if evidence.of == "mean" else (median_of, fewest(confidence))
    verdict = _noisy(claim, evidence, [of(samples)], confidence)
    too_few = f"; it takes {needs}" if len(samples) < needs else ""
    return replace(verdict, interval_of=verdict.interval_of + too_few)


def _exact(claim: Claim, evidence: Evidence) -> Verdict:
    samples = np.asarray(evidence.samples, np.float64)
    low, high = evidence.accept
    inside = bool(np.all((samples >= low) & (samples <= high)))
    return Verdict(
        claim, evidence, float(samples[_worst(samples, evidence)]), (float(samples.min()), float(samples.max())),
        f"range of {len(samples)}", "PASS" if inside else "FAIL", f"every one of {len(samples)} in [{low:g}, {high:g}]",
    )  # fmt: skip


def _noisy(claim: Claim, evidence: Evidence, estimates: list[Estimate], confidence: float) -> Verdict:
    """The verdict on what was measured with noise; shown is the estimate that decides, or else keeps it from being decided."""
    each = 1 - (1 - confidence) / len(estimates)
    intervals = [estimate.interval(each) for estimate in estimates]
    outcomes = [_outcome(interval, evidence) for interval in intervals]
    outcome: Outcome = next((o for o in ("FAIL", "INCONCLUSIVE") if o in outcomes), "PASS")
    deciding = [i for i, own in enumerate(outcomes) if own == outcome]
    shown = deciding[_worst(np.array([estimates[i].value for i in deciding]), evidence)]
    needed = None
    if outcome == "INCONCLUSIVE" and evidence.noise_floor <= 1:  # no number of rounds gets beneath the floor
        wanted = [enough(estimates[i], intervals[i], evidence.accept) for i in deciding]
        needed = None if None in wanted else max(filter(None, wanted))
    (low, high), count = evidence.accept, estimates[shown].count
    interval = f"{each:.2%} interval" if len(estimates) == 1 else f"{each:.4%} interval"
    of = f"of each of {len(estimates)}" if evidence.of == "each" else f"of the {evidence.of} of {count}"
    said = [interval + f", n = {count:,}" * (count > 0)]
    if len(estimates) > 1:
        said.append(f"the one of {len(estimates)} that decides")
    if needed is not None:
        said.append(f"about {needed:,} would decide")
    return Verdict(
        claim, evidence, estimates[shown].value, intervals[shown], "; ".join(said), outcome,
        f"{interval} {of} in [{low:g}, {high:g}]", needed,
    )  # fmt: skip


def _outcome(interval: Interval, evidence: Evidence) -> Outcome:
    low, high = evidence.accept
    floor = evidence.noise_floor
    is_noise = floor > 1 and interval[0] < floor and 1 / floor < interval[1]
    if low <= interval[0] and interval[1] <= high:
        return "PASS"
    return "FAIL" if (interval[1] < low or interval[0] > high) and not is_noise else "INCONCLUSIVE"


def _worst(samples: np.ndarray, evidence: Evidence) -> int:
    """Which sample is nearest to the only bound of what is accepted; of two, furthest from the prediction; a NaN before all."""
    low, high = evidence.accept
    if math.isinf(low) != math.isinf(high):
        return int(samples.argmin() if math.isinf(high) else samples.argmax())
    return int(np.argmax(np.where(np.isnan(samples), np.inf, np.abs(samples - evidence.predicted))))


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
        "needed": [v.needed for v in verdicts],
        "unit": [v.evidence.unit for v in verdicts],
        "verdict": [v.outcome for v in verdicts],
        "rule": [v.rule for v in verdicts],
        "conditions": [v.evidence.conditions for v in verdicts],
    }
    return pd.DataFrame(rows)
