"""Hardware counters: believed where they count what is known to happen; elsewhere there is a reason, never a number."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys

import numpy as np
import pytest

from kernels.memory import counters

here = pytest.mark.skipif(bool(counters.why_not()), reason=f"no hardware counters: {counters.why_not()}")


@here
def test_what_is_known_to_happen_is_counted():
    """A walk over 64 MiB misses its first level once a line, or nearly so, unless a prefetcher is counted as well."""
    numbers = np.ones(1 << 23)
    with counters.counting() as read:
        numbers.sum()
        counts = read()
    assert set(counts) == set(counters.EVENTS)
    assert counts["instructions"] > 1e6
    assert 0 < counts["l1_misses"] < 10 * numbers.nbytes / 64


def test_the_reason_is_one_line_and_there_is_either_it_or_counters():
    reason = counters.why_not()
    assert "\n" not in reason
    if reason and "counted nothing" not in reason:
        with pytest.raises(counters.Unavailable) as refused, counters.counting():
            pass
        assert str(refused.value) == reason


def answer(number, error):
    """A libc whose system call says so."""

    class Libc:
        @staticmethod
        def syscall(*given):
            ctypes.set_errno(error)
            return number

    return lambda *_, **__: Libc


@pytest.mark.parametrize("error", [1, 2, 13])
def test_a_refusal_names_the_event_and_why(monkeypatch, error):
    monkeypatch.setattr(counters.ctypes, "CDLL", answer(-1, error))
    with (
        pytest.raises(counters.Unavailable, match=f"perf_event_open, instructions: {os.strerror(error)}"),
        counters.counting(),
    ):
        pass


@pytest.mark.parametrize(("system", "machine"), [("Darwin", "arm64"), ("Linux", "riscv64"), ("Windows", "AMD64")])
def test_other_systems_have_none(monkeypatch, system, machine):
    monkeypatch.setattr(counters.platform, "system", lambda: system)
    monkeypatch.setattr(counters.platform, "machine", lambda: machine)
    with pytest.raises(counters.Unavailable, match=f"{system} on {machine} has no perf_event"), counters.counting():
        pass


def test_a_counter_that_counts_nothing_is_not_believed(monkeypatch):
    """As in virtual machines that open counters and never count."""
    counters.why_not.cache_clear()
    monkeypatch.setattr(counters, "_open", lambda name, thread: os.open(os.devnull, os.O_RDONLY))
    monkeypatch.setattr(counters, "_control", lambda file, request: None)
    monkeypatch.setattr(counters, "_value", lambda file: 0.0)
    try:
        assert "counted nothing" in counters.why_not()
    finally:
        counters.why_not.cache_clear()


def test_events_that_took_turns_are_scaled_up(tmp_path):
    """Half of the time counted: twice the count. (value, time enabled, time running), as perf_event_open(2) has them."""
    file = tmp_path / "counter"
    for numbers, expected in (((100, 50, 50), 100), ((100, 50, 25), 200), ((0, 50, 0), 0)):
        file.write_bytes(counters._VALUE.pack(*numbers))
        with file.open("rb") as opened:
            assert counters._value(opened.fileno()) == expected


def test_asking_costs_nothing_that_other_systems_lack():
    """`fcntl` is there on Linux alone: it is imported where it is used."""
    code = "import sys; sys.modules['fcntl'] = None; from kernels.memory import counters; print(bool(counters.why_not() or 1))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "True", done.stderr
