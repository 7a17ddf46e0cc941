"""Runs and their history as reports have them, of experiments that are run right here."""

from __future__ import annotations

import dataclasses

import pandas as pd

SCALARS = (int, float, str, type(None))


def framed(experiments):
    """(runs, history) of the experiments: a row for each run, its settings and its last metrics; every metric at every step."""
    runs, history = [], []
    for number, experiment in enumerate(experiments):
        experiment.check()
        row = {"run_id": f"r{number}", "name": f"run {number}"}
        for field in dataclasses.fields(experiment):
            value = getattr(experiment, field.name)
            if isinstance(value, bool):
                value = str(value).lower()
            row[field.name] = value if isinstance(value, SCALARS) else getattr(value, "name", str(value))
        for made in experiment.run():
            row |= made.metrics
            history += [(row["run_id"], name, made.step, value) for name, value in made.metrics.items()]
        runs.append(row)
    return pd.DataFrame(runs), pd.DataFrame(history, columns=["run_id", "metric", "step", "value"])
