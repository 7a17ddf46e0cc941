"""Tables, CSV and Parquet: what pandas reads is what is loaded, and each thing that can be wrong is one line."""

from __future__ import annotations

import datetime
import decimal
import os
import re

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments.data import Table
from kernels.losses import Target

SUFFIXES = pytest.mark.parametrize("suffix", [".csv", ".parquet"])


@pytest.fixture
def save(tmp_path):
    """`save(frame, ".csv")` writes the table and gives its path as text."""

    def write(frame, suffix=".parquet"):
        path = tmp_path / f"t{suffix}"
        if suffix == ".csv":
            frame.to_csv(path, index=False)
        else:
            frame.to_parquet(path)
        return str(path)

    return write


def frame(m=30, **columns):
    rng = np.random.default_rng(1)
    return pd.DataFrame({"a": rng.normal(size=m), "b": rng.integers(0, 9, m), "y": rng.normal(size=m)} | columns)


@SUFFIXES
def test_features_and_target_are_those_of_pandas(save, suffix):
    table = frame(c=np.arange(30) % 2 == 0)
    data = Table(path=save(table, suffix), target="y").load(0)
    assert np.array_equal(data.X, table[["a", "b", "c"]].to_numpy(float))
    assert np.array_equal(data.y, table["y"])
    assert (data.target, data.outputs, data.name) == (Target.REAL, 1, f"t{suffix}")


@SUFFIXES
def test_settings_of_every_source_work_here_too(save, suffix):
    table = Table(path=save(frame(), suffix), target="y", drop=("b",), standardize=True, bias=True, test_share=0.2)
    table.check()
    data = table.load(3)
    assert (data.X.shape, data.X_test.shape) == ((24, 2), (6, 2))
    assert data.X[:, 0].mean() == pytest.approx(0, abs=1e-12)
    assert table.load(3) is data
    assert np.array_equal(Table(path=table.path, target="y", drop=("b",)).load(0).X[:, 0], frame()["a"])  # untouched


THIRTY = np.arange(30)
TARGETS = {
    # what the column holds: (values, kind of target under auto, labels in their order)
    "text": (np.array(["dog", "cat", "eel"])[THIRTY % 3], Target.CLASS, ["cat", "dog", "eel"]),
    "two texts": (np.array(["yes", "no"])[THIRTY % 2], Target.BINARY, ["no", "yes"]),
    "true/false": (THIRTY % 3 == 0, Target.BINARY, [False, True]),
    "whole": (THIRTY % 4 - 1, Target.CLASS, [-1, 0, 1, 2]),
    "whole, as float": ((THIRTY % 4) * 1.0, Target.CLASS, [0.0, 1.0, 2.0, 3.0]),
    "two wholes": (THIRTY % 2 * 5 + 2, Target.BINARY, [2, 7]),
    "20 wholes": (THIRTY % 20, Target.CLASS, list(range(20))),
    "21 wholes": (THIRTY % 21, Target.REAL, None),
    "halves": (THIRTY % 3 / 2, Target.REAL, None),
    "two halves": (THIRTY % 2 / 2, Target.REAL, None),
}


@SUFFIXES
@pytest.mark.parametrize(("values", "kind", "labels"), TARGETS.values(), ids=TARGETS)
def test_auto_tells_labels_from_numbers(save, suffix, values, kind, labels):
    table = Table(path=save(frame(y=values), suffix), target="y")
    assert table.kind is kind
    data = table.load(0)
    assert data.target is kind
    if labels is None:
        assert np.array_equal(data.y, values)
    else:
        assert np.array_equal(np.array(labels)[data.y.astype(int)], values)
        assert data.outputs == (len(labels) if kind is Target.CLASS else 1)
        assert data.y.dtype == (np.int64 if kind is Target.CLASS else np.float64)


def test_whole_numbers_that_never_come_twice_are_numbers(save):
    assert Table(path=save(frame(m=9, y=range(9))), target="y").kind is Target.REAL
    assert Table(path=save(frame(m=9, y=range(9))), target="y", task="class").load(0).outputs == 9


@pytest.mark.parametrize("categories", [["b", "c", "a"], [3, 1, 2]])
@pytest.mark.parametrize("ordered", [False, True])
def test_categories_are_labels_in_sorted_order(save, categories, ordered):
    values = pd.Categorical.from_codes(THIRTY % 3, categories, ordered)
    table = Table(path=save(frame(y=values)), target="y")
    data = table.load(0)
    assert np.array_equal(np.array(sorted(categories))[data.y], np.array(categories)[THIRTY % 3])


def test_labels_of_another_type_count_as_text(save):
    data = Table(path=save(frame(y=[b"v", b"u", b"w"] * 10)), target="y").load(0)
    assert data.y[:3].tolist() == [1, 0, 2]


def test_task_overrides_what_auto_would_say(save):
    path = save(frame(y=THIRTY % 2 + 1))
    real, binary, classes = (Table(path=path, target="y", task=task) for task in ("real", "binary", "class"))
    assert (real.kind, binary.kind, classes.kind) == (Target.REAL, Target.BINARY, Target.CLASS)
    assert real.load(0).y.tolist() == (THIRTY % 2 + 1).tolist()
    assert binary.load(0).y.tolist() == (THIRTY % 2).tolist()
    assert (classes.load(0).outputs, classes.load(0).y.dtype) == (2, np.int64)


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=2, max_size=20, unique=True))
def test_csv_keeps_every_bit(tmp_path_factory, values):
    path = tmp_path_factory.getbasetemp() / "bits.csv"
    path.write_text("x,y\n" + "".join(f"{x!r},{i + 0.5}\n" for i, x in enumerate(values)))
    assert Table(path=str(path), target="y").load(0).X[:, 0].tolist() == values


def test_numbers_in_other_clothes(save):
    boxed = {
        "decimal": [decimal.Decimal("1.5")] * 3,
        "nullable": pd.array([1, 2, 3], "Int64"),
        "category": pd.Categorical([3, 1, 3]),
        "small": np.array([1, 2, 3], np.int8),
    }
    data = Table(path=save(pd.DataFrame(boxed | {"y": [0.5, 1, 2]})), target="y").load(0)
    assert data.X.tolist() == [[1.5, 1, 3, 1], [1.5, 2, 1, 2], [1.5, 3, 3, 3]]


WRONG = {
    "missing": ({"a": [1, None, 3]}, r"column 'a' is missing in row 2; should be a finite number; .*data.drop=\[a\]"),
    "infinite": ({"a": [1, 2, np.inf]}, r"column 'a' is inf in row 3; should be a finite number; .*data.drop=\[a\]"),
    "text": ({"a": ["1", "2", "x"]}, r"column 'a' is 'x' in row 3; should be a number; or leave it out with .*\[a\]"),
    "text, gaps": ({"a": [None, "u", "v"]}, r"column 'a' is 'u' in row 2; should be a number; .*data.drop=\[a\]"),
    "target missing": ({"y": [1.5, None, 2]}, r"target 'y' is missing in row 2; should be there in every row"),
    "target infinite": ({"y": [1.5, -np.inf, 2]}, r"column 'y' is -inf in row 2; should be a finite number; .*"),
    "one class": ({"y": ["u", "u", "u"]}, r"target 'y' is u in every row; should vary"),
    "constant": ({"y": [2.5, 2.5, 2.5]}, r"target 'y' is 2.5 in every row; should vary"),
    "names": (
        {"y": ["u", "v", "w"]},
        r"target 'y' is a different text in every row; should be a number or a label, .*",
    ),
}


@SUFFIXES
@pytest.mark.parametrize(("columns", "message"), WRONG.values(), ids=WRONG)
def test_each_wrong_value_is_one_line(save, suffix, columns, message):
    path = save(pd.DataFrame({"a": [1.0, 2, 3], "y": [0.5, 1, 1.5]} | columns), suffix)
    with pytest.raises(ValueError, match=rf"^{re.escape(path)}: {message}$"):
        Table(path=path, target="y").check()


def test_dates_are_no_numbers(save):
    days = [datetime.datetime(2024, 1, d) for d in (1, 2, 3)]
    path = save(pd.DataFrame({"when": days, "y": [0.5, 1, 2]}))
    with pytest.raises(
        ValueError, match=r"column 'when' is Timestamp\('2024-01-01 00:00:00'\) in row 1; should be a num"
    ):
        Table(path=path, target="y").load(0)


@pytest.mark.parametrize(
    ("task", "values", "message"),
    [
        ("real", ["u", "v", "u"], r"column 'y' is 'u' in row 1; should be a number; or data.task=class for labels"),
        ("binary", ["u", "v", "w"], r"target 'y' has 3 different values; should have 2, or data.task=class"),
        ("class", [0.5, 1.25, 2], r"target 'y' has values like 0.5; classes should be whole numbers or text"),
        ("class", [1, np.inf, 2], r"target 'y' has values like inf; classes should be whole numbers or text"),
    ],
)
def test_a_task_that_does_not_suit(save, task, values, message):
    path = save(pd.DataFrame({"a": [1.0, 2, 3], "y": values}))
    with pytest.raises(ValueError, match=rf"^{re.escape(path)}: {message}$"):
        Table(path=path, target="y", task=task).load(0)


FILES = {
    "empty": (b"", r"empty; should have a line of column names and a row a sample"),
    "names only": (b"a,y\n", r"no rows beneath the column names; should have one for each sample"),
    "ragged": (b"a,y\n1,2\n1,2,3\n", r"not readable as \.csv \([^\n]*line 3[^\n]*\)"),
    "too many": (b"a,y\n1,2,3\n4,5,6\n", r"not readable as \.csv \([^\n]*does not match length of data[^\n]*\)"),
    "too few": (b"a,b,y\n1,2,3\n4,5\n", r"target 'y' is missing in row 2; should be there in every row"),
    "other text": ("a,y\nü,1\n".encode("latin-1"), r"not readable as \.csv \([^\n]*utf-8[^\n]*\)"),
    "an index": (b"a,y\n0,1,2\n1,4,5\n", r"not readable as \.csv \([^\n]*does not match length of data[^\n]*\)"),
    "same names": (b"y, a,y\n1,2,3\n", r"not readable as \.csv \(two columns are called 'y'\)"),
    "semicolons": (b"alpha;beta;y\n1;2;3\n", r"not readable as \.csv \(.* separated by semicolons; should be commas\)"),
    "decimal commas": (b"a;y\n1,5;2,5\n", r"not readable as \.csv \(.* separated by semicolons; should be commas\)"),
    "tabs": (b"a\ty\n1\t2\n", r"not readable as \.csv \(.* separated by tabs; should be commas\)"),
    "pandas' own index": (
        b",a,y\n0,1,2\n1,4,5\n",
        r"column 1 has no name, an index perhaps; .*data\.drop='\[\"Unnamed: 0\"\]'",
    ),
}


@pytest.mark.parametrize(("content", "message"), FILES.values(), ids=FILES)
def test_each_broken_csv_is_one_line(tmp_path, content, message):
    (tmp_path / "t.csv").write_bytes(content)
    with pytest.raises(ValueError, match=rf"^{re.escape(str(tmp_path))}/t\.csv: {message}$"):
        Table(path=f"{tmp_path}/t.csv", target="y").check()


@pytest.mark.parametrize("content", [b"", b"PAR1", b"a,y\n1,2\n"])
def test_a_broken_parquet_is_one_line(tmp_path, content):
    (tmp_path / "t.parquet").write_bytes(content)
    with pytest.raises(ValueError, match=r"^\S+/t\.parquet: not readable as \.parquet \([^\n]*\)$"):
        Table(path=f"{tmp_path}/t.parquet", target="y").check()


def test_spaces_and_a_byte_order_mark_are_no_part_of_a_name(tmp_path):
    (tmp_path / "t.csv").write_bytes("\ufeffa, y\n1, 0.5\n2, 1\n".encode())
    assert Table(path=f"{tmp_path}/t.csv", target="y", drop=()).load(0).X.tolist() == [[1], [2]]


def test_a_file_that_is_not_there_or_of_another_kind(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for question in (Table(path="no.csv", target="y").check, Table(path="no.csv", target="y").stamp):
        with pytest.raises(
            ValueError, match=rf"^data.path=no.csv: no file {tmp_path}/no.csv; should be a .csv or .par"
        ):
            question()
    (tmp_path / "t.xlsx").write_bytes(b"")
    with pytest.raises(ValueError, match=r"^data.path=t.xlsx: of kind '.xlsx'; should be .csv or .parquet$"):
        Table(path="t.xlsx", target="y").check()


@SUFFIXES
def test_a_column_that_is_not_there_and_its_nearest_name(save, suffix):
    path = save(frame(price=1.0), suffix)
    with pytest.raises(ValueError, match=r": no column 'prize'; did you mean 'price'\?$"):
        Table(path=path, target="prize").check()
    with pytest.raises(ValueError, match=r": no column 'zzz'; it has a, b, y, price$"):
        Table(path=path, target="y", drop=("zzz",)).check()


def test_many_names_are_cut_short(save):
    wide = pd.DataFrame(np.zeros((2, 40)), columns=[f"c{j}" for j in range(40)])
    with pytest.raises(ValueError, match=r"no column '\?'; it has c0, [^\n]*, c11, …$"):
        Table(path=save(wide), target="?").check()


def test_no_feature_left(save):
    path = save(frame())
    with pytest.raises(ValueError, match=r": no feature left beside target 'y'; should have at least one$"):
        Table(path=path, target="y", drop=("a", "b")).check()
    with pytest.raises(ValueError, match=r"^drop: 'y' is the target; should be other columns$"):
        Table(path=path, target="y", drop=("y",))


def test_drop_may_be_a_list_or_a_name():
    a, b, c = (Table(path="t.csv", target="y", drop=drop) for drop in (["id"], "id", ("id",)))
    assert a == b == c
    assert hash(a) == hash(b) == hash(c)


def test_a_changed_file_is_another_stamp_and_is_read_again(save):
    table = Table(path=save(frame()), target="y")
    before, stamp = table.load(0), table.stamp()
    save(frame() * 2)
    os.utime(table.path, ns=(1, 1))
    assert table.stamp() != stamp
    assert np.array_equal(table.load(0).X, before.X * 2)
