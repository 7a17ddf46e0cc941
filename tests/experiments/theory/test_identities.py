"""Identities: each holds by both engines, reads as in the notes, and neither engine lets a slip or a mutation pass."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from experiments.theory.algebras import Point, Word, Words
from experiments.theory.equations import Equation, numeric, shapes, slip_fits, statement, symbolic
from experiments.theory.identities import BY_VECTORS, COMMON, IDENTITIES, TEMPLATE, equations

SMALL = {"m": 2, "n": 3, "k": 2, "p": 1}
SQUARE = {"m": 2, "n": 2, "k": 2, "p": 2}
EQUATIONS = [
    pytest.param(equation, convention, id=f"{identity}-{convention}-{place}")
    for identity in IDENTITIES
    for convention in ("rows", "columns")
    for place, equation in enumerate(equations(identity, convention))
]
each_equation = pytest.mark.parametrize(("equation", "convention"), EQUATIONS)


def share(equation, convention, trials=20, square=False, slip=False):
    """The largest share of what rounding allows; of a slip the smallest."""
    rng = np.random.default_rng(0)
    gaps = []
    for _ in range(trials):
        lengths = [int(rng.integers(2, 8))] * 4 if square else rng.integers(1, 8, 4)
        gaps.append(numeric(equation, convention, dict(zip("mnkp", lengths, strict=True)), rng, slip).of_bound)
    return float(np.min(gaps) if slip else np.max(gaps))


@each_equation
def test_it_holds_by_numbers_and_by_symbols(equation, convention):
    assert share(equation, convention) <= 1
    wrong, entries = symbolic(equation, convention, SMALL)
    assert wrong == 0 < entries


@each_equation
def test_its_slip_is_found_by_numbers_and_by_symbols(equation, convention):
    assert share(equation, convention, square=True, slip=True) > 1
    assert symbolic(equation, convention, SQUARE, slip=True)[0] > 0


def mutants(equation, convention):
    """The equation with another last side: twice it, and with each matrix in it changed to that matrix plus its differential."""
    *sides, last = equation.sides
    yield "twice", dataclasses.replace(equation, sides=(*sides, lambda x: 2 * last(x)))
    for name in equation.shapes:
        for changed, by in ((name, f"d{name}"), (f"d{name}", name)):

            def mutated(x, changed=changed, by=by):
                other = x.matrices[changed] + x.matrices[by]
                return last(Point(x.algebra, {**x.matrices, changed: other}))

            mutant = dataclasses.replace(equation, sides=(*sides, mutated))
            if statement(mutant, convention) != statement(equation, convention):
                yield f"{changed} + {by}", mutant


@pytest.mark.sampled(20)
@each_equation
def test_every_mutation_is_found_by_numbers_and_by_symbols(equation, convention):
    found = list(mutants(equation, convention))
    assert len(found) >= 2
    for what, mutant in found:
        assert share(mutant, convention, trials=5) > 1, what
        assert symbolic(mutant, convention, {**SMALL, "n": 2})[0] > 0, what


@pytest.mark.parametrize(
    ("wrong", "matrices"),
    [
        ((lambda x: x.tr(x.A @ x.B @ x.C), lambda x: x.tr(x.A @ x.C @ x.B)), "A n×n, B n×n, C n×n"),
        ((lambda x: x.d(lambda A, B: A @ B, "A", "B"), lambda x: x.dA @ x.B + x.B @ x.dA), "A n×n, B n×n"),
        ((lambda x: x.vec(x.A @ x.B @ x.C), lambda x: x.kron(x.A, x.C.T) @ x.vec(x.B)), "A n×n, B n×n, C n×n"),
        ((lambda x: x.d(x.inv, "A"), lambda x: x.inv(x.A) @ x.dA @ x.inv(x.A)), "A n×n"),
        ((lambda x: x.d(x.det, "A"), lambda x: x.tr(x.inv(x.A) @ x.dA)), "A n×n"),
        ((lambda x: x.d(x.exp, "A"), lambda x: x.exp(x.dA)), "A n×n"),
    ],
)
def test_planted_identities_come_out_wrong_in_both(wrong, matrices):
    planted = Equation(matrices, wrong, wrong[1])
    assert share(planted, "rows", square=True) > 1
    assert symbolic(planted, "rows", SQUARE)[0] > 0


@pytest.mark.parametrize(
    ("identity", "convention", "place", "words"),
    [
        ("product", "rows", 0, "d(AB) = dA B + A dB"),
        ("product", "columns", 0, "d(A\N{COMBINING TILDE}ᵀB) = (dA\N{COMBINING TILDE})ᵀ B + A\N{COMBINING TILDE}ᵀ dB"),
        ("cyclic", "rows", 0, "tr(ABC) = tr(BCA) = tr(CAB)"),
        ("inverse", "rows", 0, "d(A⁻¹) = −A⁻¹ dA A⁻¹"),
        ("hadamard", "rows", 0, "d(A ⊙ B) = dA ⊙ B + A ⊙ dB"),
        ("chain", "rows", 1, "d f(AX) = tr((Aᵀ f′(AX))ᵀ dX)"),
        ("log_det", "rows", 1, "d det A = det A tr(A⁻¹ dA)"),
        ("differential", "rows", 0, "d f(X) = tr((∂f/∂X)ᵀ dX)"),
        ("vec", "rows", 0, "vec(AXB) = (Bᵀ ⊗ A) vec X"),
        ("vec", "rows", 2, "vec Aᵀ = Kₘₙ vec A"),
        ("template", "rows", 0, "d ℓ(Xθ) = tr(Δᵀ d(Xθ)) = tr(ΔᵀX dθ) = tr((XᵀΔ)ᵀ dθ)"),
        ("template", "rows", 1, "∂ℓ(Xθ)/∂θ = XᵀΔ"),
        ("template", "columns", 1, "∂ℓ(θᵀX̃)/∂θ = X̃Δ̃ᵀ"),
        ("jacobian", "rows", 0, "∂vec(Xθ)/∂vec θ = Iₖ ⊗ X"),
        ("jacobian", "columns", 0, "∂vec(θᵀX̃)/∂vec θ = (X̃ᵀ ⊗ Iₖ)Kₙₖ"),
    ],
)
def test_formulas_read_as_in_the_notes(identity, convention, place, words):
    assert statement(equations(identity, convention)[place], convention) == words


@each_equation
def test_shapes_are_those_of_words(equation, convention):
    """Every side is of one shape, in letters; matrices with samples are held with these in rows or in columns."""
    x = equation.at(Words(), lambda name, shape, turned: Word(name, tuple(shape)), convention)
    assert len({side(x).shape for side in equation.sides}) == 1
    assert all(part.count("(") == 1 for part in shapes(equation, convention).split("), "))


def test_which_slips_no_shape_gives_away():
    """By NumPy, with lengths that are all different: vec(AXB) = (A ⊗ Bᵀ) vec X fits, whatever the lengths."""
    fitting = {name for name in IDENTITIES for each in equations(name, "rows") if slip_fits(each, "rows")}
    assert fitting >= {"inverse", "log_det", "jacobian"}
    assert [slip_fits(each, "rows") for each in COMMON["vec"]] == [True, True, True, False]
    assert not any(slip_fits(each, "rows") for each in (*COMMON["product"], *COMMON["cyclic"], *TEMPLATE["rows"]))


def test_the_right_way_is_among_the_identities():
    assert set(BY_VECTORS) < set(IDENTITIES)
    assert set(COMMON) < set(IDENTITIES)


def test_a_side_that_is_no_number_or_of_another_shape_is_no_side():
    zero = Equation("A m×n", (lambda x: x.A, lambda x: x.over(x.A - x.A, x.A - x.A)), lambda x: x.A)
    with np.errstate(all="ignore"):
        assert np.isnan(numeric(zero, "rows", SMALL, np.random.default_rng(0)).of_bound)
    broadcast = Equation("A m×n", (lambda x: x.A - x.A, lambda x: x.tr(x.A.T @ (x.A - x.A))), lambda x: x.A)
    for decide in (
        lambda: numeric(broadcast, "rows", SMALL, np.random.default_rng(0)),
        lambda: symbolic(broadcast, "rows", SMALL),
    ):
        with pytest.raises(ValueError, match=r"sides of shapes \(2, 3\), \(1, 1\); should be of one"):
            decide()
