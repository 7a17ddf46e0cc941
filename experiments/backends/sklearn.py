"""scikit-learn: the losses and gradients inside its linear models, and `SGDClassifier` or `SGDRegressor` for an epoch."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import sklearn
from numpy.typing import NDArray
from sklearn._loss.loss import AbsoluteError, HalfBinomialLoss, HalfMultinomialLoss, HalfSquaredError, HuberLoss
from sklearn.linear_model import SGDClassifier, SGDRegressor
from sklearn.linear_model._linear_loss import LinearModelLoss
from threadpoolctl import threadpool_limits

from experiments.backends.base import Backend, Work
from kernels.losses import Huber, Loss

Array = NDArray[Any]


def _huber(loss: Loss, classes: int) -> Any:
    assert isinstance(loss, Huber)
    return HuberLoss(delta=loss.delta)


LOSSES: dict[str, Callable[[Loss, int], Any]] = {
    "squared": lambda loss, classes: HalfSquaredError(),
    "absolute": lambda loss, classes: AbsoluteError(),
    "huber": _huber,
    "logistic": lambda loss, classes: HalfBinomialLoss(),
    "softmax": lambda loss, classes: HalfMultinomialLoss(n_classes=classes),
}
# Their formulas are ours to the letter: plain SGD, one sample a step.
STOCHASTIC = ("squared", "huber", "logistic")


class Sklearn(Backend):
    """`LinearModelLoss`, which `LogisticRegression` and the GLMs minimise, and the plain SGD of `fit`.

    Columns are given to it as the transposed view. Its losses get one thread: with two, OpenMP's pool and BLAS's wait for each
    other, and 256 samples of 784 features and 10 classes take 10 ms instead of 0.25, 60000 take 59 instead of 49. The absolute
    loss's δ is −1 where h = y, which is also a subgradient.
    """

    name = "sklearn"
    package = "sklearn"
    distribution = "scikit-learn"
    formulas = tuple(LOSSES)

    def refusal(self, work: Work, batch_size: int | None) -> str | None:
        if work in ("forward", "gradient"):
            return f"has no {work} pass of its own, NumPy does it; should be numpy"
        if work == "epoch":
            if self.loss.name not in STOCHASTIC:
                return f"has no SGD epoch for loss={self.loss.name}; should be one of {', '.join(STOCHASTIC)}"
            if batch_size != 1:
                return f"has no SGD epoch with batch_size={batch_size or 'null'}; should be 1"
            if self.columns:
                return "has no SGD epoch for layout=columns; should be rows"
        return super().refusal(work, batch_size)

    @contextmanager
    def threads(self, count: int | None) -> Iterator[None]:
        with threadpool_limits(limits=count):
            yield

    def native(self, array: Array | None) -> Array | None:
        return array

    def forward(self, X: Array, theta: Array, order: Array | None = None) -> Array:
        self.check("forward")
        raise AssertionError("unreachable: the check refuses")

    def gradient(self, X: Array, deltas: Array, order: Array | None = None) -> Array:
        self.check("gradient")
        raise AssertionError("unreachable: the check refuses")

    def value_and_grad(self, X: Array, y: Array, theta: Array, order: Array | None = None) -> tuple[float, Array]:
        self.check("fused")
        if order is not None:
            X, y = np.take(X, order, axis=int(self.columns), mode="clip"), y[order]
        model = LinearModelLoss(LOSSES[self.loss.name](self.loss, theta.shape[1]), fit_intercept=False)
        coef = theta[:, 0] if self.loss.target.one_logit else theta.T
        value, grad = model.loss_gradient(
            coef,
            X.T if self.columns else X,
            y.astype(X.dtype, copy=False),
            n_threads=1,  # of the losses; the products have BLAS's threads
        )
        return value, grad[:, None] if self.loss.target.one_logit else grad.T

    def sgd_epoch(
        self, X: Array, y: Array, theta: Array, batch_size: int, step_size: float, order: Array | None = None
    ) -> float:
        """θ after an epoch of `partial_fit`; NaN for the mean loss, which scikit-learn doesn't keep."""
        self.check("epoch", batch_size)
        if order is not None:
            X, y = np.take(X, order, axis=0, mode="clip"), y[order]
        settings: dict[str, Any] = {
            "penalty": None, "alpha": 0.0, "fit_intercept": False, "shuffle": False, "learning_rate": "constant", "eta0": step_size,
        }  # fmt: skip
        # finite data and known settings are not searched for errors again
        with sklearn.config_context(assume_finite=True, skip_parameter_validation=True):
            if self.loss.name == "logistic":
                model = SGDClassifier(loss="log_loss", **settings)
                model.coef_, model.intercept_ = theta.T.copy(), np.zeros(1, theta.dtype)
                model.partial_fit(X, y, classes=np.array([0.0, 1.0]))
            else:
                bend = {"epsilon": self.loss.delta} if isinstance(self.loss, Huber) else {}
                model = SGDRegressor(loss="huber" if bend else "squared_error", **settings, **bend)
                model.coef_, model.intercept_ = theta[:, 0].copy(), np.zeros(1, theta.dtype)
                model.partial_fit(X, y)
        theta[...] = model.coef_.reshape(1, -1).T
        return float("nan")
