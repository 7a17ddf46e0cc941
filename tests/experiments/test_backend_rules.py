"""Backends: what they refuse, and the threads that they run on."""

from __future__ import annotations

import importlib
import importlib.util
import shutil

import numpy as np
import pytest
from peers_by_name import NAMES, made

from experiments import backends
from experiments.backends.jax import Jax
from experiments.backends.sklearn import Sklearn
from experiments.backends.torch import Torch, TorchCompiled
from kernels import losses


@pytest.mark.parametrize(
    ("backend", "work", "batch_size", "line"),
    [
        (
            Sklearn("softmax"), "epoch", 1,
            "backend: sklearn has no SGD epoch for loss=softmax; should be one of squared, huber, logistic",
        ),
        (Sklearn("huber"), "epoch", 8, "backend: sklearn has no SGD epoch with batch_size=8; should be 1"),
        (Sklearn("huber"), "epoch", None, "backend: sklearn has no SGD epoch with batch_size=null; should be 1"),
        (Sklearn("huber", "columns"), "epoch", 1, "backend: sklearn has no SGD epoch for layout=columns; should be rows"),
        (Sklearn("huber"), "forward", None, "backend: sklearn has no forward pass of its own, NumPy does it; should be numpy"),
        (
            Sklearn("student_t"), "fused", None,
            "backend: sklearn has no formula for loss=student_t; should be one of squared, absolute, huber, logistic, softmax",
        ),
    ],
)  # fmt: skip
def test_what_a_backend_cannot_do_is_said_in_one_line(backend, work, batch_size, line):
    with pytest.raises(ValueError, match=rf"^{line}$"):
        backend.check(work, batch_size)


@pytest.mark.parametrize(("cls", "package"), [(Torch, "torch"), (Jax, "jax")])
def test_a_missing_library_is_said_in_one_line(cls, package, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    f = cls("softmax")
    line = rf"backend: {package} needs {package}, which is not installed: pip install -e '\.\[peers\]'"
    with pytest.raises(ValueError, match=line):
        f.check("fused")
    with pytest.raises(ValueError, match=line):
        f.native(np.zeros(3))


def test_compiling_needs_a_compiler(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: True)
    monkeypatch.setattr(shutil, "which", lambda name: None)
    Torch("softmax").check("fused")
    with pytest.raises(
        ValueError, match=r"torch_compiled compiles only where there is g\+\+ or clang\+\+; should be torch"
    ):
        TorchCompiled("softmax").check("fused")


# Threads


@pytest.mark.parametrize("name", NAMES)
def test_threads_are_set_and_put_back(name):
    f = made(name, "softmax", "rows")
    with f.threads(None):
        before = pools(name)
    if not name.startswith("jax"):  # which refuses, see below
        with f.threads(1):
            assert pools(name) == {1}
    assert pools(name) == before


def pools(name):
    """How many threads the pools have that the backend's passes run on."""
    if name.startswith("torch"):
        import torch

        return {torch.get_num_threads()}
    if name.startswith("numba"):
        import numba

        return {numba.get_num_threads()}
    if name.startswith("jax"):
        return None
    from threadpoolctl import threadpool_info

    wanted = ("blas", "openmp") if name == "sklearn" else ("blas",)
    return {pool["num_threads"] for pool in threadpool_info() if pool["user_api"] in wanted}


def test_jax_refuses_another_number_than_it_has(monkeypatch):
    monkeypatch.setenv("NPROC", "3")
    with Jax("softmax").threads(3) as there:
        assert there == 3
    with (
        pytest.raises(ValueError, match=r"threads: 2; should be 3, what JAX starts with, or NPROC=2 in its"),
        Jax("softmax").threads(2),
    ):
        pass


def test_the_environment_of_a_process_sets_every_pool():
    environment = backends.environment(2)
    assert set(environment.values()) == {"2"}
    assert {"NPROC", "NUMBA_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"} == set(
        environment
    )


def test_losses_of_the_peers_are_those_there_are():
    """A new loss has to be written for each library, or the peers say that they have none."""
    for cls in backends.find().values():
        assert set(cls.formulas) <= set(losses.ALL)
