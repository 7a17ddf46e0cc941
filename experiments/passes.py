"""Time the passes over X: forward (Xθ), gradient (XᵀΔ), both fused with the loss, and an epoch of SGD (notes 1)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from experiments.backends.base import Backend, Work
from harness.contract import WHOLE_RUN, Bars, Count, Curve, Experiment, Figure, HeatMap, Row, Seed
from harness.timing import AGAIN, REFERENCE, measure
from kernels import stream, threads
from kernels.ceilings import measured
from kernels.layouts import Layout
from kernels.losses import Loss, Target

WORK: tuple[Work, ...] = ("forward", "gradient", "fused", "epoch")
TWICE = ("fused", "epoch")  # the A/A arms: one parallel region, and one a batch
# So small a step that θ stays where it is: the arithmetic of a step is timed, not its effect.
STILL = 1e-12


def _interval(section: str, arm: str, unit: str) -> tuple[str, str]:
    return f"{section}/{arm}_low_{unit}", f"{section}/{arm}_high_{unit}"


@dataclass(frozen=True)
class Passes(Experiment):
    """Seconds of each pass over all `samples`, visited in `order`; the SGD epoch in batches of `batch_size` (null: one batch).

    Arms take turns, round by round, with a reference arm, and with the fused pass and the epoch once more (the A/A arms).
    Of each arm: the median over rounds and its interval, the ratio to the reference, GFLOP/s (2mnk a product), GB/s of X, and
    the fraction of the roofline, from the ceilings measured beside it. Traffic counts X once, and logits where they leave.
    """

    loss: Loss
    layout: Layout
    backend: Callable[..., Backend]
    samples: Count = 4096
    features: Count = 784
    classes: Count = 10
    batch_size: Count | None = 256
    order: Literal["sequential", "shuffled"] = "sequential"
    dtype: Literal["float32", "float64"] = "float32"
    threads: Count | None = None
    rounds: Count = 15
    seed: Seed = 0

    figures: ClassVar[tuple[Figure, ...]] = (
        HeatMap("batch_size", "layout", "time/epoch_s", "Seconds of an SGD epoch, layout × batch", log_z=True),
        Bars("time/fused_s", "layout", "Seconds of a fused pass, by layout", interval=_interval("time", "fused", "s")),
        Bars("time/epoch_s", "layout", "Seconds of an SGD epoch, by layout", interval=_interval("time", "epoch", "s")),
        Curve(
            "rate/epoch_gflop_per_s", "SGD epoch, GFLOP/s against batch size", x="batch_size", log_x=True,
            interval=_interval("rate", "epoch", "gflop_per_s"),
        ),
        Bars("time/fused_aa_ratio", "layout", "A/A arm: the fused pass against itself (1: the noise of this machine cancels)"),
        Bars("time/epoch_aa_ratio", "layout", "A/A arm: the SGD epoch against itself (1: the noise of this machine cancels)"),
    )  # fmt: skip

    def check(self) -> None:
        if self.loss.target.one_logit and self.classes != 1:
            raise ValueError(f"classes: {self.classes}; should be 1, for loss={self.loss.name}")
        f = self.backend(self.loss, layout=self.layout)
        for work in WORK:
            f.check(work, self.batch_size or self.samples)
        with threads.using(self.threads), self._threads():
            pass

    def warm_up(self) -> None:
        with self._threads():
            for call in self._arms().values():
                call()

    def tags(self) -> Mapping[str, str]:
        return {"threads": str(self.threads or threads.available())}

    def run(self) -> Iterator[Row]:
        with self._threads():
            arms = measure(self._arms(), self.rounds, again=TWICE)
        for turn in range(self.rounds):
            yield Row(turn, {f"rounds/{name}_s": float(arm.seconds[turn]) for name, arm in arms.items()})
        product = 2 * self.samples * self.features * self.classes
        flops = {"forward": product, "gradient": product, "fused": 2 * product, "epoch": 2 * product}
        dtype = np.dtype(self.dtype)
        size = self.samples * self.features * dtype.itemsize
        logits = self.samples * self.classes * dtype.itemsize
        traffic = {"forward": size + logits, "gradient": size + logits, "fused": size, "epoch": size}
        ceilings = measured(self.threads or threads.available())
        metrics: dict[str, float] = {f"ceiling/{name}": value for name, value in asdict(ceilings).items()}
        for name, arm in arms.items():
            if name.endswith(AGAIN):
                first = name.removesuffix(AGAIN)
                metrics[f"time/{first}_aa_ratio"] = float(np.median(arm.seconds / arms[first].seconds))
                continue
            low, high = arm.interval_s()
            metrics |= {f"time/{name}_s": arm.median_s, f"time/{name}_low_s": low, f"time/{name}_high_s": high}
            if name in flops:
                rate = flops[name] / 1e9
                metrics[f"time/{name}_ratio"] = float(np.median(arm.seconds / arms[REFERENCE].seconds))
                metrics[f"rate/{name}_gflop_per_s"] = rate / arm.median_s
                metrics |= {f"rate/{name}_low_gflop_per_s": rate / high, f"rate/{name}_high_gflop_per_s": rate / low}
                metrics[f"rate/{name}_gbyte_per_s"] = size / arm.median_s / 1e9
                roof = ceilings.roof(flops[name], traffic[name], dtype)
                metrics[f"rate/{name}_roof_fraction"] = flops[name] / arm.median_s / roof
        yield Row(WHOLE_RUN, metrics)

    def _threads(self) -> AbstractContextManager[object]:
        """The backend's own pool, on as many threads as the run is tagged with."""
        count: int = self.threads or threads.available()
        return self.backend(self.loss, layout=self.layout).threads(count)

    def _arms(self) -> dict[str, Callable[[], object]]:
        f = self.backend(self.loss, layout=self.layout)
        arrays = material(
            self.loss, self.layout, self.samples, self.features, self.classes, self.dtype, self.order, self.seed
        )
        moving = arrays[2].copy()
        X, y, theta, deltas, order = map(f.native, arrays)
        return {
            "forward": lambda: f.forward(X, theta, order),
            "gradient": lambda: f.gradient(X, deltas, order),
            "fused": lambda: f.value_and_grad(X, y, theta, order),
            "epoch": lambda: f.sgd_epoch(X, y, moving, self.batch_size or self.samples, STILL, order),
        }


@lru_cache(maxsize=1)
def material(
    loss: Loss, layout: Layout, samples: int, features: int, classes: int, dtype: str, order: str, seed: int
) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any], NDArray[Any], NDArray[np.int64] | None]:
    """X, y, θ, Δ and the order of visit: standard normal numbers, labels at random."""
    rng = stream(seed, "passes")
    X = layout.arrange(rng.standard_normal((samples, features), np.float32).astype(dtype))
    theta = 0.01 * rng.standard_normal((features, classes)).astype(dtype)
    if loss.target is Target.CLASS:
        y = rng.integers(0, classes, samples)
    elif loss.target is Target.COUNTS:
        y = rng.multinomial(10, np.full(classes, 1 / classes), samples).astype(dtype)
    else:
        y = rng.integers(0, 2, samples).astype(dtype)
    deltas = rng.standard_normal(layout.shape(samples, classes)).astype(dtype)
    visits = rng.permutation(samples) if order == "shuffled" else None
    return X, y, theta, deltas, visits
