"""Shared fixtures. Nothing is written outside the temporary folder, and nothing is fetched."""

from __future__ import annotations

import getpass
import os
import tempfile
from pathlib import Path

# Compiled kernels outlive a test session, but in the temporary folder; set before Numba is imported anywhere.
os.environ.setdefault("NUMBA_CACHE_DIR", str(Path(tempfile.gettempdir()) / f"pystickonfire-tests-{getpass.getuser()}"))
