"""What a pass over X asks of memory: the address streams of X, θ, H, y, the gradient and the order of visit, thread by thread.

It is the kernels' own code that says so (`kernels.memory.tracing`); prefetches are left out, and so are the few numbers
that stay in registers or in a thread's stack.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from kernels import check, wide
from kernels.memory.geometry import PAGE_BYTES
from kernels.memory.primitives import Primitives
from kernels.memory.references import Trace
from kernels.memory.tracing import Enough, Listed, Mark, Tape, Tracer, retraced
from kernels.objective import Objective
from kernels.targets import Target

Work = Literal["forward", "gradient", "fused", "epoch"]
# In the order in which a simulation counts them; `work` is what the kernels make for themselves.
OPERANDS = ("X", "theta", "y", "H", "gradient", "order", "work")
# X begins here, but for its place in a page; what else there is, far behind it.
START, BEHIND = 1 << 32, 1 << 44


class NoTrace(ValueError):
    """The pass is not the kernels' own work; the message says whose."""


@dataclass(frozen=True)
class Problem:
    """A pass: which, of which loss and layout, over what; `leading`: numbers from one row of X to the next (0: no gap).

    Raises ValueError where that makes no sense, in one line.
    """

    work: Work
    objective: Objective
    samples: int
    features: int
    outputs: int = 1
    dtype: str = "float32"
    order: NDArray[np.int64] | None = None
    batch_size: int | None = None
    leading: int = 0
    threads: int = 1
    address: int = 0  # of X, of which its place in a page counts

    def __post_init__(self) -> None:
        if self.work not in get_args(Work):
            raise ValueError(f"work: {self.work!r}; should be one of {', '.join(get_args(Work))}")
        if not isinstance(self.objective, Objective):
            raise ValueError(f"objective: {self.objective!r}; should be a kernels.Objective")
        for name in ("samples", "features", "outputs", "threads"):
            check.whole(name, getattr(self, name))
        if self.dtype not in map(str, check.FLOATS):
            raise ValueError(f"dtype: {self.dtype!r}; should be float32 or float64")
        loss = self.objective.loss
        if loss.target.one_logit and self.outputs != 1:
            raise ValueError(f"outputs: {self.outputs}; should be 1, for loss {loss.name}")
        if self.batch_size is not None:
            check.whole("batch_size", self.batch_size)
        _, columns = self.objective.layout.shape(self.samples, self.features)
        if check.whole("leading", self.leading, least=0) and self.leading < columns:
            raise ValueError(f"leading: {self.leading}; should be 0, or at least {columns}: rows would overlap")
        check.whole("address", self.address, least=0)
        check.order(self.order, self.samples)

    @cached_property
    def visits(self) -> NDArray[np.int64]:
        """The samples' numbers, as the kernels visit them: in each batch a layout has its own way. Empty: all as they come."""
        order: NDArray[np.int64] = check.order(self.order, self.samples)
        if self.work in ("forward", "gradient"):
            return order
        visited = order.size or self.samples
        return self.objective.layout.visiting(order, self.batch if self.work == "epoch" else visited, self.samples)

    @property
    def start(self) -> int:
        """Where a trace has X."""
        return START + self.address % PAGE_BYTES

    @property
    def batch(self) -> int:
        """Samples in a batch of an epoch."""
        visited = self.samples if self.order is None else len(self.order)
        return min(self.batch_size or visited, visited)


@dataclass(frozen=True)
class Recording:
    """A trace, up to where it was wanted; by thread, where blocks of samples begin; how many threads share each sample.

    `arrays`: all but X, those included that the kernel made for itself: operand, address, bytes.
    """

    trace: Trace
    marks: tuple[tuple[Mark, ...], ...]
    team: int
    is_whole: bool
    arrays: tuple[tuple[str, int, int], ...]


def trace(problem: Problem) -> Trace:
    """All that the pass asks of memory. Raises NoTrace where the work is left to BLAS."""
    return record(problem).trace


def record(problem: Problem, most: float = np.inf, samples: int = 0) -> Recording:
    """The same, until that of each thread has `most` loops and references, some blocks, and so many samples at least."""
    tape = Tape(problem.threads, BEHIND, most, samples)
    stand_ins = Primitives(tape)
    is_whole, (kernel, given) = True, _call(problem, tape)
    try:
        retraced(kernel, stand_ins.stand_ins())(*given)
    except Enough:
        is_whole = False
    bodies = tuple(map(tuple, tape.bodies))
    if not is_whole:
        ends = (marks[-1].length if marks else 0 for marks in tape.marks)  # a thread may have had nothing to do
        bodies = tuple(body[:end] for body, end in zip(bodies, ends, strict=True))
    return Recording(
        Trace(bodies, OPERANDS), tuple(map(tuple, tape.marks)), stand_ins.team, is_whole,
        tuple(tape.arrays),
    )  # fmt: skip


def _call(problem: Problem, tape: Tape) -> tuple[Callable[..., Any], tuple[Any, ...]]:
    """The kernel that does the work, and tracers for its arguments."""
    f, dtype = problem.objective, np.dtype(problem.dtype)
    m, n, k = problem.samples, problem.features, problem.outputs
    shape = f.layout.shape(m, n)
    X = Tracer(tape, "X", shape, dtype, problem.start, (problem.leading or shape[1], 1))
    visits, batch = problem.visits, problem.batch
    samples = visits.size or m
    order = Listed(tape, "order", visits) if visits.size else visits
    theta: Any = Tracer(tape, "theta", (n, k), dtype)
    layout, loss, constants = type(f.layout), type(f.loss), f.loss.constants(dtype)
    if problem.work in ("forward", "gradient"):
        H = Tracer(tape, "H", f.layout.shape(samples, k), dtype)
        factory = getattr(f.road(samples, theta), problem.work)
        first, second = (theta, H) if problem.work == "forward" else (H, Tracer(tape, "gradient", (n, k), dtype))
        return _own(factory)(layout, dtype), (X, order, first, second)
    kind = np.dtype(np.int64) if f.loss.target is Target.CLASS else dtype
    y = Tracer(tape, "y", (m, k) if f.loss.target is Target.COUNTS else (m,), kind)
    if problem.work == "fused":
        kernel = _own(f.fused_for(samples, theta, visits))(loss, layout, dtype)
        return kernel, (X, y, order, theta, constants, Tracer(tape, "gradient", (n, k), dtype))
    kernel = _own(f.epoch_for(batch, theta, visits))(loss, layout, dtype)
    return kernel, (X, y, order, theta, constants, batch, 0.0)


def _own(factory: Callable[..., Any]) -> Callable[..., Any]:
    if factory.__module__ == wide.__name__:
        raise NoTrace("θ is wide, and its products are left to BLAS, which packs its operands as it likes")
    return factory
