"""The backends of conf/backend, by the names of their files."""

from __future__ import annotations

import importlib
import importlib.util
import shutil
from pathlib import Path

import pytest
from omegaconf import OmegaConf

CONF = Path(__file__).parents[1] / "conf" / "backend"
FILES = sorted(path.stem for path in CONF.glob("*.yaml"))
# Where all is one block these two are the same as without: they have a test of their own.
NAMES = [name for name in FILES if name not in ("numpy_tuned", "torch_tuned")]


def made(name, loss, layout):
    """The backend of a file of conf/backend; the test is skipped where its library is missing."""
    settings = OmegaConf.to_container(OmegaConf.load(CONF / f"{name}.yaml"))
    assert settings.pop("_partial_")
    module, _, cls = settings.pop("_target_").rpartition(".")
    backend = getattr(importlib.import_module(module), cls)(loss, layout=layout, **settings)
    if importlib.util.find_spec(backend.package) is None:
        pytest.skip(f"{backend.package} is not installed: pip install -e '.[peers]'")
    if name == "torch_compiled" and not shutil.which("g++"):
        pytest.skip("torch.compile needs g++")
    return backend
