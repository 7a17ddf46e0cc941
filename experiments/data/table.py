"""Your own table: a CSV or Parquet file, one sample a row, one column of it the target."""

from __future__ import annotations

import difflib
import functools
import re
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from experiments.data.base import Data, Raw
from experiments.data.files import digest
from kernels.losses import Target

if TYPE_CHECKING:
    import pandas as pd

# Whole numbers with no more different values than this, some of them twice, are taken for labels.
MOST_LABELS = 20
# Column names that an error lists before it says "…".
MOST_NAMES = 12
NAMELESS = re.compile(r"Unnamed: \d+|")
OTHER_SEPARATORS = {";": "semicolons", "\t": "tabs", "|": "bars"}
# What pandas calls columns of Python objects that are numbers: from decimals, and from true/false with gaps.
BOXED = ("boolean", "integer", "floating", "decimal", "mixed-integer-float", "empty")

Task = Literal["auto", "real", "binary", "class"]


@dataclass(frozen=True, kw_only=True)
class Table(Data):
    """The columns of `path` (.csv or .parquet) as features, but for the column `target` and those in `drop`.

    Features have to be numbers (or true/false, as 1/0), all there and finite. `task` says what the target is:
    "real" numbers; "binary", two labels → 0 and 1; "class", labels → 0 … k−1; labels count up in sorted order. "auto":
    text, categories and true/false are labels, as are whole numbers with at most 20 different values of which one
    comes twice; two labels are binary, more are classes; everything else is real. Errors count rows from 1, below the
    column names.
    """

    path: str
    target: str
    task: Task = "auto"
    drop: str | tuple[str, ...] = ()

    def __post_init__(self) -> None:
        # one name stands for itself, and a list from a configuration file becomes a tuple, which has a hash
        object.__setattr__(self, "drop", (self.drop,) if isinstance(self.drop, str) else tuple(self.drop))
        if self.target in self.drop:
            raise ValueError(f"drop: {self.target!r} is the target; should be other columns")

    @property
    def name(self) -> str:
        return Path(self.path).name

    @property
    def kind(self) -> Target:
        """Known without loading unless `task` is "auto"."""
        known = {"real": Target.REAL, "binary": Target.BINARY, "class": Target.CLASS}
        return known[self.task] if self.task != "auto" else _parsed(self, self.stamp()).kind

    def stamp(self) -> str:
        return digest(self._file())

    def _file(self) -> Path:
        path = Path(self.path).expanduser()
        if path.is_dir():
            raise ValueError(f"data.path={self.path}: a folder; should be a .csv or .parquet file")
        if not path.is_file():
            raise ValueError(f"data.path={self.path}: no file {path.absolute()}; should be a .csv or .parquet file")
        if path.suffix.lower() not in READERS:
            raise ValueError(f"data.path={self.path}: of kind {path.suffix!r}; should be .csv or .parquet")
        return path

    def _raw(self, seed: int) -> Raw:
        parsed = _parsed(self, self.stamp())
        return Raw(parsed.X.copy(), parsed.y, parsed.outputs)


@dataclass(frozen=True, eq=False)
class Parsed:
    """A table as numbers, before anything is done to them."""

    X: NDArray[np.float64]
    y: NDArray[Any]
    kind: Target
    outputs: int


# kind and load need the same parse; two, so that a table and its twin with other settings alternate
@functools.lru_cache(maxsize=2)
def _parsed(table: Table, stamp: str) -> Parsed:
    frame = _frame(table)
    for name in (table.target, *table.drop):
        if name not in frame.columns:
            raise ValueError(f"{table.path}: no column {name!r}{_nearest(name, list(frame.columns))}")
    nameless = [name for name in frame.columns if NAMELESS.fullmatch(name) and name not in table.drop]
    if nameless:  # pandas' to_csv writes its index so: a feature that gives the row's number away
        raise ValueError(
            f"{table.path}: column {list(frame.columns).index(nameless[0]) + 1} has no name, an index perhaps;"
            f" should have one, or be left out: data.drop='[\"{nameless[0]}\"]'"
        )
    features = frame.drop(columns=[table.target, *table.drop])
    if features.shape[1] == 0:
        raise ValueError(f"{table.path}: no feature left beside target {table.target!r}; should have at least one")
    kind, y, outputs = _target(frame[table.target], table)
    X = np.empty(features.shape)
    for j, name in enumerate(features.columns):
        X[:, j] = _numbers(features[name], table.path, f"; or leave it out with data.drop=[{name}]")
    return Parsed(X, y, kind, outputs)


def _read_csv(path: Path) -> pd.DataFrame:
    import pandas as pd

    # pandas would call a second y "y.1", and the target would be among the features
    names = pd.read_csv(path, header=None, nrows=1, dtype=str, skipinitialspace=True).iloc[0].str.strip().dropna()
    _refuse_twins(names)
    for separator, called in OTHER_SEPARATORS.items():
        if len(names) == 1 and separator in names.iloc[0]:
            raise ValueError(f"its columns are separated by {called}; should be commas")
    with warnings.catch_warnings():
        # index_col=False: values without a name are not taken for an index; they raise this warning
        warnings.simplefilter("error", pd.errors.ParserWarning)
        # low_memory=False: the type of a column is decided once, by all of it
        return pd.read_csv(path, index_col=False, skipinitialspace=True, low_memory=False)


def _refuse_twins(names: pd.Series[Any] | pd.Index[Any]) -> None:
    twins = names[names.duplicated()]
    if len(twins):
        raise ValueError(f"two columns are called {next(iter(twins))!r}")


def _read_parquet(path: Path) -> pd.DataFrame:
    import pandas as pd

    return pd.read_parquet(path)


READERS: dict[str, Callable[[Path], Any]] = {".csv": _read_csv, ".parquet": _read_parquet}


def _frame(table: Table) -> pd.DataFrame:
    """The file as a frame with text for column names and at least one row."""
    import pandas as pd

    path = table._file()
    try:
        frame: pd.DataFrame = READERS[path.suffix.lower()](path)
        frame.columns = pd.Index([str(name).strip() for name in frame.columns])
        _refuse_twins(frame.columns)
    except pd.errors.EmptyDataError as error:
        raise ValueError(f"{table.path}: empty; should have a line of column names and a row a sample") from error
    # ValueError: undecodable text, malformed lines, and what pyarrow has to say of a file that is no Parquet
    except (ValueError, OSError, pd.errors.ParserWarning) as error:
        reason = " ".join(str(error).split())
        raise ValueError(f"{table.path}: not readable as {path.suffix.lower()} ({reason})") from error
    if len(frame) == 0:
        raise ValueError(f"{table.path}: no rows beneath the column names; should have one for each sample")
    return frame.reset_index(drop=True)


def _target(column: pd.Series[Any], table: Table) -> tuple[Target, NDArray[Any], int]:
    """(kind, y, outputs) of the target column."""
    import pandas as pd

    where = f"{table.path}: target {table.target!r}"
    missing = np.flatnonzero(column.isna())
    if len(missing):
        raise ValueError(f"{where} is missing in row {missing[0] + 1}; should be there in every row")
    labelled = isinstance(column.dtype, pd.CategoricalDtype)
    column = _plain(column)  # sorted by label, whatever order the categories stand in
    if column.dtype == object:
        column = column.astype(str)  # labels of several types have no order among themselves
    codes, labels = pd.factorize(column, sort=True)
    if len(labels) < 2:
        raise ValueError(f"{where} is {labels[0]} in every row; should vary")
    if table.task == "real" or (table.task == "auto" and not labelled and not _like_labels(column, len(labels))):
        return Target.REAL, _numbers(column, table.path, "; or data.task=class for labels"), 1
    if table.task == "binary" or (table.task == "auto" and len(labels) == 2):
        if len(labels) != 2:
            raise ValueError(f"{where} has {len(labels)} different values; should have 2, or data.task=class")
        return Target.BINARY, codes.astype(np.float64), 1
    if len(labels) > 2 and pd.api.types.is_numeric_dtype(column.dtype) and not _whole(column).all():
        broken = column[~_whole(column)].iloc[0]
        raise ValueError(f"{where} has values like {broken}; classes should be whole numbers or text")
    if len(labels) == len(column) > 2 and table.task == "auto":
        raise ValueError(f"{where} is a different text in every row; should be a number or a label, or data.task=class")
    return Target.CLASS, codes.astype(np.int64), len(labels)


def _like_labels(column: pd.Series[Any], labels: int) -> bool:
    """Whether `task=auto` takes the column for labels."""
    import pandas as pd

    if not pd.api.types.is_numeric_dtype(column.dtype) or pd.api.types.is_bool_dtype(column.dtype):
        return True
    return labels <= MOST_LABELS and labels < len(column) and bool(_whole(column).all())


def _whole(column: pd.Series[Any]) -> NDArray[np.bool_]:
    values = column.to_numpy(dtype=np.float64)
    return np.asarray(np.isfinite(values) & (values == np.round(values)))


def _numbers(column: pd.Series[Any], path: str, advice: str) -> NDArray[np.float64]:
    """The column as finite float64. Raises ValueError with the column, the first row that is none, and `advice`."""
    import pandas as pd

    where = f"{path}: column {column.name!r}"
    column = _plain(column)
    numeric = pd.api.types.is_numeric_dtype(column.dtype) and not pd.api.types.is_complex_dtype(column.dtype)
    if not numeric:
        text = pd.to_numeric(column.astype(str), errors="coerce").isna() & column.notna()
        at = int(np.argmax(text)) if text.any() else int(np.argmax(column.notna()))
        raise ValueError(f"{where} is {column.iloc[at]!r} in row {at + 1}; should be a number{advice}")
    values = column.to_numpy(dtype=np.float64, na_value=np.nan)
    bad = np.flatnonzero(~np.isfinite(values))
    if len(bad):
        what = "missing" if np.isnan(values[bad[0]]) else str(values[bad[0]])
        raise ValueError(f"{where} is {what} in row {bad[0] + 1}; should be a finite number{advice}")
    return values


def _plain(column: pd.Series[Any]) -> pd.Series[Any]:
    """The column with the type of its categories, if it is categorical; as float64, if it keeps numbers as objects."""
    import pandas as pd

    if isinstance(column.dtype, pd.CategoricalDtype):
        return column.astype(column.cat.categories.dtype)
    boxed = column.dtype == object and pd.api.types.infer_dtype(column, skipna=True) in BOXED
    return column.astype(np.float64) if boxed else column


def _nearest(name: str, known: list[str]) -> str:
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    if close:
        return f"; did you mean {close[0]!r}?"
    return f"; it has {', '.join(known[:MOST_NAMES])}{', …' if len(known) > MOST_NAMES else ''}"
