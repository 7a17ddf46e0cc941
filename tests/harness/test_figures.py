"""Heat maps, rooflines and bars show the frame's numbers and no others."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
from drawings import NONE, RNG, expected_band, history_of, runs_of

from harness.contract import Bars, Curve, HeatMap, Roofline
from harness.report.figures import draw
from harness.report.looks import axes


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
            assert trace.text[i][j] == f"{median:.3g}<br>{low:.3g} – {high:.3g}"
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


@pytest.mark.parametrize(("decades", "dtick"), [(0.5, None), (1.5, "D2"), (3.5, "D2"), (4.5, None)])
def test_a_log_axis_of_few_decades_does_not_name_every_digit(decades, dtick):
    runs = runs_of(size=[1.0, 10.0**decades])
    runs["train/loss"] = 3 * runs["size"]
    curve = draw(Curve("train/loss", "t", x="size", log_x=True, log_y=True), runs, NONE).layout
    bars = draw(Bars("train/loss", "size", "t", log_y=True), runs, NONE).layout
    assert [curve.xaxis.dtick, curve.yaxis.dtick, bars.yaxis.dtick] == [dtick] * 3
    plain = draw(Curve("train/loss", "t", x="size"), runs, NONE).layout
    assert (plain.xaxis.dtick, plain.yaxis.dtick) == (None, None)


def test_an_axis_of_counts_has_nothing_between_two_of_them():
    def ticks(sizes):
        return draw(Curve("train/loss", "t", x="size"), runs_of(size=sizes), NONE).layout.xaxis.dtick

    assert [ticks([1, 2]), ticks([1, 2, 13]), ticks([1, 14]), ticks([1, 1.5])] == [1, 1, None, None]


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


def test_axes_are_what_varies_but_repeats():
    runs = runs_of(loss=["a", "b"], seed=[0, 1], epochs=[10])
    assert axes(runs) == ["loss"]
    assert axes(runs, but=["loss"]) == []


def test_bars_of_nothing_leave_a_logarithmic_axis_to_the_others():
    """An error of exactly 0 has no bar there; a negative number has no logarithm, and all are drawn as they are."""
    runs = runs_of(layout=["columns", "rows"]).assign(**{"model/error": [0.0, 1e-12]})
    figure = Bars("model/error", "layout", "t", log_y=True)
    assert draw(figure, runs, NONE).layout.yaxis.type == "log"
    assert draw(figure, runs.assign(**{"model/error": [-1.0, 1e-12]}), NONE).layout.yaxis.type == "linear"
    assert draw(figure, runs.assign(**{"model/error": [0.0, 0.0]}), NONE).layout.yaxis.type == "linear"
