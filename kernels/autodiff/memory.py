"""The memory of tensors: it is kept from the system, and when it was changed in place is known, by whichever tensor looks at it."""

from __future__ import annotations

import itertools
import weakref
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from kernels.autodiff.tensor import Tensor

# What malloc gives back to the system comes again page by page, each with a fault: for a gradient of 600 kB as long as its product
# takes. glibc keeps what is smaller than the largest piece, up to 32 MB, that it has seen freed (mallopt(3), M_MMAP_THRESHOLD).
np.empty(2**24, np.uint8)

# A clock for all that happens to tensors: when a function was called, when memory was changed.
now = itertools.count(1).__next__
latest = 0  # when any memory was last changed


class _Change:
    """When the memory of one array was last changed, and when last on the tape; it goes when the array does."""

    __slots__ = ("last", "on_tape", "owner")

    def __init__(self, owner: NDArray[Any]) -> None:
        key = id(owner)
        self.owner = weakref.ref(owner, lambda _: _changes.pop(key, None))
        self.last = self.on_tape = 0


_changes: dict[int, _Change] = {}


def owner(array: NDArray[Any]) -> NDArray[Any]:
    """The array whose memory it looks at."""
    while isinstance(array.base, np.ndarray):
        array = array.base
    return array


def note(array: NDArray[Any], on_tape: bool = False) -> None:
    """Its memory changes now: `on_tape`, as the tape knows, so that what looked at it before has no gradient any more."""
    global latest
    own = owner(array)
    change = _changes.get(id(own))
    if change is None:
        change = _changes[id(own)] = _Change(own)
    change.last = latest = now()
    if on_tape:
        change.on_tape = change.last


def changed(array: NDArray[Any], on_tape: bool = False) -> int:
    """When its memory was last changed, or last by what the tape knows; 0 if never."""
    change = _changes.get(id(owner(array)))
    if change is None:
        return 0
    return change.on_tape if on_tape else change.last


def check_unchanged(name: str, since: int, derivative: Any, output: Tensor) -> None:
    """Raise RuntimeError where a derivative would be made of numbers that have changed since then.

    It needs what it closes over, and the output too, unless it calls it `_`.
    """
    needed = [cell.cell_contents for cell in derivative.__closure__ or ()]
    if derivative.__code__.co_varnames[1] != "_":
        needed.append(output)
    for each in needed:
        for held in each if isinstance(each, (tuple, list)) else (each,):
            if hasattr(held, "node") and changed(held.array) > since:
                which = "its output" if held is output else "an input"
                raise RuntimeError(
                    f"{name}: {which} of shape {held.shape} was changed in place after it was used, so that its derivative would "
                    "be wrong; should be changed after backward, or be a new tensor"
                )


def check_whole(name: str, made: int, used: int, tensor: Tensor) -> None:
    """Raise RuntimeError where a tensor's memory was changed on the tape by another, after it was made and before it was used."""
    if made < changed(tensor.array, on_tape=True) < used:
        raise RuntimeError(
            f"{name}: an input of shape {tensor.shape} is a part of a tensor that was changed in place between the two; should be "
            "taken from it again"
        )
