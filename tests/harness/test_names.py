"""Runs are named, and their settings logged, by what tells them apart."""

from __future__ import annotations

import pytest
from bench import named

from harness.contract import varying


def names(*arguments):
    return [one.name for one in named(*arguments)]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["experiment=toy"], ["toy"]),
        (["experiment=toy", "index=0,1"], ["index=0", "index=1"]),
        (["experiment=toy", "index=0,1", "seed=4"], ["index=0", "index=1"]),
        (["experiment=toy", "behave=well,raise"], ["well", "raise"]),
        (["loss=squared,huber"], ["squared", "huber"]),
        (["loss=squared,huber", "batch_size=8,null"],
         ["squared batch_size=8", "squared batch_size=null", "huber batch_size=8", "huber batch_size=null"]),
        (["loss=huber", "loss.delta=1,2"], ["loss.delta=1", "loss.delta=2"]),
        (["data.bias=true,false"], ["data.bias=true", "data.bias=false"]),
        # huber has a delta and student_t a nu, but each just one: the loss's name says it all
        (["loss=squared,huber,student_t"], ["squared", "huber", "student_t"]),
        (["noise=gaussian,student_t", "loss=squared,absolute"],
         ["gaussian squared", "gaussian absolute", "student_t squared", "student_t absolute"]),
        (["+sweep=pair"], ["index=0 rate=0.5", "index=0 rate=1.5", "index=1 rate=0.5", "index=1 rate=1.5"]),
        (["+sweep=parts", "rate=1"], ["toy index=0", "toy index=1", "toy index=2", "other index=0", "other index=1"]),
        (["+sweep=parts", "index=1", "rate=1"], ["toy", "other"]),
        (["experiment=toy", "index=1,1"], ["toy"]),
    ],
)  # fmt: skip
def test_names(arguments, expected):
    assert names(*arguments) == expected


def test_every_setting_is_logged_under_the_key_that_sets_it():
    plain = named("loss=squared,huber", "noise=gaussian")
    assert [one.params.get("loss.delta") for one in plain] == [None, "1.345"]
    assert {one.params["noise.scale"] for one in plain} == {"1.0"}
    within = named("loss=huber", "loss.delta=1,2")
    assert [one.params["loss.delta"] for one in within] == ["1", "2"]
    assert {"loss", "noise", "data", "batch_size", "seed", "experiment"} <= set(within[0].params)
    assert within[0].params["experiment"] == "train"


def test_one_name_a_run_even_in_the_tour():
    """Runs of the same part are told apart; the same name in two parts is of two experiments or grids."""
    tour = named("+sweep=tour", folder=None)
    assert len({(one.grid, one.name) for one in tour}) == len(tour)
    assert len({one.job.hash for one in tour}) == len(tour)


@pytest.mark.parametrize(
    ("points", "expected"),
    [
        ([], []),
        ([{"a": "1"}], []),
        ([{"a": "1"}, {"a": "2"}], ["a"]),
        ([{"a": "1", "b": "x"}, {"a": "1", "b": "y"}], ["b"]),
        ([{"b": "1", "a": "2"}, {"b": "2", "a": "1"}], ["b", "a"]),
        ([{"a": "1"}, {"a": "1", "b": "x"}], ["b"]),  # a setting that only some have
        ([{"l": "h", "l.d": "1"}, {"l": "h", "l.d": "2"}], ["l.d"]),
        ([{"l": "h", "l.d": "1"}, {"l": "t", "l.d": "2"}], ["l"]),  # another choice's setting of the same name
        ([{"l": "h", "l.d": "1"}, {"l": "s"}], ["l"]),
        ([{"l": "h", "l.d": "1"}, {"l": "h", "l.d": "2"}, {"l": "s"}], ["l", "l.d"]),
        ([{"a": 1}, {"a": 1.0}], ["a"]),
    ],
)
def test_what_varies(points, expected):
    assert varying(points) == expected
