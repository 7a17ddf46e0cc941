"""Experiments that measure nothing: what the harness costs, and how it takes failure."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from harness.contract import Experiment, Positive, Row, Seed


@dataclass(frozen=True)
class Toy(Experiment):
    """Yields `rows` rows that depend on the settings alone; misbehaves at index `when` as `behave` says."""

    index: int = 0
    rate: Positive = 0.5
    rows: int = 3
    pause: float = 0.0
    behave: Literal["well", "raise", "refuse", "kill", "term", "interrupt"] = "well"
    when: int = -1
    once: str = ""  # a file that, if it is there, makes the toy behave
    seed: Seed = 0

    def check(self) -> None:
        if self.behave == "refuse" and self.index == self.when:
            raise ValueError(f"index: {self.index}; should be anything else")

    def run(self) -> Iterator[Row]:
        for step in range(self.rows):
            if self.index == self.when and step == 1 and not (self.once and Path(self.once).exists()):
                self._misbehave()
            if self.pause:
                time.sleep(self.pause)
            yield Row(step, {"train/value": self.index * self.rate + step / 7, "time/nothing_s": time.perf_counter()})

    def _misbehave(self) -> None:
        if self.once:
            Path(self.once).touch()
        if self.behave == "raise":
            raise RuntimeError("the toy broke\nwith a second line")
        if self.behave == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        if self.behave == "term":
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(5)
        if self.behave == "interrupt":
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(5)
