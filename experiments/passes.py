"""Time the passes over X: forward (Xθ), gradient (XᵀΔ), both fused with the loss, and an epoch of SGD (notes 1)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import ClassVar, get_args

import numpy as np

from experiments import hierarchy
from experiments.backends.base import Work
from experiments.backends.numba import Numba
from experiments.claims.passes import CLAIMS
from experiments.workload import STILL, ByBackend, ceiling_metrics
from harness.contract import WHOLE_RUN, Bars, Claim, Curve, Figure, HeatMap, LeftOut, Row
from harness.timing import AGAIN, REFERENCE, measure
from kernels.ceilings import measured

WORK: tuple[Work, ...] = get_args(Work)
TWICE = ("fused", "epoch")  # the A/A arms: one parallel region, and one a batch


def _interval(section: str, arm: str, unit: str) -> tuple[str, str]:
    return f"{section}/{arm}_low_{unit}", f"{section}/{arm}_high_{unit}"


@dataclass(frozen=True)
class Passes(ByBackend):
    """Seconds of each pass over all `samples`, visited in `order`; the SGD epoch in batches of `batch_size` (null: one batch).

    Arms take turns, round by round, with a reference arm, and with the fused pass and the epoch once more (the A/A arms).
    Of each arm: the median over rounds and its interval, the ratio to the reference, flop/s (2mnk a product), bytes/s of X, and
    the fraction of the roofline, from the ceilings measured beside it. Traffic counts X once, and logits where they leave.
    What the bench's own epoch asks of the memory hierarchy is simulated (`experiments.hierarchy`).
    """

    claims: ClassVar[tuple[Claim, ...]] = CLAIMS
    figures: ClassVar[tuple[Figure, ...]] = (
        HeatMap("batch_size", "layout", "time/epoch_s", "Seconds of an SGD epoch, layout × batch", log_z=True),
        Bars("time/fused_s", "layout", "Seconds of a fused pass, by layout", interval=_interval("time", "fused", "s")),
        Bars("time/epoch_s", "layout", "Seconds of an SGD epoch, by layout", interval=_interval("time", "epoch", "s")),
        Curve(
            "rate/epoch_flop_per_s", "SGD epoch, flop per second against batch size", x="batch_size", log_x=True,
            interval=_interval("rate", "epoch", "flop_per_s"),
        ),
        *(
            Curve(
                f"time/{work}_per_element_s", f"Seconds per element of X, {title}, against {axis}", x=axis,
                log_x=True, log_y=True, interval=_interval("time", work, "per_element_s"),
            )
            for axis in ("samples", "features")
            for work, title in (("fused", "value and gradient"), ("epoch", "SGD epoch"))
        ),
        Curve(
            "rate/fused_flop_per_s", "Value and gradient, flop per second against threads", x="threads",
            interval=_interval("rate", "fused", "flop_per_s"),
        ),
        Bars("time/fused_aa_ratio", "layout", "A/A arm: the fused pass against itself (1: the noise of this machine cancels)"),
        Bars("time/epoch_aa_ratio", "layout", "A/A arm: the SGD epoch against itself (1: the noise of this machine cancels)"),
    )  # fmt: skip

    def check(self) -> None:
        self.workload.check(self.backend, WORK)
        self.check_threads()
        try:
            with self._threads():
                pass
        except ValueError as error:  # the backend has other threads than those
            raise LeftOut(str(error)) from error

    def warm_up(self) -> None:
        with self._threads():
            for call in self._arms().values():
                call()
        hierarchy.warm_up()

    def tags(self) -> Mapping[str, str]:
        return {"threads": str(self.thread_count), **hierarchy.reasons_of(self._geometry())}

    def run(self) -> Iterator[Row]:
        calls = self._arms()
        with self._threads():
            arms = measure(calls, self.rounds, again=TWICE)
            memory = hierarchy.metrics_of(self._geometry(), calls["epoch"])
        for turn in range(self.rounds):
            yield Row(turn, {f"rounds/{name}_s": float(arm.seconds[turn]) for name, arm in arms.items()})
        load = self.workload
        count = self.thread_count
        metrics: dict[str, float] = {**ceiling_metrics(count), **memory}
        for name, arm in arms.items():
            if name.endswith(AGAIN):
                first = name.removesuffix(AGAIN)
                metrics[f"time/{first}_aa_ratio"] = float(np.median(arm.seconds / arms[first].seconds))
                continue
            low, high = arm.interval_s()
            metrics |= {f"time/{name}_s": arm.median_s, f"time/{name}_low_s": low, f"time/{name}_high_s": high}
            if name != REFERENCE:
                flop, elements = load.flop(name), self.samples * self.features
                metrics |= {
                    f"time/{name}_{part}per_element_s": seconds / elements
                    for part, seconds in (("", arm.median_s), ("low_", low), ("high_", high))
                }
                metrics[f"time/{name}_ratio"] = float(np.median(arm.seconds / arms[REFERENCE].seconds))
                rate = flop / arm.median_s
                metrics[f"rate/{name}_flop_per_s"] = rate
                metrics |= {f"rate/{name}_low_flop_per_s": flop / high, f"rate/{name}_high_flop_per_s": flop / low}
                metrics[f"rate/{name}_bytes_per_s"] = load.size_bytes() / arm.median_s
                metrics[f"rate/{name}_roof_fraction"] = rate / load.roof(name, measured(count))
        yield Row(WHOLE_RUN, metrics)

    def _geometry(self) -> hierarchy.Geometry | None:
        """Of the epoch, by the bench's own kernels."""
        if type(self.backend(self.loss, layout=self.layout)) is not Numba:
            return None
        return self.workload.geometry("epoch", self.thread_count, self.workload.address())

    def _threads(self) -> AbstractContextManager[object]:
        """The backend's own pool, on as many threads as the run is tagged with."""
        return self.backend(self.loss, layout=self.layout).threads(self.thread_count)

    def _arms(self) -> dict[str, Callable[[], object]]:
        return self.workload.calls(self.backend(self.loss, layout=self.layout), STILL)
