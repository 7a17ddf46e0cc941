"""When memory was changed in place, by whichever tensor looks at it."""

from __future__ import annotations

import itertools
import weakref
from typing import Any

import numpy as np
from numpy.typing import NDArray

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
