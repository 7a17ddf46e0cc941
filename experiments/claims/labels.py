"""The claims about losses on labels: what fitted probabilities are worth, what wrong labels do, likelihoods in two guises."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from functools import partial

import pandas as pd

from harness import estimates
from harness.contract import Claim, Estimate, Evidence, Interval, as_table, counted

LIKELIHOODS = "notes 1, section 6"
RULE = "notes 2, 1st and 2nd element"
# What rounding allows: of formulas; of fits, each of which ends where the gradient is 1e-11 of what it was at the start.
FORMULA, FIT, SCORES = 1e-12, 1e-8, 1e-7
# Samples, times trials, for each parameter from which on the first order in 1/m is meant to do.
MANY = 100
# How near a mean has to come to what theory says: the mean-field law, whose own error is of order 1/n; and the first order in 1/m,
# or a 0/1 error, which hangs on few samples.
NEAR: Interval = (0.95, 1.05)
ABOUT: Interval = (0.9, 1.1)
IN_A_BIN: Interval = (-0.02, 0.02)
# The first order in 1/m is meant where it changes a slope by no more than that.
SMALL = 0.05
# Labels that are flipped more often than not turn θ̂ round; where they say next to nothing, there is nothing to be a ratio to.
STILL_RIGHT = 0.05


def _have(runs: pd.DataFrame, *names: str) -> pd.DataFrame:
    """The runs that have all of these metrics."""
    return runs.dropna(subset=list(names)) if set(names) <= set(runs) else runs.iloc[:0]


def _flips(runs: pd.DataFrame) -> pd.Series:
    return runs["flips"] if "flips" in runs else pd.Series(0.0, index=runs.index)


def _enough(runs: pd.DataFrame) -> pd.DataFrame:
    """The runs with many samples, times trials, for each parameter."""
    trials = runs["noise.trials"].fillna(1) if "noise.trials" in runs else 1
    return runs[runs["samples"] * trials >= MANY * runs["model/parameters"]]


def _measured(runs: pd.DataFrame, name: str, predicted: str | None = None) -> list[Estimate]:
    """Each run's mean over fits, as a ratio to what is predicted."""
    unit = runs[predicted] if predicted else pd.Series(1.0, index=runs.index)
    columns = zip(
        runs[name] / unit, runs[f"{name}_error"] / unit.abs(), runs["train/freedom"], runs["fits"], strict=True
    )
    return [_spread(estimates.mean(*each), each[1]) for each in columns]


def _spread(estimate: Estimate, error: float) -> Estimate:
    """The estimate, about which fits that all came out alike, to the last bit, say nothing: too few labels tell them apart."""
    return estimate if error > 0 else dataclasses.replace(estimate, interval=lambda confidence: estimates.EVERYTHING)


def _table(runs: pd.DataFrame, *names: str) -> str:
    keys = [key for key in ("noise", "noise.trials", "loss", "samples", "features", "flips") if key in runs]
    varying = [key for key in keys if len(set(map(str, runs[key]))) > 1]
    return as_table(runs[[*varying, *(name for name in names if name in runs)]].sort_values(varying))


def _first_order(name: str, what: str, runs: pd.DataFrame, history: pd.DataFrame) -> Evidence | None:
    """A ratio to p/(2m), where samples are many."""
    mine = _have(runs, name, f"{name}_error", "model/parameters")
    mine = _enough(mine) if len(mine) else mine
    if mine.empty:
        return None
    return Evidence(
        quantity=f"{what} ÷ p/2m",
        predicted=1.0,
        samples=_measured(mine, name),
        accept=ABOUT,
        of="each",
        conditions=f"{counted(len(mine), 'run')} with m·N ≥ {MANY} p; p = n(c − 1) parameters, N labels a sample",
        details=_table(mine, name, f"{name}_error", "model/excess_ratio"),
    )


def _ratio(
    name: str,
    what: str,
    choose: Callable[[pd.DataFrame], pd.Series],
    accept: Interval,
    words: str,
    runs: pd.DataFrame,
    history: pd.DataFrame,
) -> Evidence | None:
    """What was measured over what theory says of the same run."""
    predicted = f"model/{name.partition('/')[2]}"
    mine = _have(runs, name, f"{name}_error", predicted, "model/limit_along")
    mine = mine[choose(mine)] if len(mine) else mine
    if mine.empty:
        return None
    return Evidence(
        quantity=f"{what}, measured ÷ predicted",
        predicted=1.0,
        samples=_measured(mine, name, predicted),
        accept=accept,
        of="each",
        conditions=f"{counted(len(mine), 'run')}; {words}",
        details=_table(mine, name, f"{name}_error", predicted, "model/limit_along", "model/limit_regret"),
    )


def _clean(runs: pd.DataFrame) -> pd.Series:
    return _flips(runs) == 0


def _many(runs: pd.DataFrame) -> pd.Series:
    return pd.Series(runs.index.isin(_enough(runs).index), index=runs.index)


def _flipped(runs: pd.DataFrame) -> pd.Series:
    """Some labels flipped, and the most of them right."""
    return (_flips(runs) > 0) & (runs["model/limit_along"] > STILL_RIGHT)


def _by_law_or_many(runs: pd.DataFrame) -> pd.Series:
    """Clean labels, and a prediction that is good: by the mean-field law at any m, to first order in 1/m at many samples."""
    by_law = runs["model/along"].notna() if "model/along" in runs else pd.Series(False, index=runs.index)
    return _clean(runs) & (by_law | _many(runs))


def _reliability(runs: pd.DataFrame, history: pd.DataFrame) -> Evidence | None:
    """Observed less fitted, in each bin of each run, against the mean-field law's."""
    if "test/miscalibration_error" not in set(history["metric"]):
        return None
    wide = history.pivot_table(index=["run_id", "step"], columns="metric", values="value").reset_index()
    wanted = ["test/fitted", "test/miscalibration", "test/miscalibration_error", "model/miscalibration"]
    if not set(wanted) <= set(wide):
        return None
    keys = [key for key in ("samples", "flips") if key in runs]
    mine = wide.dropna(subset=wanted).merge(runs[["run_id", "fits", *keys]], on="run_id")
    if mine.empty:
        return None
    apart = mine["test/miscalibration"] - mine["model/miscalibration"]
    columns = zip(apart, mine["test/miscalibration_error"], mine["fits"] - 1, mine["fits"], strict=True)
    largest = mine.loc[mine.groupby("run_id")["model/miscalibration"].apply(lambda gap: gap.abs().idxmax())]
    return Evidence(
        quantity="(observed − fitted) less what the mean-field law says of it, in a bin of fitted probabilities",
        predicted=0.0,
        samples=[estimates.mean(*each) for each in columns],
        accept=IN_A_BIN,
        of="each",
        conditions=f"{counted(mine['run_id'].nunique(), 'run')}, {len(mine)} bins; shown: each run's bin that is furthest off",
        details=as_table(largest[[*keys, *wanted]].sort_values(keys)),
    )


def _noisy_calibration(runs: pd.DataFrame, history: pd.DataFrame) -> Evidence | None:
    """The slope for flipped labels is 1 but for overfitting, that for clean ones as far off as predicted."""
    names = ("test/slope", "test/noisy_slope", "model/slope", "model/noisy_slope")
    mine = _have(runs, *names, "test/slope_error", "test/noisy_slope_error", "model/limit_along")
    if len(mine):
        by_law = mine["model/excess"].notna() if "model/excess" in mine else False  # known to the mean-field law alone
        mine = mine[_flipped(mine) & (by_law | (mine["model/noisy_slope"] >= 1 - SMALL))]
    if mine.empty:
        return None
    clean, noisy = (_measured(mine, f"test/{name}", f"model/{name}") for name in ("slope", "noisy_slope"))
    return Evidence(
        quantity="slope that calibrates, for clean labels and for flipped ones, measured ÷ predicted",
        predicted=1.0,
        samples=[*clean, *noisy],
        accept=NEAR,
        of="each",
        conditions=f"{counted(len(mine), 'run')} with flipped labels; a slope above 1: the fit is less sure than it could be",
        details=_table(mine, *names),
    )


def _exactly(
    names: dict[str, float], what: str, words: str, runs: pd.DataFrame, history: pd.DataFrame
) -> Evidence | None:
    """What has to be equal to rounding, each metric over what rounding allows."""
    mine = _have(runs, *names)
    if mine.empty:
        return None
    return Evidence(
        quantity=f"{what} ÷ what rounding allows ({', '.join(f'{allowed:g}' for allowed in names.values())})",
        predicted=0.0,
        samples=[value / allowed for name, allowed in names.items() for value in mine[name]],
        accept=(0.0, 1.0),
        conditions=f"{counted(len(mine), 'run')}; {words}",
        details=_table(mine, *names),
    )


def _twins(kind: str, words: str) -> Callable[[pd.DataFrame, pd.DataFrame], Evidence | None]:
    names = {f"model/{kind}_formula_error": FORMULA, f"model/{kind}_fit_error": FIT}
    return partial(_exactly, names, "largest deviation of formulas, and of fits", words)


def _two_orders(runs: pd.DataFrame, history: pd.DataFrame) -> Evidence | None:
    """The pair of runs that cross-entropy and 0/1 error put most clearly in opposite orders."""
    mine = _have(runs, "test/excess", "test/regret")
    same = [key for key in ("noise", "features", "classes", "signal", "noise.trials", "seed") if key in mine]
    best, pair, pairs = 0.0, None, 0
    for _, group in mine.groupby(same, dropna=False):
        for i in range(len(group)):
            for j in range(len(group)):
                a, b = group.iloc[i], group.iloc[j]
                if not (a["test/excess"] < b["test/excess"] and a["test/regret"] > b["test/regret"]):
                    continue
                pairs += 1
                clear = min(abs(_apart(a, b, name)) for name in ("test/excess", "test/regret"))
                if clear > best:
                    best, pair = clear, (a, b)
    if pair is None:
        return None
    a, b = pair
    tried = len(mine) ** 2  # the clearest of so many: each shares the chance of an error
    samples = []
    for name, (more, less) in {"test/excess": (b, a), "test/regret": (a, b)}.items():
        error = math.hypot(a[f"{name}_error"], b[f"{name}_error"])
        freedom = min(a["train/freedom"], b["train/freedom"])
        samples.append(_one_of(tried, estimates.mean(more[name] - less[name], error, freedom, int(a["fits"]))))
    return Evidence(
        quantity="what the one has less of cross-entropy, and the other of 0/1 error",
        predicted=math.nan,
        samples=samples,
        accept=(0.0, math.inf),
        of="each",
        conditions=f"of {pairs} such pairs the clearest, its intervals wider for that: {a['name']} against {b['name']}",
        details=as_table(
            pd.DataFrame([a, b])[["name", "test/excess", "test/excess_error", "test/regret", "test/regret_error"]]
        ),
    )


def _apart(a: pd.Series, b: pd.Series, name: str) -> float:
    """The difference in standard errors."""
    return float((a[name] - b[name]) / max(math.hypot(a[f"{name}_error"], b[f"{name}_error"]), 1e-300))


def _one_of(tried: int, estimate: Estimate) -> Estimate:
    """An estimate that was picked among so many: Bonferroni."""
    return Estimate(estimate.value, lambda confidence: estimate.interval(1 - (1 - confidence) / tried), estimate.count)


CLAIMS: tuple[Claim, ...] = (
    Claim(
        "multinomial-one", "the multinomial with one trial is the categorical", "notes 1, section 6.3",
        _twins("one_trial", "probabilities, values, δ and fits of counts of one trial against classes"),
    ),
    Claim(
        "multinomial-many", "a sample of N trials is N samples of one trial", "notes 1, section 6.3",
        _twins("many_trials", "values, δ and fits of counts against each sample N times over, with a class each"),
    ),
    Claim(
        "softmax-two", "softmax with two classes is the logistic model of h₁ − h₀", "notes 1, sections 6.1, 6.2",
        _twins("two_classes", "values, δ and fits of two logits against one"),
    ),
    Claim(
        "labels-scores", "on its own samples a fitted likelihood is calibrated exactly: XᵀΔ = 0", LIKELIHOODS,
        partial(_exactly, {"train/slope_error": SCORES}, "|slope − 1| of its labels on its logits", "the first fits of each"),
    ),
    Claim(
        "labels-excess", "on fresh samples p fitted parameters cost p/2m of cross-entropy", f"{LIKELIHOODS}; Akaike 1974",
        partial(_first_order, "test/excess_ratio", "cross-entropy beyond the truth's on fresh samples"),
    ),
    Claim(
        "labels-gain", "… and gain p/2m on their own: the training loss flatters by p/m", f"{LIKELIHOODS}; Wilks 1938",
        partial(_first_order, "train/gain_ratio", "the truth's cross-entropy beyond the fit's on its own samples"),
    ),
    Claim(
        "multinomial-variance", "the variance of θ̂ falls as 1/(mN), N trials a sample", "notes 1, section 6.3",
        partial(_ratio, "train/variance", "m·E‖θ̂ − θ*‖²", _many, ABOUT,
                "predicted: the trace of the inverse information of a sample"),
    ),
    Claim(
        "labels-calibrated", "fresh labels find the fit too sure, by as much as theory says", f"{LIKELIHOODS}; Sur & Candès 2019",
        partial(_ratio, "test/slope", "slope that calibrates the fit for fresh labels", _by_law_or_many, ABOUT,
                f"predicted by the mean-field law at every m; for several logits 1 − p/(m·J), where m·N ≥ {MANY} p"),
    ),
    Claim(
        "labels-reliability", "… in every bin of fitted probabilities", f"{LIKELIHOODS}; Sur & Candès 2019", _reliability,
    ),
    Claim(
        "labels-regret", "the 0/1 error falls to the least as 1/m, be it cross-entropy or squares that are minimised", RULE,
        partial(_ratio, "test/regret", "0/1 error beyond the least", _clean, ABOUT, "predicted by the mean-field law"),
    ),
    Claim(
        "labels-two-orders", "the fit with less cross-entropy may have more 0/1 error", RULE, _two_orders,
    ),
    Claim(
        "labels-noise-shrinks", "labels flipped at random shrink θ̂ towards 0, along θ*", LIKELIHOODS,
        partial(_ratio, "train/along", "length of θ̂ along θ*", _flipped, NEAR,
                "predicted by the mean-field law; for several logits θ̂'s limit"),
    ),
    Claim(
        "labels-noise-calibration", "… so that probabilities are those of flipped labels, unsure of clean ones", LIKELIHOODS,
        _noisy_calibration,
    ),
    Claim(
        "labels-noise-rule", "… and leave the 0/1 rule what it was: only its variance grows", RULE,
        partial(_ratio, "test/regret", "0/1 error beyond the least, for clean labels", _flipped, ABOUT,
                "predicted by the mean-field law, which goes to 0 with more samples"),
    ),
)  # fmt: skip
