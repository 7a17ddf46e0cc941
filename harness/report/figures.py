"""The figures that experiments ask for, drawn with plotly: curves with intervals over seeds, heat maps, bars."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from harness import contract
from harness.contract import Bars, Curve, Figure, HeatMap, settings
from harness.report.verdicts import mean_interval

# Okabe and Ito's palette: told apart by colour-blind readers too.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#8C564B", "#000000")
CONFIDENCE = 0.95
REPEAT = "seed"
FACETS = 6
LINES = 8
HEIGHT = 420


def draw(figure: Figure, runs: pd.DataFrame, history: pd.DataFrame) -> go.Figure | None:
    """The figure for these runs; None where they do not have its metric, or do not vary its axes."""
    if isinstance(figure, Curve):
        drawn = _curve(figure, runs, history)
    else:
        drawn = _heat_map(figure, runs) if isinstance(figure, HeatMap) else _bars(figure, runs)
    if drawn is None:
        return None
    drawn.update_layout(
        template="simple_white", font={"family": "system-ui, sans-serif", "size": 14}, hovermode="closest",
        margin={"l": 70, "r": 20, "t": 40, "b": 60}, height=drawn.layout.height or HEIGHT,
        legend={"groupclick": "togglegroup"},
    )  # fmt: skip
    return drawn


def axes(runs: pd.DataFrame, but: Sequence[str] = ()) -> list[str]:
    """The settings that vary between the runs, the repeats (seeds) left out."""
    return [key for key in contract.axes(runs) if key not in (REPEAT, *but)]


def label(value: object) -> str:
    """A setting's value as a reader expects it: 64 rather than 64.0, `all` for a batch of everything."""
    if value is None or (isinstance(value, float) and np.isnan(value)):
        return "all"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def _groups(frame: pd.DataFrame, keys: Sequence[str]) -> Iterator[tuple[str, pd.DataFrame]]:
    """(name, rows) for each combination of the keys' values; one unnamed group for no keys."""
    if not keys:
        yield "", frame
        return
    for values, group in frame.groupby(list(keys), dropna=False, sort=True, observed=True):
        yield " · ".join(label(value) for value in values), group


def _interval(values: pd.Series, log: bool) -> tuple[float, float, float]:
    """Mean and its interval over repeats, both of the logarithms for a logarithmic axis; no width for a single value."""
    x = values.to_numpy(copy=True)
    low, high = mean_interval(np.log(x) if log else x, CONFIDENCE)
    mean = float(np.log(x).mean() if log else x.mean())
    if not np.isfinite([low, high]).all():
        low = high = mean
    if log:
        mean, low, high = np.exp([mean, low, high])
    elif (x >= 0).all():
        low = max(low, 0.0)
    return float(mean), float(low), float(high)


def _curve(figure: Curve, runs: pd.DataFrame, history: pd.DataFrame) -> go.Figure | None:
    if figure.x == "step":
        data = history[history["metric"] == figure.y].merge(runs[["run_id", *settings(runs)]], on="run_id")
        data = data.rename(columns={"step": "_x", "value": "_y"})
    elif {figure.x, figure.y} <= set(runs):
        data = runs.rename(columns={figure.y: "_y"}).assign(_x=runs[figure.x])
    else:
        return None
    data = data.dropna(subset=["_x", "_y"])
    if data.empty or data["_x"].nunique() < 2:
        return None
    varying = [key for key in figure.by if key in runs] or axes(runs, but=[figure.x])
    facet = next((key for key in varying if len(varying) > 1 and 1 < runs[key].nunique(dropna=False) <= FACETS), None)
    lines = [key for key in varying if key != facet]
    facets = list(_groups(data, [facet] if facet else []))
    drawn = make_subplots(
        1, len(facets), shared_yaxes=True, horizontal_spacing=0.03,
        subplot_titles=[f"{facet} {name}" for name, _ in facets] if facet else None,
    )  # fmt: skip
    colours = dict(zip([name for name, _ in _groups(data, lines)], itertools.cycle(COLOURS)))
    log_y = figure.log_y and bool((data["_y"] > 0).all())
    shown: set[str] = set()
    for column, (_, part) in enumerate(facets, start=1):
        for name, group in _groups(part, lines):
            points = group.groupby("_x")["_y"].apply(_interval, log=log_y)
            x = points.index.to_numpy(copy=True)
            mean, low, high = np.array(points.tolist()).T
            for trace in _line(name, colours[name], x, mean, low, high, len(x), name not in shown):
                drawn.add_trace(trace, 1, column)
            shown.add(name)
    drawn.update_xaxes(title_text="epoch" if figure.x == "step" else figure.x, type="log" if figure.log_x else "linear")
    drawn.update_yaxes(type="log" if log_y else "linear")
    drawn.update_yaxes(title_text=figure.y, col=1)
    for text, level in figure.ideal.items():
        drawn.add_hline(level, line_dash="dot", annotation_text=text)
    drawn.update_layout(legend_title_text=" · ".join(lines), showlegend=len(colours) > 1)
    return drawn


def _line(
    name: str,
    colour: str,
    x: np.ndarray,
    mean: np.ndarray,
    low: np.ndarray,
    high: np.ndarray,
    points: int,
    legend: bool,
) -> Iterator[go.Scatter]:
    common = {"legendgroup": name, "x": x}
    if (high > low).any():
        band = {"mode": "lines", "line": {"width": 0}, "showlegend": False, "hoverinfo": "skip", **common}
        yield go.Scatter(y=low, **band)
        yield go.Scatter(y=high, fill="tonexty", fillcolor=_faint(colour), **band)
    yield go.Scatter(
        y=mean, name=name, showlegend=legend, mode="lines+markers" if points <= 40 else "lines",
        line={"color": colour, "width": 2}, marker={"size": 5}, customdata=np.stack([low, high], axis=1),
        hovertemplate=f"{name}<br>%{{x}}: %{{y:.5g}}  [%{{customdata[0]:.5g}}, %{{customdata[1]:.5g}}]<extra></extra>", **common,
    )  # fmt: skip


def _faint(colour: str) -> str:
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red},{green},{blue},0.18)"


def _heat_map(figure: HeatMap, runs: pd.DataFrame) -> go.Figure | None:
    if not {figure.x, figure.y, figure.z} <= set(runs):
        return None
    if any(runs[key].nunique(dropna=False) < 2 for key in (figure.x, figure.y)) or runs[figure.z].isna().all():
        return None
    down = [figure.y, *axes(runs, but=[figure.x, figure.y])]
    xs = sorted(runs[figure.x].unique(), key=lambda v: (pd.isna(v), v))
    names, cells, texts = [], [], []
    for name, group in _groups(runs, down):
        names.append(name)
        at = [group[group[figure.x].isna() if pd.isna(x) else group[figure.x] == x] for x in xs]
        cells.append([float(cell[figure.z].median()) for cell in at])
        texts.append([_cell(cell, figure.z) for cell in at])
    z = np.array(cells, dtype=float)
    positive = np.where(z > 0, z, np.nan)
    colour = np.log10(positive) if figure.log_z else z
    drawn = go.Figure(
        go.Heatmap(
            x=[label(x) for x in xs], y=names, z=colour, customdata=z, text=texts,
            texttemplate="%{text}", colorscale="Cividis", showscale=not figure.log_z, xgap=2, ygap=2,
            hovertemplate=f"{figure.x} %{{x}}<br>{' · '.join(down)} %{{y}}<br>{figure.z} %{{customdata:.5g}}<extra></extra>",
        )
    )  # fmt: skip
    drawn.update_xaxes(title_text=figure.x, type="category")
    drawn.update_yaxes(title_text=" · ".join(down), type="category")
    drawn.update_layout(height=max(HEIGHT, 130 + 34 * len(names)))
    return drawn


def _cell(group: pd.DataFrame, metric: str) -> str:
    """The median as text; where runs diverged, how many did."""
    value = "" if group[metric].isna().all() else f"{group[metric].median():.3g}"
    diverged = int(group["train/diverged"].sum()) if "train/diverged" in group else 0
    return f"{value}<br>{diverged} of {len(group)} diverged" if diverged else value


def _bars(figure: Bars, runs: pd.DataFrame) -> go.Figure | None:
    if not {figure.x, figure.y} <= set(runs) or runs[figure.x].nunique(dropna=False) < 2:
        return None
    data = runs.dropna(subset=[figure.y])
    if data.empty:
        return None
    by = [key for key in figure.by if key in runs] or axes(runs, but=[figure.x])
    log_y = figure.log_y and bool((data[figure.y] > 0).all())
    drawn = go.Figure()
    for (name, group), colour in zip(_groups(data, by), itertools.cycle(COLOURS)):
        bars = group.groupby(figure.x, dropna=False)[figure.y].apply(_interval, log=log_y)
        mean, low, high = np.array(bars.tolist()).T
        drawn.add_trace(
            go.Bar(
                x=[label(x) for x in bars.index], y=mean, name=name, marker_color=colour,
                error_y={"type": "data", "array": high - mean, "arrayminus": mean - low, "visible": bool((high > low).any())},
                hovertemplate=f"{name}<br>%{{x}}: %{{y:.5g}}<extra></extra>",
            )
        )  # fmt: skip
    drawn.update_xaxes(title_text=figure.x, type="category")
    drawn.update_yaxes(title_text=figure.y, type="log" if log_y else "linear")
    drawn.update_layout(barmode="group", legend_title_text=" · ".join(by), showlegend=bool(by))
    return drawn
