"""The best constant as an estimator: bias, variance and efficiency under a noise, by Monte Carlo, against theory (notes 3 to 5)."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any, ClassVar

import numpy as np
from annotated_types import Ge
from numpy.typing import NDArray

from experiments.claims import location as claims_location
from experiments.theory.asymptotics import bound, expectation, target, variance
from experiments.theory.replicates import replicates_for, unseen_share
from experiments.theory.small_samples import finite_variance
from experiments.train import fits
from harness.contract import WHOLE_RUN, Count, Curve, Experiment, Figure, HeatMap, Row, Seed
from harness.estimates import mean_of
from harness.timing import CONFIDENCE, Stopwatch
from kernels import threads
from kernels.draws import draw, states
from kernels.location import best_constants
from kernels.losses import Loss, Target
from kernels.noises import Noise

Samples = Annotated[int, Ge(2)]
Replicates = Annotated[int, Ge(1000)]

# Replicates come in so many batches, whose variances are independent and about normal: the interval is made of them.
BATCHES = 100
# Groups of streams, which threads share out; what is drawn does not depend on the number of threads.
GROUPS = 64
# Fresh draws that each estimate is to predict: most of what is uncertain about their errors is theirs.
FRESH = 4
# Numbers that are drawn before they are looked at: 32 MB.
AT_ONCE = 4_000_000

MOST_SAMPLES = 1_000_000


@dataclass(frozen=True)
class Location(Experiment):
    """T = argminₐ Σ ℓ(a, xᵢ) for `samples` draws of the noise around 0, `replicates` times, or more where T has heavy tails.

    `mc/variance` is n·Var T, `mc/bias` the mean of T less what it estimates, `mc/efficiency` the Cramér–Rao bound over
    n·Var T; the spread over 100 batches gives each a standard error. Theory beside it: `model/variance` in the limit of
    many samples, `model/finite_variance` for so many. `mc/square_error` is E(Y − T)² of a fresh Y, where that has an
    interval: where the noise has a fourth moment. `model/unseen`: the share of the variance that draws make which are too
    rare to come up: by so much more the truth may lie above an interval. All losses see the same draws of a noise, a size
    and a seed.
    """

    noise: Noise
    loss: Loss
    samples: Samples = 101
    replicates: Replicates = 1_000_000
    threads: Count | None = None
    seed: Seed = 0

    claims: ClassVar = claims_location.CLAIMS
    foremost: ClassVar[tuple[str, ...]] = ("mc/variance", "model/finite_variance", "mc/over_theory")
    figures: ClassVar[tuple[Figure, ...]] = (
        HeatMap(
            "noise", "loss", "mc/efficiency", "Efficiency: the least variance there can be, over the measured one",
            interval=("mc/efficiency_low", "mc/efficiency_high"),
        ),
        HeatMap(
            "noise", "loss", "mc/over_theory", "Measured n·variance over what theory says for so many samples", centre=1.0,
            reach=0.02,
            interval=("mc/over_theory_low", "mc/over_theory_high"),
        ),
        Curve(
            "mc/over_limit", "n·variance over its limit, by sample size: theory of few samples dotted", x="samples",
            by=("noise", "loss"), panels="noise", log_x=True, interval=("mc/over_limit_low", "mc/over_limit_high"),
            theory="model/over_limit", ideal={"limit": 1.0},
        ),
        Curve(
            "mc/efficiency", "Huber's bend: from the median to the mean", x="loss.delta", by=("noise",), log_x=True,
            interval=("mc/efficiency_low", "mc/efficiency_high"), theory="model/finite_efficiency",
        ),
    )  # fmt: skip

    def check(self) -> None:
        if self.noise.target is not Target.REAL:
            raise ValueError(
                f"noise={self.noise.name} gives {self.noise.target.value}; should be a noise of {Target.REAL.value},"
                " which have a location"
            )
        fits(self.loss, self.noise.target)
        if self.samples > MOST_SAMPLES:
            raise ValueError(
                f"samples: {self.samples}; should be at most {MOST_SAMPLES}, since {GROUPS} times as many are drawn at once"
            )
        with threads.using(self.threads):
            pass

    def warm_up(self) -> None:
        x = np.empty((GROUPS, 2 * self.samples))
        draw(self.noise, states(GROUPS, self.seed, "warm up"), x)
        best_constants(self.loss, x.reshape(-1, self.samples)[:2])

    def tags(self) -> Mapping[str, str]:
        return {"threads": str(self.threads or threads.available())}

    def run(self) -> Iterator[Row]:
        theory = self._theory()
        yield Row(WHOLE_RUN, theory)
        rows: list[dict[str, float]] = []
        watch = Stopwatch()
        with threads.using(self.threads):
            for metrics in self._batches(watch, math.isfinite(theory["model/square_error"])):
                rows.append(metrics)
                yield Row(len(rows) - 1, metrics)
        yield Row(WHOLE_RUN, {**_summary(rows, theory), **self._speed(watch)})

    def _theory(self) -> dict[str, float]:
        limit, least = variance(self.loss, self.noise), bound(self.noise)
        finite = finite_variance(self.loss, self.noise, self.samples)
        spread = expectation(self.noise, np.square) - expectation(self.noise, lambda x: x) ** 2
        has_interval = math.isfinite(expectation(self.noise, lambda x: x**4))
        return {
            "model/variance": limit,
            "model/finite_variance": finite,
            "model/bound": least,
            "model/efficiency": least / limit,
            "model/finite_efficiency": least / finite,
            "model/over_limit": finite / limit if math.isfinite(limit) else math.nan,
            "model/target": target(self.loss, self.noise),
            "model/unseen": unseen_share(self.loss, self.noise, self.samples, self._replicates),
            "model/square_error": spread + finite / self.samples if has_interval else math.nan,
        }

    @cached_property
    def _rows(self) -> int:
        """Replicates of each group in a batch."""
        wanted = replicates_for(self.loss, self.noise, self.samples, self.replicates)
        return -(-wanted // (BATCHES * GROUPS))

    @property
    def _replicates(self) -> int:
        """As many as it comes to."""
        return BATCHES * GROUPS * self._rows

    def _batches(self, watch: Stopwatch, with_errors: bool) -> Iterator[dict[str, float]]:
        name = (type(self.noise).__name__, *map(str, self.noise.parameters), str(self.samples))
        moving, fresh = (states(GROUPS, self.seed, "location", of, *name) for of in ("samples", "fresh"))
        at_once = max(1, min(self._rows, AT_ONCE // (GROUPS * self.samples)))
        aim = target(self.loss, self.noise)
        for _ in range(BATCHES):
            estimates = []
            for first in range(0, self._rows, at_once):
                x = np.empty((GROUPS, min(at_once, self._rows - first) * self.samples))
                with watch.of("draw"):
                    draw(self.noise, moving, x)
                with watch.of("estimate"):
                    estimates.append(best_constants(self.loss, x.reshape(-1, self.samples)))
            found = np.concatenate(estimates)
            metrics = {
                "batch/bias": float(found.mean()) - aim,
                "batch/variance": self.samples * float(found.var(ddof=1)),
            }
            if with_errors:
                metrics["batch/square_error"] = self._square_error(found, fresh)
            yield metrics

    def _square_error(self, estimates: NDArray[np.float64], fresh: NDArray[np.uint64]) -> float:
        y = np.empty((GROUPS, FRESH * estimates.size // GROUPS))
        draw(self.noise, fresh, y)
        return float(np.mean((y.reshape(FRESH, -1) - estimates) ** 2))

    def _speed(self, watch: Stopwatch) -> dict[str, float]:
        return {
            "time/draw_s": watch.seconds["draw"],
            "time/estimate_s": watch.seconds["estimate"],
            "rate/replicates_per_s": self._replicates / (watch.seconds["draw"] + watch.seconds["estimate"]),
            "mc/replicates": self._replicates,
        }


def _summary(rows: list[dict[str, float]], theory: Mapping[str, float]) -> dict[str, float]:
    """Each batch metric's mean and standard error, and what follows for efficiency and against theory."""
    metrics: dict[str, Any] = {}
    for name in rows[0]:
        values = np.array([row[name] for row in rows])
        stem = name.removeprefix("batch/")
        metrics[f"mc/{stem}"] = float(values.mean())
        metrics[f"mc/{stem}_error"] = float(values.std(ddof=1)) / math.sqrt(len(values))
    measured = mean_of([row["batch/variance"] for row in rows])
    low, high = measured.interval(CONFIDENCE)
    for stem, scale in (("over_theory", theory["model/finite_variance"]), ("over_limit", theory["model/variance"])):
        if math.isfinite(scale):
            metrics |= {
                f"mc/{stem}": measured.value / scale, f"mc/{stem}_low": low / scale, f"mc/{stem}_high": high / scale,
            }  # fmt: skip
    least = theory["model/bound"]
    metrics |= {
        "mc/efficiency": least / measured.value, "mc/efficiency_low": least / high, "mc/efficiency_high": least / low,
    }  # fmt: skip
    return metrics
