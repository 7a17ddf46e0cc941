"""What a backend is: the passes of `kernels.Objective`, as the users of one library would write them, at their fastest."""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
from abc import ABC, abstractmethod
from contextlib import AbstractContextManager
from functools import cached_property
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from kernels import Objective
from kernels.layouts import Layout
from kernels.losses import Loss

Work = Literal["forward", "gradient", "fused", "epoch"]
# An array as a library holds it: NumPy's, torch.Tensor, jax.Array.
Native = Any
# A batch of columns narrower than a cache line of float32 is read line by line, for a few numbers of each.
NARROW = 16


class Backend(ABC):
    """f(θ) = 1/m Σᵢ ℓ(hᵢ, yᵢ) with H = Xθ, computed by another library: shapes, targets and order as in `kernels.Objective`.

    X, y, θ (n, k) and Δ are given as `native` makes them, in X's dtype (classes and orders as int64), C-contiguous. What
    they hold is not checked: a race is no place for it. Float32 stays float32, the sum of the losses included.
    Results are there when a call returns.
    """

    name: ClassVar[str]  # as in conf/backend
    package: ClassVar[str]  # as it is imported
    distribution: ClassVar[str] = ""  # as it is installed, where that is another name
    formulas: ClassVar[tuple[str, ...]]  # names of the losses that it has formulas for

    def __init__(self, loss: str | Loss, layout: str | Layout = "rows") -> None:
        objective = Objective(loss, layout=layout)
        self.loss, self.layout = objective.loss, objective.layout
        self.columns = self.layout.name == "columns"

    def __repr__(self) -> str:
        return f"{self.name}({self.loss!r}, layout={self.layout.name!r})"

    @classmethod
    def stamp(cls) -> str:
        """The library and its version: a run belongs to them, and is not finished under others."""
        name = cls.distribution or cls.package
        try:
            return f"{name} {importlib.metadata.version(name)}"
        except importlib.metadata.PackageNotFoundError:
            return f"no {name}"

    def check(self, work: Work, batch_size: int | None = None) -> None:
        """Raise ValueError, in one line, if the backend has no such pass; `batch_size` is the epoch's, None all samples.

        Imports nothing: an experiment asks before any work starts.
        """
        if importlib.util.find_spec(self.package) is None:
            raise ValueError(
                f"backend: {self.name} needs {self.package}, which is not installed: pip install -e '.[peers]'"
            )
        refusal = self.refusal(work, batch_size)
        if refusal:
            raise ValueError(f"backend: {self.name} {refusal}")

    def refusal(self, work: Work, batch_size: int | None) -> str | None:
        """Why there is no such pass, and what there is instead; None where there is one."""
        if self.loss.name not in self.formulas:
            return f"has no formula for loss={self.loss.name}; should be one of {', '.join(self.formulas)}"
        if self.layout.name not in ("rows", "columns"):
            return f"has no form for layout={self.layout.name}; should be rows or columns"
        return None

    @abstractmethod
    def threads(self, count: int | None) -> AbstractContextManager[object]:
        """Within, the library's own pools run `count` threads (None: as many as it likes). Raises ValueError if they can't."""

    @abstractmethod
    def native(self, array: NDArray[Any] | None) -> Native:
        """A NumPy array, or None, as the library holds it; done once, outside any timing."""

    @abstractmethod
    def forward(self, X: Native, theta: Native, order: Native = None) -> Native:
        """H = Xθ for the samples in `order`: (m, k), columns: (k, m)."""

    @abstractmethod
    def gradient(self, X: Native, deltas: Native, order: Native = None) -> Native:
        """XᵀΔ, the sum over samples of xᵢδᵢᵀ: Δ (m, k), columns: (k, m) → (n, k)."""

    @abstractmethod
    def value_and_grad(self, X: Native, y: Native, theta: Native, order: Native = None) -> tuple[Native, Native]:
        """f(θ) and ∇f(θ) = XᵀΔ/m, means over the samples in `order`; the gradient is shaped like θ."""

    @abstractmethod
    def sgd_epoch(
        self, X: Native, y: Native, theta: NDArray[Any], batch_size: int, step_size: float, order: Native = None
    ) -> float:
        """θ ← θ − step_size · (mean gradient of the batch), for each batch in `order`; the last one may be smaller.

        θ is a NumPy array and changes in place. Returns the mean of the losses met, each taken before its step.
        """


class OnArrays:
    """A backend's passes for who has NumPy arrays: X and y are handed over once each, results are arrays and floats."""

    def __init__(self, backend: Backend, dtype: str) -> None:
        self.backend, self.layout, self.dtype = backend, backend.layout, np.dtype(dtype)
        # by identity; the arrays are kept as well, so that it stays theirs
        self._held: dict[int, tuple[NDArray[Any], Native]] = {}

    def _native(self, array: NDArray[Any]) -> Native:
        if id(array) not in self._held:
            numbers = array.astype(self.dtype, copy=False) if array.dtype.kind == "f" else array
            self._held[id(array)] = array, self.backend.native(np.ascontiguousarray(numbers))
        return self._held[id(array)][1]

    def forward(self, X: NDArray[Any], theta: NDArray[Any]) -> NDArray[Any]:
        """H = Xθ."""
        return np.asarray(self.backend.forward(self._native(X), self.backend.native(theta)))

    def value_and_grad(self, X: NDArray[Any], y: NDArray[Any], theta: NDArray[Any]) -> tuple[float, NDArray[Any]]:
        """f(θ) and ∇f(θ)."""
        value, grad = self.backend.value_and_grad(self._native(X), self._native(y), self.backend.native(theta))
        return float(value), np.asarray(grad)

    def sgd_epoch(
        self,
        X: NDArray[Any],
        y: NDArray[Any],
        theta: NDArray[Any],
        batch_size: int,
        step_size: float,
        order: NDArray[np.int64] | None = None,
    ) -> float:
        """An epoch that changes θ in place; the mean of the losses met."""
        visits = self.backend.native(order)
        return self.backend.sgd_epoch(self._native(X), self._native(y), theta, batch_size, step_size, visits)


def turned(batch_size: int, order: Native) -> bool:
    """Whether an epoch over columns is faster over a copy of X that has them as rows, the copy included.

    At batch 32 (60000 samples of 784 features) columns are faster in turn and rows in an order, at 256 columns in both.
    """
    return batch_size < (NARROW if order is None else 4 * NARROW)


class Peer(Backend):
    """A backend whose library may be absent, or takes seconds to import: its passes are in a `module` imported at the first.

    That module's `Passes(loss, columns, **options)` has the methods that are handed on here.
    """

    module: ClassVar[str]
    formulas = ("squared", "absolute", "huber", "student_t", "logistic", "softmax", "multinomial")

    @property
    def options(self) -> dict[str, Any]:
        """What else the module's `Passes` is told."""
        return {}

    @cached_property
    def _passes(self) -> Any:
        self.check("fused")
        module = importlib.import_module(f"{__package__}.{self.module}")
        return module.Passes(self.loss, self.columns, **self.options)

    def native(self, array: NDArray[Any] | None) -> Native:
        return self._passes.native(array)

    def forward(self, X: Native, theta: Native, order: Native = None) -> Native:
        return self._passes.forward(X, theta, order)

    def gradient(self, X: Native, deltas: Native, order: Native = None) -> Native:
        return self._passes.gradient(X, deltas, order)

    def value_and_grad(self, X: Native, y: Native, theta: Native, order: Native = None) -> tuple[Native, Native]:
        value, grad = self._passes.value_and_grad(X, y, theta, order)
        return value, grad

    def sgd_epoch(
        self, X: Native, y: Native, theta: NDArray[Any], batch_size: int, step_size: float, order: Native = None
    ) -> float:
        return float(self._passes.sgd_epoch(X, y, theta, batch_size, step_size, order))


def environment(threads: int) -> dict[str, str]:
    """The environment to start a process in, so that every library has so many threads from the start.

    NPROC is the one that JAX's CPU client reads (PJRT's pool; tried with jaxlib 0.10.2: CPU time over wall time goes
    from 1.97 to 0.99 on two cores). `--xla_cpu_multi_thread_eigen=false`, with or without `intra_op_parallelism_threads=1`,
    and OMP_NUM_THREADS change nothing there, nor does an affinity that is set after JAX has started.
    """
    names = ("NPROC", "NUMBA_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    return dict.fromkeys(names, str(threads))
