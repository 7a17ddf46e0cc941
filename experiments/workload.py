"""A piece of work to be timed: random data of a shape, the passes over it, and what they take of the machine."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from experiments import hierarchy
from experiments.backends.base import Backend, Work
from experiments.memory import check_fits
from harness.contract import Count, Experiment, LeftOut, Seed
from kernels import stream, threads
from kernels.ceilings import Ceilings, measured
from kernels.layouts import Layout
from kernels.losses import Loss, Target

TRIALS = 10  # of each sample's counts
# So small a step that θ stays where it is: the arithmetic of a step is timed, not its effect.
STILL = 1e-12


@dataclass(frozen=True)
class Workload:
    """X (m, n) in a layout and dtype, θ (n, k), standard normal numbers and labels at random; visited in `order`.

    `batch_size` is the SGD epoch's, null: all samples. `gap`: so many numbers lie between the rows of X in memory.
    """

    loss: Loss
    layout: Layout
    samples: int
    features: int
    classes: int
    batch_size: int | None
    order: str  # sequential, shuffled, or blocks
    dtype: str
    seed: int
    gap: int = 0

    def check(self, backend: Callable[..., Backend], works: tuple[Work, ...], processes: int = 1) -> None:
        """Raise ValueError, in one line, where the backend has no such pass, the loss no such shape, or memory no room.

        `processes`: how many hold X at once.
        """
        rows, columns = self.layout.shape(self.samples, self.features)
        settings = f"samples={self.samples}, features={self.features}" + (f", gap={self.gap}" if self.gap else "")
        check_fits(settings, rows * (columns + self.gap) * np.dtype(self.dtype).itemsize, processes)
        if self.loss.target.one_logit and self.classes != 1:
            raise ValueError(f"classes: {self.classes}; should be 1, for loss={self.loss.name}")
        f = backend(self.loss, layout=self.layout)
        for work in works:
            f.check(work, self.batch_size or self.samples)

    def flop(self, work: str) -> float:
        """Multiplications and additions of the products: 2mnk each, two in a fused pass and an epoch."""
        return (1 if work in ("forward", "gradient") else 2) * 2.0 * self.samples * self.features * self.classes

    def size_bytes(self) -> int:
        """Bytes of X."""
        return self.samples * self.features * np.dtype(self.dtype).itemsize

    def traffic_bytes(self, work: str) -> int:
        """What has to come from memory at least: X once, and the logits where a pass hands them over."""
        logits = self.samples * self.classes * np.dtype(self.dtype).itemsize
        return self.size_bytes() + (logits if work in ("forward", "gradient") else 0)

    def intensity(self, work: str) -> float:
        """Flop for each byte that has to come from memory."""
        return self.flop(work) / self.traffic_bytes(work)

    def roof(self, work: str, ceilings: Ceilings) -> float:
        """The most flop/s that the pass can reach: the roofline."""
        return ceilings.roof(self.intensity(work), np.dtype(self.dtype))

    def geometry(self, work: Work, count: int, address: int = 0) -> hierarchy.Geometry:
        """What decides how a pass of so many threads goes through memory; `address` is where X is, if it is here."""
        _, columns = self.layout.shape(self.samples, self.features)
        return hierarchy.Geometry(
            work, self.loss, self.layout, self.samples, self.features, self.classes, self.dtype, self.order,
            self.batch_size, count, columns + self.gap if self.gap else 0, address % hierarchy.LINE_BYTES,
        )  # fmt: skip

    def address(self) -> int:
        """Where X is in this process, which makes it."""
        return int(material(self)[0].ctypes.data)

    def calls(self, f: Backend, step_size: float) -> dict[str, Callable[[], Any]]:
        """Each pass as a call; `epoch` moves a θ of its own, which it returns after the mean loss, by `step_size`."""
        arrays = material(self)
        moving = arrays[2].copy()
        X, y, theta, deltas, order = map(f.native, arrays)
        batch = self.batch_size or self.samples
        return {
            "forward": lambda: f.forward(X, theta, order),
            "gradient": lambda: f.gradient(X, deltas, order),
            "fused": lambda: f.value_and_grad(X, y, theta, order),
            "epoch": lambda: (f.sgd_epoch(X, y, moving, batch, step_size, order), moving),
        }


def check_threads(count: int) -> None:
    """Raise LeftOut where there are not so many threads here."""
    if count > threads.available():
        raise LeftOut(f"threads: more than there are; should be in 1..{threads.available()}, what this process has")


@dataclass(frozen=True)
class Timed(Experiment):
    """An experiment that times a piece of work: what there is to set."""

    loss: Loss
    layout: Layout
    samples: Count = 4096
    features: Count = 784
    classes: Count = 10
    batch_size: Count | None = 256
    order: Literal["sequential", "shuffled", "blocks"] = "sequential"
    dtype: Literal["float32", "float64"] = "float32"
    threads: Count | None = None
    rounds: Count = 15
    seed: Seed = 0

    @property
    def workload(self) -> Workload:
        """The piece of work."""
        return Workload(
            self.loss, self.layout, self.samples, self.features, self.classes,
            self.batch_size, self.order, self.dtype, self.seed,
        )  # fmt: skip

    @property
    def thread_count(self) -> int:
        """How many threads a run has: all, unless it asks for fewer."""
        return self.threads or threads.available()

    def check_threads(self) -> None:
        """Raise LeftOut where there are not so many threads here: by the same line for all that ask for too many."""
        check_threads(self.thread_count)


@dataclass(frozen=True, kw_only=True)
class ByBackend(Timed):
    """One that times any backend at it."""

    backend: Callable[..., Backend]


Arrays = tuple[NDArray[Any], NDArray[Any], NDArray[Any], NDArray[Any], NDArray[np.int64] | None]


@lru_cache(maxsize=2)
def material(work: Workload) -> Arrays:
    """X, y, θ, Δ and the order of visit; y in X's dtype, or classes."""
    m, n, k = work.samples, work.features, work.classes
    rng = stream(work.seed, "passes")
    X = _apart(work.layout.arrange(rng.standard_normal((m, n), np.float32).astype(work.dtype)), work.gap)
    theta = 0.01 * rng.standard_normal((n, k)).astype(work.dtype)
    if work.loss.target is Target.CLASS:
        y = rng.integers(0, k, m)
    elif work.loss.target is Target.COUNTS:
        y = rng.multinomial(TRIALS, np.full(k, 1 / k), m).astype(work.dtype)
    else:
        y = rng.integers(0, 2, m).astype(work.dtype)
    deltas = rng.standard_normal(work.layout.shape(m, k)).astype(work.dtype)
    return X, y, theta, deltas, hierarchy.order_of(work.order, m, rng)


def _apart(X: NDArray[Any], gap: int) -> NDArray[Any]:
    """X with so many zeros behind each row."""
    if gap == 0:
        return X
    room = np.zeros((X.shape[0], X.shape[1] + gap), X.dtype)
    room[:, : X.shape[1]] = X
    return room[:, : X.shape[1]]


def ceiling_metrics(count: int) -> Mapping[str, float]:
    """The ceilings of `count` threads, and of one, as metrics: `ceiling/…` and `ceiling_of_one/…`."""
    every = {"ceiling": measured(count), "ceiling_of_one": measured(1)}
    return {
        f"{section}/{name}": float(value) for section, each in every.items() for name, value in asdict(each).items()
    }
