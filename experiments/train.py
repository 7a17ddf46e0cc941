"""Train a linear hypothesis or a network by gradient descent or SGD, epoch by epoch (notes 2: 3rd element, Optimization)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from experiments import hierarchy
from experiments.backends.base import Backend, OnArrays, Work
from experiments.backends.numba import Numba
from experiments.claims import train as claims_train
from experiments.data import Data, Dataset
from experiments.hypotheses import OnTape
from harness.contract import (
    DIVERGED,
    WHOLE_RUN,
    Bars,
    Count,
    Curve,
    Experiment,
    Figure,
    Finite,
    HeatMap,
    Positive,
    Row,
    Seed,
)
from harness.timing import Arm, Stopwatch, time_reference
from kernels import stream, threads
from kernels.layouts import Layout
from kernels.losses import Loss, Target

# A mean loss this many times that of θ = 0 will not come back.
FAR_OFF = 1e3
PASSES: tuple[Work, ...] = ("fused", "forward", "epoch")


@dataclass(frozen=True)
class Train(Experiment):
    """θ ← θ − step_size · mean gradient of the batch; `batch_size=null` is gradient descent on all samples at once.

    `model`: `linear`, H = Xθ from θ = 0, or `mlp`, H = relu(XW₁)W₂ with so many `hidden` units, from randn/√width: not convex.
    `gradient`: by the backend's `kernel` or by `autodiff`; null is the kernel where there is one, and a network has none.

    Per epoch, by the notes' names: train and test loss; error (share of wrong labels; root mean square for numbers; mean
    total variation for counts); ‖∇f‖; ‖θ‖; the distance to θ* where it is known; seconds of steps, and of evaluation.
    What the bench's own epochs ask of the memory hierarchy is simulated (`experiments.hierarchy`).
    Ends early at `target_loss`, and when θ diverges: then `train/diverged` is 1, and that is a result.
    """

    data: Data
    loss: Loss
    layout: Layout
    backend: Callable[..., Backend]
    model: Literal["linear", "mlp"] = "linear"
    hidden: Count = 100
    gradient: Literal["kernel", "autodiff"] | None = None
    batch_size: Count | None = 64
    step_size: Positive = 0.1
    order: Literal["sequential", "shuffled"] = "shuffled"
    epochs: Count = 10
    target_loss: Finite | None = None
    dtype: Literal["float32", "float64"] = "float64"
    threads: Count | None = None
    seed: Seed = 0

    claims: ClassVar = (
        claims_train.LAYOUT_TRANSPOSE,
        claims_train.MNIST_TABLE,
        claims_train.MNIST_NETWORK,
        claims_train.MNIST_NETWORK_ERROR,
    )
    figures: ClassVar[tuple[Figure, ...]] = (
        Curve("train/loss", "Training loss", log_y=True),
        Curve("test/error", "Test error"),
        Curve("train/theta_error", "Distance to the true parameters", log_y=True),
        HeatMap("batch_size", "step_size", "train/loss", "Training loss at the end, batch × step", log_z=True),
        HeatMap("loss", "noise", "train/theta_error", "Distance to the true parameters, loss × noise"),
        HeatMap("batch_size", "step_size", "time/compute_s", "Seconds of steps, batch × step"),
        Bars(
            "time/median_epoch_s", "layout", "Seconds an epoch, by layout",
            interval=("time/median_epoch_low_s", "time/median_epoch_high_s"),
        ),
    )  # fmt: skip

    def check(self) -> None:
        self.data.check()
        fits(self.loss, self.data.kind)
        if self._on_tape:
            if self.gradient == "kernel":
                raise ValueError(
                    "gradient: kernel has linear hypotheses alone; should be autodiff, or null, for model=mlp"
                )
            if type(self._backend) is not Numba:
                raise ValueError(f"backend: {self._backend.name} has no part in gradient=autodiff; should be left out")
            OnTape(self.loss, self.layout, self.dtype, (1, 1)).check()
        for work in PASSES:
            self._backend.check(work, self.batch_size)
        with self._backend.threads(self.threads):
            pass

    def warm_up(self) -> None:
        if self._on_tape:  # nothing is compiled
            self._prepared()
            return
        p = self._prepared()
        f, theta = self._hypothesis(p)
        with self._backend.threads(self.threads):
            f.forward(p.X, theta)
            f.value_and_grad(p.X, p.y, theta)
            f.sgd_epoch(p.X, p.y, theta, self.batch_size or p.samples, 1e-9, np.arange(p.samples))
            f.sgd_epoch(p.X, p.y, theta, self.batch_size or p.samples, 1e-9)
        hierarchy.warm_up()

    def tags(self) -> Mapping[str, str]:
        return {"threads": str(self.threads or threads.available()), **hierarchy.reasons_of(self._geometry())}

    def run(self) -> Iterator[Row]:
        with OnTape.threads(self.threads) if self._on_tape else self._backend.threads(self.threads):
            yield from self._epochs()

    @property
    def _on_tape(self) -> bool:
        return self.gradient == "autodiff" or self.model == "mlp"

    def _hypothesis(self, p: Prepared) -> tuple[OnArrays | OnTape, NDArray[Any]]:
        """The hypothesis with its passes, and where θ starts."""
        if not self._on_tape:
            return OnArrays(self._backend, self.dtype), np.zeros((p.features, p.outputs), self.dtype)
        inner = [self.hidden] if self.model == "mlp" else []
        on_tape = OnTape(self.loss, self.layout, self.dtype, (p.features, *inner, p.outputs))
        return on_tape, on_tape.start(self.seed)

    @property
    def _backend(self) -> Backend:
        return self.backend(self.loss, layout=self.layout)

    def _prepared(self) -> Prepared:
        return prepare(self.data, self.seed, self.layout, self.dtype, self.loss.target)

    def _epochs(self) -> Iterator[Row]:
        p = self._prepared()
        f, theta = self._hypothesis(p)
        batch = self.batch_size or p.samples
        start_loss, _ = f.value_and_grad(p.X, p.y, theta)
        epoch_seconds, to_target = [], dict[str, float]()
        diverged = False
        for epoch in range(self.epochs):
            order = stream(self.seed, "order", str(epoch)).permutation(p.samples) if self.order == "shuffled" else None
            watch = Stopwatch()
            with watch.of("compute"), np.errstate(all="ignore"):
                f.sgd_epoch(p.X, p.y, theta, batch, self.step_size, order)
            epoch_seconds.append(watch.seconds["compute"])
            metrics: dict[str, float] = {"time/epoch_s": epoch_seconds[-1], "time/reference_s": time_reference()}
            diverged = not np.isfinite(theta).all()
            if not diverged:
                with watch.of("evaluation"), np.errstate(over="ignore", invalid="ignore"):  # θ may be on its way
                    metrics |= evaluate(f, p, theta)
                metrics["time/evaluation_s"] = watch.seconds["evaluation"]
                diverged = not metrics["train/loss"] <= FAR_OFF * start_loss
            if self.target_loss is not None and not diverged and metrics["train/loss"] <= self.target_loss:
                to_target = {
                    "train/epochs_to_target": epoch + 1,
                    "train/steps_to_target": (epoch + 1) * -(-p.samples // batch),
                    "time/to_target_s": sum(epoch_seconds),
                }
            yield Row(epoch, metrics)
            if diverged or to_target:
                break
        epochs = Arm(np.array(epoch_seconds))
        low, high = epochs.interval_s()
        yield Row(
            WHOLE_RUN,
            {
                DIVERGED: float(diverged),
                "time/compute_s": sum(epoch_seconds),
                "time/median_epoch_s": epochs.median_s,
                "time/median_epoch_low_s": low,
                "time/median_epoch_high_s": high,
                "rate/samples_per_s": p.samples / epochs.median_s,
                **to_target,
                **hierarchy.metrics_of(self._geometry()),
            },
        )

    def _geometry(self) -> hierarchy.Geometry | None:
        """Of an epoch, by the bench's own kernels."""
        if type(self._backend) is not Numba or self._on_tape:
            return None
        p = self._prepared()
        return hierarchy.Geometry(
            "epoch", self.loss, self.layout, p.samples, p.features, p.outputs, self.dtype, self.order, self.batch_size,
            self.threads or threads.available(), 0, p.X.ctypes.data % hierarchy.LINE_BYTES,
        )  # fmt: skip


def fits(loss: Loss, kind: Target) -> None:
    """Raise ValueError unless the loss takes that kind of target."""
    if loss.target is kind or (loss.target is Target.CLASS and kind is Target.BINARY):
        return
    from kernels import losses

    fitting = [name for name, cls in losses.ALL.items() if cls.target is kind]
    raise ValueError(
        f"loss={loss.name} takes {loss.target.value}, but the data (or their noise) give {kind.value};"
        f" use loss={' or loss='.join(fitting)}"
    )


@dataclass(frozen=True)
class Prepared:
    """A data set in the layout and float type of a run."""

    X: NDArray[Any]
    y: NDArray[Any]
    X_test: NDArray[Any]
    y_test: NDArray[Any]
    kind: Target
    outputs: int
    features: int
    samples: int
    theta_star: NDArray[Any] | None


@lru_cache(maxsize=2)
def prepare(data: Data, seed: int, layout: Layout, dtype: str, target: Target) -> Prepared:
    """The data as the kernels take them, labels as the loss wants them; kept for the next run, which often has the same."""
    d: Dataset = data.load(seed)
    samples, features = d.X.shape
    as_classes = target is Target.CLASS and d.target is Target.BINARY  # softmax takes 0/1 as two classes
    outputs = 2 if as_classes else d.outputs
    return Prepared(
        X=layout.arrange(d.X.astype(dtype)),
        y=d.y.astype(np.int64) if as_classes else d.y,
        X_test=layout.arrange(d.X_test.astype(dtype)),
        y_test=d.y_test.astype(np.int64) if as_classes else d.y_test,
        kind=Target.CLASS if as_classes else d.target,
        outputs=outputs,
        features=features,
        samples=samples,
        theta_star=d.theta_star,
    )


@lru_cache(maxsize=2)
def probe(shape: tuple[int, ...]) -> NDArray[np.float64]:
    """A fixed random direction: ⟨θ, probe⟩ tells trajectories apart."""
    return stream(0, "probe").standard_normal(shape)


def evaluate(f: OnArrays | OnTape, p: Prepared, theta: NDArray[Any]) -> dict[str, float]:
    """Loss, error, gradient and parameters at θ."""
    value, grad = f.value_and_grad(p.X, p.y, theta)
    wide = theta.astype(np.float64)
    metrics = {
        "train/loss": value,
        "train/error": error(f.forward(p.X, theta), p.y, p.kind, f.layout),
        "train/gradient_norm": float(np.linalg.norm(grad)),
        "train/theta_norm": float(np.linalg.norm(wide)),
        "train/theta_probe": float(np.sum(wide * probe(wide.shape))),
    }
    if isinstance(f, OnTape) and len(f.shapes) > 1:
        for layer, W in enumerate(f.weights(wide), start=1):
            metrics[f"train/weight{layer}_norm"] = float(np.linalg.norm(W))
    if p.theta_star is not None and p.theta_star.shape == theta.shape:
        metrics["train/theta_error"] = distance(wide, p.theta_star)
    if p.y_test.size:
        metrics["test/loss"] = f.value_and_grad(p.X_test, p.y_test, theta)[0]
        metrics["test/error"] = error(f.forward(p.X_test, theta), p.y_test, p.kind, f.layout)
    return metrics


def error(H: NDArray[Any], y: NDArray[Any], kind: Target, layout: Layout) -> float:
    """Share of wrong labels; root mean square error for numbers; mean total variation of frequencies for counts."""
    rows = H if layout.name == "rows" else H.T
    if kind is Target.CLASS:
        return float(np.mean(np.argmax(rows, axis=1) != y))
    if kind is Target.BINARY:
        return float(np.mean((rows[:, 0] > 0) != (y > 0)))
    if kind is Target.REAL:
        return float(np.sqrt(np.mean((rows[:, 0].astype(np.float64) - y) ** 2)))
    shifted = np.exp(rows - rows.max(axis=1, keepdims=True))
    z = shifted / shifted.sum(axis=1, keepdims=True)
    return float(0.5 * np.abs(z - y / y.sum(axis=1, keepdims=True)).sum(axis=1).mean())


def distance(theta: NDArray[np.float64], truth: NDArray[np.float64]) -> float:
    """‖θ − θ*‖; for several outputs after taking out the mean over classes, which no softmax can see."""
    difference = theta - truth
    if difference.shape[1] > 1:
        difference = difference - difference.mean(axis=1, keepdims=True)
    return float(np.linalg.norm(difference))
