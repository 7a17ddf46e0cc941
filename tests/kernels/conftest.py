"""The kernels' two forms: compiled, and plain Python (`NUMBA_DISABLE_JIT=1`), in which branch coverage is measured."""

from __future__ import annotations

import tempfile
from pathlib import Path

import hypothesis
import hypothesis.configuration
import numba
import numpy as np
import pytest

from kernels import sums

# The same examples each time, and no files beside the sources.
hypothesis.configuration.set_hypothesis_home_dir(Path(tempfile.gettempdir()) / "pystickonfire-hypothesis")
hypothesis.settings.register_profile("kernels", derandomize=True, database=None, deadline=None)
hypothesis.settings.load_profile("kernels")


@pytest.fixture(autouse=True)
def form(monkeypatch):
    """In plain Python, NumPy's scalars warn of what compiled code does in silence, and partial sums must be cheap."""
    if not numba.config.DISABLE_JIT:
        yield
        return
    monkeypatch.setattr(sums, "WORK_PER_PARTIAL", 1 << 10)
    with np.errstate(all="ignore"):
        yield
