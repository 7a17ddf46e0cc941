"""Curves: a metric against the step, an axis or another metric, in panels."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from harness.contract import WHOLE_RUN, Curve, described, label, settings
from harness.report.looks import (
    AT_THE_TOP,
    FACETS,
    MARK,
    MARKED,
    axes,
    axis,
    diverged,
    faint,
    groups,
    looks_of,
    own,
    with_count,
)

MARGIN = 0.03  # of an axis, beside what is on it


def curve(figure: Curve, runs: pd.DataFrame, history: pd.DataFrame, every: pd.DataFrame) -> go.Figure | None:
    data = _points(figure, runs, history)
    if data is None or data.empty or data["_x"].nunique() < 2:
        return None
    wanted = [key for key in figure.by if key in runs]
    varying = [key for key in wanted if len(set(map(str, runs[key]))) > 1]
    if not wanted:
        varying = [key for key in axes(runs, but=[figure.x]) if not _says_the_same(key, figure.x, runs)]
    in_turn = sorted(varying, key=lambda key: key != figure.panels)  # the one that is wished for comes first
    facet = next((key for key in in_turn if len(varying) > 1 and 1 < runs[key].nunique(dropna=False) <= FACETS), None)
    lines = [key for key in varying if key != facet]
    facets = list(groups(data, [facet] if facet else []))
    drawn = make_subplots(
        1, len(facets), shared_yaxes=True, horizontal_spacing=0.03,
        subplot_titles=[described(facet, label(part[facet].iloc[0])) for _, part in facets] if facet else None,
    )  # fmt: skip
    if all(group["_x"].nunique() < 2 for _, part in facets for _, group in groups(part, lines)):
        return None  # a dot each
    styles = looks_of(every, runs, lines)
    counted = {name: with_count(name, group) for name, group in groups(runs, lines)}
    log_y = figure.log_y and bool((data["_y"] > 0).all())
    shown: set[str] = set()
    for column, (_, part) in enumerate(facets, start=1):
        for name, group in groups(part, lines):
            points = {x: own(at, "_y", figure.interval) for x, at in group.groupby("_x")}
            middle, low, high = np.array(list(points.values())).T
            line = _line(counted[name], styles[name], np.array(list(points)), middle, low, high, name not in shown)
            for trace in line:
                drawn.add_trace(trace, 1, column)
            if "_theory" in group and group["_theory"].notna().any():
                drawn.add_trace(_theory(name, styles[name][0], group), 1, column)
            shown.add(name)
    for name in sorted(set(counted) - shown):
        if counted[name] == name:  # it has no such metric; else every run diverged, and the legend says so
            continue
        drawn.add_trace(
            go.Scatter(x=[None], y=[None], name=counted[name], mode="lines", line_color=styles[name][0]), 1, 1
        )
    drawn.update_xaxes(title_text="epoch" if figure.x == "step" else figure.x, **axis(data["_x"], figure.log_x))
    drawn.update_yaxes(**axis(data["_y"], log_y))
    drawn.update_yaxes(title_text=figure.y, col=1)
    for text, level in figure.ideal.items():
        drawn.add_hline(level, line=MARK, label={"text": text, "textposition": "end", "yanchor": "bottom"})
    of_runs = figure.x in runs and not _tabulated(figure, history)
    tried = runs[figure.x].dropna() if of_runs else data["_x"]
    for text, place in figure.vertical.items():
        if tried.min() <= place <= tried.max():
            drawn.add_vline(place, line=MARK, label={"text": text, **AT_THE_TOP})
    if figure.vertical and figure.log_x and tried.min() > 0:  # show what was tried, also where nothing came of it
        ends = np.log10([tried.min(), tried.max()])
        drawn.update_xaxes(range=(ends + MARGIN * np.ptp(ends) * np.array([-1, 1])).tolist())
    for text, mark in figure.marks.items():
        if mark in data and data["_x"].min() <= data[mark].median() <= data["_x"].max():
            drawn.add_vline(float(data[mark].median()), line=MARK, label={"text": text, **AT_THE_TOP})
    drawn.update_layout(legend_title_text=" · ".join(lines), showlegend=len(styles) > 1)
    return drawn


def _points(figure: Curve, runs: pd.DataFrame, history: pd.DataFrame) -> pd.DataFrame | None:
    """The runs that did not diverge (all, if wished for), with _x, _y, _theory, a row a point; None without such a metric."""
    kept = runs if figure.with_diverged else runs[~diverged(runs)]
    wanted = {figure.y: "_y", **({figure.theory: "_theory"} if figure.theory else {})}
    wanted |= {name: name for name in figure.interval or ()}
    if figure.x == "step" or _tabulated(figure, history):
        names = wanted if figure.x == "step" else {figure.x: "_x", **wanted}
        long = history[history["metric"].isin(names)]
        wide = long.pivot_table(index=["run_id", "step"], columns="metric", values="value").rename(columns=names)
        wide = wide.reset_index().merge(kept[["run_id", *settings(kept)]], on="run_id")
        data = wide.assign(_x=wide["step"]) if figure.x == "step" else wide
    elif figure.x in runs:
        data = kept.rename(columns=wanted).assign(_x=kept[figure.x])
    else:
        return None
    if not {"_x", "_y"} <= set(data):
        return None
    return data.dropna(subset=["_x", "_y"])


def _tabulated(figure: Curve, history: pd.DataFrame) -> bool:
    """Whether x is a metric that runs have at many steps."""
    return bool(history.loc[history["metric"] == figure.x, "step"].max() > WHOLE_RUN)


def _says_the_same(key: str, x: str, runs: pd.DataFrame) -> bool:
    """Whether a setting has a value for each of x, and the other way round: as a size and its bytes."""
    if x not in runs:
        return False
    pairs = set(zip(map(str, runs[key]), runs[x], strict=True))
    return len(pairs) == len({one for one, _ in pairs}) == len({other for _, other in pairs})


def _theory(name: str, colour: str, group: pd.DataFrame) -> go.Scatter:
    """What theory says of a line: its median over seeds, thin."""
    levels = group.groupby("_x")["_theory"].median().dropna()
    return go.Scatter(
        x=levels.index.to_numpy(), y=levels.to_numpy(), mode="lines", line={"color": colour, "width": 1, "dash": "dot"},
        legendgroup=name, showlegend=False, hovertemplate=f"{name}, theory<br>%{{x}}: %{{y:.5g}}<extra></extra>",
    )  # fmt: skip


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
        yield go.Scatter(y=high, fill="tonexty", fillcolor=faint(colour), **band)
    yield go.Scatter(
        y=middle, name=name, showlegend=legend, mode="lines+markers" if len(x) <= MARKED else "lines",
        line={"color": colour, "width": 2, "dash": dash}, marker={"size": 5}, customdata=np.stack([low, high], axis=1),
        hovertemplate=f"{name}<br>%{{x}}: %{{y:.5g}}  [%{{customdata[0]:.5g}}, %{{customdata[1]:.5g}}]<extra></extra>", **common,
    )  # fmt: skip
