"""The leapfrog scheme against d'Alembert's formula, its waves, its energy and its growth against theory (notes 2, Optics)."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from experiments.claims import wave as claims
from experiments.memory import check_fits
from experiments.theory import waves
from experiments.theory.waves import Launch, Pulse, Shape, String
from harness.contract import WHOLE_RUN, Bars, Count, Curve, Experiment, Field, Figure, Positive, Row, Seed
from kernels import stream, threads
from kernels.layouts import Layout
from kernels.wave import Ends, leap

Array = NDArray[Any]

FEWEST = 16  # cells
LOOKS = 16  # at the energy, on the way, and in the last quarter of it at the errors
WAVES, PERIODS = 32, 64  # wavenumbers, and steps through which each is watched
# Numbers from which a step is worth the threads' meeting before and after it.
FOR_THREADS = 1 << 18
# A picture's places and times, at most.
ACROSS, FRAMES = 81, 41
# From rounding, some 1e-17, until what grows is all there is.
GROWN = 1e24
STORIES = 60  # steps of growth that are tabulated, at most
FIRST_PLACE = 0.35  # of the first pulse, in lengths; the others stand anywhere but at the very ends
MIDDLE = (0.2, 0.8)
BROADEST = 0.5  # least a, as a share of the first one's


@dataclass(frozen=True)
class Wave(Experiment):
    """max |ψ − d'Alembert| at some times up to `crossings` of the string, as a share of the largest |ψ(x, 0)|, of `pulses` at once.

    The string is `length` long in `cells` cells of h, its ends `periodic`, `fixed` or `open`; a step of time is τ = C·h/v. The
    first pulse is of that `shape` and 1/√a wide, the others of the four shapes in turn, up to √2 times wider, at random
    places. Their `launch`: at `rest`, `moving` to the right, or `pushed` by an initial velocity.

    `model/error`, beside `model/predicted_error`, the leading term of theory; `model/least_order` and `model/most_order` over the
    pulses, log₂ of the error over that with half the step; at C = 1 `model/error_of_bound`, the error as a share of what rounding
    may do, instead. `model/dispersion_error`: of ω, for 32 wavenumbers, as a share; `model/energy_of_bound`: the largest change of
    energy as a share of what rounding may do. Past C = 1 what grows instead: `model/growth`, the factor of a step, and
    `model/predicted_growth`. `profile/…` tabulates phase velocities over κh, or what grows over steps; with `pictures`
    nothing is measured, and `field/…` is the first pulse over x and t.
    """

    layout: Layout
    shape: Shape = "lorentzian"
    launch: Launch = "pushed"
    ends: Ends = "periodic"
    courant: Positive = 0.5
    cells: Count = 400
    pulses: Count = 20
    a: Positive = 10.0
    speed: Positive = 2.0
    length: Positive = 4.0
    crossings: Positive = 1.25
    dtype: Literal["float32", "float64"] = "float64"
    pictures: bool = False
    seed: Seed = 0

    claims: ClassVar = (claims.ORDER, claims.ERROR, claims.EXACT, claims.DISPERSION, claims.GROWTH, claims.ENERGY)
    foremost: ClassVar[tuple[str, ...]] = (
        "model/error", "model/predicted_error", "model/least_order", "model/most_order", "model/error_of_bound",
        "model/dispersion_error", "model/energy_of_bound", "model/growth", "model/predicted_growth",
    )  # fmt: skip
    figures: ClassVar[tuple[Figure, ...]] = (
        Curve(
            "model/error", "Error of the leapfrog scheme against d'Alembert's formula, and as predicted (dotted)", x="cells",
            by=("courant", "dtype"), theory="model/predicted_error", log_x=True, log_y=True,
        ),
        Bars(
            "model/error", "ends", "Error of the scheme, at any ends: at C = 1 nothing is left but rounding",
            by=("courant", "launch"), log_y=True,
        ),
        Curve(
            "profile/phase_velocity", "Numerical dispersion: the shorter a wave, the slower, but at C = 1; theory is dotted",
            x="profile/kh", by=("courant",), theory="profile/predicted_phase_velocity",
        ),
        Curve(
            "profile/size", "Past C = 1 the shortest wave grows out of rounding, as predicted (dotted, through the last point)",
            x="profile/steps", by=("courant",), theory="profile/predicted_size", log_y=True,
        ),
        Field("field/psi", "field/x", "field/t", "The pulse at several times", form="profiles"),
        Field("field/psi", "field/x", "field/t", "The pulse over space and time", form="map"),
        Field("field/psi", "field/x", "field/t", "The pulse on its way", form="animation"),
    )  # fmt: skip

    def check(self) -> None:
        if self.cells < FEWEST:
            raise ValueError(f"cells: {self.cells}; should be at least {FEWEST}")
        if self._steps(self.cells) < LOOKS:
            raise ValueError(
                f"crossings={self.crossings:g}, cells={self.cells}: {self._steps(self.cells)} steps; should be at least {LOOKS}"
            )
        if self.pictures and self.courant > 1:
            raise ValueError(
                f"pictures: past courant=1 all there is to see is what grows, not {self.courant:g}; should be false"
            )
        size = 2 * 2 * (self.cells + 1) * np.dtype(self.dtype).itemsize
        check_fits(f"pulses={self.pulses}, cells={self.cells}", self.pulses * size, what="ψ at half the step")

    def warm_up(self) -> None:
        leap(*self._begun(self.cells), self.courant, 1, self.ends, self.layout)

    def run(self) -> Iterator[Row]:
        if self.courant > 1:
            yield from self._growing()
            return
        if self.pictures:
            yield from self._pictured()
            return
        errors, drift = self._sent(self.cells)
        steps, per_width = self._steps(self.cells), 1 / (math.sqrt(self.a) * self._h(self.cells))
        eps = float(np.finfo(self.dtype).eps)
        metrics = {
            "model/error": float(errors.max()),
            "model/steps": float(steps),
            "model/cells_per_width": per_width,
            "model/energy_drift": drift,
            # each step rounds ψ by ε, in a change of ψ that is C/(cells per width) of it
            "model/energy_of_bound": drift / (eps * steps * per_width / self.courant),
        }
        if self.courant == 1:
            # a rounding of one step goes on to half of all the places and steps after it
            metrics["model/error_of_bound"] = float(errors.max()) / (eps * steps**2)
        else:
            orders = np.log2(errors / self._sent(2 * self.cells)[0])
            metrics |= {"model/least_order": float(orders.min()), "model/most_order": float(orders.max())}
            metrics["model/predicted_error"] = self._predicted()
        kh, turned = self._turned()
        expected = waves.phase(kh, self.courant)
        metrics["model/dispersion_error"] = float(np.abs(turned / expected - 1).max())
        for step, (wave, *velocities) in enumerate(
            zip(kh, turned / (self.courant * kh), expected / (self.courant * kh), strict=True)
        ):
            names = ("profile/phase_velocity", "profile/predicted_phase_velocity")
            yield Row(step, {"profile/kh": float(wave), **dict(zip(names, map(float, velocities), strict=True))})
        yield Row(WHOLE_RUN, metrics)

    @property
    def _string(self) -> String:
        return String(self.length, self.speed, self.ends)

    @cached_property
    def _pulses(self) -> list[Pulse]:
        shapes = get_args(Shape)
        first = shapes.index(self.shape)
        rng = stream(self.seed, "wave", "pulses")
        sharp = self.a * rng.uniform(BROADEST, 1, self.pulses)
        places = self.length * rng.uniform(*MIDDLE, self.pulses)
        sharp[0], places[0] = self.a, FIRST_PLACE * self.length
        return [
            Pulse(shapes[(first + i) % len(shapes)], float(sharp[i]), float(places[i]), self.launch) for i in range(self.pulses)
        ]  # fmt: skip

    def _h(self, cells: int) -> float:
        return self.length / cells

    def _at(self, cells: int) -> Array:
        """x of the points."""
        return self._h(cells) * np.arange(waves.points(cells, self.ends))

    def _steps(self, cells: int) -> int:
        """So many that twice the cells take twice as many, and end at the same time."""
        return round(self.crossings * self.cells / self.courant) * cells // self.cells

    def _time(self, cells: int, steps: int) -> float:
        return steps * self.courant * self._h(cells) / self.speed

    def _begun(self, cells: int) -> tuple[Array, Array]:
        """ψ at τ and at 0, in the run's layout and dtype."""
        at, h, string = self._at(cells), self._h(cells), self._string
        after = [string.first_step(pulse, at, h, self.courant) for pulse in self._pulses]
        at_first = [string.profile(pulse, at) for pulse in self._pulses]
        return self._arranged(np.array(after)), self._arranged(np.array(at_first))

    def _arranged(self, psi: Array) -> Array:
        return self.layout.arrange(psi.astype(self.dtype))

    def _rows(self, psi: Array) -> Array:
        """(pulses, points) in float64, whatever the layout: a copy, since steps are in place."""
        return np.array(psi if self.layout.name == "rows" else psi.T, np.float64)

    def _marched(
        self, cells: int, looks: NDArray[np.int64], begun: tuple[Array, Array]
    ) -> Iterator[tuple[Array, Array]]:
        """ψ after each of so many steps (1 at least, ever more) and one step before it, (pulses, points)."""
        now, before = begun
        done = 1
        for steps in looks:
            with threads.using(1 if now.size < FOR_THREADS else None):
                now, before = leap(now, before, self.courant, int(steps) - done, self.ends, self.layout)
            done = int(steps)
            yield self._rows(now), self._rows(before)

    def _looks(self, cells: int) -> NDArray[np.int64]:
        """Steps at which there is something to see, at the same times for twice the cells."""
        steps = self._steps(self.cells)
        return np.asarray(np.unique(np.linspace(1, steps, LOOKS + 1).round().astype(np.int64)) * (cells // self.cells))

    def _late(self, looks: NDArray[np.int64]) -> NDArray[np.int64]:
        """Those of the last quarter: at a single one, a pulse that meets its mirror image may have no error to speak of."""
        return np.asarray(looks[looks >= 0.75 * looks[-1]])

    def _sent(self, cells: int) -> tuple[Array, float]:
        """The largest late error of each pulse, and the largest change of energy on the way, as shares."""
        at, looks = self._at(cells), self._looks(cells)
        late = set(self._late(looks).tolist())
        energies, errors = [], []
        for look, (now, before) in zip(looks.tolist(), self._marched(cells, looks, self._begun(cells)), strict=True):
            energies.append(waves.energy(now, before, self.courant, self.ends))
            if look in late:
                exact = np.array([self._string.wave(pulse, at, self._time(cells, look)) for pulse in self._pulses])
                errors.append(np.abs(now - exact).max(axis=1))
        drift = np.abs(np.array(energies) / energies[0] - 1)
        return np.max(errors, axis=0) / self._sizes(at), float(drift.max())

    def _sizes(self, at: Array) -> Array:
        """max |ψ(x, 0)| of each pulse."""
        return np.array([np.abs(self._string.profile(pulse, at)).max() for pulse in self._pulses])

    def _predicted(self) -> float:
        """The largest late error of any pulse, by the leading term."""
        at, h = self._at(self.cells), self._h(self.cells)
        times = [self._time(self.cells, int(look)) for look in self._late(self._looks(self.cells))]
        errors = [
            [np.abs(self._string.error(pulse, at, time, h, self.courant)).max() for pulse in self._pulses] for time in times
        ]  # fmt: skip
        return float((np.max(errors, axis=0) / self._sizes(at)).max())

    def _modes(self, kh: Array) -> Array:
        """sin(κx) between fixed ends, else cos(κx): waves that keep their shape, (wavenumbers, points)."""
        angles = kh[:, None] * np.arange(waves.points(self.cells, self.ends))
        return np.sin(angles) if self.ends == "fixed" else np.cos(angles)

    def _turned(self) -> tuple[Array, Array]:
        """κh of some waves, and by how much a step turns each, ωτ: from A(t + τ) + A(t − τ) = 2cos(ωτ)·A(t) of its amplitude.

        By least squares over all steps, which takes a wave to go one way, the other, or to stand.
        """
        every = waves.wavenumbers(self.cells, self.ends)
        kh = every[np.unique(np.linspace(0, len(every) - 1, WAVES).round().astype(np.int64))]
        modes = self._modes(kh)
        bend = 2 * (np.cos(kh)[:, None] - 1) * modes  # of neighbours, as the waves themselves have it beyond the ends
        begun = self._arranged(modes + self.courant**2 / 2 * bend), self._arranged(modes)
        seen = [modes, *(now for now, _ in self._marched(self.cells, np.arange(1, PERIODS), begun))]
        A = np.array([(psi * modes).sum(axis=1) for psi in seen]) / (modes**2).sum(axis=1)
        cosine = ((A[2:] + A[:-2]) * A[1:-1]).sum(axis=0) / (2 * (A[1:-1] ** 2).sum(axis=0))
        return kh, np.arccos(np.clip(cosine, -1, 1))

    def _growing(self) -> Iterator[Row]:
        """The shortest wave in the pulses, which begins as rounding, until it is all there is."""
        kh = float(waves.wavenumbers(self.cells, self.ends)[-1])
        factor = waves.growth(kh, self.courant)
        steps = math.ceil(math.log(GROWN) / math.log(factor))
        looks = np.unique(np.linspace(1, steps, min(steps, STORIES)).round().astype(np.int64))
        looks = np.union1d(looks, [steps - 1])
        mode = self._modes(np.array([kh]))[0] * waves.weights(self.cells, self.ends)
        seen = [
            (float(np.abs(now).max()), np.abs(now @ mode)) for now, _ in self._marched(self.cells, looks, self._begun(self.cells))
        ]  # fmt: skip
        sizes = [size for size, _ in seen]
        for step, (look, size) in enumerate(zip(looks, sizes, strict=True)):
            predicted = sizes[-1] * factor ** float(look - steps)
            shown: Mapping[str, float] = {"profile/predicted_size": predicted} if predicted > sizes[0] else {}
            yield Row(step, {"profile/steps": float(look), "profile/size": size, **shown})
        ratios = seen[-1][1] / seen[-2][1]
        yield Row(
            WHOLE_RUN,
            {
                "model/growth": float(ratios[np.argmax(np.abs(ratios - factor))]),
                "model/predicted_growth": factor,
                "model/steps": float(steps),
            },
        )

    def _pictured(self) -> Iterator[Row]:
        """ψ of the first pulse, at some of the points and steps."""
        steps = self._steps(self.cells)
        looks = np.unique(np.linspace(1, steps, FRAMES - 1).round().astype(np.int64))
        some = np.unique(np.linspace(0, self.cells - (self.ends == "periodic"), ACROSS).round().astype(np.int64))
        begun = self._begun(self.cells)
        fields = [self._rows(begun[1])[0], *(now[0] for now, _ in self._marched(self.cells, looks, begun))]
        for i, (look, psi) in enumerate(zip([0, *looks], fields, strict=True)):
            for j, point in enumerate(some):
                values = {"x": self._at(self.cells)[point], "t": self._time(self.cells, int(look)), "psi": psi[point]}
                yield Row(i * len(some) + j, {f"field/{name}": float(value) for name, value in values.items()})
