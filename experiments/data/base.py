"""What a data source is: a frozen dataclass of settings whose `load(seed)` gives a `Dataset`, samples in rows.

A source only knows where its samples come from, `_raw(seed) -> Raw`. Splitting, standardising, the column of ones, the
search for NaN and the read-only cache are the same for every source and live here, in this order.
"""

from __future__ import annotations

import functools
import math
import re
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.contract import Share
from kernels.losses import Target
from kernels.streams import stream

Array = NDArray[Any]

# Loaded datasets kept at hand: enough for the few that neighbouring jobs of a sweep share; MNIST takes 440 MB.
KEPT = 4


@dataclass(frozen=True, eq=False)
class Dataset:
    """Samples to train and test on: X (m, n) float64 in rows, y as `target` says; all arrays C-order and read-only.

    y is (m,) float64 for REAL and BINARY, (m,) int64 for CLASS, (m, k) float64 for COUNTS. Without a test part X_test
    is (0, n). `outputs` is k, the numbers that a hypothesis gives for a sample: 1, or the number of classes.
    `theta_star` (n, k) is the truth behind synthetic samples, h = X θ*; None where there is none that is exact.
    """

    name: str
    target: Target
    X: NDArray[np.float64]
    y: Array
    X_test: NDArray[np.float64]
    y_test: Array
    outputs: int
    theta_star: NDArray[np.float64] | None = None


@dataclass(frozen=True, eq=False)
class Raw:
    """What a source hands over: X (m, n), y, k, and what else it has. X may be written to: a source keeps no reference.

    The truth is h = X θ + intercept, θ (n, k), intercept (k,); the intercept is 0 unless the source's `bias` is set.
    """

    X: Array
    y: Array
    outputs: int = 1
    theta: NDArray[np.float64] | None = None
    intercept: NDArray[np.float64] | None = None
    X_test: Array | None = None
    y_test: Array | None = None


@dataclass(frozen=True, kw_only=True)
class Data:
    """A source of samples. Its fields are its settings; a subclass in a file of its own is all that a new one takes.

    `standardize`: zero mean and unit variance for each feature, by the training part's moments; a feature that is
    constant there becomes 0 in both parts. `bias`: a last column of ones. `test_share`: share of the samples set aside
    for testing, drawn from the seed's "split" stream and rounded up; both parts keep the samples' order.
    """

    standardize: bool = False
    bias: bool = False
    test_share: Share = 0.0

    @property
    def name(self) -> str:
        """What the samples are called: the class's name in snake case."""
        return re.sub(r"(?<!^)(?=[A-Z])", "_", type(self).__name__).lower()

    @property
    def kind(self) -> Target:
        """What the targets are; known without loading wherever that is possible."""
        raise NotImplementedError(f"{type(self).__name__} states no kind of target")

    @property
    def random(self) -> bool:
        """Whether what is loaded depends on the seed."""
        return self.test_share > 0

    def check(self) -> None:
        """Raise ValueError, in one line, if `load` could not succeed. What is read from files is really read."""
        self.load(0)

    def load(self, seed: int) -> Dataset:
        """The samples under `seed`; the same object again for the same settings, so that jobs of a sweep share it.

        Raises ValueError, in one line, for what cannot be read, for NaN and infinity, and if none is left to train on.
        """
        return _loaded(self, seed if self.random else 0, self.stamp())

    def stamp(self) -> str:
        """Identity of the outside data, the same wherever the content is; "" where the settings say everything."""
        return ""

    def _raw(self, seed: int) -> Raw:
        raise NotImplementedError(f"{type(self).__name__} has no samples")

    def _test_samples(self, samples: int) -> int:
        """How many of so many samples are set aside for testing. Raises ValueError if none is left."""
        aside = math.ceil(self.test_share * samples)
        if aside >= samples:
            raise ValueError(
                f"data.test_share: {self.test_share} of {samples} samples leaves none to train on; should be smaller"
            )
        return aside


@functools.lru_cache(maxsize=KEPT)
def _loaded(data: Data, seed: int, stamp: str) -> Dataset:
    """`data.load(seed)`; the stamp is there so that a changed file is read again."""
    raw = data._raw(seed)
    X, X_test, y, y_test = _split(raw, data, seed)
    X, X_test = (np.ascontiguousarray(part, np.float64) for part in (X, X_test))
    theta, intercept = raw.theta, raw.intercept
    if data.standardize:
        with np.errstate(over="ignore", invalid="ignore"):  # what comes of NaN and infinity is refused below
            mean, scale = _standardize(X, X_test)
        theta, intercept = _standardized_truth(theta, intercept, mean, scale, exact=data.bias)
    if data.bias:
        X, X_test = (np.hstack([part, np.ones((len(part), 1))]) for part in (X, X_test))
        if theta is not None:
            theta = np.vstack([theta, np.zeros(raw.outputs) if intercept is None else intercept])
    y, y_test = (_targets(part, data.kind) for part in (y, y_test))
    dataset = Dataset(data.name, data.kind, X, y, X_test, y_test, raw.outputs, theta)
    for part in ("X", "y", "X_test", "y_test", "theta_star"):
        array = getattr(dataset, part)
        if array is not None:
            _refuse_not_finite(part, array)
            array.setflags(write=False)
    return dataset


def _split(raw: Raw, data: Data, seed: int) -> tuple[Array, Array, Array, Array]:
    """(X, X_test, y, y_test): the test part is the source's own, or the share that the settings ask for."""
    if raw.X_test is not None and raw.y_test is not None:
        return raw.X, raw.X_test, raw.y, raw.y_test
    samples = len(raw.X)
    aside = data._test_samples(samples)
    if not aside:
        return raw.X, raw.X[:0], raw.y, raw.y[:0]
    testing = np.zeros(samples, bool)
    testing[stream(seed, "split").permutation(samples)[:aside]] = True
    train = ~testing
    return raw.X[train], raw.X[testing], raw.y[train], raw.y[testing]


def _standardize(train: NDArray[np.float64], test: NDArray[np.float64]) -> tuple[Array, Array]:
    """(x − mean)/scale for each feature, in place, by the moments of `train`; returns (mean, scale).

    A constant feature becomes 0 and its scale is 0. The first sample is taken off before the mean is: a constant is
    then 0 exactly, and a mean that is huge beside the spread costs no digits. Dividing by the largest value before
    squaring keeps the variance from over- and underflowing.
    """
    first = train[0].copy()
    train -= first
    rest = train.mean(axis=0)
    train -= rest
    largest = np.maximum(train.max(axis=0), -train.min(axis=0))
    divisor = np.where(largest == 0, 1.0, largest)
    train /= divisor
    deviation = np.sqrt(np.einsum("ij,ij->j", train, train) / len(train))
    unit = np.where(largest == 0, 1.0, deviation)
    train /= unit
    # the same steps in the same order, so that a sample is the same to the last bit in either part
    test -= first
    test -= rest
    test /= divisor
    test /= unit
    test[:, largest == 0] = 0.0
    return first + rest, largest * deviation


def _standardized_truth(
    theta: Array | None, intercept: Array | None, mean: Array, scale: Array, exact: bool
) -> tuple[Array | None, Array | None]:
    """(θ, b) with X θ + b = X′(scale·θ) + (b + mean·θ), where X = scale·X′ + mean.

    None without a column of ones to carry mean·θ, and where a feature was constant, since its θ cannot be told from b:
    an almost-truth would show up as an error of the estimate.
    """
    if theta is None or not exact or not np.all(scale > 0):
        return None, None
    shift = mean @ theta
    return scale[:, None] * theta, shift if intercept is None else intercept + shift


def _targets(y: Array, kind: Target) -> Array:
    return np.ascontiguousarray(y, np.int64 if kind is Target.CLASS else np.float64)


def _refuse_not_finite(name: str, array: Array) -> None:
    # the sum is finite unless something in it is not, or it overflows: one read, and no mask of X's size
    with np.errstate(over="ignore", invalid="ignore"):
        suspicious = not np.isfinite(np.sum(array))
    if suspicious:
        bad = np.argwhere(~np.isfinite(array))
        if len(bad):
            at = tuple(int(i) for i in bad[0])
            raise ValueError(f"{name}: {array[at]} at {list(at)}; should be finite")
