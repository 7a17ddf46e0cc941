"""How fast the wave equation steps: the bench against NumPy and JAX, and against the bandwidth of memory, in the same rounds."""

from __future__ import annotations

import importlib.util
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from experiments.arms import Entrant, in_turns, racing
from experiments.memory import check_fits
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
from kernels import stream, threads
from kernels.ceilings import TRIAD_BYTES, adding, working
from kernels.layouts import Layout
from kernels.wave import leap

Array = NDArray[Any]
Library = Literal["numpy", "jax"]

STREAMS = 3  # two moments read, one of them written
BANDWIDTH, FACTOR = 0.7, 1.5
# Two moments of at least so many bytes are in no cache.
OUT_OF_CACHE = 1 << 28
AGREEMENT = {"float32": 1e-4, "float64": 1e-12}


@dataclass(frozen=True)
class Pulses(ABC):
    """Random pulses at two moments, as they are given to a library: (pulses, cells), in columns (cells, pulses)."""

    shape: tuple[int, int]
    axis: int  # that of the cells
    courant: float
    steps: int
    dtype: str
    seed: int
    threads: int

    @abstractmethod
    def calls(self) -> AbstractContextManager[Mapping[str, Callable[[], Any]]]:
        """The steps as a call that goes on where it was."""

    def moments(self) -> tuple[Array, Array]:
        """ψ at t and t − τ."""
        rng = stream(self.seed, "waves")
        now = rng.standard_normal(self.shape).astype(self.dtype)
        return now, now.copy()


@dataclass(frozen=True)
class Bench(Pulses):
    """The bench's kernel, in place."""

    @contextmanager
    def calls(self) -> Iterator[Mapping[str, Callable[[], Any]]]:
        moments, layout = self.moments(), "rows" if self.axis else "columns"

        def step() -> Array:
            nonlocal moments
            moments = leap(*moments, self.courant, self.steps, "periodic", layout)
            return moments[0]

        with threads.using(self.threads):
            yield {"leap": step}


@dataclass(frozen=True)
class Numpy(Pulses):
    """NumPy as its users write it: `np.roll`, whole arrays."""

    @contextmanager
    def calls(self) -> Iterator[Mapping[str, Callable[[], Any]]]:
        moments = list(self.moments())
        own, near = (np.dtype(self.dtype).type(w) for w in (2 - 2 * self.courant**2, self.courant**2))

        def leap() -> Array:
            now, before = moments
            for _ in range(self.steps):
                sides = np.roll(now, 1, self.axis) + np.roll(now, -1, self.axis)
                now, before = own * now + near * sides - before, now
            moments[:] = now, before
            return now

        yield {"leap": leap}


@dataclass(frozen=True)
class Jax(Pulses):
    """JAX: the steps in one compiled loop, its arguments given away."""

    @contextmanager
    def calls(self) -> Iterator[Mapping[str, Callable[[], Any]]]:
        import jax
        import jax.numpy as jnp

        jax.config.update("jax_enable_x64", self.dtype == "float64")
        own, near = 2 - 2 * self.courant**2, self.courant**2

        def step(_: Any, moments: Any) -> Any:
            now, before = moments
            return own * now + near * (jnp.roll(now, 1, self.axis) + jnp.roll(now, -1, self.axis)) - before, now

        def steps(now: Any, before: Any) -> Any:
            return jax.lax.fori_loop(0, self.steps, step, (now, before))

        compiled = jax.jit(steps, donate_argnums=(0, 1))
        moments = [jnp.asarray(each) for each in self.moments()]

        def leap() -> Any:
            moments[:] = jax.block_until_ready(compiled(*moments))
            return moments[0]

        yield {"leap": leap}


@dataclass(frozen=True)
class Triad:
    """a ← b + s·c over arrays that are in no cache, while the others wait."""

    threads: int

    @contextmanager
    def calls(self) -> Iterator[Mapping[str, Callable[[], Any]]]:
        with working(self.threads):
            yield {"triad": adding()}


PEERS: dict[str, type[Pulses]] = {"numpy": Numpy, "jax": Jax}
BY = ["library", "pulses", "cells", "layout", "dtype"]


def _evidence(runs: pd.DataFrame, history: pd.DataFrame, metric: str, quantity: str, least: float) -> Evidence | None:
    if runs.empty:
        return None
    ratios = medians(runs, history, metric)
    return Evidence(
        quantity=quantity,
        predicted=least,
        samples=ratios,
        accept=(least, float("inf")),
        of="each",
        conditions=f"{counted(len(runs), 'run')}, {runs['time/threads'].median():g} threads",
        details=as_table(runs.assign(ratio=[ratio.value for ratio in ratios])[[*BY, "ratio"]]),
    )


def _bandwidth(runs: pd.DataFrame, history: pd.DataFrame) -> Evidence | None:
    large = runs[runs["model/bytes"] >= OUT_OF_CACHE]
    return _evidence(
        large, history, "triad_fraction", "bytes a second, two moments read and one written, ÷ the triad's", BANDWIDTH
    )


def _speed(runs: pd.DataFrame, history: pd.DataFrame) -> Evidence | None:
    return _evidence(runs, history, "ratio", "seconds of a step by the library over those by the bench", FACTOR)


@dataclass(frozen=True)
class WaveRace(Experiment):
    """Seconds of a time step of `pulses` × `cells` by the bench and by a `library`, and bytes a second against the triad's.

    Each in a process of its own, in turns; both come to the same pulses first. A step goes through three streams, two moments
    that are read and one that is written: `rounds/triad_fraction` is what of STREAM's triad, three streams too, it reaches.
    """

    layout: Layout
    library: Library = "numpy"
    pulses: Count = 1
    cells: Count = 1 << 24
    courant: Positive = 0.5
    steps: Count = 4
    dtype: Literal["float32", "float64"] = "float64"
    threads: Count | None = None
    rounds: Count = 15
    seed: Seed = 0

    claims: ClassVar = (
        Claim(
            "wave-bandwidth", "out of cache, a step of the wave equation goes at the speed of memory",
            "the bench's own bar", _bandwidth,
        ),
        Claim("wave-speed", "a step takes the bench two thirds of what NumPy and JAX take, or less", "the bench's own bar", _speed),
    )  # fmt: skip
    foremost: ClassVar[tuple[str, ...]] = ("time/ratio", "time/bench_s", "time/peer_s", "rate/triad_fraction")
    figures: ClassVar[tuple[Figure, ...]] = (
        Bars(
            "time/ratio",
            "cells",
            "How many times as long as the bench's a step takes",
            by=("library", "layout", "dtype"),
        ),
    )

    def check(self) -> None:
        if self.cells < 3:
            raise ValueError(f"cells: {self.cells}; should be at least 3")
        check_threads(self._threads)
        if importlib.util.find_spec(self.library) is None:
            raise LeftOut(f"library: {self.library} is not installed: pip install -e '.[peers]'")
        check_fits(f"pulses={self.pulses}, cells={self.cells}", self._bytes, processes=4, what="ψ")

    def tags(self) -> Mapping[str, str]:
        return {"threads": str(self._threads)}

    def run(self) -> Iterator[Row]:
        with racing(self._entrants(), self._threads) as arms:
            first = {name: arm.first() for name, arm in arms.items()}
            apart = float(np.abs(first["bench"].array - first["peer"].array).max())
            if not apart <= AGREEMENT[self.dtype] * float(np.abs(first["bench"].array).max()):
                raise ValueError(f"library: {self.library}'s pulses are up to {apart:.1e} away; should be the same")
            rounds = []
            for turn, took in enumerate(in_turns(arms, self.rounds)):
                rounds.append(self._round(took))
                yield Row(turn, {f"rounds/{name}": value for name, value in rounds[-1].items()})
        middle = {name: float(np.median([each[name] for each in rounds])) for name in rounds[0]}
        yield Row(
            WHOLE_RUN,
            {
                "time/ratio": middle["ratio"],
                "time/bench_s": middle["bench_s"],
                "time/peer_s": middle["peer_s"],
                "time/threads": self._threads,
                "rate/triad_fraction": middle["triad_fraction"],
                "rate/cells_per_s": self.pulses * self.cells / middle["bench_s"],
                "model/bytes": float(self._bytes),
                "equality/array": apart,
            },
        )

    @property
    def _threads(self) -> int:
        return self.threads or threads.available()

    @property
    def _bytes(self) -> int:
        """Of both moments."""
        return 2 * self.pulses * self.cells * np.dtype(self.dtype).itemsize

    def _entrants(self) -> dict[str, Entrant]:
        shape, axis = self.layout.shape(self.pulses, self.cells), int(self.layout.name == "rows")
        what = (shape, axis, self.courant, self.steps, self.dtype, self.seed, self._threads)
        return {"bench": Bench(*what), "peer": PEERS[self.library](*what), "triad": Triad(self._threads)}

    def _round(self, took: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
        bench, peer = took["bench"]["leap"] / self.steps, took["peer"]["leap"] / self.steps
        moved = STREAMS * self._bytes / 2
        fraction = moved / bench * took["triad"]["triad"] / TRIAD_BYTES
        return {"bench_s": bench, "peer_s": peer, "ratio": peer / bench, "triad_fraction": fraction}
