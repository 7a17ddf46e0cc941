"""Figures show the frame's numbers and no others."""

from __future__ import annotations

import dataclasses
import itertools
import json
import math

import numpy as np
import pandas as pd
import pytest

from harness.contract import Bars, Curve, HeatMap, Roofline, described
from harness.report.figures import COLOURS, DASHES, axes, draw, label

RNG = np.random.default_rng(12)
NONE = pd.DataFrame({"run_id": [], "metric": [], "step": [], "value": []})


def runs_of(**settings):
    """A row for each combination of the settings' values, with metrics at random."""
    frame = pd.DataFrame([dict(zip(settings, values, strict=True)) for values in itertools.product(*settings.values())])
    frame.insert(0, "run_id", [f"r{i}" for i in range(len(frame))])
    frame["train/loss"] = RNG.lognormal(size=len(frame))
    frame["time/epoch_s"] = RNG.lognormal(size=len(frame))
    return frame


def history_of(runs, steps=4, metric="train/loss"):
    rows = [(run, metric, step, RNG.lognormal()) for run in runs["run_id"] for step in range(steps)]
    return pd.DataFrame(rows, columns=["run_id", "metric", "step", "value"])


def lines(drawn):
    """The lines without their bands, by subplot and name."""
    return {(trace.xaxis or "x", trace.name): trace for trace in drawn.data if trace.name is not None}


def expected_band(values):
    """The median and, of fewer than six values, their range: no narrower interval holds a median with 95 %."""
    return [np.median(values), np.min(values), np.max(values)]


# Curves


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
    assert drawn.layout.annotations[0].text == "roof"
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


@pytest.mark.parametrize(
    ("figure", "why"),
    [
        (Curve("test/error", "t"), "no such metric"),
        (Curve("train/loss", "t", x="step_size"), "no such axis"),
        (Curve("train/loss", "t", x="seed"), "one value"),
        (HeatMap("loss", "step_size", "train/loss", "t"), "no such axis"),
        (HeatMap("loss", "seed", "train/loss", "t"), "one value"),
        (HeatMap("loss", "batch_size", "test/error", "t"), "no such metric"),
        (HeatMap("loss", "batch_size", "train/empty", "t"), "nothing measured"),
        (Bars("train/loss", "seed", "t"), "one value"),
        (Bars("train/loss", "layout", "t"), "no such axis"),
        (Bars("test/error", "loss", "t"), "no such metric"),
        (Bars("train/empty", "loss", "t"), "nothing measured"),
    ],
)
def test_nothing_is_drawn_of_nothing(figure, why):
    runs = runs_of(loss=["a", "b"], batch_size=[1, 2], seed=[0])
    runs["train/empty"] = math.nan
    assert draw(figure, runs, history_of(runs, steps=2)) is None, why


def test_a_curve_over_a_single_step_is_none():
    runs = runs_of(loss=["a", "b"])
    assert draw(Curve("train/loss", "t"), runs, history_of(runs, steps=1)) is None


# Heat maps


def test_a_heat_map_holds_medians():
    runs = runs_of(batch_size=[64, 8, math.nan], step_size=[0.1, 1.0], seed=[0, 1, 2])
    drawn = draw(HeatMap("batch_size", "step_size", "train/loss", "t", log_z=True), runs, NONE)
    [trace] = drawn.data
    assert trace.x == ("8", "64", "null")
    assert trace.y == ("0.1", "1")
    for i, step in enumerate((0.1, 1.0)):
        for j, size in enumerate((8, 64, None)):
            cell = runs[
                (runs["step_size"] == step)
                & (runs["batch_size"].isna() if size is None else runs["batch_size"] == size)
            ]
            median = cell["train/loss"].median()
            assert trace.customdata[i][j] == median
            assert trace.z[i][j] == pytest.approx(math.log10(median))
            low, high = cell["train/loss"].min(), cell["train/loss"].max()
            assert trace.text[i][j] == f"{median:.3g}<br>{low:.2g} – {high:.2g}"
    assert drawn.layout.xaxis.type == drawn.layout.yaxis.type == "category"


def test_a_heat_map_says_what_diverged():
    runs = runs_of(batch_size=[8, 64], step_size=[0.1, 10.0], seed=[0, 1])
    runs["train/diverged"] = (runs["step_size"] == 10.0).astype(float)
    runs.loc[(runs["step_size"] == 10.0) & (runs["batch_size"] == 8), "train/loss"] = math.nan
    runs.loc[(runs["step_size"] == 10.0) & (runs["batch_size"] == 64) & (runs["seed"] == 0), "train/diverged"] = 0.0
    drawn = draw(HeatMap("batch_size", "step_size", "train/loss", "t"), runs, NONE)
    [kept] = runs[(runs["step_size"] == 10.0) & (runs["batch_size"] == 64) & (runs["seed"] == 0)]["train/loss"]
    assert list(drawn.data[0].text[1]) == ["2 of 2 diverged", f"{kept:.3g}<br>1 of 2 diverged"]
    assert drawn.data[0].customdata[1][1] == kept
    assert "diverged" not in "".join(drawn.data[0].text[0])
    assert math.isnan(drawn.data[0].z[1][0])


def test_a_third_axis_makes_rows_of_its_own():
    runs = runs_of(batch_size=[8, 64], step_size=[0.1, 1.0], loss=["a", "b"])
    [trace] = draw(HeatMap("batch_size", "step_size", "train/loss", "t"), runs, NONE).data
    assert trace.y == ("0.1 · a", "0.1 · b", "1 · a", "1 · b")
    assert (
        trace.customdata[2][1] == runs.query("step_size == 1 and loss == 'a' and batch_size == 64")["train/loss"].item()
    )


def test_a_combination_that_was_not_run_is_an_empty_cell():
    runs = runs_of(batch_size=[8, 64], step_size=[0.1, 1.0]).iloc[:3]
    [trace] = draw(HeatMap("batch_size", "step_size", "train/loss", "t"), runs, NONE).data
    assert math.isnan(trace.z[1][1])
    assert trace.text[1][1] == ""


def test_a_heat_map_without_a_second_axis_has_a_row_for_all_others_and_each_runs_own_interval():
    runs = runs_of(backend=["a", "b"], samples=[10, 20], dtype=["float32", "float64"])
    runs["time/low"], runs["time/high"] = 0.5, 2.0
    figure = HeatMap("backend", None, "train/loss", "t", log_z=True, centre=1.0, interval=("time/low", "time/high"))
    [trace] = draw(figure, runs, NONE).data
    assert trace.x == ("a", "b")
    assert trace.y == ("10 · float32", "10 · float64", "20 · float32", "20 · float64")
    assert trace.customdata.tolist() == runs["train/loss"].to_numpy().reshape(2, 4).T.tolist()
    assert all(text.endswith("<br>0.5 – 2") for row in trace.text for text in row)
    assert trace.zmid == 0  # log 1
    plain = dataclasses.replace(figure, log_z=False, centre=2.0)
    assert draw(plain, runs, NONE).data[0].zmid == 2
    assert draw(plain, runs[runs["backend"] == "a"], NONE) is None


# Rooflines


ROOFLINE = Roofline(
    "rate/it", "model/intensity", "t", flat="roof/flat", slope="roof/slope", by="backend", roof_of="dtype"
)


def test_a_roofline_has_a_roof_for_each_value_and_a_point_for_each_run():
    runs = runs_of(backend=["a", "b"], dtype=["float32", "float64"])
    runs["name"] = "run " + runs["run_id"]
    runs["rate/it"], runs["model/intensity"] = RNG.lognormal(size=4), [1.0, 2.0, 5.0, 40.0]
    runs["roof/flat"] = runs["dtype"].map({"float32": 200.0, "float64": 100.0})
    runs["roof/slope"] = 30.0
    drawn = draw(ROOFLINE, runs, NONE)
    traces = {trace.name: trace for trace in drawn.data}
    assert set(traces) == {"roof, float32", "roof, float64", "a", "b"}
    for dtype, top in (("float32", 200), ("float64", 100)):
        x = np.array(traces[f"roof, {dtype}"].x)
        assert x.min() <= 1
        assert x.max() >= 40
        assert traces[f"roof, {dtype}"].y == pytest.approx(np.minimum(top, 30 * x))
    for backend in ("a", "b"):
        mine = runs[runs["backend"] == backend]
        assert list(traces[backend].x) == mine["model/intensity"].tolist()
        assert list(traces[backend].y) == mine["rate/it"].tolist()
        assert list(traces[backend].text) == mine["name"].tolist()
        assert len(set(traces[backend].marker.symbol)) == 2
    assert drawn.layout.xaxis.type == drawn.layout.yaxis.type == "log"


def test_a_roofline_of_nothing_is_none():
    runs = runs_of(backend=["a", "b"], dtype=["float32", "float64"])
    assert draw(ROOFLINE, runs, NONE) is None
    for metric in ("rate/it", "model/intensity", "roof/flat", "roof/slope"):
        runs[metric] = math.nan
    assert draw(ROOFLINE, runs, NONE) is None


# Bars


@pytest.mark.parametrize("log", [True, False])
def test_bars_are_medians_with_whiskers(log):
    runs = runs_of(layout=["rows", "columns"], dtype=["float32", "float64"], seed=[0, 1, 2])
    drawn = draw(Bars("time/epoch_s", "layout", "t", log_y=log), runs, NONE)
    assert [trace.name for trace in drawn.data] == ["float32", "float64"]
    for trace in drawn.data:
        assert list(trace.x) == ["columns", "rows"]
        for x, y, above, below in zip(trace.x, trace.y, trace.error_y.array, trace.error_y.arrayminus, strict=True):
            values = runs[(runs["dtype"] == trace.name) & (runs["layout"] == x)]["time/epoch_s"]
            assert [y, y - below, y + above] == pytest.approx(expected_band(values), rel=1e-9)
        assert trace.error_y.visible
    assert drawn.layout.yaxis.type == ("log" if log else "linear")
    assert drawn.layout.barmode == "group"


def test_six_seeds_or_more_have_an_interval_narrower_than_their_range():
    runs = runs_of(layout=["rows", "columns"], seed=range(9))
    runs["train/change"] = [*range(9), *range(10, 19)]
    [trace] = draw(Bars("train/change", "layout", "t"), runs, NONE).data
    rows = list(trace.x).index("rows")
    # the second smallest and largest of nine: 1 − 2·(1 + 9)/2⁹ = 96 %
    assert (trace.y[rows], trace.error_y.arrayminus[rows], trace.error_y.array[rows]) == (4, 3, 3)


@pytest.mark.parametrize("figure", [
    Bars("time/epoch_s", "layout", "t", interval=("time/low_s", "time/high_s")),
    Curve("time/epoch_s", "t", x="batch_size", interval=("time/low_s", "time/high_s")),
])  # fmt: skip
def test_a_single_run_has_the_interval_it_measured_itself(figure):
    runs = runs_of(layout=["rows", "columns"], batch_size=[8, 64])
    runs["time/low_s"], runs["time/high_s"] = runs["time/epoch_s"] / 2, runs["time/epoch_s"] * 3
    drawn = draw(figure, runs, NONE)
    shown = {band for trace in drawn.data if trace.customdata is not None for band in map(tuple, trace.customdata)}
    assert shown == set(zip(runs["time/low_s"], runs["time/high_s"], strict=True))


def test_what_diverged_is_counted_and_left_out_of_lines_and_bars():
    runs = runs_of(step_size=[0.1, 1.0, 9.0], seed=[0, 1])
    history = history_of(runs)
    runs["train/diverged"] = [0.0, 0.0, 1.0, 0.0, 1.0, 1.0]
    drawn = draw(Curve("train/loss", "t"), runs, history)
    found = {trace.name: trace for trace in drawn.data if trace.name is not None}
    assert set(found) == {"0.1", "1 (1 of 2 diverged)", "9 (2 of 2 diverged)"}
    kept = history[history["run_id"] == runs["run_id"][3]]["value"]
    assert found["1 (1 of 2 diverged)"].y.tolist() == kept.tolist()
    assert found["9 (2 of 2 diverged)"].y == (None,)
    [bars] = draw(Bars("train/loss", "step_size", "t"), runs, NONE).data
    assert list(bars.x) == ["0.1", "1"]
    assert bars.y[1] == runs["train/loss"][3]


def test_bars_of_single_runs_have_no_whiskers():
    runs = runs_of(layout=["rows", "columns"])
    [trace] = draw(Bars("time/epoch_s", "layout", "t"), runs, NONE).data
    assert not trace.error_y.visible
    assert trace.y.tolist() == runs.sort_values("layout")["time/epoch_s"].tolist()


# Words


@pytest.mark.parametrize(
    ("value", "text"),
    [(64.0, "64"), (0.5, "0.5"), (math.nan, "null"), (None, "null"), ("rows", "rows"), (64, "64"), (1e-5, "1e-05")],
)
def test_labels(value, text):
    assert label(value) == text


@pytest.mark.parametrize(
    ("value", "text"), [("huber", "huber"), (8.0, "size=8"), (None, "size=null"), ("true", "size=true")]
)
def test_what_does_not_name_itself_has_its_key(value, text):
    assert described("size", label(value)) == text


def test_axes_are_what_varies_but_repeats():
    runs = runs_of(loss=["a", "b"], seed=[0, 1], epochs=[10])
    assert axes(runs) == ["loss"]
    assert axes(runs, but=["loss"]) == []
