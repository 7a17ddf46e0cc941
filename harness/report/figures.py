"""The figures that experiments ask for, drawn with plotly: curves, heat maps, bars, rooflines.

One rule for all: what is shown is the median over seeds, with the interval of the median from order statistics, which
is the seeds' whole range where there are fewer than six. It is the same on a logarithmic axis, and never leaves what was
measured. Runs that diverged are counted, and left out.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from harness import contract
from harness.contract import DIVERGED, Bars, Curve, Figure, HeatMap, Roofline, described, label, settings
from harness.timing import median_interval

DASHES = ("solid", "dash", "dot", "dashdot")  # a line that another one covers shows through its gaps
# Okabe and Ito's palette, which colour-blind readers tell apart too, and for a crowd some of Tol's.
COLOURS = (
    "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#8C564B", "#000000",
    "#882255", "#999933", "#332288", "#888888",
)  # fmt: skip
SYMBOLS = ("circle", "diamond-open", "x", "cross-open")  # a roof's points
CONFIDENCE = 0.95
REPEAT = "seed"
FACETS = 6
MARKED = 40  # points up to which each has a marker
HEIGHT = 420
COUNTED = 12  # so many whole numbers are each named on their axis: there is nothing between one thread and two
DIGITS = 4  # decades up to which a log axis names 2 and 5 beside the powers of ten


def draw(
    figure: Figure, runs: pd.DataFrame, history: pd.DataFrame, among: pd.DataFrame | None = None
) -> go.Figure | None:
    """The figure for these runs; None where they do not have its metric, or do not vary its axes.

    `among`: all the runs of the report; a name that is theirs has one colour in all figures.
    """
    every = runs if among is None else among
    if isinstance(figure, Curve):
        drawn = _curve(figure, runs, history, every)
    elif isinstance(figure, HeatMap):
        drawn = _heat_map(figure, runs)
    else:
        drawn = _bars(figure, runs, every) if isinstance(figure, Bars) else _roofline(figure, runs, every)
    if drawn is None:
        return None
    drawn.update_layout(
        template="simple_white", font={"family": "system-ui, sans-serif", "size": 14}, hovermode="closest",
        margin={"l": 70, "r": 20, "t": 56, "b": 60}, height=drawn.layout.height or HEIGHT,
        legend={"groupclick": "togglegroup"},
    )  # fmt: skip
    for axes in (drawn.update_xaxes, drawn.update_yaxes):
        axes(exponentformat="SI")  # 10⁹ is G here, not B
    return drawn


def axes(runs: pd.DataFrame, but: Sequence[str] = ()) -> list[str]:
    """The settings that vary between the runs, the repeats (seeds) left out."""
    return [key for key in contract.axes(runs) if key not in (REPEAT, *but)]


def diverged(runs: pd.DataFrame) -> pd.Series:
    """Which of the runs diverged."""
    return runs[DIVERGED] > 0 if DIVERGED in runs else pd.Series(False, index=runs.index)


def share_diverged(runs: pd.DataFrame) -> str:
    """`3 of 8`; empty where none did."""
    count = int(diverged(runs).sum())
    return f"{count} of {len(runs)}" if count else ""


def spread(values: pd.Series | np.ndarray) -> tuple[float, float, float]:
    """The median over seeds, and its interval (95 %; the range for fewer than six)."""
    x = np.asarray(values, np.float64)
    return float(np.median(x)), *median_interval(x, CONFIDENCE)


def _groups(frame: pd.DataFrame, keys: Sequence[str]) -> Iterator[tuple[str, pd.DataFrame]]:
    """(name, rows) for each combination of the keys' values; one unnamed group for no keys."""
    if not keys:
        yield "", frame
        return
    for values, group in frame.groupby(list(keys), dropna=False, sort=True, observed=True):
        yield " · ".join(label(value) for value in values), group


def _own(group: pd.DataFrame, value: str, interval: tuple[str, str] | None) -> tuple[float, float, float]:
    """`spread` over seeds; of a single run, the interval that it measured itself, if it did."""
    if len(group) == 1 and interval is not None and set(interval) <= set(group):
        low, high = (float(group[name].iloc[0]) for name in interval)
        return float(group[value].iloc[0]), low, high
    return spread(group[value])


def _with_count(name: str, runs: pd.DataFrame) -> str:
    """The name of a line, and how many of its runs diverged."""
    share = share_diverged(runs)
    return f"{name} ({share} diverged)" if share else name


def _looks(every: pd.DataFrame, runs: pd.DataFrame, keys: Sequence[str]) -> dict[str, tuple[str, str]]:
    """The colour and the dash of each combination of the keys' values in `runs`, by its name: those it has among `every`."""
    names = dict.fromkeys(name for frame in (every, runs) for name, _ in _groups(frame, keys))
    looks = dict(zip(names, zip(itertools.cycle(COLOURS), itertools.cycle(DASHES)), strict=False))
    return {name: looks[name] for name, _ in _groups(runs, keys)}


def _curve(figure: Curve, runs: pd.DataFrame, history: pd.DataFrame, every: pd.DataFrame) -> go.Figure | None:
    if figure.x == "step":
        kept = runs.loc[~diverged(runs), ["run_id", *settings(runs)]]
        data = history[history["metric"] == figure.y].merge(kept, on="run_id")
        data = data.rename(columns={"step": "_x", "value": "_y"})
    elif {figure.x, figure.y} <= set(runs):
        data = runs[~diverged(runs)].rename(columns={figure.y: "_y"}).assign(_x=runs[figure.x])
    else:
        return None
    data = data.dropna(subset=["_x", "_y"])
    if data.empty or data["_x"].nunique() < 2:
        return None
    varying = [key for key in figure.by if key in runs] or axes(runs, but=[figure.x])
    in_turn = sorted(varying, key=lambda key: key != figure.panels)  # the one that is wished for comes first
    facet = next((key for key in in_turn if len(varying) > 1 and 1 < runs[key].nunique(dropna=False) <= FACETS), None)
    lines = [key for key in varying if key != facet]
    facets = list(_groups(data, [facet] if facet else []))
    drawn = make_subplots(
        1, len(facets), shared_yaxes=True, horizontal_spacing=0.03,
        subplot_titles=[described(facet, label(part[facet].iloc[0])) for _, part in facets] if facet else None,
    )  # fmt: skip
    styles = _looks(every, runs, lines)
    counted = {name: _with_count(name, group) for name, group in _groups(runs, lines)}
    log_y = figure.log_y and bool((data["_y"] > 0).all())
    shown: set[str] = set()
    for column, (_, part) in enumerate(facets, start=1):
        for name, group in _groups(part, lines):
            points = {x: _own(at, "_y", figure.interval) for x, at in group.groupby("_x")}
            middle, low, high = np.array(list(points.values())).T
            line = _line(counted[name], styles[name], np.array(list(points)), middle, low, high, name not in shown)
            for trace in line:
                drawn.add_trace(trace, 1, column)
            shown.add(name)
    for name in sorted(set(counted) - shown):  # every run diverged: named in the legend all the same
        drawn.add_trace(
            go.Scatter(x=[None], y=[None], name=counted[name], mode="lines", line_color=styles[name][0]), 1, 1
        )
    drawn.update_xaxes(title_text="epoch" if figure.x == "step" else figure.x, **_axis(data["_x"], figure.log_x))
    drawn.update_yaxes(**_axis(data["_y"], log_y))
    drawn.update_yaxes(title_text=figure.y, col=1)
    for text, level in figure.ideal.items():
        drawn.add_hline(level, line_dash="dot", annotation_text=text)
    for mark in figure.marks:
        if mark in data and data["_x"].min() <= data[mark].median() <= data["_x"].max():
            text = mark.rpartition("/")[2].partition("_")[0]
            drawn.add_vline(float(data[mark].median()), line_dash="dot", line_color="#888888", annotation_text=text)
    drawn.update_layout(legend_title_text=" · ".join(lines), showlegend=len(styles) > 1)
    return drawn


def _line(
    name: str,
    style: tuple[str, str],
    x: np.ndarray,
    middle: np.ndarray,
    low: np.ndarray,
    high: np.ndarray,
    legend: bool,
) -> Iterator[go.Scatter]:
    colour, dash = style
    common = {"legendgroup": name, "x": x}
    if (high > low).any():
        band = {"mode": "lines", "line": {"width": 0}, "showlegend": False, "hoverinfo": "skip", **common}
        yield go.Scatter(y=low, **band)
        yield go.Scatter(y=high, fill="tonexty", fillcolor=_faint(colour), **band)
    yield go.Scatter(
        y=middle, name=name, showlegend=legend, mode="lines+markers" if len(x) <= MARKED else "lines",
        line={"color": colour, "width": 2, "dash": dash}, marker={"size": 5}, customdata=np.stack([low, high], axis=1),
        hovertemplate=f"{name}<br>%{{x}}: %{{y:.5g}}  [%{{customdata[0]:.5g}}, %{{customdata[1]:.5g}}]<extra></extra>", **common,
    )  # fmt: skip


def _faint(colour: str) -> str:
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red},{green},{blue},0.18)"


def _heat_map(figure: HeatMap, runs: pd.DataFrame) -> go.Figure | None:
    wanted = [figure.x] if figure.y is None else [figure.x, figure.y]
    if not {*wanted, figure.z} <= set(runs):
        return None
    if any(runs[key].nunique(dropna=False) < 2 for key in wanted) or runs[figure.z].isna().all():
        return None
    down = [*wanted[1:], *axes(runs, but=wanted)]
    xs = sorted(runs[figure.x].unique(), key=lambda v: (pd.isna(v), v))
    names, cells, texts = [], [], []
    for name, group in _groups(runs, down):
        names.append(name)
        at = [group[group[figure.x].isna() if pd.isna(x) else group[figure.x] == x] for x in xs]
        cells.append([float(cell.loc[~diverged(cell), figure.z].median()) for cell in at])
        texts.append([_cell(cell, figure) for cell in at])
    z = np.array(cells, dtype=float)
    positive = np.where(z > 0, z, np.nan)
    scale: dict[str, object] = {"colorscale": "Cividis"}
    if figure.centre is not None:
        scale = {"colorscale": "RdBu", "zmid": np.log10(figure.centre) if figure.log_z else figure.centre}
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
        middle, low, high = _own(kept, figure.z, figure.interval)
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
    log_y = figure.log_y and bool((data[figure.y] > 0).all())
    drawn = go.Figure()
    looks = _looks(every, data, by)
    for name, group in _groups(data, by):
        bars = {x: _own(at, figure.y, figure.interval) for x, at in group.groupby(figure.x, dropna=False)}
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
    drawn.update_yaxes(title_text=figure.y, **_axis(data[figure.y], log_y))
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
    looks = _looks(every, data, [figure.by])
    for name, points in _groups(data, [figure.by]):
        marks = [symbols.get(roof, "circle") for roof in points[figure.roof_of]]
        drawn.add_trace(
            go.Scatter(
                x=points[figure.x], y=points[figure.y], mode="markers", name=name, text=points["name"],
                marker={"color": looks[name][0], "size": 9, "symbol": marks},
                hovertemplate="%{text}<br>%{x:.3g} flop/byte: %{y:.3g} flop/s<extra></extra>",
            )
        )  # fmt: skip
    drawn.update_xaxes(title_text="flop per byte of memory traffic", **_axis(x))
    drawn.update_yaxes(title_text="flop per second", **_axis(data[figure.y]))
    return drawn


def _axis(values: pd.Series | np.ndarray, is_log: bool = True) -> dict[str, object]:
    """What plotly is told about an axis: left to itself it names every digit of a few decades, one on top of the other."""
    if not is_log:
        counts = bool((values % 1 == 0).all()) and values.max() - values.min() <= COUNTED
        return {"type": "linear", "dtick": 1 if counts else None}
    decades = float(np.log10(values.max() / values[values > 0].min()))
    return {"type": "log", "dtick": "D2" if 1 < decades < DIGITS else None}
