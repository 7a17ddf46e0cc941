"""Hardware counters through Linux's perf_event, where the machine grants them: what really was missed.

A counter is believed once it was opened, has counted some work, and was read; a container or a virtual machine often has none.
Source: perf_event_open(2).
"""

from __future__ import annotations

import ctypes
import os
import platform
import struct
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import cache
from pathlib import Path

import numpy as np

# perf_event_open's number among the system calls, by machine.
CALLS = {"x86_64": 298, "aarch64": 241}
# (type, config) of an event: hardware, or cache | operation << 8 | result << 16, as perf_event_open(2) has them.
_HARDWARE, _CACHE = 0, 3
_READ_MISSES = 1 << 16
EVENTS = {
    "instructions": (_HARDWARE, 1),
    "l1_misses": (_CACHE, 0 | _READ_MISSES),
    "llc_misses": (_CACHE, 2 | _READ_MISSES),
    "dtlb_misses": (_CACHE, 3 | _READ_MISSES),
}
# The attributes of an event: type, size, config, …, flags; zeros up to the size of the first version of it.
_ATTRIBUTES = struct.Struct("IIQQQQQ16x")
_DISABLED, _EXCLUDE_KERNEL, _EXCLUDE_HYPERVISOR = 1 << 0, 1 << 5, 1 << 6
# Value, time enabled, time running: where there are more events than counters, they take turns.
_FORMAT, _VALUE = 3, struct.Struct("QQQ")
_ENABLE, _DISABLE, _RESET = 0x2400, 0x2401, 0x2403
TRIAL_BYTES = 1 << 24


class Unavailable(OSError):
    """There are no hardware counters here; the message says why."""


@contextmanager
def counting(names: tuple[str, ...] = tuple(EVENTS)) -> Iterator[Callable[[], Mapping[str, float]]]:
    """Within, counters run, for all threads that this process has by now; call what is given to read them.

    Raises Unavailable where one can't be opened.
    """
    threads = [int(task.name) for task in Path("/proc/self/task").glob("[0-9]*")]
    with ExitStack() as stack:
        opened: dict[str, list[int]] = {name: [] for name in names}
        for name, files in opened.items():
            for thread in threads:
                files.append(_open(name, thread))
                stack.callback(os.close, files[-1])
        for files in opened.values():
            for file in files:
                _control(file, _RESET)
                _control(file, _ENABLE)
        yield lambda: {name: sum(map(_value, files)) for name, files in opened.items()}


@cache
def why_not() -> str:
    """Why there are no counters: tried, once; empty where there are."""
    try:
        with counting() as read:
            np.zeros(TRIAL_BYTES // 8).sum()
            counts = read()
    except (OSError, ValueError) as error:
        return str(error)
    silent = [name for name, count in counts.items() if not count > 0]
    return f"{', '.join(silent)}: counted nothing while {TRIAL_BYTES} bytes were read" if silent else ""


def _open(name: str, thread: int) -> int:
    number = CALLS.get(platform.machine())
    if platform.system() != "Linux" or number is None:
        raise Unavailable(f"{platform.system()} on {platform.machine()} has no perf_event")
    kind, config = EVENTS[name]
    flags = _DISABLED | _EXCLUDE_KERNEL | _EXCLUDE_HYPERVISOR
    attributes = _ATTRIBUTES.pack(kind, _ATTRIBUTES.size, config, 0, 0, _FORMAT, flags)
    libc = ctypes.CDLL(None, use_errno=True)
    file = int(libc.syscall(number, attributes, thread, -1, -1, 0))
    if file < 0:
        error = ctypes.get_errno()
        raise Unavailable(f"perf_event_open, {name}: {os.strerror(error)}")
    return file


def _control(file: int, request: int) -> None:
    import fcntl

    fcntl.ioctl(file, request, 0)


def _value(file: int) -> float:
    """What was counted; where events took turns, what it would have been all the time."""
    value, enabled, running = _VALUE.unpack(os.read(file, _VALUE.size))
    return value * enabled / running if running else 0.0
