"""How threads share out their work, for a trace: stand-ins for parallel loops, and for the teams of `kernels.teams`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kernels.memory.tracing import Enough, Tape
from kernels.teams import most as max_team


class Sharing:
    """What each thread does goes to its own part of the tape; `team` is how many threads each have a part of every sample."""

    def __init__(self, tape: Tape) -> None:
        self._tape, self._shared_out = tape, False
        self.team = 1

    def seats(self, parts):
        return min(parts, self._tape.threads)

    def prange(self, count):
        """The tasks of a parallel loop, a thread's own one after the other."""
        at_work = set()
        self._shared_out = True
        for task in range(count):
            self._tape.thread = task * min(self._tape.threads, count) // count
            at_work.add(self._tape.thread)
            yield task
        self._tape.thread, self._shared_out = 0, False
        if all(self._tape.ended[thread] for thread in at_work):
            raise Enough

    def join(self, board, patience):
        self.team = max_team(board)
        return self._tape.thread, self.team

    def meet(self, board, number, size, turn, waits):
        return waits

    def staying(self, board, number, size, turn):
        return size

    def _until_enough(self, work: Callable[..., Any]) -> Callable[..., Any]:
        """A thread's work, which ends with it; the others go on."""

        def run(*given: Any) -> Any:
            try:
                return work(*given)
            except Enough:
                if not self._shared_out:
                    raise
                return 0.0

        return run
