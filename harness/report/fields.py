"""Fields over a place and a time: profiles at several times, a map, an animation; a panel for each run."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.colors import sample_colorscale
from plotly.subplots import make_subplots

from harness.contract import Field, described, label, number
from harness.report.looks import COLOURS, FACETS, HEIGHT, REPEAT, axes, groups

ACROSS = 3  # panels side by side
TIMES = 6  # profiles in a panel
DARKEST, PALEST = 0.0, 0.85  # of the colours of times: none too pale for paper
FRAME_MS = 80
PANEL = 300  # height of a panel where there are several rows of them
BELOW = 120  # what a slider takes


def field(figure: Field, runs: pd.DataFrame, history: pd.DataFrame) -> go.Figure | None:
    """The figure; None where no run has the field."""
    keys = axes(runs, but=[REPEAT])
    told = history[history["metric"].isin([figure.x, figure.t, figure.z])]
    having = runs[runs["run_id"].isin(told.loc[told["metric"] == figure.z, "run_id"])]
    fields = {name: _tabulated(figure, told[told["run_id"] == run]) for name, run in _first_of_each(having, keys)}
    if not fields:
        return None
    shown = dict(itertools.islice(fields.items(), FACETS))
    columns = min(ACROSS, len(shown))
    rows = -(-len(shown) // columns)
    drawn = make_subplots(
        rows, columns, shared_xaxes=True, shared_yaxes=True, horizontal_spacing=0.03, vertical_spacing=0.24 / rows,
        subplot_titles=list(shown) if keys else None,
    )  # fmt: skip
    places = [(i // columns + 1, i % columns + 1) for i in range(len(shown))]
    {"profiles": _profiles, "map": _map, "animation": _animation}[figure.form](
        figure, drawn, list(shown.values()), places
    )
    drawn.update_xaxes(title_text=figure.x, row=rows)
    drawn.update_yaxes(title_text=figure.t if figure.form == "map" else figure.z, col=1)
    height = HEIGHT if rows == 1 else 120 + PANEL * rows
    drawn.update_layout(height=height + BELOW * (figure.form == "animation"))
    if len(fields) > len(shown):
        drawn.add_annotation(
            xref="paper", yref="paper", x=1, y=1, yshift=34, xanchor="right", yanchor="bottom", showarrow=False,
            text=f"the first {len(shown)} of {len(fields)}",
        )  # fmt: skip
    return drawn


def _first_of_each(runs: pd.DataFrame, keys: list[str]) -> Iterator[tuple[str, str]]:
    """What a panel is called, and the run that it shows: of repeats, the first."""
    for _, group in groups(runs, keys):
        first = group.iloc[0]
        yield " · ".join(described(key, label(first[key])) for key in keys), str(first["run_id"])


def _tabulated(figure: Field, told: pd.DataFrame) -> pd.DataFrame:
    """z of a run, a row for each time and a column for each place."""
    points = told.pivot_table(index="step", columns="metric", values="value")
    return points.pivot_table(index=figure.t, columns=figure.x, values=figure.z)


Places = list[tuple[int, int]]


def _profiles(figure: Field, drawn: go.Figure, fields: list[pd.DataFrame], places: Places) -> None:
    """z against x, a line for each of a few times, dark to bright as they go on."""
    shown: set[str] = set()
    for found, (row, column) in zip(fields, places, strict=True):
        picked = np.unique(np.linspace(0, len(found) - 1, TIMES).round().astype(int))
        colours = sample_colorscale("Viridis", np.linspace(DARKEST, PALEST, len(picked)).tolist())
        for at, colour in zip(picked, colours, strict=True):
            name = number(float(found.index[at]), ".3g")
            drawn.add_trace(
                go.Scatter(
                    x=found.columns.to_numpy(), y=found.iloc[at].to_numpy(), mode="lines", name=name, legendgroup=name,
                    showlegend=name not in shown, line={"color": colour, "width": 2},
                    hovertemplate=f"{figure.t} {name}<br>%{{x:.3g}}: %{{y:.4g}}<extra></extra>",
                ), row, column,
            )  # fmt: skip
            shown.add(name)
    drawn.update_layout(legend_title_text=figure.t)


def _map(figure: Field, drawn: go.Figure, fields: list[pd.DataFrame], places: Places) -> None:
    """z as colours, one scale for all panels; where z has both signs, 0 is white."""
    least, most = (float(pick([pick(found.to_numpy()) for found in fields])) for pick in (np.min, np.max))
    reach = max(-least, most)
    scale = {"colorscale": "RdBu_r", "cmin": -reach, "cmax": reach} if least < 0 else {"colorscale": "Cividis"}
    for found, (row, column) in zip(fields, places, strict=True):
        drawn.add_trace(
            go.Heatmap(
                x=found.columns.to_numpy(), y=found.index.to_numpy(), z=found.to_numpy(), coloraxis="coloraxis",
                hovertemplate=f"{figure.x} %{{x:.3g}}<br>{figure.t} %{{y:.3g}}<br>{figure.z} %{{z:.4g}}<extra></extra>",
            ), row, column,
        )  # fmt: skip
    drawn.update_layout(coloraxis={**scale, "colorbar": {"title": {"text": figure.z}}})


def _animation(figure: Field, drawn: go.Figure, fields: list[pd.DataFrame], places: Places) -> None:
    """z against x at the first time, and a frame for each time; a panel with fewer times stays at its last."""
    for found, (row, column) in zip(fields, places, strict=True):
        drawn.add_trace(
            go.Scatter(
                x=found.columns.to_numpy(), y=found.iloc[0].to_numpy(), mode="lines", showlegend=False,
                line={"color": COLOURS[0], "width": 2}, hovertemplate="%{x:.3g}: %{y:.4g}<extra></extra>",
            ), row, column,
        )  # fmt: skip
    longest = max(fields, key=len)
    names = [number(float(time), ".3g") for time in longest.index]
    drawn.frames = [
        go.Frame(
            name=str(at), traces=list(range(len(fields))),
            data=[go.Scatter(y=found.iloc[min(at, len(found) - 1)].to_numpy()) for found in fields],
        )
        for at in range(len(longest))
    ]  # fmt: skip
    values = np.concatenate([found.to_numpy().ravel() for found in fields])
    margin = 0.05 * float(np.ptp(values)) or 1.0
    drawn.update_yaxes(range=[float(values.min()) - margin, float(values.max()) + margin])  # else it would jump
    go_on = {"mode": "immediate", "fromcurrent": True, "transition": {"duration": 0}}
    steps = [
        {"label": name, "method": "animate",
         "args": [[str(at)], {"mode": "immediate", "frame": {"duration": 0, "redraw": False}, "transition": {"duration": 0}}]}
        for at, name in enumerate(names)
    ]  # fmt: skip
    buttons = [
        {"label": "play", "method": "animate", "args": [None, {**go_on, "frame": {"duration": FRAME_MS, "redraw": False}}]},
        {"label": "pause", "method": "animate", "args": [[None], {**go_on, "frame": {"duration": 0, "redraw": False}}]},
    ]  # fmt: skip
    drawn.update_layout(
        updatemenus=[
            {"type": "buttons", "direction": "left", "showactive": False, "buttons": buttons, "x": 0, "xanchor": "left",
             "y": 0, "yanchor": "top", "pad": {"t": 82}},
        ],
        sliders=[
            {"steps": steps, "x": 0.16, "len": 0.84, "y": 0, "yanchor": "top", "pad": {"t": 62},
             "currentvalue": {"prefix": f"{figure.t} ", "xanchor": "left"}},
        ],
    )  # fmt: skip
