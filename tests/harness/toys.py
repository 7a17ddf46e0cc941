"""Experiments that measure nothing: what the harness costs, how it takes failure, and what it makes of known numbers."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

from harness.contract import Bars, Claim, Curve, Evidence, Experiment, Figure, HeatMap, LeftOut, Positive, Row, Seed

SIGNALS = {"kill": signal.SIGKILL, "term": signal.SIGTERM, "interrupt": signal.SIGINT}


@dataclass(frozen=True)
class Toy(Experiment):
    """Yields `rows` rows that depend on the settings alone; misbehaves at index `when` as `behave` says."""

    index: int = 0
    rate: Positive = 0.5
    rows: int = 3
    pause: float = 0.0
    behave: Literal[
        "well",
        "raise",
        "leave",
        "nonsense",
        "misname",
        "refuse",
        "leave out",
        "not know",
        "kill",
        "term",
        "interrupt",
        "lose",
    ] = "well"
    when: int = -1
    once: str = ""  # a file that, if it is there, makes the toy behave
    say: str = "the toy broke\nwith a second line"
    seed: Seed = 0

    def check(self) -> None:
        if self.behave == "refuse" and self.index == self.when:
            raise ValueError(f"index: {self.index}; should be anything else")
        if self.behave == "leave out" and self.index >= self.when:
            raise LeftOut(f"index: none above {self.when - 1} here")

    def tags(self) -> Mapping[str, str]:
        return {"null/toy": "toys have no clocks"} if self.behave == "not know" and self.index >= self.when else {}

    def run(self) -> Iterator[Row]:
        for step in range(self.rows):
            if self.index == self.when and step == 1 and not (self.once and Path(self.once).exists()):
                yield from self._misbehave()
            if self.pause:
                time.sleep(self.pause)
            value = self.index * self.rate + step / 7 + self.seed / 3
            yield Row(step, {"train/value": value, "time/nothing_s": time.perf_counter()})

    def _misbehave(self) -> Iterator[Row]:
        if self.once:
            Path(self.once).touch()
        if self.behave == "raise":
            raise RuntimeError(self.say)
        if self.behave == "leave":
            sys.exit("the toy left")
        if self.behave == "nonsense":
            yield Row(1, {"train/value": "high"})  # type: ignore[dict-item]
        if self.behave == "misname":
            yield Row(1, {"train/value (best)": 1.0})
        if self.behave == "lose":  # as C does that calls Python back
            with suppress(KeyboardInterrupt):
                os.kill(os.getpid(), signal.SIGINT)
                time.sleep(5)
            yield Row(1, {"train/value": self.index * self.rate})
        if self.behave in SIGNALS:
            os.kill(os.getpid(), SIGNALS[self.behave])
            time.sleep(5)


def _grows(runs, history):
    """As the toy is written: the last value of index 1, rate 0.5 is 0.5 + 2/7."""
    wanted = runs[(runs["index"] == 1) & (runs["rate"] == 0.5) & (runs["seed"] == 0)]
    return Evidence("value", 0.5 + 2 / 7, wanted["train/value"].tolist(), (0.78, 0.79), conditions="index 1")


def _planted(runs, history):
    return Evidence("value", 40.0, runs["train/value"].tolist(), (39.0, 41.0), of="mean", conditions="all runs",
                    details="| index | value |\n|---|---|\n| <i>1</i> | 2 |")  # fmt: skip


@dataclass(frozen=True)
class Figured(Toy):
    """A toy with claims, one of them false, and with a figure of each kind."""

    claims: ClassVar = (
        Claim("toy-grows", "the value is index·rate + step/7", "toys, section 1", _grows),
        Claim("toy-false", "the <b>value</b> is 40", "toys, section 2", _planted),
        Claim("toy-silent", "nothing speaks to this", "toys, section 3", lambda runs, history: None),
    )
    figures: ClassVar[tuple[Figure, ...]] = (
        Curve("train/value", "Value by step"),
        Curve("train/value", "Value by index", x="index", log_x=True),
        HeatMap("index", "rate", "train/value", "Value, index × rate"),
        Bars("train/value", "rate", "Value by rate", by=("index",)),
        Bars("train/value", "pause", "Value by pause, which does not vary"),
        HeatMap("index", "rate", "test/nothing", "A metric that there is not"),
    )


@dataclass(frozen=True)
class Other(Experiment):
    """Another experiment for sweeps of several: it has `width` where the toy has `rate`."""

    index: int = 0
    width: float | None = None
    seed: Seed = 0

    def run(self) -> Iterator[Row]:
        yield Row(0, {"train/value": self.index * (self.width or 1.0)})


@dataclass(frozen=True)
class Stamped:
    """Outside data, the content of a file."""

    path: str

    def stamp(self) -> str:
        if not Path(self.path).exists():
            raise ValueError(f"data.path={self.path}: no such file")
        return Path(self.path).read_text()


@dataclass(frozen=True)
class Reader(Experiment):
    """Reads outside data, and has no check of its own."""

    data: Stamped
    seed: Seed = 0

    def run(self) -> Iterator[Row]:
        yield Row(0, {"train/value": float(len(self.data.stamp()))})


@dataclass(frozen=True)
class Reserved(Experiment):
    """Has a setting whose name reports use for something else."""

    seconds: float = 1.0
