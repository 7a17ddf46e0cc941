"""The claims that training runs decide: layout-transpose, and what the course publishes of MNIST."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from harness.contract import Claim, Evidence, as_table, counted, settings

# How far the two layouts may part, relative to the metric: rounding, grown over thousands of steps.
AGREEMENT = {"float32": 1e-5, "float64": 1e-12}
TINY = 1e-30
TRAJECTORY = ["train/loss", "train/theta_norm", "train/gradient_norm", "test/loss"]

# What the course publishes: pixels/255, no bias, no shuffling, step 0.2, batch 100.
COURSE = {
    "data": "mnist", "data.samples": None, "data.standardize": "false", "data.bias": "false",
    "loss": "softmax", "batch_size": 100, "step_size": 0.2, "order": "sequential",
}  # fmt: skip
# Softmax regression from zero, after epochs 0 and 9.
REGRESSION = pd.DataFrame(
    [[0.35134, 0.10182, 0.33588, 0.09400], [0.27887, 0.07847, 0.28442, 0.07970]],
    index=pd.Index([0, 9], name="epoch"),
    columns=["train/loss", "train/error", "test/loss", "test/error"],
)
# A network of 100 units from randn/√width of seed 0, after an epoch: in float64, since float32 has not so many digits. Its share
# of wrong labels is a claim of its own, since a label or two of 60,000 turn with rounding: PyTorch has 3,606 of them in float64,
# the course 3,604. The course's own test allows 1e-4 of it and 1e-4 beside (CMU 10-714, homework 0, its test of `nn_epoch`).
NETWORK = pd.DataFrame(
    [[28.437788, 10.455095, 0.19770]],
    index=pd.Index([0], name="epoch"),
    columns=["train/weight1_norm", "train/weight2_norm", "train/loss"],
)
NETWORK_ERROR = pd.DataFrame([[0.06007]], index=NETWORK.index, columns=["train/error"])
NETWORK_ERROR_ALLOWED = 1e-4 * (1 + 0.06007)
DECIMALS = {"train/weight1_norm": 6, "train/weight2_norm": 6}
USUAL_DECIMALS = 5


def _layout_transpose(runs: pd.DataFrame, history: pd.DataFrame) -> Evidence | None:
    if "layout" not in runs or runs["layout"].nunique() < 2:
        return None
    same = [key for key in settings(runs) if key != "layout"]
    wide = history.pivot_table(index=["run_id", "step"], columns="metric", values="value")
    rows = []
    for _, pair in runs.groupby(same, dropna=False, observed=True):
        by_layout = pair.set_index("layout")["run_id"]
        if not {"rows", "columns"} <= set(by_layout.index):
            continue
        a, b = wide.loc[by_layout["rows"]].align(wide.loc[by_layout["columns"]])
        known = [metric for metric in TRAJECTORY if metric in wide and a[metric].notna().any()]
        deviations = (a[known] - b[known]).abs() / a[known].abs().clip(lower=TINY)
        deviations["θ"] = (a["train/theta_probe"] - b["train/theta_probe"]).abs() / a["train/theta_norm"].clip(
            lower=TINY
        )
        apart = (a[known].isna() != b[known].isna()).any(axis=None)  # one diverged or ended before the other
        largest = np.inf if apart else deviations.max(axis=None)
        rows.append({"dtype": pair["dtype"].iloc[0], "largest deviation": largest, "epochs": len(a)})
    if not rows:
        return None
    table = pd.DataFrame(rows)
    table["allowed"] = table["dtype"].map(AGREEMENT)
    summary = table.groupby("dtype").agg(
        pairs=("epochs", "size"),
        epochs=("epochs", "max"),
        largest=("largest deviation", "max"),
        allowed=("allowed", "first"),
    )
    return Evidence(
        quantity="largest relative deviation of the two trajectories ÷ what rounding allows (float32 1e-5, float64 1e-12)",
        predicted=0.0,
        samples=(table["largest deviation"] / table["allowed"]).tolist(),
        accept=(0.0, 1.0),
        conditions=f"{counted(len(table), 'pair')} of runs that differ in the layout alone; losses, norms, θ in every epoch",
        details=as_table(summary.reset_index(), ".3g"),
    )


def _as_published(
    runs: pd.DataFrame, history: pd.DataFrame, published: pd.DataFrame, *, allowed: float = 0.5, **own: Any
) -> Evidence | None:
    """How far the runs with the course's settings, and their `own`, are from what is published, in units of the last digit."""
    setting = {**COURSE, **own}
    wanted = runs.reindex(columns=runs.columns.union(list(setting)))
    for key, value in setting.items():
        wanted = wanted[wanted[key].isna() if value is None else wanted[key] == value]
    wide = history[history["run_id"].isin(wanted["run_id"])].pivot_table(
        index=["run_id", "step"], columns="metric", values="value"
    )
    figures = list(published.columns)
    scale = np.array([10.0 ** DECIMALS.get(figure, USUAL_DECIMALS) for figure in figures])
    parts, samples = [], []
    for run_id, name in zip(wanted["run_id"], wanted["name"], strict=True):
        measured = wide.loc[run_id].reindex(index=published.index, columns=figures)
        if measured.isna().any().any():
            continue
        samples += ((measured - published).abs() * scale).to_numpy().ravel().tolist()
        parts.append(measured.assign(run=name, epoch=measured.index))
    if not parts:
        return None
    table = pd.concat([published.assign(run="published", epoch=published.index), *parts])
    epochs = " and ".join(map(str, published.index))
    return Evidence(
        quantity="largest deviation from a published figure, in units of its last digit",
        predicted=0.0,
        samples=samples,
        accept=(0.0, allowed),
        conditions=f"{counted(len(parts), 'run')}, epoch {epochs}: {', '.join(figures)}",
        details=as_table(
            table[["run", "epoch", *figures]], f".{USUAL_DECIMALS}f", {k: f".{d}f" for k, d in DECIMALS.items()}
        ),
    )


def _mnist_table(runs: pd.DataFrame, history: pd.DataFrame) -> Evidence | None:
    return _as_published(runs, history, REGRESSION, model="linear")


def _mnist_network(runs: pd.DataFrame, history: pd.DataFrame) -> Evidence | None:
    return _as_published(runs, history, NETWORK, model="mlp", hidden=100, seed=0, dtype="float64")


def _mnist_network_error(runs: pd.DataFrame, history: pd.DataFrame) -> Evidence | None:
    allowed = NETWORK_ERROR_ALLOWED * 10**USUAL_DECIMALS
    return _as_published(runs, history, NETWORK_ERROR, allowed=allowed, model="mlp", hidden=100, seed=0)


LAYOUT_TRANSPOSE = Claim(
    "layout-transpose",
    "Xθ and (θᵀX̃)ᵀ are the same up to transposes, along a whole training trajectory",
    "notes 1, section 0",
    _layout_transpose,
)
MNIST_TABLE = Claim(
    "mnist-table",
    "softmax regression on MNIST comes out as in the course's published table",
    "course table, epochs 0 and 9",
    _mnist_table,
)
MNIST_NETWORK = Claim(
    "mnist-network",
    "a network of 100 units, by automatic differentiation, comes out as the course publishes it: weights and loss, in float64",
    "course table, after one epoch",
    _mnist_network,
)
MNIST_NETWORK_ERROR = Claim(
    "mnist-network-error",
    "… and so does its share of wrong labels, to what the course's own test allows",
    "course table, after one epoch",
    _mnist_network_error,
)
