"""The same regressions by other people's code: statsmodels, scikit-learn and SciPy, each as its users call it, to tight tolerances.

Each takes X (m, n) with its column of ones, y (m,), the loss, how its scale is estimated and what that came to, and gives θ (n,),
or None where the library has no such fit. Those with a scale of their own estimate it themselves.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout

import numpy as np
from numpy.typing import NDArray
from scipy import linalg, optimize, sparse, stats

from experiments.fitting.optimum import orthogonal
from experiments.fitting.scale import Scale
from kernels.losses import Absolute, Huber, Loss, Squared, StudentT

Array = NDArray[np.float64]
Referee = Callable[[Loss, Array, Array, Scale, float], Array | None]

# As tight as the libraries take it without giving up.
TOLERANCE, TURNS = 1e-13, 20_000
FINE = 1e-4


def statsmodels(loss: Loss, X: Array, y: Array, kind: Scale, sigma: float) -> Array | None:
    """OLS, QuantReg at the median, RLM with Huber's T, and the maximum likelihood of Student's t with scale, degrees given.

    QuantReg takes every |r| below 1e-6 for 1e-6, and of `longley`'s columns it makes a mean loss that is 1.7 times the least: it is
    given orthogonal columns, and y in units that make 1e-6 small.
    """
    import statsmodels.api as sm
    from statsmodels.miscmodels.tmodel import TLinearModel

    Z, back = orthogonal(X)
    with _quiet():
        if isinstance(loss, Squared):
            return np.asarray(sm.OLS(y, X).fit(method="qr").params)
        if isinstance(loss, Absolute):
            unit = FINE * float(np.median(np.abs(y - Z @ np.linalg.lstsq(Z, y)[0])))
            return np.asarray(back @ sm.QuantReg(y / unit, Z).fit(q=0.5, max_iter=TURNS).params * unit)
        if isinstance(loss, Huber) and kind in ("mad", "proposal2"):
            own = {"mad": "mad", "proposal2": sm.robust.scale.HuberScale(d=loss.delta, tol=TOLERANCE, maxiter=TURNS)}
            model = sm.RLM(y, X, M=sm.robust.norms.HuberT(loss.delta))
            return np.asarray(model.fit(scale_est=own[kind], tol=TOLERANCE, maxiter=TURNS).params)
        if isinstance(loss, StudentT) and loss.scale == 1 and kind == "likelihood":
            given = type("Given", (TLinearModel,), {"fix_df": loss.nu})(y / sigma, Z)
            start = np.append(_by_median(Z, y / sigma), 1.0)
            found = given.fit(start_params=start, method="bfgs", maxiter=TURNS, gtol=1e-9, disp=False)
            return np.asarray(back @ found.params[:-1] * sigma)
    return None


def scikit_learn(loss: Loss, X: Array, y: Array, kind: Scale, sigma: float) -> Array | None:
    """LinearRegression and QuantileRegressor; HuberRegressor estimates another scale than ours."""
    from sklearn.linear_model import LinearRegression, QuantileRegressor

    unit = np.abs(X).max(axis=0)
    if isinstance(loss, Squared):
        Z, back = orthogonal(X)
        return np.asarray(back @ LinearRegression(fit_intercept=False).fit(Z, y).coef_)
    if isinstance(loss, Absolute):
        model = QuantileRegressor(quantile=0.5, alpha=0, fit_intercept=False, solver="highs").fit(X / unit, y)
        return np.asarray(model.coef_ / unit)
    return None


def scipy(loss: Loss, X: Array, y: Array, kind: Scale, sigma: float) -> Array | None:
    """lstsq, least_squares with its Huber loss, an interior-point method for absolute loss, BFGS on SciPy's own t density."""
    Z, back = orthogonal(X)
    start = np.linalg.lstsq(Z, y / sigma)[0]
    if isinstance(loss, Squared):
        return np.asarray(linalg.lstsq(X / np.abs(X).max(axis=0), y)[0] / np.abs(X).max(axis=0))
    if isinstance(loss, Absolute):
        m, n = Z.shape
        eye = sparse.eye_array(m)
        found = optimize.linprog(
            np.append(np.zeros(n), np.ones(2 * m)), A_eq=sparse.hstack([sparse.csr_array(Z), eye, -eye], format="csr"), b_eq=y,
            bounds=[(None, None)] * n + [(0, None)] * (2 * m), method="highs-ipm",
        )  # fmt: skip
        return np.asarray(back @ found.x[:n])
    if isinstance(loss, Huber):
        fitted = optimize.least_squares(
            lambda b: Z @ b - y / sigma, start, jac=lambda b: Z, loss="huber", f_scale=loss.delta, ftol=1e-15, xtol=1e-15,
            gtol=1e-15, max_nfev=TURNS,
        )  # fmt: skip
        return np.asarray(back @ fitted.x * sigma)
    if isinstance(loss, StudentT):
        with _quiet():  # BFGS says when rounding is all that is left
            found = optimize.minimize(
                lambda b: -stats.t.logpdf(Z @ b - y / sigma, loss.nu, scale=loss.scale).mean(), _by_median(Z, y / sigma),
                method="BFGS", options={"gtol": 1e-9},
            )  # fmt: skip
        return np.asarray(back @ found.x * sigma)
    return None


def _by_median(Z: Array, y: Array) -> Array:
    """Absolute loss's optimum, where a loss that is not convex starts."""
    found = scipy(Absolute(), Z, y, "none", 1.0)
    assert found is not None
    return found


@contextmanager
def _quiet() -> Iterator[None]:
    with warnings.catch_warnings(), redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        yield


ALL: dict[str, Referee] = {"statsmodels": statsmodels, "scikit_learn": scikit_learn, "scipy": scipy}
