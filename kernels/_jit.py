"""The only place that sets Numba's flags and the folder of its compiled code.

Numba's disk cache does not see that a function which was inlined from another file has changed. So compiled kernels
live in a folder named by a digest of the source files in `kernels/`: an edit opens a fresh folder, and a second
process finds what the first one compiled. A kernel with a loss or a layout from elsewhere is compiled anew in each
process, since the digest does not see its source. `NUMBA_CACHE_DIR` moves the folder; the user's cache folder is the default.
"""

from __future__ import annotations

import functools
import gc
import getpass
import hashlib
import inspect
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FunctionType
from typing import Any, TypeVar, cast

import numba
import numpy as np
from llvmlite import binding as llvm
from numba import types
from numba.core import cgutils, event
from numba.core.codegen import JITCodeLibrary
from numba.core.compiler_lock import global_compiler_lock
from numba.core.extending import _Intrinsic
from numba.core.registry import cpu_target
from numba.extending import overload, register_jitable

F = TypeVar("F", bound=Callable[..., Any])

# All of fast math but `nnan` and `ninf`: with those a NaN may vanish, and divergence has to show.
FASTMATH = {"nsz", "arcp", "contract", "afn", "reassoc"}
# Each function once more, as C would call it: nobody does, and it takes a twentieth of a kernel's compilation.
NO_C_FORM = {"no_cfunc_wrapper": True}
# False where NUMBA_DISABLE_JIT is set: kernels then run as the Python that they are written in.
COMPILED = not numba.config.DISABLE_JIT


def source_digest(folder: Path = Path(__file__).parent) -> str:
    """Digest (hex, 16 characters) of every Python file below `folder`, names included; `autodiff` has no kernels."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*.py")):
        within = path.relative_to(folder)
        if within.parts[0] != "autodiff":
            digest.update(within.as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


def user_cache() -> Path:
    """The user's cache folder for this project, by the convention of the operating system."""
    home = Path.home()
    if sys.platform == "darwin":
        base = home / "Library" / "Caches"
    elif sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA", home / "AppData" / "Local"))
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME") or home / ".cache")
    return base / "pystickonfire"


def cache_folder() -> Path:
    """Where this version of the kernels keeps its compiled code: a folder that can be written to."""
    chosen = os.environ.get("NUMBA_CACHE_DIR")
    folder = (Path(chosen) if chosen else user_cache() / "numba") / f"kernels-{source_digest()}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return folder
    except OSError:  # a read-only home: compile once per machine start rather than once per process
        return Path(tempfile.gettempdir()) / f"pystickonfire-{getpass.getuser()}" / folder.name


_FOLDER = str(cache_folder())


# Numba has no types: to mypy its class is Any.
class _Nesting(event.Listener):  # type: ignore[misc]
    """Of each function that is being compiled, from the outermost on: is it to be taken in, and has it taken in others?"""

    def __init__(self) -> None:
        self.functions: list[list[bool]] = []

    def on_start(self, event: Any) -> None:
        if self.functions:
            self.functions[-1][1] = True
        self.functions.append([event.data["dispatcher"].targetoptions.get("forceinline", False), False])

    def on_end(self, event: Any) -> None:
        self.functions.pop()

    def both(self) -> bool:
        """Of the innermost."""
        return self.functions[-1:] == [[True, True]]


@contextmanager
def _optimised_once() -> Iterator[None]:
    """Within, what is taken in together with what it has taken in itself is optimised where it ends up, and not before.

    Numba would do it at every level anew: a seventh of a kernel's compilation. What takes in nothing itself is small, and
    its loops are best looked at alone: with those left to the kernel as well, passes by slices were a tenth slower.
    """
    nesting, optimise = _Nesting(), JITCodeLibrary._optimize_final_module

    def optimise_the_rest(library: Any) -> None:
        if not nesting.both():
            optimise(library)

    JITCodeLibrary._optimize_final_module = optimise_the_rest
    try:
        with event.install_listener("numba:compile", nesting):
            yield
    finally:
        JITCodeLibrary._optimize_final_module = optimise


@contextmanager
def uncollected() -> Iterator[None]:
    """Within, no garbage is collected, where many objects live on that are made: to look through them takes long."""
    collected = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collected:
            gc.enable()


@contextmanager
def _settings() -> Iterator[None]:
    """Within, the cache folder, which is read when a function is decorated, is ours: for everybody else's it stays."""
    before = numba.config.CACHE_DIR
    numba.config.CACHE_DIR = _FOLDER
    try:
        with uncollected():  # a tenth of a compiler's time
            yield
    finally:
        numba.config.CACHE_DIR = before


def _compile(signature: Any, parts: tuple[type, ...], **flags: Any) -> Callable[[F], F]:
    covered = all(part.__module__.startswith(f"{__package__}.") for part in parts)

    def decorate(function: F) -> F:
        options = {"fastmath": FASTMATH, "cache": covered, "nogil": True, "error_model": "numpy", **NO_C_FORM, **flags}
        with global_compiler_lock, _optimised_once(), _settings():
            return cast(F, numba.njit(signature, **options)(function))

    return decorate


def named(kernel: F, *parts: str) -> F:
    """Give a specialisation a name of its own: that is the name of its file in the cache, and in a profile."""
    kernel.__name__ = kernel.__qualname__ = "_".join((kernel.__name__, *parts))
    return kernel


def written(function: Any) -> Any:
    """The Python that a compiled kernel, or a function that stands apart, was written as; anything else as it is."""
    return getattr(function, "py_func", getattr(function, "written", function))


def copied(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function once more, to be compiled under another name."""
    assert isinstance(function, FunctionType)
    return FunctionType(function.__code__, function.__globals__, function.__name__, None, function.__closure__)


def parallel(signature: Any, *parts: type) -> Callable[[F], F]:
    """Compile at once for `signature`, with `prange` loops on all threads; cached on disk if all `parts` are ours."""
    return _compile(signature, parts, parallel=True)


def serial(signature: Any, *parts: type) -> Callable[[F], F]:
    """Compile at once for `signature`, on one thread; cached on disk if all `parts`, the classes it joins, are ours."""
    return _compile(signature, parts)


def once(factory: F) -> F:
    """Remember what the factory made for its arguments (`functools.cache`, with the factory's own signature kept)."""
    return cast(F, functools.cache(factory))


def inline(function: F) -> F:
    """Plain Python that is compiled into each kernel that calls it, with that kernel's flags."""
    return cast(F, register_jitable(forceinline=True, **NO_C_FORM)(function))


def inline_as_written(function: F) -> F:
    """Like `inline`, but without fast math: every operation is done, in the order it is written."""
    return cast(F, register_jitable(fastmath=False, **NO_C_FORM)(function))


def inline_contracted(function: F) -> F:
    """Like `inline_as_written`, but a product and the sum that it goes into may become one instruction."""
    return cast(F, register_jitable(fastmath={"contract"}, **NO_C_FORM)(function))


def by_type(single: Callable[[Any], Any], double: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """A function of one number that kernels take in: `single` for float32, `double` for float64, in the order written.

    A product and the sum that it goes into may become one instruction; nothing else is rearranged.
    """

    def choose(x: Any) -> Any:
        return (single if isinstance(x, np.float32) else double)(x)

    if COMPILED:
        overload(choose, jit_options={"fastmath": {"contract"}, **NO_C_FORM})(
            lambda x: single if x == types.float32 else double
        )
    return choose


_linked: list[Any] = []  # the linker knows an address, and keeps nothing alive
_apart: dict[str, Callable[[types.Float], str]] = {}


def _publish(function: Callable[..., Any], signature: Any, *parts: type, **flags: Any) -> str:
    """Compile a function on its own and make it known to the linker: its symbol."""
    # Python does not call it: what would take its arguments from Python and raise its errors there is not written.
    kernel: Any = _compile(signature, parts, no_cpython_wrapper=True, **flags)(function)
    (result,) = kernel.overloads.values()
    symbol = f"{__package__}_{function.__name__}"
    llvm.add_symbol(symbol, result.library.get_pointer_to_function(result.fndesc.llvm_func_name))
    _linked.append(kernel)
    return symbol


class _Named(_Intrinsic):  # type: ignore[misc]  # Any, to mypy, as above
    """An intrinsic that is its name where it stands in a closure: the disk cache would take another for new each time."""

    def __reduce__(self) -> Any:
        return str, (self._name,)


def instructions(function: Callable[..., Any]) -> Any:
    """`numba.extending.intrinsic`, for what local functions call too: in the disk cache it counts as its name."""
    one = _Named(function.__name__, function)
    one._register()
    return one


def _caller(function: Callable[..., Any], resolve: Callable[[Any], tuple[str, Any]]) -> Any:
    """What kernels call to reach a symbol; `resolve` finds it, and its signature, for the type of the first argument."""

    def call(typing_context: Any, *given: Any) -> Any:
        symbol, signature = resolve(given[0])

        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            kind = context.call_conv.get_function_type(signature.return_type, signature.args)
            target = cgutils.get_or_insert_function(builder.module, kind, symbol)
            status, result = context.call_conv.call_function(
                builder, target, signature.return_type, signature.args, arguments
            )
            with cgutils.if_unlikely(builder, status.is_error):  # there is no memory for its arrays
                context.call_conv.return_status_propagate(builder, status)
            return result

        return signature, generate

    own = inspect.signature(function).parameters.values()  # Numba asks for them
    first = inspect.Parameter("typing_context", inspect.Parameter.POSITIONAL_OR_KEYWORD)
    call.__signature__ = inspect.Signature([first, *own])  # type: ignore[attr-defined]  # unknown to mypy
    call.__name__ = function.__name__
    caller = instructions(call)
    caller.written = function
    return caller


def linked(function: F, signature: Any, *parts: type, threads: bool = False, makes_arrays: bool = True) -> F:
    """Compile a function on its own, like `parallel` with `threads`, else like `serial`; kernels call it by its symbol.

    What is taken into a kernel is compiled again with each kernel, and many times on the way; what is linked is not.
    One that makes no arrays need not count who holds those that it is given, which Numba does wherever it hands one on.
    """
    if not COMPILED:
        return function
    symbol = _publish(function, signature, *parts, parallel=threads, _nrt=makes_arrays)
    return cast(F, _caller(function, lambda first: (symbol, signature)))


def apart(signature: Callable[[types.Float], Any]) -> Callable[[F], F]:
    """Like `linked` with `serial`, for a function of either kind of number: that of its first argument, an array."""

    def decorate(function: F) -> F:
        if not COMPILED:
            return function

        @functools.cache
        def symbol(real: types.Float) -> str:
            return _publish(named(copied(function), real.name), signature(real))

        _apart[function.__name__] = symbol
        return cast(F, _caller(function, lambda first: (symbol(first.dtype), signature(first.dtype))))

    return decorate


def target_context() -> Any:
    """What Numba knows of the CPU that it compiles for."""
    return cpu_target.target_context


def compiled_for() -> tuple[str, ...]:
    """The processor that kernels are compiled for, and what it has, by LLVM's names; `python` where they are not compiled."""
    return tuple(map(str, target_context().codegen().magic_tuple())) if COMPILED else ("python",)


def link_threads() -> None:
    """Make what Numba's own pool of threads answers known to the linker."""
    numba.get_num_threads()


def link(real: types.Float, *names: str) -> None:
    """Make what stands apart known to the linker, all of it or what is named. Before a kernel for `real` is read from the disk."""
    link_threads()
    for name, symbol in _apart.items():
        if name in names or not names:
            symbol(real)
