"""Pareto fronts: two metrics that are both to be small, and their product."""

from __future__ import annotations

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from numpy.typing import NDArray

from harness.contract import Front, described, label, number
from harness.report.looks import MARK, REPEAT, axes, axis, diverged, groups, looks_of


def front(figure: Front, runs: pd.DataFrame, every: pd.DataFrame) -> go.Figure | None:
    """The figure; None where the runs lack a metric, or are all one combination of settings."""
    points = medians(figure, runs)
    if points is None or len(points) < 2:
        return None
    by = [key for key in figure.by if key in axes(runs, but=[REPEAT])]
    drawn = go.Figure()
    x, y = points["_x"].to_numpy(), points["_y"].to_numpy()
    first = int(np.argmin(x * y))
    least = float(x[first] * y[first])
    # as far as points go in both: a diagonal beyond them would squeeze them together
    across = np.geomspace(max(x.min(), least / y.max()), min(x.max(), least / y.min()), 50)
    drawn.add_trace(
        go.Scatter(
            x=across, y=least / across, mode="lines", line=MARK, name=f"the same {figure.product}",
            hoverinfo="skip",
        )
    )  # fmt: skip
    ahead = points[unbeaten(x, y)].sort_values("_x")
    drawn.add_trace(
        go.Scatter(
            x=ahead["_x"], y=ahead["_y"], mode="lines+text", name="Pareto front", line={"color": "#444444", "width": 1.5},
            text=[f"  {name}" for name in ahead["_name"]],
            textposition="top right", textfont={"size": 11, "color": "#444444"}, cliponaxis=False, hoverinfo="skip",
        )
    )  # fmt: skip
    looks = looks_of(every, points, by)
    for name, group in groups(points, by):
        drawn.add_trace(
            go.Scatter(
                x=group["_x"], y=group["_y"], mode="markers", name=name, showlegend=bool(by), text=group["_name"],
                marker={"color": looks[name][0], "size": 9}, customdata=group["_x"] * group["_y"],
                hovertemplate=f"%{{text}}<br>{figure.x} %{{x:.4g}}<br>{figure.y} %{{y:.4g}}"
                f"<br>{figure.product} %{{customdata:.4g}}<extra></extra>",
            )
        )  # fmt: skip
    drawn.add_trace(
        go.Scatter(
            x=[x[first]], y=[y[first]], mode="markers", name=f"least {figure.product}", hoverinfo="skip",
            marker={"symbol": "circle-open", "size": 17, "color": "#222222", "line": {"width": 1.5}},
        )
    )  # fmt: skip
    drawn.add_annotation(  # above the points, where none can lie beneath it
        xref="paper", yref="paper", x=0, y=1.02, xanchor="left", yanchor="bottom", showarrow=False,
        text=f"least {figure.product}, {number(least, '.3g')}: {points['_name'].iloc[first]}",
    )  # fmt: skip
    drawn.update_xaxes(title_text=figure.x, **axis(x))
    drawn.update_yaxes(title_text=figure.y, **axis(y))
    drawn.update_layout(legend_title_text=" · ".join(by))
    return drawn


def medians(figure: Front, runs: pd.DataFrame) -> pd.DataFrame | None:
    """A row for each combination of settings: _x and _y, the medians over seeds, and _name, what it differs by."""
    if not {figure.x, figure.y} <= set(runs):
        return None
    kept = runs[~diverged(runs)].dropna(subset=[figure.x, figure.y])
    keys = axes(runs, but=[REPEAT])
    if kept.empty or not keys:
        return None
    rows = []
    for _, group in groups(kept, keys):
        values = group[keys].iloc[0].to_dict()
        name = " · ".join(described(str(key), label(value)) for key, value in values.items())
        rows.append({**values, "_name": name, "_x": group[figure.x].median(), "_y": group[figure.y].median()})
    return pd.DataFrame(rows)


def unbeaten(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which points have no other that is at least as small in both, and smaller in one."""
    better = (x[:, None] >= x) & (y[:, None] >= y) & ((x[:, None] > x) | (y[:, None] > y))
    return np.asarray(~better.any(axis=1))
