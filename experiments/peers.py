"""Race the kernels against another library: one pass, the two in processes of their own, in turns."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike

from experiments import hierarchy
from experiments.arms import Entrant, First, Racer, in_turns, racing
from experiments.backends.base import Work
from experiments.backends.numba import Numba
from experiments.claims.peers import CLAIMS
from experiments.workload import ByBackend, ceiling_metrics
from harness.contract import WHOLE_RUN, Claim, Curve, Figure, HeatMap, LeftOut, Roofline, Row
from harness.timing import CONFIDENCE, median_interval
from kernels.ceilings import GEMM_FLOP, READ_BYTES, multiplying, reading, roofline, working

# In their order of turns, there and back, which is that of the entrants: the bench is next to each of the others.
CEILING, BENCH, PEER = "ceiling", "bench", "peer"
# How far the two results may be apart, relative to their norm: rounding, which the steps of an epoch pass on.
AGREEMENT = {"float32": 1e-3, "float64": 1e-9}
# Times 1/n: λmax of a batch's XᵀX/b is of the order of n, so that no step overshoots.
STEP = 0.1


@dataclass(frozen=True)
class Ceiling:
    """What the roofline is made of, as an arm of the race: memory read, and matrices multiplied, while the others wait."""

    dtype: str
    threads: int

    @contextmanager
    def calls(self) -> Iterator[Mapping[str, Callable[[], Any]]]:
        with working(self.threads):
            yield {"read": reading(), "gemm": multiplying(self.dtype)}


@dataclass(frozen=True)
class Peers(ByBackend):
    """Seconds of `work` by the bench and by `backend`, and how many times as long the backend takes: `time/ratio`.

    First both results are compared: a race between different answers is none. Compile time is the first call's, apart. In
    each round each arm has a burst of calls; a round's ratio is that of its two medians, the run's the median over rounds
    with its exact interval. The backend `numba` is the bench itself: the A/A arm, which shows what noise alone does.
    A third arm reads memory and multiplies matrices in every round: the roofline is that of the same minute.
    What the bench's pass asks of the memory hierarchy is simulated (`experiments.hierarchy`).
    """

    work: Work = "fused"

    claims: ClassVar[tuple[Claim, ...]] = CLAIMS
    foremost: ClassVar[tuple[str, ...]] = ("time/ratio", "time/bench_s", "time/peer_s")
    figures: ClassVar[tuple[Figure, ...]] = (
        HeatMap(
            "backend", None, "time/ratio", "How many times as long as the bench each library takes (above 1: the bench is faster)",
            log_z=True, centre=1.0, interval=("time/ratio_low", "time/ratio_high"),
        ),
        Curve(
            "time/peer_s", "Seconds of what was raced against batch size (numba: the bench)", x="batch_size", panels="dtype",
            log_x=True, log_y=True, interval=("time/peer_low_s", "time/peer_high_s"),
        ),
        Roofline(
            "rate/peer_flop_per_s", "model/flop_per_byte", "Roofline (numba: the bench)",
            flat="roof/gemm_flop_per_s", slope="roof/read_bytes_per_s", by="backend", roof_of="dtype",
        ),
    )  # fmt: skip

    def check(self) -> None:
        self.check_threads()
        try:
            self.workload.check(self.backend, (self.work,), processes=len((BENCH, PEER)))
        except ValueError as error:
            if str(error).startswith("backend:"):  # what is not there, here
                raise LeftOut(str(error)) from error
            raise

    def tags(self) -> Mapping[str, str]:
        backend = self.backend(self.loss, layout=self.layout)
        reasons = hierarchy.reasons_of(self._geometry())
        return {"threads": str(self.thread_count), "version.backend": backend.stamp(), **reasons}

    def warm_up(self) -> None:
        hierarchy.warm_up()

    def run(self) -> Iterator[Row]:
        with racing(self._entrants(), self.thread_count) as arms:
            first = {name: arm.first() for name, arm in arms.items()}
            metrics = {f"time/{name}_compile_s": first[name].seconds for name in (BENCH, PEER)}
            metrics |= self._equality(first[BENCH], first[PEER])
            rounds = []
            for turn, took in enumerate(in_turns(arms, self.rounds)):
                rounds.append(self._round(took))
                yield Row(turn, {f"rounds/{name}": value for name, value in rounds[-1].items()})
        yield Row(WHOLE_RUN, metrics | self._summary({name: [each[name] for each in rounds] for name in rounds[0]}))

    def _entrants(self) -> dict[str, Entrant]:
        count, step = self.thread_count, STEP / self.features
        backends = {BENCH: Numba, PEER: self.backend}
        racers = {name: Racer(each, self.workload, self.work, step, count) for name, each in backends.items()}
        return {CEILING: Ceiling(self.dtype, count), **racers}

    def _round(self, took: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
        """What a round says, from the seconds of each arm's calls."""
        load = self.workload
        seconds = {name: took[name][self.work] for name in (BENCH, PEER)}
        read, gemm = READ_BYTES / took[CEILING]["read"], GEMM_FLOP / took[CEILING]["gemm"]
        roof = roofline(load.intensity(self.work), gemm, read)
        return {
            **{f"{name}_s": each for name, each in seconds.items()},
            **{f"{name}_roof_fraction": load.flop(self.work) / each / roof for name, each in seconds.items()},
            "ratio": seconds[PEER] / seconds[BENCH],
            "read_bytes_per_s": read,
            "gemm_flop_per_s": gemm,
            "roof_flop_per_s": roof,
        }

    def _equality(self, bench: First, peer: First) -> dict[str, float]:
        """How far apart the two results are, relative to the bench's. Raises ValueError beyond what rounding explains."""
        apart = {"array": _apart(peer.array, bench.array)}
        if not np.isnan([bench.value, peer.value]).any():  # the products have none, scikit-learn's epochs keep none
            apart["value"] = _apart(peer.value, bench.value)
        for what, error in apart.items():
            if not error <= AGREEMENT[self.dtype]:
                within = AGREEMENT[self.dtype]
                raise ValueError(
                    f"backend: its {what} differs from the bench's by {error:.2g}; should be within {within:g}"
                )
        return {f"equality/{what}": error for what, error in apart.items()}

    def _summary(self, rounds: Mapping[str, list[float]]) -> dict[str, float]:
        """The medians over rounds; of what is compared, their intervals."""
        median = {name: float(np.median(figures)) for name, figures in rounds.items()}
        interval = {name: median_interval(rounds[name], CONFIDENCE) for name in ("ratio", "bench_s", "peer_s")}
        low, high = interval["ratio"]
        metrics = {"time/ratio": median["ratio"], "time/ratio_low": low, "time/ratio_high": high}
        for name in (BENCH, PEER):
            low, high = interval[f"{name}_s"]
            metrics |= {
                f"time/{name}_s": median[f"{name}_s"], f"time/{name}_low_s": low, f"time/{name}_high_s": high,
                f"rate/{name}_flop_per_s": self.workload.flop(self.work) / median[f"{name}_s"],
                f"rate/{name}_roof_fraction": median[f"{name}_roof_fraction"],
            }  # fmt: skip
        return {
            **metrics,
            "model/flop_per_byte": self.workload.intensity(self.work),
            "roof/flop_per_s": median["roof_flop_per_s"],
            "roof/gemm_flop_per_s": median["gemm_flop_per_s"],
            "roof/read_bytes_per_s": median["read_bytes_per_s"],
            **ceiling_metrics(self.thread_count),
            **hierarchy.metrics_of(self._geometry()),
        }

    def _geometry(self) -> hierarchy.Geometry:
        return self.workload.geometry(self.work, self.thread_count)


def _apart(one: ArrayLike, other: ArrayLike) -> float:
    """How far apart two results are, relative to the other; 0 where both are 0, as the loss of a single class is."""
    gap = float(np.linalg.norm(np.subtract(one, other)))
    return gap / float(np.linalg.norm(other)) if gap else 0.0
