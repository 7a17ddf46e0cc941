# ---
# jupyter:
#   jupytext:
#     formats: py:percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Ask your own question
# A sweep's report leaves its runs as a pandas frame. This notebook takes the frame of `+sweep=noise` and asks: *which loss comes
# nearest to the true parameters under which noise, and is the winner's lead more than chance?*
#
# Run the sweep first: `python -m harness +sweep=noise`. Open this file with Jupyter (jupytext) or VS Code, or run it as it is.

# %%
import os

import pandas as pd
from scipy import stats

from harness import frames

results = os.environ.get("HARNESS_RESULTS", "results")
runs, history = frames.load(results, sweep="noise")
runs[["name", "loss", "noise", "seed", "train/theta_error", "test/error", "time/compute_s"]].head()

# %% [markdown]
# One row is one run: settings are plain columns (`loss`, `noise`, `seed`), metrics have a section (`train/theta_error`).
# `history` has every metric at every step.

# %%
error = runs.pivot_table(index="noise", columns="loss", values="train/theta_error", aggfunc="mean")
error.round(4)

# %% [markdown]
# Which loss wins, and by how much? Every seed drew the same data for each loss, so the losses are compared pair by pair.


# %%
def lead(noise: str) -> pd.Series:
    """The best loss under a noise, the runner-up, and the p-value of a paired t test between the two."""
    by_seed = runs[runs["noise"] == noise].pivot_table(index="seed", columns="loss", values="train/theta_error")
    first, second = by_seed.mean().sort_values().index[:2]
    p_value = stats.ttest_rel(by_seed[first], by_seed[second]).pvalue if len(by_seed) > 1 else float("nan")
    return pd.Series({"best": first, "runner-up": second, "paired p": p_value})


leads = pd.DataFrame({noise: lead(noise) for noise in sorted(runs["noise"].unique())}).T
leads

# %% [markdown]
# The trajectory behind it, from `history`: the mean distance to the true parameters after each epoch.

# %%
trajectory = (
    history[history["metric"] == "train/theta_error"]
    .merge(runs[["run_id", "loss", "noise"]], on="run_id")
    .pivot_table(index="step", columns=["noise", "loss"], values="value")
)
trajectory.round(3)

# %%
assert set(leads["best"]) <= set(error.columns)
assert len(trajectory) == runs["epochs"].max()
