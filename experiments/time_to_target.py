"""How long until the loss is low enough? Steps(batch, step) × seconds per step(batch, layout, dtype): *time* to target."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from annotated_types import Gt, Lt
from numpy.typing import NDArray

from experiments.claims import steps as claims_steps
from experiments.claims import time as claims_time
from experiments.data import Data
from experiments.fitting.sgd_steps import Draws, Reached, Visits, steps_to_level
from experiments.theory import curvature
from experiments.theory.gradient_moments import Problem, moments_at, problem, share_of_variance
from experiments.theory.sgd import recursion, steps_to
from experiments.train import Prepared, fits, prepare
from harness.contract import (
    DIVERGED,
    WHOLE_RUN,
    Claim,
    Count,
    Curve,
    Experiment,
    Figure,
    Front,
    HeatMap,
    LeftOut,
    Positive,
    Row,
    Seed,
)
from harness.timing import AGAIN, REFERENCE, measure, median_interval
from kernels import Objective, threads
from kernels.layouts import Layout
from kernels.losses import Loss

# The loss falls for so many steps at most.
MOST_STEPS = 5_000
# Where none of so many ways gets to the target, no more are tried.
GIVE_UP = 5
# The seconds of a step are those of one of many in a row, which take at least so long: what a call costs once does not count.
ROW_S = 0.01
FEW = 10  # that tell how many these are
# A whole way to the target is timed too, unless it would take that long.
LONGEST_S = 0.05
# At these shares of the way, in loss, is the noise scale looked at.
ON_THE_WAY = (0.0, 0.25, 0.5, 0.75, 1.0)
SHOWN = 0.95  # the confidence of a figure's bands


@dataclass(frozen=True)
class TimeToTarget(Experiment):
    """Steps of SGD from θ = 0 until the loss over all samples is down to a level, times the seconds of one such step.

    The level: the share `progress` of the loss above the least one is gone. `repeats` ways, each over its own visits:
    `train/steps_to_target` is their median. Theory (`model/steps_to_target`, quadratic loss) is where *expected* loss gets there.
    `time/to_target_s` = steps × `time/step_s`, the latter from many steps in a row, round by round; `time/direct_s` is one whole
    way by the clock, in the same rounds, as a check of the product. The loss is looked at outside of any timing.
    `model/noise_scale`: tr Σ/‖g‖² on the way, the batch beyond which larger ones hardly save steps (arXiv:1812.06162).
    """

    data: Data
    loss: Loss
    layout: Layout
    batch_size: Count | None = 64
    step_size: Positive = 0.5
    draws: Draws = "shuffled"
    progress: Annotated[float, Gt(0), Lt(1)] = 0.9
    dtype: Literal["float32", "float64"] = "float64"
    threads: Count | None = None
    repeats: Count = 15
    seed: Seed = 0

    claims: ClassVar[tuple[Claim, ...]] = (*claims_steps.CLAIMS, *claims_time.CLAIMS)
    foremost: ClassVar[tuple[str, ...]] = ("train/steps_to_target", "time/to_target_s", "model/steps_to_target")
    figures: ClassVar[tuple[Figure, ...]] = (
        Curve(
            "train/steps_to_target", "Steps to target against batch size: they saturate (thin: theory; noise scale: tr Σ/‖g‖²)",
            x="model/batch", by=("step_size", "layout", "dtype"), log_x=True, log_y=True,
            interval=("train/steps_to_target_low", "train/steps_to_target_high"), theory="model/steps_to_target",
            marks={"noise scale": "model/noise_scale"},
        ),
        HeatMap("batch_size", "step_size", "train/steps_to_target", "Steps to target, batch × step", log_z=True),
        HeatMap("batch_size", "step_size", "time/to_target_s", "Seconds to target, batch × step", log_z=True),
        Curve(
            "time/step_s", "Seconds of one step against batch size", x="model/batch", by=("layout", "dtype"), log_x=True,
            log_y=True, interval=("time/step_low_s", "time/step_high_s"),
        ),
        Front(
            "train/steps_to_target", "time/step_s", "Time to target = steps × seconds per step", product="seconds to target",
            by=("layout", "dtype"),
        ),
    )  # fmt: skip

    def check(self) -> None:
        self.data.check()
        fits(self.loss, self.data.kind)
        with self._threads():
            pass
        if self.batch_size is not None and self.batch_size > len(self.data.load(self.seed).X):
            raise LeftOut("batch_size: more than there are samples; should be at most those, or null for all of them")

    def warm_up(self) -> None:
        p = self._prepared()
        with self._threads():
            theta = np.zeros((p.features, p.outputs), self.dtype)
            f = Objective(self.loss, layout=self.layout)
            f.sgd_epoch(p.X, p.y, theta, self._batch, 1e-9, self._visits("warm-up").next(2))
            wide = problem(self.data, self.loss, self.seed)
            wide.value(np.zeros_like(wide.optimum.theta))

    def tags(self) -> Mapping[str, str]:
        return {"threads": str(self.threads or threads.available())}

    def run(self) -> Iterator[Row]:
        wide = problem(self.data, self.loss, self.seed)
        ways: list[Reached] = []
        for repeat in range(self.repeats):
            drawn = self.batch_size is not None or not ways  # all samples are the same each time, and so is the way
            ways.append(self._way(wide, repeat) if drawn else ways[0])
            yield Row(repeat, {"repeats/steps": ways[-1].steps})
            if len(ways) == GIVE_UP and not any(way.steps < math.inf for way in ways):
                break
        steps = np.array([way.steps for way in ways])
        metrics = {
            DIVERGED: float(sum(way.diverged for way in ways) > len(ways) / 2),
            "train/reached": float(np.isfinite(steps).mean()),
            "train/target_loss": wide.level(self.progress),
            "model/batch": float(self._batch),
            **self._theory(wide),
        }
        typical = float(np.median(np.nan_to_num(steps, nan=np.inf)))
        if math.isfinite(typical) and typical > 0:
            rounds = self._timed(round(typical))
            for turn in range(self.repeats):
                yield Row(turn, {f"rounds/{name}": float(values[turn]) for name, values in rounds.items()})
            metrics |= self._summary(typical, steps, rounds)
        yield Row(WHOLE_RUN, metrics)

    @property
    def _batch(self) -> int:
        return self.batch_size or self._prepared().samples

    def _prepared(self) -> Prepared:
        return prepare(self.data, self.seed, self.layout, self.dtype, self.loss.target)

    def _threads(self) -> AbstractContextManager[int]:
        return threads.using(self.threads)

    def _visits(self, name: str) -> Visits:
        return Visits(self.seed, self._prepared().samples, self.batch_size, self.draws, name)

    def _way(self, wide: Problem, repeat: int) -> Reached:
        """One way from θ = 0, in the run's own layout and dtype; its loss is that of all samples in float64."""
        p = self._prepared()
        with threads.using(1):  # what counts here is steps: the bits are the same on any number of threads
            return steps_to_level(
                Objective(self.loss, layout=self.layout), p.X, p.y, np.zeros((p.features, p.outputs), self.dtype),
                lambda theta: wide.value(theta.astype(np.float64)), wide.level(self.progress),
                self._visits(f"repeat {repeat}"), self.step_size, MOST_STEPS,
            )  # fmt: skip

    def _theory(self, wide: Problem) -> dict[str, float]:
        """What is known beforehand."""
        share = share_of_variance(self.batch_size, wide.samples, replacement=True)
        steps = steps_to(wide, self.step_size, share, wide.level(self.progress), MOST_STEPS)
        r = recursion(wide)
        edge = r.edge(share) if r else math.nan
        floor = r.floor(self.step_size, share) if r else math.nan
        gap = wide.level(self.progress) - wide.optimum.value
        scales = [moments_at(wide, way * self.progress).noise_scale for way in ON_THE_WAY]
        return {
            "model/steps_to_target": steps if math.isfinite(steps) else math.nan,
            "model/reaches": math.nan if math.isnan(steps) else float(math.isfinite(steps)),
            "model/edge": edge,
            "model/floor_share": floor / gap,
            "model/full_edge": 2 / curvature.bound(wide.loss, wide.X),
            "model/noise_scale": float(np.exp(np.mean(np.log(scales)))),
        }

    def _timed(self, steps: int) -> dict[str, NDArray[np.float64]]:
        """Round by round: seconds of a step, of the reference arm, the A/A ratio; and of a whole way, if it is short."""
        p = self._prepared()
        f, theta = Objective(self.loss, layout=self.layout), np.zeros((p.features, p.outputs), self.dtype)

        def through(steps: int) -> Callable[[], Any]:
            order = self._visits("repeat 0").next(steps)

            def call() -> None:
                theta[...] = 0
                f.sgd_epoch(p.X, p.y, theta, self._batch, self.step_size, order)

            return call

        with self._threads():
            first = measure({"few": through(FEW)}, 2, again=())["few"].median_s / FEW
            row = max(FEW, math.ceil(ROW_S / first))
            arms = {"row": through(row), **({"whole": through(steps)} if first * steps <= LONGEST_S else {})}
            found = measure(arms, self.repeats, again=("row",))
        per_step = found["row"].seconds / row
        rounds = {
            "step_s": per_step,
            "reference_s": found[REFERENCE].seconds,
            "aa_ratio": found["row" + AGAIN].seconds / found["row"].seconds,
        }
        if "whole" in found:
            rounds["direct_s"] = found["whole"].seconds
            rounds["direct_ratio"] = found["whole"].seconds / (steps * per_step)
        return rounds

    def _summary(
        self, typical: float, steps: NDArray[np.float64], rounds: Mapping[str, NDArray[np.float64]]
    ) -> dict[str, float]:
        """Medians and their intervals."""
        metrics = {"train/steps_to_target": typical, "time/to_target_s": typical * float(np.median(rounds["step_s"]))}
        reached = np.nan_to_num(steps, nan=np.inf)
        low, high = median_interval(reached, SHOWN)
        metrics |= {"train/steps_to_target_low": low, "train/steps_to_target_high": high if high < np.inf else np.nan}
        for name, values in rounds.items():
            metrics[f"time/{name}"] = float(np.median(values))
        low, high = median_interval(rounds["step_s"], SHOWN)
        return metrics | {"time/step_low_s": low, "time/step_high_s": high}
