"""Arms of a race, each in a process of its own, which take turns.

Pools of threads of several libraries in one process wait for each other, spinning: a kernel of 70 µs was seen to take 54 ms.
An arm hands the turn on only when its own process has come to rest, for BLAS's threads spin on for a while after their work.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from experiments.backends.base import Backend, Work, environment
from experiments.workload import Workload
from harness.timing import burst

# A process is at rest when it has used less than a tenth of so long; after so many waits it is let go all the same.
REST_S = 5e-3
WAITS = 200
PATIENCE_S = 600.0  # the most that an arm may take to its first result, and for a burst


class ArmFailed(RuntimeError):
    """An arm's own process ended, or said what went wrong in it."""


class Entrant(Protocol):
    """What is to be timed in an arm's process, where it is sent."""

    def calls(self) -> AbstractContextManager[Mapping[str, Callable[[], Any]]]:
        """The calls by name, the first of which is the one whose result is looked at; they can be made within."""


@dataclass(frozen=True)
class Racer:
    """A backend at one pass, on so many threads."""

    backend: Callable[..., Backend]
    load: Workload
    work: Work
    step_size: float
    threads: int

    @contextmanager
    def calls(self) -> Iterator[Mapping[str, Callable[[], Any]]]:
        f = self.backend(self.load.loss, layout=self.load.layout)
        with f.threads(self.threads):
            yield {self.work: self.load.calls(f, self.step_size)[self.work]}


@dataclass(frozen=True)
class First:
    """What an arm's first call gave: logits, a gradient, or θ after the epoch; the mean loss, if any; its seconds (compilation)."""

    seconds: float
    value: float
    array: NDArray[np.float64]


class Arm:
    """An entrant in its process. `first` waits for the first call; `burst` times some more."""

    def __init__(self, name: str, process: Any, connection: Connection) -> None:
        self.name, self._process, self._connection = name, process, connection

    def first(self) -> First:
        answer: First = self._answer(PATIENCE_S)
        return answer

    def burst(self) -> dict[str, float]:
        """Seconds of each of its calls: the median of a burst of them. Raises ArmFailed."""
        self._connection.send("burst")
        seconds: dict[str, float] = self._answer(PATIENCE_S)
        return seconds

    def _answer(self, seconds: float) -> Any:
        if not self._connection.poll(seconds):
            raise ArmFailed(f"{self.name}: no answer within {seconds:.0f} s")
        try:
            answer = self._connection.recv()
        except EOFError:
            self._process.join()
            raise ArmFailed(f"{self.name}: its process ended with status {self._process.exitcode}") from None
        if isinstance(answer, str):
            raise ArmFailed(f"{self.name}: {answer}")
        return answer

    def stop(self) -> None:
        self._connection.close()
        self._process.terminate()
        self._process.join()


@contextmanager
def racing(entrants: Mapping[str, Entrant], threads: int) -> Iterator[dict[str, Arm]]:
    """The arms by name, each started with an environment for so many threads; their processes end with the block."""
    processes = multiprocessing.get_context("spawn")
    with ExitStack() as stack:
        arms = {}
        for name, entrant in entrants.items():
            ours, theirs = processes.Pipe()
            process = processes.Process(target=_serve, args=(theirs, entrant), daemon=True)
            with _environment(environment(threads)), _deaf():
                process.start()
            theirs.close()
            arms[name] = Arm(name, process, ours)
            stack.callback(arms[name].stop)
        yield arms


def in_turns(arms: Mapping[str, Arm], rounds: int) -> Iterator[dict[str, dict[str, float]]]:
    """Round by round, what a burst of each arm's calls takes: there and back, so that none is always the first."""
    for turn in range(rounds):
        yield {name: arms[name].burst() for name in (list(arms) if turn % 2 else reversed(list(arms)))}


@contextmanager
def _environment(variables: Mapping[str, str]) -> Iterator[None]:
    """Within, processes that start have these variables."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


@contextmanager
def _deaf() -> Iterator[None]:
    """Within, processes that start leave Ctrl-C to this one, which ends them: a terminal sends it to all."""
    if threading.current_thread() is not threading.main_thread():  # which alone may set it
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _serve(connection: Connection, entrant: Entrant) -> None:
    """An arm's process: the first call, then a burst of each whenever one is asked for."""
    try:
        with entrant.calls() as calls:
            start = time.perf_counter()
            result = next(iter(calls.values()))()
            seconds = time.perf_counter() - start
            value, array = result if isinstance(result, tuple) else (np.nan, result)
            first = First(seconds, float(value), np.array(array, np.float64))
            _rest()
            connection.send(first)
            while connection.recv() == "burst":
                connection.send({name: _burst_and_rest(call) for name, call in calls.items()})
    except (EOFError, BrokenPipeError):  # the race is over
        pass
    except Exception as error:
        with suppress(BrokenPipeError):
            connection.send(f"{type(error).__name__}: {error}")


def _burst_and_rest(call: Callable[[], Any]) -> float:
    seconds = burst(call)
    _rest()
    return seconds


def _rest() -> None:
    """Wait until no thread of this process is busy."""
    for _ in range(WAITS):
        before = time.process_time()
        time.sleep(REST_S)
        if time.process_time() - before < REST_S / 10:
            return
