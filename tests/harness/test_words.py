"""How settings and numbers are written, in names, tables and reports."""

from __future__ import annotations

import math

import pandas as pd
import pytest

from harness.contract import as_table, described, label, number


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


def test_a_table_has_its_numbers_in_their_formats_and_a_dash_for_what_is_missing():
    frame = pd.DataFrame(
        {"name": ["a", None], "size": [7.0, math.nan], "share": [1 / 3, 1e300], "none": [math.nan] * 2, "n": [1, 20]}
    )
    assert as_table(frame, ".2g", {"share": ".1e"}).splitlines() == [
        "| name   |   size |    share |   none |   n |",
        "|:-------|-------:|---------:|-------:|----:|",
        "| a      |      7 |  3.3e-01 |      – |   1 |",
        "| –      |      – | 1.0e+300 |      – |  20 |",
    ]


@pytest.mark.parametrize(
    ("value", "text"),
    [(1 / 3, "0.3333"), (12345.678, "1.235e+04"), (float("nan"), "–"), (None, "–"), (pd.NaT, "–"), (64, "64"), ("rows", "rows"),
     (float("inf"), "inf"), (0.0, "0")],
)  # fmt: skip
def test_numbers_have_four_digits(value, text):
    assert number(value) == text
