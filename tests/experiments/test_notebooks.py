"""The notebooks run, on the report of a small sweep."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import jupytext
import nbclient
import pytest

NOTEBOOKS = Path(__file__).parents[2] / "experiments" / "notebooks"


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    folder = tmp_path_factory.mktemp("results")
    sweep = ["+sweep=noise", "profile=smoke", "seed=0,1", "noise=gaussian,laplace", "loss=squared,absolute"]
    subprocess.run([sys.executable, "-m", "harness", *sweep, f"results={folder}"], check=True, capture_output=True)
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("path", sorted(NOTEBOOKS.glob("*.py")), ids=lambda path: path.stem)
def test_notebook_runs(path, results, monkeypatch, tmp_path):
    monkeypatch.setenv("HARNESS_RESULTS", str(results))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(NOTEBOOKS.parents[1]), os.environ.get("PYTHONPATH", "")]))
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path / "runtime"))
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    notebook = jupytext.read(path)
    nbclient.NotebookClient(
        notebook, timeout=120, kernel_name="python3", resources={"metadata": {"path": tmp_path}}
    ).execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    assert any("text/html" in output.get("data", {}) for output in outputs)
