"""Numbers measured with noise, each with its interval at any confidence: by an exact formula, or by the bootstrap.

An experiment logs what the interval takes (a standard error, a count), its claim makes an `Estimate` of it, and the verdict
asks for the interval at the confidence that its report leaves it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from harness.contract import Estimate, Interval
from harness.timing import fewest, median_interval

Samples = Sequence[float] | NDArray[np.float64]

EVERYTHING: Interval = (-math.inf, math.inf)
RESAMPLES = 9_999
# So many times the replicates are more than anyone will wait for.
MOST_MORE = 100


def mean(value: float, error: float, freedom: float, count: int) -> Estimate:
    """value ± t·error, Student's t with so many degrees of freedom; `error` is the standard error of `value`.

    Infinitely wide where the error is not finite or there is no freedom.
    """

    def interval(confidence: float) -> Interval:
        if freedom < 1 or not (math.isfinite(value) and math.isfinite(error)):
            return EVERYTHING
        half = float(stats.t.ppf(0.5 + confidence / 2, freedom)) * error
        return value - half, value + half

    return Estimate(value, interval, count)


def mean_of(samples: Samples) -> Estimate:
    """The mean of independent samples, with Student's t interval."""
    x = np.asarray(samples, np.float64)
    error = float(x.std(ddof=1)) / math.sqrt(len(x)) if len(x) > 1 and np.isfinite(x).all() else math.nan
    return mean(float(x.mean()), error, len(x) - 1, len(x))


def median_of(samples: Samples) -> Estimate:
    """The median of independent samples, whatever their distribution, with the interval of order statistics.

    Infinitely wide where not even the samples' range is that sure.
    """
    x = np.asarray(samples, np.float64)

    def interval(confidence: float) -> Interval:
        if len(x) < fewest(confidence) or not np.isfinite(x).all():
            return EVERYTHING
        return median_interval(x, confidence)

    return Estimate(float(np.median(x)), interval, len(x))


def share(successes: int, trials: int) -> Estimate:
    """successes/trials, with the exact interval of Clopper and Pearson (1934, doi:10.1093/biomet/26.4.404)."""

    def interval(confidence: float) -> Interval:
        exact = stats.binomtest(int(successes), int(trials)).proportion_ci(confidence, method="exact")
        return float(exact.low), float(exact.high)

    return Estimate(successes / trials, interval, int(trials))


def distance(largest: float, count: int) -> Estimate:
    """sup |F̂ − F| of an empirical distribution: within √(ln(2/α)/2n) of the true distance, for any n.

    Source: the inequality of Dvoretzky, Kiefer and Wolfowitz with Massart's constant (1990, doi:10.1214/aop/1176990746).
    """

    def interval(confidence: float) -> Interval:
        half = math.sqrt(math.log(2 / (1 - confidence)) / (2 * count))
        return max(0.0, largest - half), largest + half

    return Estimate(largest, interval, count)


def bracket(low: float, high: float) -> Estimate:
    """What is known to lie between two numbers, as bisection leaves it; certain, at any confidence."""
    return Estimate((low + high) / 2, lambda confidence: (low, high), 0)


def bootstrap(samples: NDArray[np.float64], statistic: Callable[..., NDArray[np.float64]], seed: int = 0) -> Estimate:
    """A statistic of independent samples (along the first axis), with its percentile interval from 9,999 resamples.

    `statistic(x, axis)` works along an axis. Source: Efron, 1979, doi:10.1214/aos/1176344552, by SciPy.
    """

    def interval(confidence: float) -> Interval:
        found = stats.bootstrap(
            (samples,), statistic, n_resamples=RESAMPLES, confidence_level=confidence, method="percentile", axis=0,
            rng=np.random.default_rng(seed), batch=100,
        ).confidence_interval  # fmt: skip
        return float(found.low), float(found.high)

    return Estimate(float(statistic(samples, axis=0)), interval, len(samples))


def enough(estimate: Estimate, interval: Interval, edges: Sequence[float]) -> int | None:
    """About how many replicates would tell the estimate from the nearest of the edges that its interval reaches over.

    Intervals shrink as the root of the count. None where no count would that can be had: on the edge itself or all but on
    it, or where nothing is known.
    """
    wanted = []
    for edge in edges:
        low, high = interval
        if not (math.isfinite(edge) and low < edge < high):
            continue
        apart, half = (
            abs(estimate.value - edge),
            high - estimate.value if edge > estimate.value else estimate.value - low,
        )
        if not (apart > 0 and math.isfinite(half)):
            return None
        wanted.append(estimate.count * (half / apart) ** 2)
    return math.ceil(max(wanted)) if wanted and 0 < max(wanted) <= MOST_MORE * estimate.count else None
