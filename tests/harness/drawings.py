"""Runs at random for the tests of figures, and what is to be drawn of them."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd

RNG = np.random.default_rng(12)
NONE = pd.DataFrame({"run_id": [], "metric": [], "step": [], "value": []})


def runs_of(**settings):
    """A row for each combination of the settings' values, with metrics at random."""
    frame = pd.DataFrame([dict(zip(settings, values, strict=True)) for values in itertools.product(*settings.values())])
    frame.insert(0, "run_id", [f"r{i}" for i in range(len(frame))])
    frame["train/loss"] = RNG.lognormal(size=len(frame))
    frame["time/epoch_s"] = RNG.lognormal(size=len(frame))
    return frame


def history_of(runs, steps=4, metric="train/loss"):
    rows = [(run, metric, step, RNG.lognormal()) for run in runs["run_id"] for step in range(steps)]
    return pd.DataFrame(rows, columns=["run_id", "metric", "step", "value"])


def lines(drawn):
    """The lines without their bands, by subplot and name."""
    return {(trace.xaxis or "x", trace.name): trace for trace in drawn.data if trace.name is not None}


def expected_band(values):
    """The median and, of fewer than six values, their range: no narrower interval holds a median with 95 %."""
    return [np.median(values), np.min(values), np.max(values)]
