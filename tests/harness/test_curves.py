"""Curves show the frame's numbers and no others."""

from __future__ import annotations

import json
import math

import numpy as np
import pandas as pd
import pytest
from drawings import NONE, expected_band, history_of, lines, runs_of

from harness.contract import Bars, Curve
from harness.report.figures import draw
from harness.report.looks import COLOURS, DASHES


@pytest.mark.parametrize("log", [True, False])
def test_a_curve_is_the_median_over_seeds_with_its_interval(log):
    runs = runs_of(loss=["huber", "squared"], seed=[0, 1, 2])
    history = history_of(runs)
    drawn = draw(Curve("train/loss", "t", log_y=log), runs, history)
    assert set(lines(drawn)) == {("x", "huber"), ("x", "squared")}
    merged = history.merge(runs[["run_id", "loss"]], on="run_id")
    for (_, name), trace in lines(drawn).items():
        assert trace.x.tolist() == [0, 1, 2, 3]
        for step, y, band in zip(trace.x, trace.y, trace.customdata, strict=True):
            values = merged[(merged["loss"] == name) & (merged["step"] == step)]["value"]
            assert [y, *band] == pytest.approx(expected_band(values), rel=1e-12)
    bands = [trace for trace in drawn.data if trace.name is None]
    assert [trace.fill for trace in bands] == [None, "tonexty"] * 2
    for low, high, line in zip(bands[::2], bands[1::2], lines(drawn).values(), strict=True):
        np.testing.assert_array_equal(np.stack([low.y, high.y], 1), line.customdata)
    assert drawn.layout.yaxis.type == ("log" if log else "linear")
    assert drawn.layout.showlegend


def test_a_single_seed_has_no_band():
    runs = runs_of(loss=["huber", "squared"])
    history = history_of(runs)
    drawn = draw(Curve("train/loss", "t"), runs, history)
    assert len(drawn.data) == 2
    for trace, run in zip(drawn.data, runs["run_id"], strict=True):
        assert trace.y.tolist() == history[history["run_id"] == run]["value"].tolist()


def test_one_run_is_one_line_without_a_legend():
    runs = runs_of(loss=["huber"])
    drawn = draw(Curve("train/loss", "t", ideal={"roof": 2.0}), runs, history_of(runs))
    assert len(drawn.data) == 1
    assert not drawn.layout.showlegend
    assert drawn.layout.shapes[0].y0 == 2.0
    assert drawn.layout.shapes[0].label.text == "roof"  # where the line is, on a logarithmic axis too
    assert drawn.layout.xaxis.title.text == "epoch"


def test_two_axes_are_panels_and_lines():
    runs = runs_of(batch_size=[8.0, math.nan], loss=["a", "b", "c"])
    history = history_of(runs)
    drawn = draw(Curve("train/loss", "t"), runs, history)
    assert [a.text for a in drawn.layout.annotations] == ["batch_size=8", "batch_size=null"]
    found = lines(drawn)
    assert set(found) == {(x, loss) for x in ("x", "x2") for loss in "abc"}
    for (panel, loss), trace in found.items():
        size = 8.0 if panel == "x" else math.nan
        [run] = runs[
            (runs["loss"] == loss) & (runs["batch_size"].isna() if math.isnan(size) else runs["batch_size"] == size)
        ]["run_id"]
        assert trace.y.tolist() == history[history["run_id"] == run]["value"].tolist()
        assert trace.line.color == COLOURS["abc".index(loss)]
        assert trace.line.dash == DASHES["abc".index(loss)]  # a line beneath another shows through
    assert sum(bool(trace.showlegend) for trace in drawn.data) == 3  # each name once


def test_panels_can_be_wished_for():
    runs = runs_of(batch_size=[1, 2], loss=["a", "b"])
    for wish, panels in (
        (None, ["batch_size=1", "batch_size=2"]),
        ("loss", ["a", "b"]),
        ("layout", ["batch_size=1", "batch_size=2"]),
    ):
        drawn = draw(Curve("train/loss", "t", panels=wish), runs, history_of(runs))
        assert [a.text for a in drawn.layout.annotations] == panels


def test_an_axis_of_too_many_values_is_no_panel():
    runs = runs_of(step_size=[0.1 * i for i in range(1, 9)], loss=["a", "b"])
    drawn = draw(Curve("train/loss", "t"), runs, history_of(runs))
    assert [a.text for a in drawn.layout.annotations] == ["a", "b"]
    assert drawn.layout.legend.title.text == "step_size"


def test_a_curve_against_an_axis():
    runs = runs_of(batch_size=[1, 64, 1024], layout=["rows", "columns"], seed=[0, 1])
    drawn = draw(Curve("time/epoch_s", "t", x="batch_size", by=("layout",), log_x=True), runs, NONE)
    assert drawn.layout.xaxis.type == "log"
    for (_, name), trace in lines(drawn).items():
        assert trace.x.tolist() == [1, 64, 1024]
        for size, y in zip(trace.x, trace.y, strict=True):
            values = runs[(runs["layout"] == name) & (runs["batch_size"] == size)]["time/epoch_s"]
            assert y == pytest.approx(values.mean(), rel=1e-12)


def test_lines_may_be_of_an_axis_that_these_runs_do_not_have():
    """As of a figure shared by experiments: then whatever varies tells the lines apart, and nothing is pooled."""
    runs = runs_of(loss=["a", "b"], batch_size=[1, 2])
    drawn = draw(Curve("train/loss", "t", x="batch_size", by=("layout",)), runs, NONE)
    assert {name for _, name in lines(drawn)} == {"a", "b"}
    assert len(draw(Bars("train/loss", "loss", "t", by=("layout",)), runs, NONE).data) == 2


def test_a_logarithm_of_what_is_not_positive_is_not_drawn_as_one():
    runs = runs_of(loss=["a"])
    history = history_of(runs)
    history.loc[2, "value"] = 0.0
    drawn = draw(Curve("train/loss", "t", log_y=True), runs, history)
    assert drawn.layout.yaxis.type == "linear"
    assert drawn.data[0].y[2] == 0.0


def test_missing_values_are_left_out_and_infinite_ones_do_no_harm():
    runs = runs_of(loss=["a"], seed=[0, 1])
    history = history_of(runs)
    history.loc[1, "value"] = math.nan
    history.loc[2, "value"] = math.inf
    drawn = draw(Curve("train/loss", "t"), runs, history)
    [line] = lines(drawn).values()
    assert line.y[1] == history.loc[5, "value"]
    assert line.y[2] == math.inf
    json.loads(drawn.to_json(), parse_constant=lambda constant: pytest.fail(constant))


def test_a_curve_over_a_single_step_is_none():
    runs = runs_of(loss=["a", "b"])
    assert draw(Curve("train/loss", "t"), runs, history_of(runs, steps=1)) is None


def test_a_name_has_one_colour_in_all_figures_of_a_report():
    every = runs_of(backend=["a", "b", "c", "d"], batch_size=[1, 2])
    some = every[every["backend"].isin(["b", "d"])]
    curve = Curve("train/loss", "t", x="batch_size")
    whole = {line.name: line.line.color for line in draw(curve, every, NONE).data if line.name}
    part = {line.name: line.line.color for line in draw(curve, some, NONE, every).data if line.name}
    assert part == {name: whole[name] for name in ("b", "d")}
    assert len(set(whole.values())) == 4


def test_marks_stand_where_their_metrics_say_and_can_be_seen():
    """Of those within the axis; the template would draw lines of no width."""
    runs = runs_of(batch_size=[1, 10, 100]).assign(**{"cache/l1_bytes": 20.0, "cache/l2_bytes": 5000.0})
    marks = {name: f"cache/{name.lower()}_bytes" for name in ("L1", "L2", "L3")}
    figure = Curve("train/loss", "t", x="batch_size", log_x=True, marks=marks)
    [line] = draw(figure, runs, history_of(runs)).layout.shapes
    assert (line.x0, line.x1, line.label.text) == (20.0, 20.0, "L1")
    assert line.line.width > 0


def test_a_setting_that_is_the_axis_by_another_name_makes_no_lines():
    runs = runs_of(batch_size=[1, 10, 100], loss=["huber", "squared"])
    runs["model/bytes"] = 4.0 * runs["batch_size"]
    drawn = draw(Curve("train/loss", "t", x="model/bytes"), runs, history_of(runs))
    assert {name: trace.x.tolist() for (_, name), trace in lines(drawn).items()} == {
        "huber": [4.0, 40.0, 400.0],
        "squared": [4.0, 40.0, 400.0],
    }


def test_lines_of_a_single_dot_each_are_no_curve():
    runs = runs_of(batch_size=[1, 10, 100])
    assert draw(Curve("train/loss", "t", x="batch_size", by=("batch_size",)), runs, history_of(runs)) is None


def test_a_tabulated_function_is_drawn_over_all_that_it_was_tabulated_for():
    """Vertical lines show what was tried: of a function, the places it is tabulated at, and not the last of them."""
    places = [1e-6, 1e-4, 1e-2]
    rows = [
        ("a", f"profile/{name}", step, value)
        for step, x in enumerate(places)
        for name, value in (("x", x), ("y", x * x))
    ]
    history = pd.DataFrame(rows, columns=["run_id", "metric", "step", "value"])
    runs = pd.DataFrame({"run_id": ["a"], "name": ["a"], "profile/x": [places[-1]], "profile/y": [places[-1] ** 2]})
    figure = draw(
        Curve("profile/y", "f", x="profile/x", log_x=True, log_y=True, vertical={"half": 1e-4}), runs, history
    )
    low, high = figure.layout.xaxis.range
    assert low < -6 < -2 < high
    assert [shape.x0 for shape in figure.layout.shapes] == [1e-4]
