"""A matrix walked along its rows or down its columns, at equal instructions (notes 1: cache lines and DRAM rows)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated, Any, ClassVar

import numpy as np
from annotated_types import Ge, MultipleOf
from numpy.typing import NDArray

from experiments import hierarchy
from experiments.claims.traversal import CLAIMS
from experiments.memory import check_fits
from experiments.ratios import against, rows, summary
from harness.contract import WHOLE_RUN, Bars, Claim, Count, Curve, Experiment, Figure, Row
from harness.timing import measure
from kernels import traversal
from kernels.memory import Cache, Loop, Matrix, NoClosedForm, Reference, Steady, Trace, Walk, closed_form
from kernels.memory.steady import ENOUGH
from kernels.traversal import TOGETHER, By, Lanes

# Of a walk that is longer, so many runs are simulated: a line's worth, so that each line's last use is in it, twice.
LONGEST, RUNS = 1 << 17, 2 * TOGETHER


@dataclass(frozen=True)
class Traversal(Experiment):
    """Seconds of a walk over side × side numbers (`lanes=scalar`), or cache lines (`lanes=vector`), `gap` numbers between rows.

    One thread; the machine code is the same for both ways (`kernels.traversal`). In each round the walk along the rows is taken
    twice beside it: `time/ratio` is how many times as long the walk takes, `time/aa_ratio` what noise makes of such a ratio.
    """

    by: By = "rows"
    lanes: Lanes = "scalar"
    side: Annotated[int, Ge(8), MultipleOf(8)] = 1024
    gap: Annotated[int, Ge(0)] = 0
    rounds: Count = 15

    claims: ClassVar[tuple[Claim, ...]] = CLAIMS
    foremost: ClassVar[tuple[str, ...]] = ("time/ratio", "time/per_element_s", "sim/l1/misses_per_element")
    figures: ClassVar[tuple[Figure, ...]] = (
        Curve(
            "time/per_element_s", "Seconds for each number, at equal instructions", x="model/bytes", by=("by", "gap"),
            panels="lanes", log_x=True, log_y=True, interval=("time/per_element_low_s", "time/per_element_high_s"),
            marks=hierarchy.MARKS,
        ),
        Curve(
            "time/ratio", "How many times as long as along the rows", x="model/bytes", by=("by", "gap"), panels="lanes",
            log_x=True, log_y=True, interval=("time/ratio_low", "time/ratio_high"), marks=hierarchy.MARKS,
        ),
        *(
            Curve(
                f"sim/{level}/misses_per_element", f"Lines that {level.upper()} misses for each number (simulated)",
                x="model/bytes", by=("by", "gap"), panels="lanes", log_x=True, marks=hierarchy.MARKS,
            )
            for level in (*hierarchy.LEVELS, "dtlb")
        ),
        *(
            Curve(
                f"dram/{mapping}/row_hit_ratio", f"DRAM accesses that find their row open, mapped as {mapping} (simulated)",
                x="model/bytes", by=("by", "gap"), panels="lanes", log_x=True, marks=hierarchy.MARKS,
            )
            for mapping in hierarchy.MAPPINGS
        ),
        Bars("time/aa_ratio", "by", "A/A arm: along the rows against themselves (1: the noise of this machine cancels)"),
    )  # fmt: skip

    def check(self) -> None:
        check_fits(f"side={self.side}, gap={self.gap}", self.side * self._leading * traversal.DTYPE.itemsize)

    def warm_up(self) -> None:
        for call in self._arms().values():
            call()
        hierarchy.warm_up()

    def tags(self) -> Mapping[str, str]:
        return {"threads": "1", **self._asked().reasons}

    def run(self) -> Iterator[Row]:
        arms = self._arms()
        rounds = against("rows", "walk", measure(arms, self.rounds, again=("rows",)))
        yield from rows(rounds)
        elements, found = self.side**2 * traversal.width(self.lanes), self._asked()
        metrics = {**summary(rounds, "walk", elements), **found.metrics, "time/simulation_s": found.seconds}
        metrics |= hierarchy.counted(arms["walk"], elements)
        metrics["model/bytes"] = float(elements * traversal.DTYPE.itemsize)
        caches, _ = hierarchy.here()
        for cache in caches:
            try:
                misses: float = closed_form(Walk(self._matrix(), self.by), cache)
            except NoClosedForm:
                misses = np.nan
            metrics[f"model/{cache.name}/misses_per_element"] = misses / elements
        yield Row(WHOLE_RUN, metrics)

    @property
    def _leading(self) -> int:
        """Numbers from one row to the next."""
        return self.side * traversal.width(self.lanes) + self.gap

    def _matrix(self) -> Matrix:
        """What is walked over, in steps."""
        size = traversal.width(self.lanes) * traversal.DTYPE.itemsize
        if self._leading * traversal.DTYPE.itemsize % size:
            raise NoClosedForm(f"gap: {self.gap}; should be a multiple of {TOGETHER}, with lanes=vector")
        return Matrix(self.side, self.side, size, self._leading * traversal.DTYPE.itemsize // size)

    def _arms(self) -> dict[str, Callable[[], Any]]:
        A = _matrix(self.side, self.lanes, self.gap)
        return {
            "walk": traversal.walk(A, self.by, self.lanes),
            "rows": traversal.walk(A, "rows", self.lanes),
        }

    def _asked(self) -> hierarchy.Asked:
        return _asked(self.by, self.lanes, self.side, self._leading)


@lru_cache(maxsize=1)
def _matrix(side: int, lanes: Lanes, gap: int) -> NDArray[np.float64]:
    return traversal.blank(side, lanes, gap)


@lru_cache(maxsize=1024)
def _asked(by: By, lanes: Lanes, side: int, leading: int) -> hierarchy.Asked:
    caches, _ = hierarchy.here()
    return hierarchy.asked_by((by, lanes, side, leading), lambda: piece(by, lanes, side, leading, caches[-1]))


def piece(by: By, lanes: Lanes, side: int, leading: int, last: Cache) -> Steady:
    """Some runs of a walk, and what comes before them when it is taken again and again; the whole walk, if it is short."""
    size = traversal.DTYPE.itemsize
    row, step = leading * size, traversal.width(lanes) * size
    far, near = (row, step) if by == "rows" else (step, row)

    def runs(first: int, count: int) -> Loop:
        return Loop(count, (Loop(side, (Reference("A", first * far, (far, near), step),)),))

    elements = side * traversal.width(lanes)
    if side * side <= LONGEST:
        whole = Trace.of(runs(0, side))
        return Steady((whole,), whole, side * elements)
    held: tuple[Trace, ...] = ()
    if side * row <= ENOUGH * last.size_bytes:
        lines = side * step // last.line_bytes
        held = (Trace.of(Loop(side, (Loop(lines, (Reference("A", 0, (row, last.line_bytes), 1),)),))),)
    return Steady((*held, Trace.of(runs(0, RUNS))), Trace.of(runs(RUNS, RUNS)), RUNS * elements)
