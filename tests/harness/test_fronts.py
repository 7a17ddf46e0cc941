"""Pareto fronts, and curves with theory beside them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from drawings import NONE, runs_of
from hypothesis import given
from hypothesis import strategies as st

from harness.contract import DIVERGED, Curve, Front
from harness.report.figures import draw
from harness.report.fronts import unbeaten

FRONT = Front("time/step_s", "train/steps", "t", product="seconds", by=("layout",))


def timed(**settings):
    runs = runs_of(**settings)
    rng = np.random.default_rng(3)
    return runs.assign(
        **{"train/steps": rng.lognormal(5, 2, len(runs)), "time/step_s": rng.lognormal(-8, 1, len(runs))}
    )


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=1, max_size=12))
def test_the_front_is_what_no_other_beats(points):
    x, y = np.array(points, float).T
    for i, ahead in enumerate(unbeaten(x, y)):
        beaten = any(a <= x[i] and b <= y[i] and (a, b) != (x[i], y[i]) for a, b in points)
        assert ahead == (not beaten)


def test_a_front_names_the_least_product():
    runs = timed(batch_size=[1, 8, 64], layout=["rows", "columns"])
    drawn = draw(FRONT, runs, NONE)
    product = runs["train/steps"] * runs["time/step_s"]
    best = runs.loc[product.idxmin()]
    named = f"batch_size={best['batch_size']} · {best['layout']}"
    assert drawn.layout.annotations[0].text == f"least seconds, {product.min():.3g}: {named}"
    diagonal, front, *groups, ring = drawn.data
    assert (ring.x[0], ring.y[0]) == (best["train/steps"], best["time/step_s"])
    np.testing.assert_allclose(np.array(diagonal.x) * np.array(diagonal.y), product.min())
    assert [trace.name for trace in groups] == ["columns", "rows"]
    for trace in groups:
        mine = runs[runs["layout"] == trace.name]
        assert sorted(zip(trace.x, trace.y, strict=True)) == sorted(
            zip(mine["train/steps"], mine["time/step_s"], strict=True)
        )
    assert set(zip(front.x, front.y, strict=True)) <= {
        (x, y) for trace in groups for x, y in zip(trace.x, trace.y, strict=True)
    }
    assert (np.diff(np.array(front.y)) < 0).all()
    assert max(diagonal.y) <= runs["train/steps"].max() * (1 + 1e-12)
    assert all(front.text)


def test_a_point_is_the_median_over_seeds():
    runs = timed(batch_size=[1, 8], seed=[0, 1, 2])
    drawn = draw(FRONT, runs, NONE)
    points = drawn.data[-2]
    expected = runs.groupby("batch_size")[["train/steps", "time/step_s"]].median()
    np.testing.assert_allclose(points.x, expected["train/steps"])
    np.testing.assert_allclose(points.y, expected["time/step_s"])


def test_what_diverged_or_is_not_known_is_on_no_front():
    runs = timed(batch_size=[1, 8, 64])
    runs.loc[0, "train/steps"] = np.nan
    runs[DIVERGED] = [0.0, 1.0, 0.0]
    assert draw(FRONT, runs, NONE) is None  # one point is no front
    assert draw(FRONT, runs.drop(columns=["train/steps"]), NONE) is None
    assert draw(FRONT, timed(batch_size=[1]), NONE) is None


def tabulated(runs):
    """Each run has y = its number · x² at x = −1, 0, 1, and theory half of that."""
    rows = []
    for number, run in enumerate(runs["run_id"]):
        for step, x in enumerate((-1.0, 0.0, 1.0)):
            rows += [(run, "profile/x", step, x), (run, "profile/y", step, number * x**2)]
            rows += [(run, "profile/theory", step, number * x**2 / 2)]
    return pd.DataFrame(rows, columns=["run_id", "metric", "step", "value"])


def test_a_function_that_a_run_tabulates_is_drawn_against_its_own_x():
    runs = runs_of(loss=["huber", "squared", "absolute"])
    drawn = draw(Curve("profile/y", "t", x="profile/x", theory="profile/theory"), runs, tabulated(runs))
    measured, theory = ([t for t in drawn.data if (t.name is None) == is_theory] for is_theory in (False, True))
    assert sorted(t.name for t in measured) == ["absolute", "huber", "squared"]
    for trace in measured:
        number = ["huber", "squared", "absolute"].index(trace.name)
        assert list(trace.x) == [-1, 0, 1]
        assert list(trace.y) == [number, 0, number]
        [own] = [t for t in theory if t.legendgroup == trace.name]
        assert list(own.y) == [number / 2, 0, number / 2]
        assert own.line.color == trace.line.color
    assert drawn.layout.xaxis.title.text == "profile/x"


def test_theory_stands_beside_what_was_measured_over_an_axis():
    runs = runs_of(batch_size=[1, 8, 64], loss=["a", "b"])
    runs["model/loss"] = 2 * runs["train/loss"]
    drawn = draw(Curve("train/loss", "t", x="batch_size", theory="model/loss"), runs, NONE)
    by_name = {t.name: t for t in drawn.data if t.name}
    theory = [t for t in drawn.data if t.name is None]
    assert len(theory) == 2
    for trace in theory:
        np.testing.assert_allclose(trace.y, 2 * np.array(by_name[trace.legendgroup].y))
    without = draw(Curve("train/loss", "t", x="batch_size", theory="model/nothing"), runs, NONE)
    assert len(without.data) == 2


@pytest.mark.parametrize(("place", "shown"), [(8.0, True), (1000.0, False)])
def test_a_place_on_the_x_axis_is_marked_where_there_are_points(place, shown):
    runs = runs_of(batch_size=[1, 8, 64])
    drawn = draw(Curve("train/loss", "t", x="batch_size", vertical={"2/L": place}), runs, NONE)
    assert [shape.x0 for shape in drawn.layout.shapes] == [place] * shown
