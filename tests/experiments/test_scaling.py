"""How cost grows: the claims of `+sweep=scaling`, on times that were made up."""

from __future__ import annotations

import dataclasses
import math

import pandas as pd
import pytest

from experiments.backends.numba import Numba
from experiments.claims.passes import CLAIMS, EFFICIENCY
from experiments.passes import Passes
from harness.contract import LeftOut
from harness.report.verdicts import judge
from kernels import layouts, losses

NOISE = (0.98, 1.0, 1.02, 0.99, 1.01, 0.985, 1.015, 0.995, 1.005)


def measured(axis, seconds, **settings):
    """Runs with those seconds of the fused pass by the axis's values, and their rounds."""
    runs = pd.DataFrame(
        [
            {
                "run_id": f"r{i}", "name": f"{axis}={value}", "samples": 10, "features": 20, "classes": 3, **settings, axis: value,
                "time/fused_s": s, "time/fused_per_element_s": s / 200, "rate/fused_roof_fraction": 0.5,
            }
            for i, (value, s) in enumerate(seconds.items())
        ]
    )  # fmt: skip
    rounds = [
        (run.run_id, "rounds/fused_s", step, run[axis] and seconds[run[axis]] * noise)
        for _, run in runs.iterrows()
        for step, noise in enumerate(NOISE)
    ]
    return runs, pd.DataFrame(rounds, columns=["run_id", "metric", "step", "value"])


def verdict(id, runs, history):
    [claim] = [claim for claim in CLAIMS if claim.id == id]
    evidence = claim.weigh(runs, history)
    return None if evidence is None else judge(claim, evidence, 0.99)


@pytest.mark.parametrize("axis", ["samples", "features"])
@pytest.mark.parametrize(("exponent", "outcome"), [(1.0, "PASS"), (1.3, "FAIL"), (0.7, "FAIL")])
def test_the_exponent_of_growth_is_that_of_the_last_decade(axis, exponent, outcome):
    seconds = {100: 5e-3, 1000: 1e-3, 10000: 1e-3 * 10**exponent}  # the first is as long as you like
    found = verdict(f"scaling-{axis}", *measured(axis, seconds))
    assert found.outcome == outcome
    assert found.measured == pytest.approx(exponent, abs=1e-12)
    assert found.evidence.details.count("\n") == 4  # a head, a line, three runs


@pytest.mark.parametrize(("times", "outcome"), [(3.8, "PASS"), (2.0, "FAIL")])
def test_the_speed_up_is_held_against_the_number_of_threads(times, outcome):
    found = verdict("scaling-threads", *measured("threads", {4: 1.0 / times, 2: 0.6, 1: 1.0}))
    assert found.outcome == outcome
    assert found.measured == pytest.approx(times)
    assert found.evidence.accept == (EFFICIENCY * 4, math.inf)


def test_without_one_thread_there_is_no_speed_up():
    assert verdict("scaling-threads", *measured("threads", {2: 0.6, 4: 0.3})) is None


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.id)
def test_the_claims_are_silent_on_runs_that_do_not_vary(claim):
    assert claim.weigh(*measured("samples", {100: 1e-3})) is None
    assert claim.weigh(pd.DataFrame({"run_id": ["a"], "loss": ["huber"]}), pd.DataFrame()) is None


def test_only_runs_that_differ_in_nothing_else_are_compared():
    runs, history = measured("samples", {100: 1e-3, 1000: 1e-2})
    runs["layout"] = ["rows", "columns"]
    assert verdict("scaling-samples", runs, history) is None


def test_threads_that_are_not_there_are_left_out():
    e = Passes(losses.Softmax(), layouts.Rows(), backend=Numba, threads=10**6)
    with pytest.raises(LeftOut, match=r"^threads: more than there are; should be in 1"):
        e.check()
    dataclasses.replace(e, threads=1).check()
