"""The bars that races decide: how many times as fast as the best other library the bench is, and how near to the roofline."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from experiments.ratios import of_rounds
from harness.contract import Claim, Evidence, as_table, axes, counted, described, label
from harness.timing import CONFIDENCE, fewest

SOURCE = "the bench's own bars"
BENCH = "numba"
TURNED = "numba_turned"  # the bench in the other layout
OWN = [BENCH, TURNED]  # no peers
# Written around what the library's users see: the bars are against what they write, and these stand beside it.
TUNED = "_tuned"
COLUMNS = 1.25  # times as long as rows, at most
SLACK = 0.95  # nowhere slower than a peer by more than this
CLOSEST = 10
AXES = ["work", "loss", "layout", "samples", "features", "classes", "batch_size", "order", "dtype"]

FUSED = {"work": "fused", "order": "sequential", "layout": "rows"}
F32, F64 = {"dtype": "float32"}, {"dtype": "float64"}
SIZES = {"large": 60000, "middle": 4096, "small": 256}
ONE_OUTPUT = ("huber", "logistic", "squared")


@dataclass(frozen=True)
class Bar:
    """Runs with these settings have at least `least` of a quantity."""

    id: str
    statement: str
    least: float
    settings: Mapping[str, Any]


def _softmax(samples: int, features: int = 784, classes: int = 10) -> dict[str, Any]:
    return {**FUSED, "loss": "softmax", "samples": samples, "features": features, "classes": classes}


def _one_output(loss: str) -> dict[str, Any]:
    return {**FUSED, "loss": loss, "samples": 1_000_000, "features": 100, "classes": 1}


def _epoch(batch: int) -> dict[str, Any]:
    return {**_softmax(60000), "work": "epoch", "order": "shuffled", "batch_size": batch}


def _ratio(id: str, what: str, least: float, settings: Mapping[str, Any]) -> Bar:
    return Bar(f"peers-{id}", f"{what}: {least:g} times as fast as the best peer", least, settings)


def _roof(id: str, what: str, least: float, settings: Mapping[str, Any]) -> Bar:
    return Bar(f"roof-{id}", f"{what}: {least:g} of the roofline", least, settings)


SHAPES = {name: f"softmax over ({samples}, 784), k = 10" for name, samples in SIZES.items()}
OUTPUTS = {loss: f"{loss} over (1000000, 100), k = 1" for loss in ONE_OUTPUT}
RATIOS = (
    _ratio("large", SHAPES["large"], 3.2, _softmax(60000) | F32),
    _ratio("middle", SHAPES["middle"], 3.2, _softmax(4096) | F32),
    _ratio("small", SHAPES["small"], 2.5, _softmax(256) | F32),
    *(_ratio(loss, what, 3.5, _one_output(loss) | F32) for loss, what in OUTPUTS.items()),
    _ratio("wide", "softmax over (256, 4096), k = 1000", 0.95, _softmax(256, 4096, 1000) | F32),
    *(_ratio(f"float64-{name}", f"{what}, float64", 2, _softmax(SIZES[name]) | F64) for name, what in SHAPES.items()),
    *(_ratio(f"float64-{loss}", f"{what}, float64", 2, _one_output(loss) | F64) for loss, what in OUTPUTS.items()),
    *(
        _ratio(f"epoch-{batch}", f"a shuffled SGD epoch at batch {batch}", least, _epoch(batch) | F32)
        for batch, least in ((1, 10), (8, 5), (32, 3), (256, 2.5), (4096, 2.5))
    ),
)
ROOFS = (
    _roof("softmax", SHAPES["large"], 0.65, _softmax(60000) | F32),
    *(_roof(loss, what, 0.85, _one_output(loss) | F32) for loss, what in OUTPUTS.items()),
)


def _matching(runs: pd.DataFrame, settings: Mapping[str, Any]) -> pd.DataFrame:
    if not {*settings, "backend", "time/ratio"} <= set(runs):
        return runs.iloc[:0]
    for key, value in settings.items():
        runs = runs[runs[key] == value]
    return runs


def _varying(runs: pd.DataFrame) -> list[str]:
    """What differs between the races, besides the backend."""
    varying = axes(runs)
    return [key for key in AXES if key in varying]


def _noise(runs: pd.DataFrame) -> str:
    """What the A/A arm says, the bench against itself: of several, the one that is furthest from 1."""
    again = runs[runs["backend"] == BENCH]
    if again.empty:
        return "no A/A arm was run"
    worst = again.loc[np.log(again["time/ratio"]).abs().idxmax()]
    return "A/A arm: {:.3g} [{:.3g}, {:.3g}]".format(*(worst[f"time/ratio{end}"] for end in ("", "_low", "_high")))


def _against_the_best(bar: Bar, runs: pd.DataFrame, history: pd.DataFrame) -> Evidence | None:
    mine = _matching(runs, bar.settings)
    if mine.empty:
        return None
    mine = mine.sort_values("time/ratio")
    is_tuned = mine["backend"].str.endswith(TUNED)
    tuned, others = mine[is_tuned], mine[~is_tuned & ~mine["backend"].isin(OWN)]
    if others.empty:
        return None
    best = others.iloc[0]
    beside = ", ".join(f"{name} {ratio:.2f}" for name, ratio in zip(tuned["backend"], tuned["time/ratio"], strict=True))
    return Evidence(
        quantity="time of the best peer ÷ time of the bench",
        predicted=bar.least,
        samples=of_rounds(history, "ratio", best["run_id"]).tolist(),
        accept=(bar.least, math.inf),
        of="median",
        conditions=f"the best of {', '.join(others['backend'])}, each as its users write it; " + _noise(mine)
        + (f"; against those written for the machine and not for a reader: {beside}" if beside else ""),
        details=_table(mine),
    )  # fmt: skip


def _of_the_roof(bar: Bar, runs: pd.DataFrame, history: pd.DataFrame) -> Evidence | None:
    mine = _matching(runs, bar.settings)
    if mine.empty:
        return None
    roofs = mine["roof/flop_per_s"] / 1e9
    return Evidence(
        quantity="rate of the bench ÷ min(gemm rate, intensity × read bandwidth), of one round",
        predicted=bar.least,
        samples=np.concatenate(
            [of_rounds(history, "bench_roof_fraction", run["run_id"]) for _, run in mine.iterrows()]
        ).tolist(),
        accept=(bar.least, math.inf),
        of="median",
        conditions=f"the bench's arm in {counted(len(mine), 'race')}; the roof is measured in every round: "
        f"{roofs.min():.3g} to {roofs.max():.3g} GFLOP/s for this intensity, as the machine's other work let it",
    )


def _cost_of_columns(runs: pd.DataFrame, history: pd.DataFrame) -> Evidence | None:
    mine = _matching(runs, {**_softmax(60000), **F32, "backend": TURNED})
    if mine.empty:
        return None
    run = mine.iloc[0]
    return Evidence(
        quantity="time over samples as columns ÷ time over samples as rows",
        predicted=COLUMNS,
        samples=of_rounds(history, "ratio", run["run_id"]).tolist(),
        accept=(0.0, COLUMNS),
        of="median",
        conditions=f"both by the bench, in turns: {1e3 * run['time/peer_s']:.3g} and {1e3 * run['time/bench_s']:.3g} ms",
    )


def _nowhere_slower(runs: pd.DataFrame, history: pd.DataFrame) -> Evidence | None:
    if not {"backend", "time/ratio"} <= set(runs):
        return None
    others = runs[~runs["backend"].isin(OWN)].sort_values("time/ratio")
    if others.empty:
        return None
    lost = others[others["time/ratio_high"] < SLACK]
    decisive = (others if lost.empty else lost).sort_values("time/ratio_low").iloc[0]
    keys = _varying(others)
    alike = {key: decisive[key] for key in keys if not pd.isna(decisive[key])}
    race = " ".join(described(key, label(decisive[key])) for key in ("backend", *keys))
    return Evidence(
        quantity=f"time of the peer ÷ time of the bench, in the closest of {counted(len(others), 'race')}: {race}",
        predicted=1.0,
        samples=of_rounds(history, "ratio", decisive["run_id"]).tolist(),
        accept=(SLACK, math.inf),
        of="median",
        conditions=f"the race whose interval reaches lowest; {_noise(_matching(runs, alike))}",
        details=_table(others, CLOSEST),
    )


def _table(runs: pd.DataFrame, rows: int | None = None) -> str:
    """The races as Markdown, the closest first: what varies, the ratio and its interval, and the two times."""
    frame = runs.sort_values("time/ratio")[:rows]
    interval = f"{CONFIDENCE:.0%} interval" if frame["rounds"].min() >= fewest(CONFIDENCE) else "range of the rounds"
    bounds = zip(frame["time/ratio_low"], frame["time/ratio_high"], strict=True)
    shown = frame[["backend", *_varying(runs)]].assign(ratio=frame["time/ratio"])
    shown[interval] = [f"{low:.3g} – {high:.3g}" for low, high in bounds]
    for arm in ("bench", "peer"):
        shown[f"{arm}, ms"] = 1e3 * frame[f"time/{arm}_s"]
    return as_table(shown, own={"ratio": ".3g"})


CLAIMS = (
    *(Claim(bar.id, bar.statement, SOURCE, partial(_against_the_best, bar)) for bar in RATIOS),
    *(Claim(bar.id, bar.statement, SOURCE, partial(_of_the_roof, bar)) for bar in ROOFS),
    Claim(
        "columns",
        f"{SHAPES['large']}: columns take at most {COLUMNS:g} times as long as rows",
        SOURCE,
        _cost_of_columns,
    ),
    Claim("peers-nowhere-slower", "in no race is the bench more than 5 % slower than a peer", SOURCE, _nowhere_slower),
)
