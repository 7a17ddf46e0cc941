"""The claims that drawn batches decide: their gradient is unbiased, and its variance falls as 1/B (notes: minibatch)."""

from __future__ import annotations

import math
from functools import partial

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from harness.contract import Claim, Estimate, Evidence, as_table, counted, settings
from harness.estimates import mean, mean_of

SOURCE = "the bench's own claim, minibatch"
# A bias beneath this share of one batch's own standard deviation changes nothing that the noise does not.
SMALL_BIAS = 0.1
# How far a slope on log-log paper may be from −1.
SLOPE = 0.02
# How far a variance may be from what is predicted for it.
RATIO = (0.9, 1.1)
# Beneath this share of one sample's variance there is none, as far as rounding tells: the batch is all samples.
NOTHING = 1e-12


def _own(runs: pd.DataFrame) -> bool:
    return {"noise/ratio", "noise/draws", "bias/error", "replacement", "batch_size"} <= set(runs)


def _unbiased(runs: pd.DataFrame, history: pd.DataFrame) -> Evidence | None:
    if not _own(runs):
        return None
    directions = [str(name) for name in runs.columns if str(name).startswith("bias/direction_")]
    columns = ["bias/along_gradient", *directions]
    samples = [
        mean(float(run[name]), float(run["bias/error"]), run["noise/draws"] - 1, int(run["noise/draws"]))
        for _, run in runs.iterrows()
        for name in columns
        if run[name] == run[name]
    ]
    if not samples:
        return None
    return Evidence(
        quantity="bias of a batch's gradient along one direction, in standard deviations of one batch",
        predicted=0.0,
        samples=samples,
        accept=(-SMALL_BIAS, SMALL_BIAS),
        of="each",
        conditions=f"{counted(len(runs), 'run')}, each along its gradient and along {len(columns) - 1} fixed random directions; "
        f"a bias beneath {SMALL_BIAS:g} of the noise is none that matters",
    )  # fmt: skip


def _slopes(runs: pd.DataFrame, history: pd.DataFrame) -> Evidence | None:
    if not _own(runs):
        return None
    mine = runs[(runs["replacement"] == "true") & runs["noise/ratio"].notna()]
    logs = history[history["metric"] == "repeats/log_variance"].pivot_table(
        index="step", columns="run_id", values="value"
    )
    same = [key for key in settings(mine) if key != "batch_size"]
    samples, rows = [], []
    for _, group in mine.groupby(same, dropna=False, observed=True):
        group = group[group["run_id"].isin(logs.columns)]
        if group["batch_size"].nunique() < 3:
            continue
        y = logs[group["run_id"]].dropna().to_numpy()
        slopes = slopes_of(np.log(group["batch_size"].to_numpy(np.float64)), y)
        samples.append(mean_of(slopes))
        sizes = ", ".join(f"{size:.0f}" for size in sorted(group["batch_size"].unique()))
        first = group.iloc[0]
        rows.append(
            {**{key: first.get(key) for key in ("data", "loss", "progress")}, "slope": slopes.mean(), "B": sizes}
        )
    if not samples:
        return None
    return Evidence(
        quantity="slope of log E‖g_B − g‖² against log B",
        predicted=-1.0,
        samples=samples,
        accept=(-1 - SLOPE, -1 + SLOPE),
        of="each",
        conditions=f"samples drawn with replacement; {counted(len(samples), 'line')}, each by least squares in every repeat",
        details=as_table(pd.DataFrame(rows), own={"slope": ".4f"}),
    )


def slopes_of(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
    """The least-squares slope of each row of y (repeats, points) against x (points,)."""
    centred = x - x.mean()
    return np.asarray(y @ centred / (centred @ centred))


def _predicted(replacement: str, runs: pd.DataFrame, history: pd.DataFrame) -> Evidence | None:
    if not _own(runs):
        return None
    mine = runs[(runs["replacement"] == replacement) & runs["noise/ratio"].notna()]
    if mine.empty:
        return None
    samples: list[Estimate] = [
        mean(run["noise/ratio"], run["noise/ratio_error"], run["noise/draws"] - 1, int(run["noise/draws"]))
        for _, run in mine.iterrows()
    ]
    law = "tr Σ/B" if replacement == "true" else "tr Σ/B·(m − B)/(m − 1)"
    shown = ["data", "loss", "progress", "batch_size", "model/variance", "noise/variance", "noise/ratio"]
    return Evidence(
        quantity=f"E‖g_B − g‖² measured ÷ {law} from the samples' own gradients",
        predicted=1.0,
        samples=samples,
        accept=RATIO,
        of="each",
        conditions=f"{counted(len(mine), 'run')} of {mine['noise/draws'].min():,.0f} batches or more",
        details=as_table(mine[[name for name in shown if name in mine]].sort_values(shown[:4])),
    )


def _whole(runs: pd.DataFrame, history: pd.DataFrame) -> Evidence | None:
    if "noise/left" not in runs or runs["noise/left"].isna().all():
        return None
    left = runs["noise/left"].dropna()
    return Evidence(
        quantity="E‖g_B − g‖² ÷ tr Σ of a batch that is all samples",
        predicted=0.0,
        samples=left.tolist(),
        accept=(-math.inf, NOTHING),
        conditions=f"{counted(len(left), 'run')} without replacement; to rounding",
    )


CLAIMS = (
    Claim("minibatch-unbiased", "the minibatch gradient is unbiased", SOURCE, _unbiased),
    Claim("minibatch-variance", "the variance of the minibatch gradient falls as 1/B", SOURCE, _slopes),
    Claim(
        "minibatch-size",
        "drawn with replacement, the variance is tr Σ/B: known from the samples' own gradients",
        SOURCE,
        partial(_predicted, "true"),
    ),
    Claim(
        "minibatch-finite",
        "drawn without replacement, it is smaller by the finite-population factor (m − B)/(m − 1)",
        SOURCE,
        partial(_predicted, "false"),
    ),
    Claim("minibatch-whole", "a batch of all samples has no noise left", SOURCE, _whole),
)
