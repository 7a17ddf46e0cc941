"""Shared fixtures. Nothing is written outside the temporary folder, and nothing is fetched."""

from __future__ import annotations

import getpass
import os
import random
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


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """Of a test that is marked `sampled(n)`, n of its parameters stay in the suite; the others are slow, and CI's."""
    tests = {}
    for item in items:
        if item.get_closest_marker("sampled") and not item.get_closest_marker("slow"):
            tests.setdefault((item.path, item.originalname), []).append(item)
    for (_, name), of_one in tests.items():
        (count,) = of_one[0].get_closest_marker("sampled").args
        for item in random.Random(name).sample(of_one, max(len(of_one) - count, 0)):
            item.add_marker("slow")
    # what takes minutes comes first, so that no worker is left with it when the others are done
    items.sort(key=lambda item: item.path.name != "test_valgrind.py")
