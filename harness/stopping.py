"""Ctrl-C and SIGTERM end a sweep by an exception, also where the first one is lost.

An exception that a signal raises while C calls Python back (LLVM does when it compiles, for many seconds) is printed and
forgotten. So the handler also remembers it, and `stop_if_asked` raises it again at the next step of a run.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Stopped(BaseException):
    """SIGTERM, as an exception: like KeyboardInterrupt, it is not an error of the run that it ends."""


_RAISED = {signal.SIGINT: KeyboardInterrupt, signal.SIGTERM: Stopped}
_asked: type[BaseException] | None = None


@contextmanager
def signals_stop() -> Iterator[None]:
    """Within, both signals raise, so that what there is of the present run is kept; an ignored one stays ignored."""
    global _asked
    _asked = None
    before = {number: signal.getsignal(number) for number in _RAISED}
    for number, handler in before.items():
        if handler is not signal.SIG_IGN:
            signal.signal(number, _stop)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _stop(number: int, frame: FrameType | None) -> None:
    global _asked
    _asked = _RAISED[signal.Signals(number)]
    raise _asked


def stop_if_asked() -> None:
    """Raise what a signal asked for and nobody saw."""
    if _asked is not None:
        raise _asked
