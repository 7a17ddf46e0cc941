"""The figures that experiments ask for, drawn with plotly: curves, heat maps, bars, rooflines, Pareto fronts, fields.

One rule for all: what is shown is the median over seeds, with the interval of the median from order statistics, which
is the seeds' whole range where there are fewer than six. It is the same on a logarithmic axis, and never leaves what was
measured. Runs that diverged are counted, and left out.
"""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from harness.contract import Bars, Curve, Field, Figure, Front, HeatMap, Roofline, label
from harness.report.curves import curve
from harness.report.fields import field
from harness.report.fronts import front
from harness.report.looks import (
    DASHES,
    HEIGHT,
    SYMBOLS,
    axes,
    axis,
    diverged,
    groups,
    looks_of,
    own,
    share_diverged,
)


def draw(
    figure: Figure, runs: pd.DataFrame, history: pd.DataFrame, among: pd.DataFrame | None = None
) -> go.Figure | None:
    """The figure for these runs; None where they do not have its metric, or do not vary its axes.

    `among`: all the runs of the report; a name that is theirs has one colour in all figures.
    """
    every = runs if among is None else among
    if isinstance(figure, Curve):
        drawn = curve(figure, runs, history, every)
    elif isinstance(figure, HeatMap):
        drawn = _heat_map(figure, runs)
    elif isinstance(figure, Front):
        drawn = front(figure, runs, every)
    elif isinstance(figure, Field):
        drawn = field(figure, runs, history)
    else:
        drawn = _bars(figure, runs, every) if isinstance(figure, Bars) else _roofline(figure, runs, every)
    if drawn is None:
        return None
    drawn.update_layout(
        template="simple_white", font={"family": "system-ui, sans-serif", "size": 14}, hovermode="closest",
        margin={"l": 70, "r": 20, "t": 56, "b": 60}, height=drawn.layout.height or HEIGHT,
        legend={"groupclick": "togglegroup"},
    )  # fmt: skip
    for update in (drawn.update_xaxes, drawn.update_yaxes):
        update(exponentformat="SI")  # 10⁹ is G here, not B
    return drawn


def _heat_map(figure: HeatMap, runs: pd.DataFrame) -> go.Figure | None:
    wanted = [figure.x] if figure.y is None else [figure.x, figure.y]
    if not {*wanted, figure.z} <= set(runs):
        return None
    if any(runs[key].nunique(dropna=False) < 2 for key in wanted) or runs[figure.z].isna().all():
        return None
    down = [*wanted[1:], *axes(runs, but=wanted)]
    xs = sorted(runs[figure.x].unique(), key=lambda v: (pd.isna(v), v))
    names, cells, texts = [], [], []
    for name, group in groups(runs, down):
        names.append(name)
        at = [group[group[figure.x].isna() if pd.isna(x) else group[figure.x] == x] for x in xs]
        cells.append([float(cell.loc[~diverged(cell), figure.z].median()) for cell in at])
        texts.append([_cell(cell, figure) for cell in at])
    z = np.array(cells, dtype=float)
    positive = np.where(z > 0, z, np.nan)
    scale: dict[str, object] = {"colorscale": "Cividis"}
    if figure.centre is not None:
        centre = np.log10(figure.centre) if figure.log_z else figure.centre
        ends = {"zmid": centre}
        if figure.reach is not None:
            ends = {"zmin": centre - figure.reach, "zmax": centre + figure.reach}
        scale = {"colorscale": "RdBu", **ends}
    drawn = go.Figure(
        go.Heatmap(
            x=[label(x) for x in xs], y=names, z=np.log10(positive) if figure.log_z else z, customdata=z, text=texts,
            texttemplate="%{text}", showscale=not figure.log_z, xgap=2, ygap=2, **scale,
            hovertemplate=f"{figure.x} %{{x}}<br>{' · '.join(down)} %{{y}}<br>{figure.z} %{{customdata:.5g}}<extra></extra>",
        )
    )  # fmt: skip
    drawn.update_xaxes(title_text=figure.x, type="category")
    drawn.update_yaxes(title_text=" · ".join(down), type="category")
    drawn.update_layout(height=max(HEIGHT, 130 + 34 * len(names)))
    return drawn


def _cell(group: pd.DataFrame, figure: HeatMap) -> str:
    """The median and its interval as text; where runs diverged, how many did."""
    kept = group[~diverged(group)].dropna(subset=[figure.z])
    lines = []
    if len(kept):
        middle, low, high = own(kept, figure.z, figure.interval)
        lines.append(f"{middle:.3g}")
        if high > low:
            lines.append(f"{low:.3g} – {high:.3g}")
    if share := share_diverged(group):
        lines.append(f"{share} diverged")
    return "<br>".join(lines)


def _bars(figure: Bars, runs: pd.DataFrame, every: pd.DataFrame) -> go.Figure | None:
    if not {figure.x, figure.y} <= set(runs) or runs[figure.x].nunique(dropna=False) < 2:
        return None
    data = runs[~diverged(runs)].dropna(subset=[figure.y])
    if data.empty:
        return None
    by = [key for key in figure.by if key in runs] or axes(runs, but=[figure.x])
    values = data[figure.y]
    log_y = figure.log_y and bool((values >= 0).all() and (values > 0).any())  # a bar of 0 has no height
    drawn = go.Figure()
    looks = looks_of(every, data, by)
    for name, group in groups(data, by):
        bars = {x: own(at, figure.y, figure.interval) for x, at in group.groupby(figure.x, dropna=False)}
        middle, low, high = np.array(list(bars.values())).T
        drawn.add_trace(
            go.Bar(
                x=[label(x) for x in bars], y=middle, name=name, marker_color=looks[name][0],
                error_y={"type": "data", "array": high - middle, "arrayminus": middle - low, "visible": bool((high > low).any())},
                customdata=np.stack([low, high], axis=1),
                hovertemplate=f"{name}<br>%{{x}}: %{{y:.5g}}  [%{{customdata[0]:.5g}}, %{{customdata[1]:.5g}}]<extra></extra>",
            )
        )  # fmt: skip
    drawn.update_xaxes(title_text=figure.x, type="category")
    drawn.update_yaxes(title_text=figure.y, **axis(values[values > 0] if log_y else values, log_y))
    drawn.update_layout(barmode="group", legend_title_text=" · ".join(by), showlegend=bool(by))
    return drawn


def _roofline(figure: Roofline, runs: pd.DataFrame, every: pd.DataFrame) -> go.Figure | None:
    measured = [figure.x, figure.y, figure.flat, figure.slope]
    if not {*measured, figure.by, figure.roof_of} <= set(runs):
        return None
    data = runs.dropna(subset=measured)
    if data.empty:
        return None
    drawn = go.Figure()
    x = np.geomspace(data[figure.x].min() / 3, data[figure.x].max() * 3, 200)
    for (roof, of_roof), dash in zip(data.groupby(figure.roof_of), itertools.cycle(DASHES)):
        y = np.minimum(of_roof[figure.flat].median(), of_roof[figure.slope].median() * x)
        drawn.add_trace(
            go.Scatter(
                x=x, y=y, mode="lines", name=f"roof, {roof}", line={"color": "#444444", "width": 1.5, "dash": dash}
            )
        )
    symbols = dict(zip(sorted(data[figure.roof_of].unique()), SYMBOLS, strict=False))
    looks = looks_of(every, data, [figure.by])
    for name, points in groups(data, [figure.by]):
        marks = [symbols.get(roof, "circle") for roof in points[figure.roof_of]]
        drawn.add_trace(
            go.Scatter(
                x=points[figure.x], y=points[figure.y], mode="markers", name=name, text=points["name"],
                marker={"color": looks[name][0], "size": 9, "symbol": marks},
                hovertemplate="%{text}<br>%{x:.3g} flop/byte: %{y:.3g} flop/s<extra></extra>",
            )
        )  # fmt: skip
    drawn.update_xaxes(title_text="flop per byte of memory traffic", **axis(x))
    drawn.update_yaxes(title_text="flop per second", **axis(data[figure.y]))
    return drawn
