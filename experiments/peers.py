"""Race the kernels against another library: one pass, the two in processes of their own, in turns."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike

from experiments.arms import First, racing
from experiments.backends.base import Work
from experiments.backends.numba import Numba
from experiments.claims_peers import CLAIMS
from experiments.workload import Timed, ceiling_metrics
from harness.contract import WHOLE_RUN, Claim, Curve, Figure, HeatMap, LeftOut, Roofline, Row
from harness.timing import CONFIDENCE, median_interval
from kernels import threads
from kernels.ceilings import measured

BENCH, PEER = "bench", "peer"
# How far the two results may be apart, relative to their norm: rounding, which the steps of an epoch pass on.
AGREEMENT = {"float32": 1e-3, "float64": 1e-9}
# Times 1/n: λmax of a batch's XᵀX/b is of the order of n, so that no step overshoots.
STEP = 0.1


@dataclass(frozen=True)
class Peers(Timed):
    """Seconds of `work` by the bench and by `backend`, and how many times as long the backend takes: `time/ratio`.

    First both results are compared: a race between different answers is none. Compile time is the first call's, apart. In
    each round each arm has a burst of calls; a round's ratio is that of its two medians, the run's the median over rounds
    with its exact interval. The backend `numba` is the bench itself: the A/A arm, which shows what noise alone does.
    """

    work: Work = "fused"

    claims: ClassVar[tuple[Claim, ...]] = CLAIMS
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
            flat="roof/gemm_flop_per_s", slope="ceiling/read_bytes_per_s", by="backend", roof_of="dtype",
        ),
    )  # fmt: skip

    def check(self) -> None:
        try:
            with threads.using(self.threads):
                self.workload.check(self.backend, (self.work,))
        except ValueError as error:
            if str(error).startswith(("backend:", "threads:")):  # what is not there, here
                raise LeftOut(str(error)) from error
            raise

    def tags(self) -> Mapping[str, str]:
        backend = self.backend(self.loss, layout=self.layout)
        return {"threads": str(self.thread_count), "version.backend": backend.stamp()}

    def run(self) -> Iterator[Row]:
        count = self.thread_count
        backends = {BENCH: Numba, PEER: self.backend}
        with racing(backends, self.workload, self.work, STEP / self.features, count) as arms:
            first = {name: arm.first() for name, arm in arms.items()}
            metrics = {f"time/{name}_compile_s": answer.seconds for name, answer in first.items()}
            metrics |= self._equality(first[BENCH], first[PEER])
            seconds: dict[str, list[float]] = {BENCH: [], PEER: []}
            for turn in range(self.rounds):
                for name in (BENCH, PEER) if turn % 2 else (PEER, BENCH):
                    seconds[name].append(arms[name].burst())
                latest = {f"rounds/{name}_s": figures[-1] for name, figures in seconds.items()}
                yield Row(turn, {**latest, "rounds/ratio": seconds[PEER][-1] / seconds[BENCH][-1]})
        yield Row(WHOLE_RUN, metrics | self._summary(seconds, count))

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

    def _summary(self, seconds: Mapping[str, list[float]], count: int) -> dict[str, float]:
        load, ceilings = self.workload, measured(count)
        flop, roof = load.flop(self.work), load.roof(self.work, ceilings)
        ratios = np.array(seconds[PEER]) / np.array(seconds[BENCH])
        low, high = median_interval(ratios, CONFIDENCE)
        metrics = {"time/ratio": float(np.median(ratios)), "time/ratio_low": low, "time/ratio_high": high}
        for name, figures in seconds.items():
            median = float(np.median(figures))
            low, high = median_interval(figures, CONFIDENCE)
            metrics |= {f"time/{name}_s": median, f"time/{name}_low_s": low, f"time/{name}_high_s": high}
            metrics |= {f"rate/{name}_flop_per_s": flop / median, f"rate/{name}_roof_fraction": flop / median / roof}
        return {
            **metrics,
            "model/flop_per_byte": flop / load.traffic_bytes(self.work),
            "roof/flop_per_s": roof,
            "roof/gemm_flop_per_s": ceilings.gemm_flop_per_s(np.dtype(self.dtype)),
            **ceiling_metrics(count),
        }


def _apart(one: ArrayLike, other: ArrayLike) -> float:
    """How far apart two results are, relative to the other; 0 where both are 0, as the loss of a single class is."""
    gap = float(np.linalg.norm(np.subtract(one, other)))
    return gap / float(np.linalg.norm(other)) if gap else 0.0
