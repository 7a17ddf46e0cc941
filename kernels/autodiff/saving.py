"""What was learnt, in a file: of tensors, and of what Python has them in."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import IO, Any

from kernels.autodiff.devices import device

# What a file may name, unless it is trusted: a pickle can call anything that it names.
HARMLESS = {
    ("collections", "OrderedDict"),
    ("kernels.autodiff.nn.module", "Parameter"),
    ("kernels.autodiff.tensor", "Tensor"),
    ("numpy", "dtype"),
    ("numpy", "ndarray"),
    ("numpy._core.multiarray", "_reconstruct"),
    ("numpy._core.multiarray", "scalar"),
    ("numpy._core.numeric", "_frombuffer"),
}


def save(obj: Any, f: str | Path | IO[bytes]) -> None:
    """Write tensors, or dictionaries and lists of them (a `state_dict()`), to a file or to what is open for writing."""
    if isinstance(f, (str, Path)):
        written = pickle.dumps(obj)  # before the file is opened: what can't be written does not destroy it
        Path(f).write_bytes(written)
    else:
        pickle.dump(obj, f)


def load(f: str | Path | IO[bytes], map_location: Any = None, weights_only: bool = True) -> Any:
    """What `save` wrote, on the CPU.

    Without `weights_only` also objects of any other class, which may run code: only of files one trusts.
    """
    if isinstance(f, (str, Path)):
        with Path(f).open("rb") as file:
            return load(file, map_location, weights_only)
    if map_location is not None:
        device(str(map_location))
    return (_OfTensors if weights_only else pickle.Unpickler)(f).load()


class _OfTensors(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in HARMLESS:
            raise pickle.UnpicklingError(
                f"the file names {module}.{name}; should hold tensors, numbers, texts, lists and dictionaries only "
                "(weights_only=False reads it, and may run what it names)"
            )
        return super().find_class(module, name)
