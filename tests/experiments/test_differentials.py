"""differentials: every identity in a run of its own, kernels' gradients by both ways, and planted errors that turn verdicts."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import pytest

from experiments import differentials
from experiments.claims.differentials import JACOBIAN, SLIPS, TRACE
from experiments.differentials import Differentials
from experiments.theory import equations as readings
from experiments.theory import identities
from experiments.theory.algebras import Number, Numbers, Symbols
from experiments.theory.identities import BY_VECTORS, IDENTITIES
from harness.contract import WHOLE_RUN
from harness.report.verdicts import judge
from kernels import losses

PLAIN = Differentials(trials=5)
CONVENTIONS = ("rows", "columns")
EMPTY = pd.DataFrame(columns=["run_id", "metric", "step", "value"])


@pytest.fixture(autouse=True)
def small_shapes_only(monkeypatch):
    """One shape for symbols: the others are the theory's tests'."""
    monkeypatch.setattr(differentials, "PROVEN", differentials.PROVEN[:1])


def run(**changes):
    """What a run finds, as a row of a frame of runs, and its history."""
    e = dataclasses.replace(PLAIN, **changes)
    e.check()
    rows = list(e.run())
    found = {name: value for row in rows if row.step == WHOLE_RUN for name, value in row.metrics.items()}
    name = f"{e.identity} {e.convention} {e.formula}"
    history = [(name, metric, row.step, value) for row in rows for metric, value in row.metrics.items()]
    setting = {"run_id": name, "identity": e.identity, "convention": e.convention, "formula": e.formula}
    return {**setting, **found}, pd.DataFrame(history, columns=EMPTY.columns)


def weighed(claim, *runs):
    return claim.weigh(pd.DataFrame([row for row, _ in runs]), pd.concat([history for _, history in runs]))


def outcome(claim, *runs):
    evidence = weighed(claim, *runs)
    return None if evidence is None else judge(claim, evidence, 0.99).outcome


@pytest.mark.sampled(8)
@pytest.mark.parametrize("identity", IDENTITIES)
@pytest.mark.parametrize("convention", CONVENTIONS)
def test_every_identity_holds_and_its_slip_does_not(identity, convention):
    right, slip = (run(identity=identity, convention=convention, formula=formula) for formula in ("right", "slip"))
    mine, other = (JACOBIAN, TRACE) if identity in BY_VECTORS else (TRACE, JACOBIAN)
    assert outcome(mine, right, slip) == outcome(SLIPS, right, slip) == "PASS"
    assert outcome(other, right, slip) is None
    assert outcome(SLIPS, right) is None
    assert right[0]["model/symbolic_residual"] == 0 < right[0]["model/symbolic_entries"]
    assert right[0]["model/numeric_error"] < 1e-14 < slip[0]["model/numeric_error"]
    # the same numbers for a slip that is taken for right: the claim fails
    assert outcome(mine, ({**slip[0], "formula": "right"}, slip[1])) == "FAIL"


@pytest.mark.parametrize(
    ("planted", "claim", "verdict"),
    [
        ({"model/of_bound": 1.1}, TRACE, "FAIL"),
        ({"model/of_bound": np.nan}, TRACE, "FAIL"),
        ({"model/symbolic_residual": 1.0}, TRACE, "FAIL"),
        ({"model/kernel_of_bound": 1.1}, TRACE, "FAIL"),
        ({"model/found_by_numbers": 0.99, "formula": "slip"}, SLIPS, "FAIL"),
        ({"model/found_by_symbols": 0.5, "formula": "slip"}, SLIPS, "FAIL"),
        ({"identity": "vec", "model/symbolic_residual": 1.0}, JACOBIAN, "FAIL"),
        ({"identity": "vec", "model/symbolic_residual": 1.0}, TRACE, None),
    ],
)
def test_one_planted_number_turns_the_verdict(planted, claim, verdict):
    row, history = run(identity="product")
    found = {"model/found_by_numbers": 1.0, "model/found_by_symbols": 1.0}
    assert outcome(TRACE, (row, history)) == "PASS"
    assert outcome(claim, ({**row, **found, **planted}, history)) == verdict


def test_an_engine_that_errs_is_found_out(monkeypatch):
    assert outcome(TRACE, run(identity="cyclic")) == "PASS"
    right = Numbers.tr
    monkeypatch.setattr(Numbers, "tr", lambda self, M: right(self, Number(M.value + 1e-12, M.size, M.roundings)))
    assert run(identity="cyclic")[0]["model/of_bound"] > 1
    monkeypatch.undo()
    monkeypatch.setattr(differentials, "PROVEN", differentials.PROVEN[:1])
    monkeypatch.setattr(Symbols, "tr", lambda self, M: self.total(M))
    assert run(identity="cyclic")[0]["model/symbolic_residual"] > 0


@pytest.mark.parametrize("identity", ["template", "jacobian"])
@pytest.mark.parametrize("convention", CONVENTIONS)
def test_both_ways_give_the_sum_over_samples(identity, convention):
    """XᵀΔ = Σ xᵢδᵢᵀ, spelt out."""
    rng = np.random.default_rng(0)
    X, theta, delta = rng.standard_normal((5, 3)), rng.standard_normal((3, 2)), rng.standard_normal((5, 2))
    given = (X, theta, delta) if convention == "rows" else (X.T, theta, delta.T)
    found = dataclasses.replace(PLAIN, identity=identity, convention=convention)._gradient(*given)
    np.testing.assert_allclose(found, sum(np.outer(x, d) for x, d in zip(X, delta, strict=True)), rtol=1e-13)


@pytest.mark.parametrize("identity", ["template", "jacobian"])
@pytest.mark.parametrize("convention", CONVENTIONS)
@pytest.mark.parametrize("loss", losses.ALL)
def test_kernels_agree_and_a_gradient_that_is_off_does_not(identity, convention, loss, monkeypatch):
    e = dataclasses.replace(PLAIN, identity=identity, convention=convention)
    errors, shares = np.array(list(e._against_kernel(losses.named(loss)))).T
    assert len(errors) == differentials.PROBLEMS
    assert shares.max() <= 1
    assert errors.max() < 1e-12
    right = Differentials._gradient
    monkeypatch.setattr(Differentials, "_gradient", lambda self, *given: right(self, *given) * (1 + 1e-11))
    assert max(share for _, share in e._against_kernel(losses.named(loss))) > 1


def test_a_kernel_that_is_off_fails_the_claims(monkeypatch):
    right = Differentials._gradient
    monkeypatch.setattr(Differentials, "_gradient", lambda self, *given: right(self, *given) * (1 + 1e-11))
    assert outcome(TRACE, run(identity="template")) == "FAIL"
    assert outcome(JACOBIAN, run(identity="jacobian")) == "FAIL"


def test_an_identity_that_is_wrong_fails(monkeypatch):
    wrong = dataclasses.replace(
        identities.COMMON["hadamard"][0],
        sides=(identities.COMMON["hadamard"][0].sides[0], lambda x: x.dA * x.B - x.A * x.dB),
    )
    monkeypatch.setitem(identities.COMMON, "hadamard", (wrong,))
    row, history = run(identity="hadamard")
    assert outcome(TRACE, (row, history)) == "FAIL"
    assert row["model/symbolic_residual"] == row["model/symbolic_entries"] == 6


def test_the_details_show_formulas_shapes_and_both_answers():
    runs = [run(identity=identity, convention=c) for identity in ("template", "product") for c in CONVENTIONS]
    details = weighed(TRACE, *runs).details
    for part in (
        "d(AB) = dA B + A dB",
        "tr((XᵀΔ)ᵀ dθ)",
        "∂ℓ(θᵀX̃)/∂θ = X̃Δ̃ᵀ",
        "X̃ (n, m), θ (n, k)",
        "numbers ÷ rounding",
    ):
        assert part in details
    head, *_ = details.splitlines()
    assert all(line.count("|") == head.count("|") for line in details.splitlines())
    slips = weighed(SLIPS, run(identity="product", formula="slip"), run(identity="inverse", formula="slip")).details
    assert "d(AB) ≠ dA B + B dA" in slips
    assert "| if square " in slips
    assert "| always " in slips


def test_the_details_have_each_formula_once_with_the_worst_of_all_runs():
    runs = [run(identity="inverse", convention=c) for c in CONVENTIONS]  # without samples, the same in both
    worse = runs[0][1].replace({"value": {runs[0][0]["model/of_bound"]: 0.75}})
    details = weighed(TRACE, (runs[0][0], worse), runs[1]).details.splitlines()
    assert len(details) == 3
    assert "7.5e-01" in details[2]
    assert weighed(TRACE, (runs[0][0], EMPTY)).details == ""


def test_shapes_are_random_and_those_of_slips_square():
    rng = np.random.default_rng(0)
    drawn = [differentials._sizes(rng, square=False) for _ in range(300)]
    assert {length for sizes in drawn for length in sizes.values()} == set(range(1, 8))
    assert any(len(set(sizes.values())) == 4 for sizes in drawn)
    squares = [differentials._sizes(rng, square=True) for _ in range(100)]
    assert {length for sizes in squares for length in sizes.values()} == set(range(2, 8))
    assert all(len(set(sizes.values())) == 1 for sizes in squares)


def test_the_seed_decides():
    assert run()[0] == run()[0]
    assert run()[0]["model/numeric_error"] != run(seed=1)[0]["model/numeric_error"]


def test_conventions_hold_other_arrays():
    """In columns what has samples is held as a transpose, in C order, and read as the transpose of that."""
    equation = identities.COMMON["product"][0]
    held = {}

    def given(name, shape, turned):
        held[name] = shape
        return np.zeros([{"m": 2, "k": 3, "n": 4}[letter] for letter in shape])

    x = readings.Equation.at(equation, None, given, "columns")
    assert held == {"A": "km", "dA": "km", "B": "kn", "dB": "kn"}
    assert x.A.shape == (2, 3)
    assert x.A.flags.f_contiguous


@pytest.mark.parametrize("claim", Differentials.claims, ids=lambda claim: claim.id)
def test_runs_that_do_not_speak_to_a_claim_decide_nothing(claim):
    assert claim.weigh(pd.DataFrame({"run_id": ["a"], "loss": ["softmax"]}), EMPTY) is None
    others = {"identity": ["product"], "convention": ["rows"], "formula": [np.nan]}
    assert claim.weigh(pd.DataFrame({"run_id": ["a"], **others}), EMPTY) is None
