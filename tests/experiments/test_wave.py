"""wave: the scheme's errors against a naive leapfrog in NumPy and d'Alembert, its claims under planted errors."""

from __future__ import annotations

import dataclasses
import math
from typing import get_args

import numpy as np
import pandas as pd
import pytest

from experiments import wave as module
from experiments.claims import wave as claims
from experiments.theory import waves
from experiments.theory.waves import Launch, Shape
from experiments.wave import Wave
from harness.contract import WHOLE_RUN
from harness.report.verdicts import judge
from kernels import layouts
from kernels.wave import Ends, leap

EMPTY = pd.DataFrame(columns=["run_id", "metric", "step", "value"])
PLAIN = Wave(layout=layouts.named("rows"), pulses=4)
ENDS, LAUNCHES = get_args(Ends), get_args(Launch)


def rows(experiment):
    experiment.check()
    experiment.warm_up()
    return list(experiment.run())


def whole(**changes):
    last = rows(dataclasses.replace(PLAIN, **changes))[-1]
    assert last.step == WHOLE_RUN
    assert all(math.isfinite(value) for value in last.metrics.values())
    return dict(last.metrics)


def frame(*points):
    settings = {key: getattr(PLAIN, key) for key in ("courant", "cells", "ends", "launch", "dtype", "pulses")}
    return pd.DataFrame([{**settings, "layout": "rows", **point, **whole(**point)} for point in points])


def outcome(claim, runs):
    evidence = claim.weigh(runs, EMPTY)
    return None if evidence is None else judge(claim, evidence, 0.99).outcome


@pytest.fixture(scope="module")
def some():
    return frame(
        {"courant": 0.5}, {"courant": 0.8, "ends": "fixed"}, {"courant": 0.9, "ends": "open", "launch": "rest"},
        {"courant": 1.0}, {"courant": 1.0, "ends": "open"}, {"courant": 1.0, "ends": "fixed", "launch": "moving"},
        {"courant": 1.05, "cells": 100}, {"courant": 1.2, "cells": 64, "ends": "open"},
        {"courant": 1.02, "cells": 65, "ends": "fixed"},
        {"courant": 0.5, "dtype": "float32"},
    )  # fmt: skip


def test_every_claim_passes(some):
    assert {claim.id: outcome(claim, some) for claim in Wave.claims} == dict.fromkeys(
        ["wave-order", "wave-error", "wave-exact", "wave-dispersion", "wave-growth", "wave-energy"], "PASS"
    )


def naively(f, velocity_gone, courant, steps, ends):
    """The scheme as it stands in books, from ψ(x, 0) and the first step's ½∫g/v, (points,)."""

    def sides(psi):
        left, right = np.roll(psi, 1), np.roll(psi, -1)
        if ends == "open":
            left[0], right[-1] = psi[1], psi[-2]
        return left + right

    before = f.copy()
    now = f + courant**2 / 2 * (sides(f) - 2 * f) + velocity_gone
    for _ in range(steps - 1):
        after = 2 * now - before + courant**2 * (sides(now) - 2 * now)
        if ends == "fixed":
            after[[0, -1]] = 0.0
        now, before = after, now
    return now


@pytest.mark.parametrize("ends", ENDS)
@pytest.mark.parametrize("layout", ["rows", "columns"])
def test_the_error_is_that_of_a_naive_leapfrog_from_a_moving_pulse(ends, layout):
    """One Gaussian far from the ends at first: e^(−a(x − vt)²), and afterwards its image in the end."""
    a, v, length, cells, courant, crossings = 60.0, 2.0, 4.0, 160, 0.5, 0.9
    found = whole(
        layout=layouts.named(layout), shape="gaussian", launch="moving", ends=ends, a=a, cells=cells, pulses=1,
        courant=courant, crossings=crossings,
    )  # fmt: skip
    x = length / cells * np.arange(cells + (ends != "periodic"))
    place, tau = 0.35 * length, courant * length / cells / v

    def pulse(at):
        return np.exp(-a * (at - place) ** 2)

    f = pulse(x)
    f[[0, -1]] = 0.0
    push = -(pulse(x + v * tau) - pulse(x - v * tau)) / 2
    steps = round(crossings * cells / courant)
    errors = []
    for look in np.linspace(1, steps, 17).round():
        if look >= 0.75 * steps:
            gone = v * tau * look
            image = {
                "periodic": pulse(x + length - gone),
                "fixed": -pulse(2 * length - x - gone),
                "open": pulse(2 * length - x - gone),
            }
            psi = naively(f, push, courant, int(look), ends)
            errors.append(np.abs(psi - pulse(x - gone) - image[ends]).max())
    assert found["model/error"] == pytest.approx(max(errors) / f.max(), rel=1e-6)
    assert found["model/steps"] == steps


def test_a_pulse_that_is_its_mirror_image_in_the_end_still_has_an_order():
    """At the last moment it stands at x = 0 once more, where the errors of both cancel."""
    found = whole(shape="lorentzian", launch="moving", ends="open", pulses=1, crossings=2 - 0.35)
    assert found["model/least_order"] == pytest.approx(2, abs=0.05)


@pytest.mark.parametrize("launch", LAUNCHES)
@pytest.mark.parametrize("ends", ENDS)
def test_at_courant_number_one_it_is_exact(ends, launch):
    found = whole(courant=1.0, ends=ends, launch=launch, cells=200)
    assert found["model/error"] < 1e-11
    assert not {"model/least_order", "model/predicted_error"} & set(found)
    assert whole(courant=0.99, ends=ends, launch=launch, cells=200)["model/error"] > 1e-6


def test_taylors_first_step_would_not_be_exact(monkeypatch):
    """F + τ·vG′ instead of the whole push: of order 2 too, but no d'Alembert at C = 1."""

    def taylor(self, pulse, at, h, courant):
        F = self.profile(pulse, at - h) + self.profile(pulse, at + h) - 2 * self.profile(pulse, at)
        return self.profile(pulse, at) + courant**2 / 2 * F + courant * h * self.pushed(pulse, at, 1)

    monkeypatch.setattr(waves.String, "first_step", taylor)
    assert outcome(claims.EXACT, frame({"courant": 1.0})) == "FAIL"
    assert outcome(claims.ORDER, frame({"courant": 0.5})) == "PASS"


WRONG = {
    "C instead of C²": lambda now, before, c, *rest: leap(now, before, math.sqrt(c), *rest),
    "another C": lambda now, before, c, *rest: leap(now, before, 1.002 * c, *rest),
    "ends": lambda now, before, c, steps, ends, layout: leap(
        now, before, c, steps, "open" if ends == "fixed" else "fixed", layout
    ),
}


@pytest.mark.parametrize(
    ("slip", "failing"),
    [
        ("C instead of C²", ["wave-order", "wave-error", "wave-dispersion", "wave-energy"]),
        ("another C", ["wave-order", "wave-error", "wave-dispersion", "wave-energy"]),
        ("ends", ["wave-order", "wave-error", "wave-dispersion"]),
    ],
)
def test_a_slip_in_the_scheme_turns_verdicts(monkeypatch, slip, failing):
    monkeypatch.setattr(module, "leap", WRONG[slip])
    runs = frame({"courant": 0.5}, {"courant": 0.5, "ends": "open"})
    outcomes = {claim.id: outcome(claim, runs) for claim in Wave.claims}
    assert {id for id, decided in outcomes.items() if decided == "FAIL"} >= set(failing)


def test_a_slip_in_the_scheme_shows_past_courant_number_one_and_at_it(monkeypatch):
    monkeypatch.setattr(module, "leap", WRONG["another C"])
    runs = frame({"courant": 1.05, "cells": 100}, {"courant": 1.0})
    assert outcome(claims.GROWTH, runs) == "FAIL"
    assert outcome(claims.EXACT, runs) == "FAIL"


@pytest.mark.parametrize(
    ("claim", "metric", "value"),
    [
        (claims.ORDER, "model/least_order", 1.9),
        (claims.ORDER, "model/most_order", 2.1),
        (claims.ERROR, "model/predicted_error", 1.0),
        (claims.EXACT, "model/error_of_bound", 1.1),
        (claims.DISPERSION, "model/dispersion_error", 1e-5),
        (claims.GROWTH, "model/growth", 2.0),
        (claims.ENERGY, "model/energy_of_bound", 1.1),
    ],
)
def test_one_number_turns_the_verdict(some, claim, metric, value):
    planted = some[metric].where(some[metric].isna() | (some[metric].notna().cumsum() > 1), value)
    assert outcome(claim, some.assign(**{metric: planted})) == "FAIL"


def test_pulses_that_are_narrow_or_rounded_decide_no_order():
    runs = frame({"courant": 0.5, "cells": 100}, {"courant": 0.5, "dtype": "float32"})
    assert outcome(claims.ORDER, runs) is None
    assert outcome(claims.ERROR, runs) is None
    assert outcome(claims.ENERGY, runs) == "PASS"


@pytest.mark.parametrize("claim", Wave.claims, ids=lambda claim: claim.id)
def test_runs_that_do_not_speak_to_a_claim_decide_nothing(claim):
    assert claim.weigh(pd.DataFrame({"run_id": ["a"], "courant": [0.5]}), EMPTY) is None


def test_both_layouts_have_the_same_errors():
    rows_, columns = (whole(layout=layouts.named(name)) for name in ("rows", "columns"))
    for metric in ("model/error", "model/least_order", "model/most_order", "model/predicted_error"):
        assert rows_[metric] == pytest.approx(columns[metric], rel=1e-9)


@pytest.mark.parametrize("ends", ENDS)
def test_phase_velocities_are_tabulated_beside_theory(ends):
    table = pd.DataFrame([row.metrics for row in rows(dataclasses.replace(PLAIN, ends=ends, cells=100))])
    table = table.dropna(subset=["profile/kh"])
    kh = table["profile/kh"].to_numpy()
    expected = 2 * np.arcsin(0.5 * np.sin(kh / 2)) / (0.5 * kh)
    np.testing.assert_allclose(table["profile/predicted_phase_velocity"], expected, rtol=1e-12)
    np.testing.assert_allclose(table["profile/phase_velocity"], expected, rtol=1e-9)
    assert kh.max() > 3.1
    assert (np.diff(table["profile/phase_velocity"]) < 0).all()  # shorter waves are slower


@pytest.mark.parametrize("ends", ENDS)
@pytest.mark.parametrize("cells", [64, 65])
def test_growth_is_that_of_the_steps_own_matrix(ends, cells):
    """The largest eigenvalue of the map from two moments to the next two, by NumPy."""
    courant = 1.1
    size = cells + (ends != "periodic")
    step = np.array([leap(unit[None].copy(), np.zeros((1, size)), courant, 1, ends)[0][0] for unit in np.eye(size)]).T
    if ends == "fixed":
        step = step[1:-1, 1:-1]
    inner = len(step)
    whole_step = np.block([[step, -np.eye(inner)], [np.eye(inner), np.zeros((inner, inner))]])
    expected = np.abs(np.linalg.eigvals(whole_step)).max()
    found = whole(courant=courant, cells=cells, ends=ends)
    assert found["model/predicted_growth"] == pytest.approx(expected, rel=1e-6)
    assert found["model/growth"] == pytest.approx(expected, rel=1e-3)


def test_what_grows_begins_as_rounding_and_ends_as_all_there_is():
    found = pd.DataFrame([row.metrics for row in rows(dataclasses.replace(PLAIN, courant=1.05, cells=100))])
    table = found.dropna(subset=["profile/steps"])
    sizes = table["profile/size"].to_numpy()
    assert sizes[0] < 5
    assert sizes[-1] > 1e4
    rate = np.log(sizes[-1] / sizes[-6]) / (table["profile/steps"].iloc[-1] - table["profile/steps"].iloc[-6])
    assert rate == pytest.approx(math.log(found["model/growth"].dropna().item()), rel=0.02)
    assert table["profile/predicted_size"].iloc[-1] == sizes[-1]
    assert table["profile/predicted_size"].dropna().min() > sizes[0]


@pytest.mark.parametrize("ends", ENDS)
def test_a_picture_is_the_first_pulse_over_space_and_time(ends):
    experiment = dataclasses.replace(PLAIN, ends=ends, launch="moving", pictures=True, shape="gaussian")
    table = pd.DataFrame([row.metrics for row in rows(experiment)])
    assert set(table) == {"field/x", "field/t", "field/psi"}
    grid = table.pivot_table(index="field/t", columns="field/x", values="field/psi")
    assert grid.shape == (module.FRAMES, module.ACROSS)
    assert not grid.isna().any(axis=None)
    assert grid.index[0] == 0
    assert grid.index[-1] == pytest.approx(1.25 * 4 / 2)
    x = grid.columns.to_numpy()
    for time in grid.index[:15]:  # until it comes to an end
        np.testing.assert_allclose(grid.loc[time], np.exp(-10 * (x - 1.4 - 2 * time) ** 2), atol=4e-3)


def test_the_first_pulse_is_as_wished_and_the_others_are_at_random():
    experiment = dataclasses.replace(PLAIN, shape="sech2", pulses=20, a=7.0)
    first, *others = experiment._pulses
    assert (first.shape, first.a, first.place) == ("sech2", 7.0, 1.4)
    assert {pulse.shape for pulse in others} == set(get_args(Shape))
    assert all(3.5 <= pulse.a <= 7 and 0.8 <= pulse.place <= 3.2 for pulse in others)
    assert dataclasses.replace(experiment, seed=1)._pulses[1] != others[0]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"cells": 15}, "cells: 15; should be at least 16"),
        ({"crossings": 0.01}, "crossings=0.01, cells=400: 8 steps; should be at least 16"),
        ({"pictures": True, "courant": 1.1}, "pictures: past courant=1 .*; should be false"),
        ({"cells": 10**9, "pulses": 10**6}, r"pulses=1000000, cells=1000000000: .* should fit into this machine's"),
    ],
)
def test_what_could_not_run_is_refused_in_one_line(change, said):
    with pytest.raises(ValueError, match=said):
        dataclasses.replace(PLAIN, **change).check()
