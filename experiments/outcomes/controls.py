"""Means of noisy measurements, by what is known of their noise: regression on control variates.

E z is estimated by the intercept of z = a + Σ b c + e, where each control c is measured with z and is 0 in the mean by
theory. What controls explain of z's spread does not count against a: e's spread makes its standard error, with a degree of
freedom less for each control. Source: Lavenberg and Welch, 1981, doi:10.1287/mnsc.27.3.322.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def controlled(measured: Array, controls: Array) -> tuple[float, float, int]:
    """(mean, its standard error, its degrees of freedom) of `measured` (r,), by the controls (r, c).

    The standard error is NaN where there are too few repeats for any.
    """
    controls = controls[:, controls.std(axis=0) > 0]
    design = np.column_stack([np.ones(len(measured)), controls])
    freedom = len(measured) - design.shape[1]
    if freedom < 1:
        return float(measured.mean()), math.nan, 0
    scale = np.linalg.norm(design, axis=0)
    found, *_ = np.linalg.lstsq(design / scale, measured)
    left = measured - design / scale @ found
    inverse = np.linalg.pinv(design / scale)
    error = math.sqrt(float(left @ left) / freedom) * float(np.linalg.norm(inverse[0])) / scale[0]
    return float(found[0] / scale[0]), error, freedom
