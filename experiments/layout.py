"""What a layout costs: one pass over X in it, beside the same pass with samples as rows, in the same rounds (notes 1)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Annotated, ClassVar

import numpy as np
from annotated_types import Ge

from experiments import hierarchy
from experiments.backends.base import Work
from experiments.backends.numba import Numba
from experiments.claims.layout import CLAIMS
from experiments.ratios import against, rows, summary
from experiments.workload import STILL, Timed, Workload, ceiling_metrics
from harness.contract import WHOLE_RUN, Bars, Claim, Curve, Figure, HeatMap, Roofline, Row
from harness.timing import measure
from kernels import layouts, threads
from kernels.ceilings import measured

OWN, ROWS = "pass", "rows"
# Lines of figures.
BY = ("layout", "order", "dtype", "gap", "work", "batch_size")


@dataclass(frozen=True)
class LayoutCost(Timed):
    """Seconds of `work` over X in `layout`, `gap` numbers between the rows of X in memory, visited in `order`.

    In each round the same pass is made with samples as rows and without a gap, twice: `time/ratio` is how many times as long
    the layout takes, `time/aa_ratio` what noise alone makes of such a ratio. Beside them what the pass asks of the memory
    hierarchy (`experiments.hierarchy`). Order `blocks`: 64 neighbours each, the blocks shuffled.
    """

    work: Work = "epoch"
    gap: Annotated[int, Ge(0)] = 0

    claims: ClassVar[tuple[Claim, ...]] = CLAIMS
    foremost: ClassVar[tuple[str, ...]] = ("time/ratio", "time/aa_ratio", "sim/l1/misses_per_element")
    figures: ClassVar[tuple[Figure, ...]] = (
        *(
            HeatMap(
                axis, "layout", "time/ratio", f"How many times as long as samples as rows, by layout and {name}",
                log_z=True, centre=1.0, interval=("time/ratio_low", "time/ratio_high"),
            )
            for axis, name in (("batch_size", "batch"), ("gap", "gap"), ("dtype", "dtype"))
        ),
        *(
            Curve(
                f"sim/{level}/misses_per_element", f"Lines that {level.upper()} misses for each number of X (simulated)",
                x="model/x_bytes", by=BY, panels="order", log_x=True, marks=hierarchy.MARKS,
            )
            for level in hierarchy.LEVELS
        ),
        Curve(
            "time/per_element_s", "Seconds for each number of X", x="model/x_bytes", by=BY, panels="order", log_x=True, log_y=True,
            interval=("time/per_element_low_s", "time/per_element_high_s"), marks=hierarchy.MARKS,
        ),
        *(
            HeatMap(
                "batch_size", "layout", f"dram/{mapping}/row_hit_ratio",
                f"DRAM accesses that find their row open, if addresses are mapped as {mapping} (simulated)",
            )
            for mapping in hierarchy.MAPPINGS
        ),
        Roofline(
            "rate/flop_per_s", "model/flop_per_byte", "Roofline: flop and bytes from memory (simulated), by layout",
            flat="roof/gemm_flop_per_s", slope="roof/read_bytes_per_s", by="layout", roof_of="dtype",
        ),
        Bars("time/aa_ratio", "layout", "A/A arm: samples as rows against themselves (1: the noise of this machine cancels)"),
    )  # fmt: skip

    @property
    def workload(self) -> Workload:
        return replace(super().workload, gap=self.gap)

    def check(self) -> None:
        self.workload.check(Numba, (self.work,), processes=2)
        self.check_threads()

    def warm_up(self) -> None:
        with threads.using(self.thread_count):
            for call in self._arms().values():
                call()
        hierarchy.warm_up()

    def tags(self) -> Mapping[str, str]:
        return {"threads": str(self.thread_count), **hierarchy.reasons_of(self._geometry())}

    def run(self) -> Iterator[Row]:
        load, count = self.workload, self.thread_count
        calls = self._arms()
        with threads.using(count):
            rounds = against(ROWS, OWN, measure(calls, self.rounds, again=(ROWS,)))
            memory = hierarchy.metrics_of(self._geometry(), calls[OWN])
        yield from rows(rounds)
        metrics = {**memory, **ceiling_metrics(count), **summary(rounds, OWN, self.samples * self.features)}
        yield Row(WHOLE_RUN, metrics | self._rates(load, metrics))

    def _rates(self, load: Workload, metrics: Mapping[str, float]) -> dict[str, float]:
        """How fast the pass was, against what this machine could do with the traffic that was simulated."""
        roofs, rate = measured(self.thread_count), load.flop(self.work) / metrics["time/pass_s"]
        last = max((name for name in metrics if name.endswith("/bytes_per_element")), default="")
        moved = metrics[last] * load.samples * load.features if last.startswith("sim/") else np.nan
        return {
            "rate/flop_per_s": rate,
            "rate/bytes_per_s": load.size_bytes() / metrics["time/pass_s"],
            "rate/roof_fraction": rate / load.roof(self.work, roofs),
            "roof/gemm_flop_per_s": roofs.gemm_flop_per_s(np.dtype(self.dtype)),
            "roof/read_bytes_per_s": roofs.read_bytes_per_s,
            "model/flop_per_byte": load.flop(self.work) / moved if moved else np.nan,
            "model/x_bytes": float(load.size_bytes()),
        }

    def _geometry(self) -> hierarchy.Geometry:
        return self.workload.geometry(self.work, self.thread_count, self.workload.address())

    def _arms(self) -> dict[str, Callable[[], object]]:
        loads = {OWN: self.workload, ROWS: replace(self.workload, layout=layouts.named("rows"), gap=0)}
        return {
            name: load.calls(Numba(self.loss, layout=load.layout), STILL)[self.work] for name, load in loads.items()
        }
