"""Fields over a place and a time show the frame's numbers and no others, and an animation goes through all of them."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from drawings import NONE, RNG, runs_of

from harness.contract import Field, metric_of
from harness.report.fields import ACROSS, TIMES
from harness.report.figures import draw
from harness.report.looks import FACETS

X, T = np.linspace(0, 1, 5), np.linspace(0, 2, 9)


def field(form):
    return Field("field/psi", "field/x", "field/t", "t", form=form)


def told(runs, signs=1.0):
    """A field at random for each run, and its history in an order that means nothing."""
    fields = {run: signs * RNG.lognormal(size=(len(T), len(X))) for run in runs["run_id"]}
    rows = []
    for run, psi in fields.items():
        for step, (i, j) in enumerate(RNG.permutation(list(np.ndindex(psi.shape)))):
            values = {"field/x": X[j], "field/t": T[i], "field/psi": psi[i, j]}
            rows += [(run, metric, step, value) for metric, value in values.items()]
    return fields, pd.DataFrame(rows, columns=["run_id", "metric", "step", "value"])


@pytest.mark.parametrize("form", ["profiles", "map", "animation"])
def test_without_a_field_there_is_no_figure(form):
    runs = runs_of(ends=["fixed", "open"])
    _, history = told(runs)
    assert draw(field(form), runs, NONE) is None
    assert draw(field(form), runs, history[history["metric"] != "field/psi"]) is None


def test_a_map_has_a_panel_for_each_run_and_one_scale():
    runs = runs_of(ends=["fixed", "open"])
    fields, history = told(runs)
    drawn = draw(field("map"), runs, history)
    assert [note.text for note in drawn.layout.annotations] == ["fixed", "open"]
    for trace, psi in zip(drawn.data, fields.values(), strict=True):
        np.testing.assert_array_equal(trace.x, X)
        np.testing.assert_array_equal(trace.y, T)
        np.testing.assert_array_equal(trace.z, psi)
        assert trace.coloraxis == "coloraxis"
    assert drawn.layout.coloraxis.cmin is None
    assert (drawn.layout.xaxis.title.text, drawn.layout.yaxis.title.text) == ("field/x", "field/t")


def test_where_there_are_both_signs_nothing_is_the_middle_of_the_colours():
    runs = runs_of(ends=["fixed"])
    fields, history = told(runs, np.where(np.arange(len(X)) % 2, 1.0, -2.0))
    colours = draw(field("map"), runs, history).layout.coloraxis
    assert colours.cmax == -colours.cmin == np.abs(fields["r0"]).max()


def test_profiles_are_those_of_some_times_first_and_last_among_them():
    runs = runs_of(ends=["fixed", "open"])
    fields, history = told(runs)
    drawn = draw(field("profiles"), runs, history)
    assert len(drawn.data) == 2 * TIMES
    times = dict.fromkeys(trace.name for trace in drawn.data)
    assert [next(iter(times)), list(times)[-1]] == ["0", "2"]
    for n, psi in enumerate(fields.values()):
        mine = drawn.data[n * TIMES : (n + 1) * TIMES]
        assert len({trace.line.color for trace in mine}) == TIMES
        for trace in mine:
            np.testing.assert_array_equal(trace.y, psi[np.flatnonzero(float(trace.name) == T)[0]])
    assert sum(bool(trace.showlegend) for trace in drawn.data) == TIMES  # each name once


def test_an_animation_goes_through_all_times_in_all_panels():
    runs = runs_of(ends=["fixed", "open", "periodic"])
    fields, history = told(runs)
    drawn = draw(field("animation"), runs, history)
    assert len(drawn.frames) == len(T)
    for i, frame in enumerate(drawn.frames):
        assert frame.traces == (0, 1, 2)
        for data, psi in zip(frame.data, fields.values(), strict=True):
            np.testing.assert_array_equal(data.y, psi[i])
    for trace, psi in zip(drawn.data, fields.values(), strict=True):
        np.testing.assert_array_equal(trace.y, psi[0])
    steps = drawn.layout.sliders[0].steps
    assert [step.label for step in steps] == ["0", "0.25", "0.5", "0.75", "1", "1.25", "1.5", "1.75", "2"]
    assert [step.args[0][0] for step in steps] == [frame.name for frame in drawn.frames]
    assert [button.label for button in drawn.layout.updatemenus[0].buttons] == ["play", "pause"]
    low, high = drawn.layout.yaxis.range
    assert low < min(psi.min() for psi in fields.values())
    assert max(psi.max() for psi in fields.values()) < high


def test_frames_get_into_the_page_and_do_not_start_by_themselves():
    runs = runs_of(ends=["fixed"])
    _, history = told(runs)
    drawn = draw(field("animation"), runs, history)
    html = drawn.to_html(full_html=False, include_plotlyjs=False, auto_play=False)
    assert "Plotly.addFrames" in html
    assert "Plotly.animate(" not in html
    assert len(json.loads(drawn.to_json())["frames"]) == len(T)


def test_the_first_few_of_many_runs_are_shown_and_it_says_so():
    runs = runs_of(cells=list(range(10, 10 + FACETS + 2)))
    _, history = told(runs)
    drawn = draw(field("map"), runs, history)
    assert len(drawn.data) == FACETS
    notes = [note.text for note in drawn.layout.annotations]
    assert notes[:FACETS] == [f"cells={cells}" for cells in range(10, 10 + FACETS)]
    assert notes[FACETS:] == [f"the first {FACETS} of {FACETS + 2}"]


@pytest.mark.parametrize("count", range(1, FACETS + 1))
def test_panels_stand_in_rows(count):
    runs = runs_of(cells=list(range(count)))
    _, history = told(runs)
    drawn = draw(field("map"), runs, history)
    own = {(trace.xaxis, trace.yaxis) for trace in drawn.data}
    assert len(own) == count
    bottoms = {round(drawn.layout[f"yaxis{(trace.yaxis or 'y')[1:]}"].domain[0], 6) for trace in drawn.data}
    assert len(bottoms) == -(-count // ACROSS)


def test_of_repeats_and_of_runs_that_have_no_field_nothing_is_shown_twice():
    runs = runs_of(ends=["fixed", "open"], seed=[0, 1])
    fields, history = told(runs)
    drawn = draw(field("map"), runs, history[history["run_id"] != "r2"])
    assert len(drawn.data) == 2
    np.testing.assert_array_equal(drawn.data[0].z, fields["r0"])
    np.testing.assert_array_equal(drawn.data[1].z, fields["r3"])  # the first that has one


def test_one_run_needs_no_name():
    runs = runs_of(ends=["fixed"])
    _, history = told(runs)
    assert not draw(field("map"), runs, history).layout.annotations


def test_the_metric_of_a_field_is_what_is_drawn():
    assert metric_of(field("map")) == "field/psi"
