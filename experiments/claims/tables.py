"""What real tables decide: optima are those that are published, and those of other libraries."""

from __future__ import annotations

import re
from dataclasses import dataclass

import pandas as pd

from harness.contract import Claim, Evidence, as_table, counted

# Of the mean loss, relative: what other libraries' own tolerances leave.
AGREEMENT = 1e-8
GAP = re.compile(r"train/(\w+)_gap")
SGD = "sgd"
ROUNDED = 1e-6  # beyond a half: halves were printed rounded up or down


@dataclass(frozen=True)
class Answer:
    """Coefficients as they are printed, in the order of the table's columns, the intercept last; and where."""

    data: str
    loss: str
    scale: str
    theta: tuple[str, ...]
    source: str


PUBLISHED = (
    Answer(
        "stackloss", "squared", "none", ("0.71564", "1.29529", "-0.15212", "-39.91967"),
        "Brownlee 1965; R's `summary(lm.stack)`, 5 digits",
    ),
    Answer(
        "stackloss", "absolute", "none", ("0.831884", "0.573913", "-0.060870", "-39.689855"),
        "Bloomfield, Steiger 1980; quantreg's `rq(stack.loss ~ stack.x, .5)`",
    ),
    Answer("stackloss", "huber", "mad", ("0.8294", "0.9261", "-0.1278", "-41.0265"), "MASS, `rlm(stack.loss ~ ., stackloss)`"),
    Answer("engel", "squared", "none", ("0.4852", "147.4754"), "statsmodels, example on quantile regression"),
    Answer("engel", "absolute", "none", ("0.56018", "81.48225"), "Koenker, vignette of quantreg, `rq(foodexp ~ income)`"),
    Answer(
        "longley", "squared", "none",
        ("15.06187227", "-0.03581917929", "-2.020229804", "-1.033226867", "-0.05110410565", "1829.151465", "-3482258.635"),
        "NIST, Statistical Reference Datasets, certified; 10 of its 15 digits",
    ),
    Answer(
        "credit_card", "squared", "none", ("-3.0818", "234.35", "-14.997", "27.941", "-237.15"),
        "Greene, Econometric Analysis, 5th ed., example 11.1",
    ),
    Answer(
        "state_crime", "squared", "none", ("0.0109", "0.4121", "0.3059", "0.6374", "-44.1024"),
        "statsmodels, example on plots for regression",
    ),
)  # fmt: skip
# What a run must have been told beside that; where there is no such setting it can't be otherwise.
AS_MEASURED = {"data.bias": "true", "data.standardize": "false", "data.test_share": 0.0, "loss.delta": 1.345}


def unit_in_the_last_place(printed: str) -> float:
    """1 in the last digit that is printed: 0.001 of 27.941."""
    return float(10.0 ** -len(printed.partition(".")[2]))


def _published(runs: pd.DataFrame, history: pd.DataFrame) -> Evidence | None:
    if not {"data", "loss", "scale"} <= set(runs):
        return None
    rows = []
    for answer in PUBLISHED:
        names = [f"train/theta_{j}" for j in range(len(answer.theta))]
        wanted = runs[(runs["data"] == answer.data) & (runs["loss"] == answer.loss) & (runs["scale"] == answer.scale)]
        for key, value in AS_MEASURED.items():
            if key in wanted:
                wanted = wanted[wanted[key].isna() | (wanted[key] == value)]
        if wanted.empty or not set(names) <= set(wanted):
            continue
        for name, printed in zip(names, answer.theta, strict=True):
            rows += [
                {
                    "data": answer.data, "loss": answer.loss, "scale": answer.scale, "published": printed, "found": found,
                    "off": abs(found - float(printed)) / unit_in_the_last_place(printed), "source": answer.source,
                }
                for found in wanted[name]
            ]  # fmt: skip
    if not rows:
        return None
    table = pd.DataFrame(rows)
    fits = len(table.drop_duplicates(["data", "loss", "scale"]))
    return Evidence(
        quantity="distance of each coefficient from what is printed, in units of its last digit",
        predicted=0.0,
        samples=table["off"].tolist(),
        accept=(0.0, 0.5 + ROUNDED),
        conditions=f"{counted(fits, 'published regression')}, {counted(len(table), 'coefficient')}",
        details=as_table(table, ".10g", {"off": ".2f"}),
    )


def _agree(runs: pd.DataFrame, history: pd.DataFrame) -> Evidence | None:
    names = [name for name in runs.columns if (found := GAP.fullmatch(str(name))) and found.group(1) != SGD]
    if not names or not {"data", "loss", "scale"} <= set(runs):
        return None
    gaps = runs.melt(["data", "loss", "scale"], names, "library", "gap").dropna(subset="gap")
    if gaps.empty:
        return None
    gaps["library"] = gaps["library"].str.replace(GAP, r"\1", regex=True)
    table = gaps.assign(size=gaps["gap"].abs()).nlargest(12, "size")
    return Evidence(
        quantity="(f(θ) − f(θ̂)) / f(θ̂) of other libraries' θ",
        predicted=0.0,
        samples=gaps["gap"].tolist(),
        accept=(-AGREEMENT, AGREEMENT),
        conditions=f"{counted(len(gaps), 'fit')} by {', '.join(sorted(gaps['library'].unique()))}; f as the kernels have it",
        details=as_table(table[["data", "loss", "scale", "library", "gap"]], ".2e"),
    )


CLAIMS = (
    Claim(
        "tables-published",
        "minimised to the optimum, regressions come out as published, to the last printed digit",
        "NIST StRD; MASS; quantreg; textbooks",
        _published,
    ),
    Claim(
        "tables-agree",
        "statsmodels, scikit-learn and SciPy come to the same optimum",
        "statsmodels, scikit-learn, SciPy",
        _agree,
    ),
)  # fmt: skip
