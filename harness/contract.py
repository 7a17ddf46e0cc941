"""What an experiment is: a frozen dataclass whose fields are its configuration, and whose `run()` yields rows of metrics.

An experiment states its claims (what is predicted, and how to read the measurement off the runs) and its figures (which
metric against which axis). The harness does the rest; it knows experiments only by their `_target_` in conf/.
This module imports nothing of ours.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from annotated_types import Ge, Gt, Le, Lt

if TYPE_CHECKING:
    import pandas as pd

# Ranges that fields are checked against before any run starts.
Count = Annotated[int, Ge(1)]
Seed = Annotated[int, Ge(0)]
Positive = Annotated[float, Gt(0), Lt(math.inf)]
Finite = Annotated[float, Gt(-math.inf), Lt(math.inf)]
NotNegative = Annotated[float, Ge(0), Lt(math.inf)]
Share = Annotated[float, Ge(0), Lt(1)]
Confidence = Annotated[float, Gt(0), Lt(1)]
AtLeastOne = Annotated[float, Ge(1), Lt(math.inf)]
Probability = Annotated[float, Ge(0), Le(1)]

# The metric that is 1 for a run whose numbers ran away. That is a result, but no average takes its other metrics in.
DIVERGED = "train/diverged"
# The step of what holds of the whole run: MLflow draws a metric that has step 0 alone as a bar, any other as a curve.
WHOLE_RUN = 0
# Sections of what a run tabulates step by step: functions and fields. Figures have them, tables of runs do not.
TABULATED = ("profile/", "field/")
# In a table, what a run does not have.
NONE = "–"


class LeftOut(ValueError):
    """Raised by `check`: there is no such combination here. A sweep goes on without it, and says so with its message."""


@dataclass(frozen=True)
class Row:
    """What was measured at one step of a run (an epoch, a round): metrics by `section/name`, SI units in the name."""

    step: int
    metrics: Mapping[str, float]


Interval = tuple[float, float]


@dataclass(frozen=True)
class Estimate:
    """A number measured with noise: its value, its interval at any confidence, and from how many replicates (0: no noise).

    `harness.estimates` makes them.
    """

    value: float
    interval: Callable[[float], Interval]
    count: int


@dataclass(frozen=True)
class Evidence:
    """What the runs say about a claim.

    `samples` are measurements of one quantity; `predicted` is the claim's value for it, and the claim holds while the
    quantity lies in `accept` = (low, high). With `of="every"` each sample must lie there (a computation that is
    exact to rounding): the interval is the samples' range. With `of="mean"` the samples are noisy repeats, and
    their mean must: the interval is Student's t interval for it. With `of="median"` their median must, whatever the
    noise: timings, which a slow spell of the machine spoils a few of. With `of="each"` the samples are an `Estimate`
    each, and each must, with its own interval: they share the chance of an error among them.

    `noise_floor` is a factor: a ratio within it of 1 can't be told from 1, and does not speak against a claim.
    """

    quantity: str
    predicted: float
    samples: Sequence[float] | Sequence[Estimate]
    accept: Interval
    of: Literal["every", "mean", "median", "each"] = "every"
    noise_floor: float = 1.0
    unit: str = ""
    conditions: str = ""  # under what it was measured, in a few words
    details: str = ""  # Markdown: what a reader would want to see beneath the verdict


@dataclass(frozen=True)
class Claim:
    """One claim of the notes. `weigh(runs, history)` reads the evidence off the runs; None where they do not speak to it.

    `runs` has a row for each finished run, `history` a row for each run, metric and step (see `harness.frames`).
    """

    id: str
    statement: str
    source: str
    weigh: Callable[[pd.DataFrame, pd.DataFrame], Evidence | None]


Outcome = Literal["PASS", "FAIL", "INCONCLUSIVE"]


@dataclass(frozen=True)
class Verdict:
    """A claim, decided: predicted, measured, its interval, PASS, FAIL or INCONCLUSIVE, and by which rule."""

    claim: Claim
    evidence: Evidence
    measured: float
    interval: Interval
    interval_of: str  # what the interval is: `range of 12`, `99.8% interval, n = 5`
    outcome: Outcome
    rule: str
    needed: int | None = None  # about how many replicates would decide what these do not


@dataclass(frozen=True)
class Curve:
    """Metric `y` against the step or, if given, against the axis or metric `x`; a line for each `by`, the median over seeds.

    Where `x` is a metric that a run has at many steps, the two are taken step by step: a function that the run tabulates.
    A panel for each of `panels`, if that varies, or of the first key that does. `interval` names the metrics that hold a single
    run's own interval (low, high), shown where there are no seeds. `theory` names the metric that says what `y` should
    be: a thin line of the same colour. `marks`: metrics whose values are marked on the x axis, by label. `with_diverged`: also draw
    the runs that diverged, up to where they ran away.
    """

    y: str
    title: str
    x: str = "step"
    by: tuple[str, ...] = ()
    panels: str | None = None
    log_x: bool = False
    log_y: bool = False
    interval: tuple[str, str] | None = None
    theory: str | None = None
    ideal: Mapping[str, float] = field(default_factory=dict)  # horizontal lines to compare with, by label
    vertical: Mapping[str, float] = field(default_factory=dict)  # the same on the x axis
    marks: Mapping[str, str] = field(default_factory=dict)
    with_diverged: bool = False


@dataclass(frozen=True)
class HeatMap:
    """Metric `z` over the axes `x` and `y` (None: all that vary beside x): the median over seeds, its interval in each cell.

    With a `centre`, colours part there, and end `reach` away from it, if that is given: small differences look small.
    `interval` as in `Curve`.
    """

    x: str
    y: str | None
    z: str
    title: str
    log_z: bool = False
    centre: float | None = None
    reach: float | None = None
    interval: tuple[str, str] | None = None


@dataclass(frozen=True)
class Bars:
    """Metric `y` for each value of `x`, a group for each `by`, the median over seeds; `interval` as in `Curve`."""

    y: str
    x: str
    title: str
    by: tuple[str, ...] = ()
    log_y: bool = False
    interval: tuple[str, str] | None = None


@dataclass(frozen=True)
class Roofline:
    """Metric `y` (flop/s) against the metric `x` (flop/byte), a point a run; a colour for each `by`, a roof for each `roof_of`.

    A roof is min(flat, slope · x), of the metrics so named. Source: Williams, Waterman, Patterson, Roofline, 2009.
    """

    y: str
    x: str
    title: str
    flat: str  # flop/s
    slope: str  # bytes/s
    by: str
    roof_of: str


@dataclass(frozen=True)
class Front:
    """Metric `y` against metric `x`, a point for each combination of settings, the median over seeds; both are to be small.

    The points that no other beats in both are joined (the Pareto front); the one with the least product x·y is named, on the
    diagonal of all that has the same product. Axes are logarithmic. `by`: the settings that have a colour.
    """

    y: str
    x: str
    title: str
    product: str  # what x·y is
    by: tuple[str, ...] = ()


@dataclass(frozen=True)
class Field:
    """Metric `z` over the metrics `x` and `t`, all three tabulated step by step; a panel for each run, up to six.

    `profiles`: z against x, a line for each of a few times t; `map`: z as colours, x across, t up; `animation`: z against x as t
    goes on. The runs are those of one seed: a field has no median.
    """

    z: str
    x: str
    t: str
    title: str
    form: Literal["profiles", "map", "animation"] = "map"


Figure = Curve | HeatMap | Bars | Roofline | Front | Field


def metric_of(figure: Figure) -> str:
    """The metric that a figure is of."""
    return figure.z if isinstance(figure, (HeatMap, Field)) else figure.y


@dataclass(frozen=True)
class Experiment:
    """The base of every experiment. Fields of the subclass are its configuration; ranges stand in their annotations."""

    claims: ClassVar[tuple[Claim, ...]] = ()
    figures: ClassVar[tuple[Figure, ...]] = ()
    foremost: ClassVar[tuple[str, ...]] = ()  # metrics that tables show before those of the figures

    def check(self) -> None:
        """Raise ValueError, in one line, if `run` could not succeed. Called for every job before the first one starts.

        `LeftOut` where the combination makes no sense or a library is missing, and a sweep is to go on without it.
        """

    def warm_up(self) -> None:
        """Compile what `run` will call. Timed apart from the run."""

    def tags(self) -> Mapping[str, str]:
        """What else to write down about the run, known after `warm_up`; `null/…`: why metrics of it are NaN, for reports too."""
        return {}

    def run(self) -> Iterator[Row]:
        """Measure; yield rows as they come. What was yielded is kept, whatever happens next."""
        raise NotImplementedError(f"{type(self).__name__} has no run()")


# Columns of a frame of runs that are neither a setting nor a metric (metrics have a section: `train/loss`).
META = (
    "run_id", "name", "status", "start", "seconds", "machine", "source", "hash", "sweep", "grid", "command", "reason",
    "experiment_class", "unknown",
)  # fmt: skip
# So tags begin that say why metrics are null.
NULL = "null/"


def counted(number: int, noun: str) -> str:
    """`1 run`, `2 runs`."""
    return f"{number} {noun}{'s' * (number != 1)}"


def label(value: object, missing: str = "null") -> str:
    """A setting's value as it is written on the command line: 64 rather than 64.0, `null` for what is not set."""
    if value is None or value != value:
        return missing
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def number(value: object, form: str = ".4g") -> str:
    """A float in that format, four significant digits; what is no float as its label; – for what is missing."""
    return f"{value:{form}}" if isinstance(value, float) and value == value else label(value, NONE)


def as_table(frame: pd.DataFrame, form: str = ".4g", own: Mapping[str, str] | None = None) -> str:
    """The frame in Markdown, for the details of `Evidence`: floats in the format `form`, or in their column's `own`.

    A column of whole numbers stays one where some are missing, which makes pandas' column one of floats.
    """
    cells, align = {}, []
    for name, column in frame.items():
        is_whole = column.dtype.kind == "f" and bool(column.dropna().map(float.is_integer).all())
        form_here = (own or {}).get(str(name), ".0f" if is_whole else form)
        cells[name] = [number(value, form_here) for value in column]
        align.append("right" if column.dtype.kind in "fiu" else "left")
    return str(type(frame)(cells).to_markdown(index=False, disable_numparse=True, colalign=align))


def described(key: str, text: str) -> str:
    """A word names itself (`huber`, `rows`); a number, `null`, `true` or `false` needs its key (`batch_size=64`)."""
    return text if text.isidentifier() and text not in ("null", "true", "false") else f"{key}={text}"


def settings(runs: pd.DataFrame) -> list[str]:
    """The columns of a frame of runs that are settings of the experiment."""
    return [column for column in runs.columns if "/" not in column and column not in META]


def axes(runs: pd.DataFrame) -> list[str]:
    """The settings of a frame of runs that vary between them, repeats (seeds) included."""
    return varying(
        [{str(key): value for key, value in point.items()} for point in runs[settings(runs)].to_dict("records")]
    )


def varying(points: Sequence[Mapping[str, Any]]) -> list[str]:
    """The settings whose values differ between points, in the order in which they first appear.

    A setting of a choice (`loss.delta`) counts only if it differs between points of the same choice (`loss=huber`).
    """
    keys = dict.fromkeys(key for point in points for key in point)
    differing = []
    for key in keys:
        parent = key.rpartition(".")[0]
        seen: dict[Any, set[Any]] = {}
        for point in points:
            if key in point:
                seen.setdefault(str(point.get(parent)) if parent else "", set()).add(str(point[key]))
        everywhere = parent or all(key in point for point in points)
        if any(len(values) > 1 for values in seen.values()) or not everywhere:
            differing.append(key)
    return differing
