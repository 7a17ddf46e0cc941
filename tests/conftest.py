"""Shared fixtures. Nothing is written outside the temporary folder, and nothing is fetched."""

from __future__ import annotations

import getpass
import os
import signal
import tempfile
from pathlib import Path

# Compiled kernels outlive a test session, but in the temporary folder; set before Numba is imported anywhere.
os.environ.setdefault("NUMBA_CACHE_DIR", str(Path(tempfile.gettempdir()) / f"pystickonfire-tests-{getpass.getuser()}"))

import pytest
from problems import DTYPES, LAYOUTS, LOSSES

# What a script starts in the background is deaf to Ctrl-C, and so would be what a test starts and interrupts.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(params=[p.values[0] for p in LOSSES])
def loss(request):
    return request.param


@pytest.fixture(params=[p.values[0] for p in LAYOUTS])
def layout(request):
    return request.param


@pytest.fixture(params=[p.values[0] for p in DTYPES], ids=[p.id for p in DTYPES])
def dtype(request):
    return request.param
