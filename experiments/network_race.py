"""How fast a network trains by the bench's tape and by PyTorch, written alike; and what the tape costs an operation."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from experiments.arms import Entrant, in_turns, racing
from experiments.ratios import medians
from experiments.workload import check_threads
from harness.contract import (
    WHOLE_RUN,
    Bars,
    Claim,
    Count,
    Evidence,
    Experiment,
    Figure,
    LeftOut,
    Positive,
    Row,
    Seed,
    as_table,
    counted,
)
from kernels import autodiff, stream, threads

FEATURES, CLASSES = 784, 10  # MNIST's
AGREEMENT = {"float32": 1e-3, "float64": 1e-9}
# An operation on so few numbers costs what calling it costs.
NUMBERS, OPERATIONS = 10, 200
OPERATION_S = 5e-6
BOTH = ["hidden", "batch_size", "dtype"]


@dataclass(frozen=True)
class Course:
    """An epoch of the course's loop over random digits, from the same start each time; `module` is imported as torch."""

    module: str
    samples: int
    hidden: int
    batch_size: int
    step_size: float
    dtype: str
    seed: int
    threads: int

    @contextmanager
    def calls(self) -> Iterator[Mapping[str, Callable[[], Any]]]:
        torch = importlib.import_module(self.module)
        if hasattr(torch, "set_num_threads"):
            torch.set_num_threads(self.threads)
        rng = stream(self.seed, "digits")
        X = torch.from_numpy(rng.random((self.samples, FEATURES)).astype(self.dtype))
        y = torch.from_numpy(rng.integers(0, CLASSES, self.samples))
        shapes = ((FEATURES, self.hidden), (self.hidden, CLASSES))
        start = [(rng.standard_normal(shape) / np.sqrt(shape[0])).astype(self.dtype) for shape in shapes]

        def epoch() -> Any:
            W1, W2 = weights = [torch.tensor(W, requires_grad=True) for W in start]
            optimizer = torch.optim.SGD(weights, lr=self.step_size)
            for i in range(0, self.samples, self.batch_size):
                optimizer.zero_grad()
                H = torch.relu(X[i : i + self.batch_size] @ W1) @ W2
                loss = torch.nn.functional.cross_entropy(H, y[i : i + self.batch_size])
                loss.backward()
                optimizer.step()
            return loss.item(), W1.detach().numpy()

        with threadpool_limits(self.threads, user_api="blas"):
            yield {"epoch": epoch}


@dataclass(frozen=True)
class Tape:
    """A chain of products of ten numbers: `plain` by NumPy, `recorded` on the tape, `there_and_back` with its derivative."""

    dtype: str

    @contextmanager
    def calls(self) -> Iterator[Mapping[str, Callable[[], Any]]]:
        factor = np.full(NUMBERS, 1.0, self.dtype)
        x, y = autodiff.tensor(factor, requires_grad=True), autodiff.tensor(factor)

        def chain(a: Any, b: Any) -> Any:
            for _ in range(OPERATIONS):
                a = a * b
            return a

        yield {
            "plain": lambda: chain(factor, factor),
            "recorded": lambda: chain(x, y),
            "there_and_back": lambda: chain(x, y).sum().backward(),
        }


def _speed(dtype: str) -> Callable[[pd.DataFrame, pd.DataFrame], Evidence | None]:
    def weigh(runs: pd.DataFrame, history: pd.DataFrame) -> Evidence | None:
        mine = runs[runs["dtype"] == dtype]
        if mine.empty:
            return None
        ratios = medians(mine, history, "ratio")
        shown = [*BOTH, "ratio", "time/bench_s", "time/peer_s"]
        return Evidence(
            quantity="seconds of an epoch by PyTorch, eager, over those by the bench's tape",
            predicted=1.0,
            samples=ratios,
            accept=(1.0, float("inf")),
            of="each",
            conditions=f"{counted(len(mine), 'run')} in {dtype}; the same code with the import changed",
            details=as_table(mine.assign(ratio=[ratio.value for ratio in ratios])[shown]),
        )

    return weigh


def _operation(runs: pd.DataFrame, history: pd.DataFrame) -> Evidence | None:
    shown = ["time/plain_s", "time/recorded_s", "time/pulled_back_s"]
    return Evidence(
        quantity="seconds of an operation that is written down, less those of NumPy's own",
        predicted=OPERATION_S,
        samples=medians(runs, history, "tape_s"),
        accept=(0.0, OPERATION_S),
        of="each",
        unit="s",
        conditions=f"products of {NUMBERS} numbers, {OPERATIONS} in a chain",
        details=as_table(runs[shown], ".3g"),
    )


@dataclass(frozen=True)
class NetworkRace(Experiment):
    """Seconds of an epoch of a network 784-`hidden`-10 by the bench's tape and by PyTorch, eager, each in a process of its own.

    The code is the same but for the import, and comes to the same weights first. Beside them, in a third process, what the tape
    adds to an operation: `rounds/tape_s`, of a product of ten numbers written down, less NumPy's own.
    """

    samples: Count = 2000
    hidden: Count = 100
    batch_size: Count = 100
    step_size: Positive = 0.2
    dtype: Literal["float32", "float64"] = "float64"
    threads: Count | None = None
    rounds: Count = 151
    seed: Seed = 0

    claims: ClassVar = (
        Claim(
            "network-speed",
            "the tape trains a network no slower than PyTorch",
            "the bench's own bar",
            _speed("float64"),
        ),
        Claim("network-speed-single", "… in float32 too", "the bench's own question", _speed("float32")),
        Claim("tape-cost", "to write an operation down costs 5 µs at most", "the bench's own bar", _operation),
    )
    foremost: ClassVar[tuple[str, ...]] = (
        "time/ratio",
        "time/bench_s",
        "time/peer_s",
        "time/tape_s",
        "time/pulled_back_s",
    )
    figures: ClassVar[tuple[Figure, ...]] = (
        Bars(
            "time/ratio",
            "hidden",
            "How many times as long as the bench's an epoch takes PyTorch",
            by=("dtype", "batch_size"),
        ),
    )

    def check(self) -> None:
        check_threads(self._threads)
        if importlib.util.find_spec("torch") is None:
            raise LeftOut("network_race: PyTorch is not installed: pip install -e '.[peers]'")

    def tags(self) -> Mapping[str, str]:
        return {"threads": str(self._threads)}

    def run(self) -> Iterator[Row]:
        rounds = []
        with racing(self._entrants(), self._threads) as arms:
            first = {name: arm.first() for name, arm in arms.items()}
            apart = float(np.abs(first["bench"].array - first["peer"].array).max())
            if not apart <= AGREEMENT[self.dtype]:
                raise ValueError(f"weights: PyTorch's are up to {apart:.1e} away; should be the same")
            for turn, took in enumerate(in_turns(arms, self.rounds)):
                bench, peer = took["bench"]["epoch"], took["peer"]["epoch"]
                rounds.append(
                    {"bench_s": bench, "peer_s": peer, "ratio": peer / bench, **_of_an_operation(took["tape"])}
                )
                yield Row(turn, {f"rounds/{name}": value for name, value in rounds[-1].items()})
        middle = {f"time/{name}": float(np.median([each[name] for each in rounds])) for name in rounds[0]}
        yield Row(
            WHOLE_RUN, {**middle, "equality/array": apart, "rate/samples_per_s": self.samples / middle["time/bench_s"]}
        )

    @property
    def _threads(self) -> int:
        return self.threads or threads.available()

    def _entrants(self) -> dict[str, Entrant]:
        rest = (self.samples, self.hidden, self.batch_size, self.step_size, self.dtype, self.seed, self._threads)
        return {"bench": Course("kernels.autodiff", *rest), "peer": Course("torch", *rest), "tape": Tape(self.dtype)}


def _of_an_operation(took: Mapping[str, float]) -> dict[str, float]:
    """Seconds of one product: by NumPy, on the tape, back through it; and what the tape adds to NumPy's own."""
    plain, recorded, both = (took[name] / OPERATIONS for name in ("plain", "recorded", "there_and_back"))
    return {"plain_s": plain, "recorded_s": recorded, "pulled_back_s": both - recorded, "tape_s": recorded - plain}
