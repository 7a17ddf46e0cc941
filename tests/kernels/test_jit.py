"""Compilation: flags that are set in one place, and one signature a kernel, whatever the form of the arguments."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import numba
import numpy as np
import pytest
from numba.core.codegen import JITCodeLibrary
from problems import LAYOUTS, LOSSES, problem

import kernels
from kernels import _jit, epochs, losses, passes, sliced
from kernels.losses import Target

PACKAGE = Path(kernels.__file__).parent
SOURCES = sorted(PACKAGE.rglob("*.py"))

compiled = pytest.mark.skipif(numba.config.DISABLE_JIT, reason="plain Python is not compiled")


# Flags


def test_fast_math_keeps_nan_and_infinity():
    """With `nnan` or `ninf`, which `fast` and True include, a divergence or a NaN in the data could vanish."""
    assert isinstance(_jit.FASTMATH, set)
    assert {"nsz", "arcp", "contract", "afn", "reassoc"} >= _jit.FASTMATH


@compiled
def test_every_kernel_is_compiled_with_these_flags():
    own = list(kernels_of("huber", "rows", np.float64).values())
    for kernel in own + _jit._linked:
        options = kernel.targetoptions
        assert options["fastmath"] == _jit.FASTMATH
        assert options["nogil"]
        assert options["error_model"] == "numpy"
        shares_out = kernel.py_func.__name__.startswith(
            ("share_", "add_up_", "gather_wide", "losses_wide", "logits_wide", "accumulate_wide")
        )
        assert options.get("parallel", False) == shares_out
    assert any(kernel.targetoptions.get("parallel", False) for kernel in _jit._linked)


@compiled
def test_what_is_taken_in_with_others_is_optimised_where_it_ends_up(monkeypatch):
    optimised, optimise = [], JITCodeLibrary._optimize_final_module

    def note(library):
        optimised.append(library.name.rpartition(".")[2])
        optimise(library)

    monkeypatch.setattr(JITCodeLibrary, "_optimize_final_module", note)

    @_jit.inline
    def inner(x):
        return x + 1

    @_jit.inline
    def outer(x):
        return 2 * inner(x)

    def kernel(x):
        return outer(x) + inner(x)

    class Foreign:
        """Keeps the kernel from the disk."""

    assert _jit.serial(numba.types.float64(numba.types.float64), Foreign)(kernel)(3.0) == 12
    assert set(optimised) == {"inner", "kernel"}
    assert JITCodeLibrary._optimize_final_module is note


INSTRUCTIONS = (
    "arrays.py",
    "atomics.py",
    "blas.py",
    "lines.py",
    "sets.py",
    "single.py",
    "slim.py",
    "threads.py",
    "tiles.py",
    "totals.py",
    "vectors.py",
)


@pytest.mark.parametrize("path", [pytest.param(p, id=p.relative_to(PACKAGE).as_posix()) for p in SOURCES])
def test_only_one_module_sets_flags(path):
    """Elsewhere Numba gives types, parallel ranges, the number of threads, and what instructions are written with."""
    if path == PACKAGE / "_jit.py":
        return
    text = path.read_text()
    assert not re.findall(r"\b(njit|jit|fastmath|register_jitable|guvectorize|stencil|overload)\b", text)
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "numba":
            allowed = {"prange", "types"} | ({"cgutils", "intrinsic"} if path.name in INSTRUCTIONS else set())
            allowed |= {"get_cython_function_address"} if path.name == "blas.py" else set()
            assert {alias.name for alias in node.names} <= allowed, f"line {node.lineno}"
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "numba":
            assert node.attr in {"config", "get_num_threads", "set_num_threads", "get_thread_id"}, f"line {node.lineno}"


def test_no_kernel_asks_numpy_what_is_finite():
    """`np.isfinite(x)` is x − x = 0 in compiled code, which fast math may turn into True."""
    may_be = [path for path in SOURCES if PACKAGE / "autodiff" not in path.parents]  # which is NumPy's
    asking = {path.name for path in may_be if re.search(r"np\.is(finite|inf|nan)\(", path.read_text())}
    assert asking == {"check.py", "plain.py"}  # which are never compiled


# Signatures


def kernels_of(loss, layout, dtype):
    f = problem(loss, layout, dtype, m=1).objective
    where, what, dtype = type(f.layout), type(f.loss), np.dtype(dtype)
    return {
        "forward": passes.forward(where, dtype),
        "gradient": passes.gradient(where, dtype),
        "fused": passes.fused(what, where, dtype),
        "epoch": epochs.epoch(what, where, dtype),
        "sliced_fused": sliced.fused(what, where, dtype),
        "sliced_epoch": sliced.epoch(what, where, dtype),
        "epoch_singly": epochs.epoch_singly(what, where, dtype),
        "pointwise": losses.base.pointwise(what, dtype),
    }


def forms(array):
    """The same numbers, in all the ways that memory can hold them."""
    read_only = array.copy()
    read_only.setflags(write=False)
    wide = np.zeros((*array.shape[:-1], 2 * array.shape[-1]), array.dtype)
    wide[..., ::2] = array
    return [array.copy(), read_only, np.asfortranarray(array), wide[..., ::2], array[::-1].copy()[::-1], array.tolist()]


@pytest.mark.sampled(3)
@compiled
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("loss", LOSSES)
def test_one_signature_whatever_the_form_of_the_arguments(loss, layout):
    p = problem(loss, layout, m=30)
    f, order, H = p.objective, np.arange(30), p.rows @ p.theta64
    delta = f.layout.arrange(np.ones(H.shape))
    dtypes = {Target.CLASS: ["i8", "i4", "u1", ">i8"], Target.BINARY: ["f8", "f4", "i8", "?"]}
    values = set()
    for X in forms(p.X):
        f.forward(X, p.theta)
        f.gradient(X, delta)
        values.add(f.value_and_grad(X, p.y, p.theta)[0])
    for theta in forms(p.theta):
        f.forward(p.X, theta)
        values.add(f.value_and_grad(p.X, p.y, theta)[0])
    for theta in (np.array(p.theta, order="C"), np.array(p.theta, order="F"), np.array(p.theta)[::-1]):
        f.sgd_epoch(p.X, p.y, theta, batch_size=7, step_size=0.1, order=order)
    for y in [form.astype(dtype) for form in forms(p.y)[:-1] for dtype in dtypes.get(f.loss.target, ["f8", ">f8"])] + [
        p.y.tolist()
    ]:
        values.add(f.value_and_grad(p.X, y, p.theta)[0])
        f.loss.values(H, y)
    for each in forms(delta):
        f.gradient(p.X, each)
    for each in forms(H):
        f.loss.deltas(each, p.y)
    for each in [form.astype(dtype) for form in forms(order)[:-1] for dtype in ("i8", "i4", "u2")] + [order.tolist()]:
        values.add(f.value_and_grad(p.X, p.y, p.theta, each)[0])
    assert len(values) == 1
    for name, kernel in kernels_of(loss, layout, np.float64).items():
        assert len(kernel.signatures) == 1, name


@pytest.mark.slow
@compiled
def test_each_kernel_is_made_once_and_has_a_name_of_its_own():
    made = [
        kernel
        for loss in losses.ALL
        for dtype in (np.float64, np.float32)
        for kernel in kernels_of(loss, "rows", dtype).values()
    ]
    again = [
        kernel
        for loss in losses.ALL
        for dtype in (np.float64, np.float32)
        for kernel in kernels_of(loss, "rows", dtype).values()
    ]
    assert all(one is other for one, other in zip(made, again, strict=True))
    distinct = {id(kernel): kernel.__name__ for kernel in made}
    assert len(set(distinct.values())) == len(distinct)
    assert "fused_huber_rows_float32" in distinct.values()
