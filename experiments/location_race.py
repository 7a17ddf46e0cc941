"""How fast the bench estimates locations, against NumPy as its users vectorise it: draws and estimates, in the same rounds."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from experiments.ratios import against, medians, rows, summary
from harness.contract import (
    WHOLE_RUN,
    Bars,
    Claim,
    Count,
    Evidence,
    Experiment,
    Figure,
    LeftOut,
    Row,
    Seed,
    as_table,
    counted,
)
from harness.timing import measure
from kernels import stream, threads
from kernels.draws import draw, states
from kernels.location import best_constants
from kernels.losses import Absolute, Huber, Loss, Squared, StudentT, Target
from kernels.noises import Noise

Array = NDArray[np.float64]

GROUPS = 64
# Iteratively reweighted means stop at this share of a sample's spread, or after so many turns.
PRECISION, MOST_TURNS = 1e-9, 200
FACTOR = 5.0


def vectorised(loss: Loss) -> Callable[[Array], Array]:
    """The best constant of each row of x (samples, n), as NumPy's users write it: mean, median, or reweighted means.

    With weights w = ψ(r)/r, a ← Σ w x / Σ w from the median on (Holland and Welsch 1977, doi:10.1080/03610927708827533).
    """
    if isinstance(loss, Squared):
        return lambda x: np.asarray(x.mean(axis=1))
    if isinstance(loss, Absolute):
        return lambda x: np.asarray(np.median(x, axis=1))
    if isinstance(loss, Huber):
        bend = loss.delta
        return _reweighted(lambda r: np.minimum(1.0, bend / np.maximum(np.abs(r), 1e-300)))
    if isinstance(loss, StudentT):
        nu, scale = loss.nu, loss.scale
        return _reweighted(lambda r: 1 / (1 + (r / scale) ** 2 / nu))
    raise LeftOut(f"loss={loss.name}: there is no vectorised form of its best constant to race against")


def _reweighted(weigh: Callable[[Array], Array]) -> Callable[[Array], Array]:
    def constant(x: Array) -> Array:
        a = np.median(x, axis=1)
        for _ in range(MOST_TURNS):
            weights = weigh(x - a[:, None])
            following: Array = (weights * x).sum(axis=1) / weights.sum(axis=1)
            if np.abs(following - a).max() <= PRECISION:
                return following
            a = following
        return a

    return constant


def _faster(runs: pd.DataFrame, history: pd.DataFrame) -> Evidence | None:
    ratios = medians(runs, history, "ratio")
    return Evidence(
        quantity="seconds of NumPy over seconds of the bench, draws and estimates together",
        predicted=FACTOR,
        samples=ratios,
        accept=(FACTOR, float("inf")),
        of="each",
        conditions=f"{counted(len(runs), 'estimator')}, {runs['samples'].median():g} samples, as many threads as there are",
        details=as_table(
            runs.assign(times=[ratio.value for ratio in ratios])[
                ["loss", "noise", "samples", "times", "rate/replicates_per_s"]
            ]
        ),
    )


@dataclass(frozen=True)
class LocationRace(Experiment):
    """`replicates` draws of `samples` numbers and their best constants: the bench, and NumPy, in turn, round by round."""

    noise: Noise
    loss: Loss
    samples: Count = 101
    replicates: Count = 25_600
    rounds: Count = 15
    threads: Count | None = None
    seed: Seed = 0

    claims: ClassVar = (
        Claim(
            "location-speed",
            "a replicate costs a fifth of what vectorised NumPy takes, or less",
            "the bench's own bar",
            _faster,
        ),
    )
    foremost: ClassVar[tuple[str, ...]] = ("time/times_faster", "time/bench_s", "time/numpy_s")
    figures: ClassVar[tuple[Figure, ...]] = (
        Bars("time/times_faster", "loss", "How many times faster than vectorised NumPy", by=("noise",)),
    )

    def check(self) -> None:
        if self.noise.target is not Target.REAL:
            raise ValueError(f"noise={self.noise.name}: gives {self.noise.target.value}; should be {Target.REAL.value}")
        vectorised(self.loss)

    def warm_up(self) -> None:
        self._arms()["bench"]()

    def tags(self) -> Mapping[str, str]:
        return {"threads": str(self.threads or threads.available())}

    def run(self) -> Iterator[Row]:
        arms = self._arms()
        self._agree(arms)
        with threads.using(self.threads):
            measured = measure(arms, self.rounds, again=["bench"])
        rounds = against("bench", "numpy", measured)
        yield from rows(rounds)
        found = summary(rounds, "bench", self.replicates * self.samples)
        yield Row(
            WHOLE_RUN,
            {
                **found,
                "time/times_faster": found["time/ratio"],
                "rate/replicates_per_s": self.replicates / found["time/bench_s"],
            },
        )

    def _arms(self) -> dict[str, Callable[[], Any]]:
        moving, rng, estimate = states(GROUPS, self.seed, "race"), stream(self.seed, "race"), vectorised(self.loss)
        x = np.empty((GROUPS, -(-self.replicates // GROUPS) * self.samples))
        zeros = np.zeros((self.replicates, self.samples))

        def bench() -> Array:
            draw(self.noise, moving, x)
            return best_constants(self.loss, x.reshape(-1, self.samples))

        return {"bench": bench, "numpy": lambda: estimate(self.noise.sample(zeros, rng))}

    def _agree(self, arms: Mapping[str, Callable[[], Any]]) -> None:
        """Raise ValueError unless both find the same constants of the same samples."""
        x = self.noise.sample(np.zeros((200, self.samples)), stream(self.seed, "agree"))
        apart = float(np.abs(vectorised(self.loss)(x) - best_constants(self.loss, x)).max())
        if not apart <= 1e-6:
            raise ValueError(
                f"loss={self.loss.name}: NumPy's best constants are up to {apart:.1e} away; should be the same"
            )
