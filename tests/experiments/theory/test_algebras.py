"""Formulas in three readings: SciPy, PyTorch and exact fractions judge the numbers and their bounds, SymPy the symbols."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
import scipy.linalg
import scipy.special
import sympy
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from experiments.theory.algebras import UNIT, Number, Numbers, Symbols, Word, Words, is_zero
from experiments.theory.algebras.base import commuting, stacked

NUMBERS, SYMBOLS = Numbers(), Symbols()


def normal(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


# The engine of numbers


def test_operations_are_numpys_and_scipys():
    A, H = normal(3, 3), normal(4, 3, seed=1)
    a, h = NUMBERS.given(A), NUMBERS.given(H)
    close = np.testing.assert_allclose
    close(NUMBERS.inv(a).value, scipy.linalg.inv(A), rtol=1e-12)
    close(NUMBERS.det(a).value.item(), scipy.linalg.det(A), rtol=1e-12)
    close(NUMBERS.log_det(a).value.item(), np.linalg.slogdet(A)[1], rtol=1e-12)
    close(NUMBERS.softmax(h).value, scipy.special.softmax(H, axis=1), rtol=1e-14)
    close(NUMBERS.log_sum_exp(h).value.item(), scipy.special.logsumexp(H, axis=1).sum(), rtol=1e-14)
    close(NUMBERS.vec(h).value[:, 0], H.flatten("F"))
    close(commuting(4, 3) @ H.flatten("F"), H.T.flatten("F"))


FUNCTIONS = [
    (lambda a, M: a.inv(M), lambda torch, M: torch.linalg.inv(M)),
    (lambda a, M: a.log_det(M), lambda torch, M: torch.linalg.slogdet(M)[1].reshape(1, 1)),
    (lambda a, M: a.exp(M @ M), lambda torch, M: torch.exp(M @ M)),
    (lambda a, M: a.softmax(M), lambda torch, M: torch.softmax(M, dim=1)),
    (lambda a, M: a.log_sum_exp(M), lambda torch, M: torch.logsumexp(M, dim=1).sum().reshape(1, 1)),
    (lambda a, M: a.tr(M.T @ M) * a.det(M), lambda torch, M: (torch.trace(M.T @ M) * torch.det(M)).reshape(1, 1)),
    (lambda a, M: a.kron(M, M.T), lambda torch, M: torch.kron(M, M.T.contiguous())),
    (lambda a, M: a.over(M, a.exp(M)), lambda torch, M: M / torch.exp(M)),
    (lambda a, M: a.smooth(M), None),
]


@pytest.mark.parametrize(("ours", "theirs"), FUNCTIONS[:-1])
def test_differentials_and_jacobians_are_pytorchs(ours, theirs):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install -e '.[peers]'")
    from torch.autograd import functional

    M, dM = normal(3, 3), normal(3, 3, seed=1)
    moved, direction = torch.from_numpy(M), torch.from_numpy(dM)
    expected = functional.jvp(lambda M: theirs(torch, M), moved, direction)[1].numpy()
    found = NUMBERS.differential(lambda M: ours(NUMBERS, M), [(NUMBERS.given(M), NUMBERS.given(dM))])
    np.testing.assert_allclose(found.value, expected, rtol=1e-11, atol=1e-11)
    whole = functional.jacobian(lambda M: theirs(torch, M), moved).numpy()
    by_columns = whole.transpose(1, 0, 3, 2).reshape(whole.shape[0] * whole.shape[1], 9)
    found = NUMBERS.jacobian(lambda M: ours(NUMBERS, M), NUMBERS.given(M))
    np.testing.assert_allclose(found.value, by_columns, rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize(("ours", "theirs"), FUNCTIONS)
def test_partials_and_jacobians_add_up_to_the_differential(ours, theirs):
    M, dM = (NUMBERS.given(normal(3, 3, seed=seed)) for seed in (0, 1))
    along = NUMBERS.differential(lambda M: ours(NUMBERS, M), [(M, dM)]).value
    J = NUMBERS.jacobian(lambda M: ours(NUMBERS, M), M).value
    np.testing.assert_allclose(J @ stacked(dM.value), stacked(along), rtol=1e-11, atol=1e-11)


@given(
    *(
        hnp.arrays(np.float64, (3, 3), elements=st.floats(-1e3, 1e3, allow_subnormal=False).map(lambda v: round(v, 6)))
        for _ in range(3)
    )
)
def test_rounding_stays_within_its_bound_of_exact_fractions(A, B, C):
    def exactly(M):
        return np.array([[Fraction(float(entry)) for entry in row] for row in M], object)

    def formula(A, B, C):
        return A @ B @ C - B.T @ A + C * B

    found = formula(*(NUMBERS.given(M) for M in (A, B, C)))
    truth = formula(*(exactly(M) for M in (A, B, C)))
    apart = np.abs(exactly(found.value) - truth)
    assert (apart <= exactly(found.bound) + Fraction(1, 10**300)).all()


@pytest.mark.parametrize("n", range(2, 8))
def test_an_ill_conditioned_inverse_stays_within_its_bound_and_that_is_the_condition_number(n):
    """Hilbert's matrix, the condition number of which is 5·10⁸ at n = 7; SymPy inverts what the floats are exactly."""
    A, dA = scipy.linalg.hilbert(n), normal(n, n)
    exact, moves = (sympy.Matrix(n, n, [sympy.Rational(float(v)) for v in M.flat]) for M in (A, dA))
    inverse = exact.inv()
    truths = [inverse, -inverse * moves * inverse]
    a, da = NUMBERS.given(A), NUMBERS.given(dA)
    for found, truth in zip([NUMBERS.inv(a), NUMBERS.differential(NUMBERS.inv, [(a, da)])], truths, strict=True):
        expected = np.array(truth.evalf(30).tolist(), np.float64)
        assert (np.abs(found.value - expected) <= found.bound + UNIT * np.abs(expected)).all()
        assert found.bound.max() <= 100 * n**2 * UNIT * np.linalg.cond(A) * np.abs(expected).max()


def test_a_bound_that_is_too_small_would_show():
    """Some entry of an inverse is off by more than a hundredth of its bound: the bound is not there for show."""
    ratios = []
    for seed in range(20):
        A = normal(5, 5, seed=seed)
        exact = sympy.Matrix(5, 5, [sympy.Rational(float(v)) for v in A.flat]).inv()
        found = NUMBERS.inv(NUMBERS.given(A))
        ratios.append(np.max(np.abs(found.value - np.array(exact.evalf(30).tolist(), np.float64)) / found.bound))
    assert 0.01 < max(ratios) < 1


def test_a_trace_is_of_a_square():
    with pytest.raises(ValueError, match=r"tr: shape \(2, 3\); should be square"):
        NUMBERS.tr(NUMBERS.given(normal(2, 3)))


def test_what_takes_no_rounding_has_no_bound():
    A = NUMBERS.given(normal(2, 3))
    assert (A.T.bound == 0).all()
    assert isinstance(NUMBERS.vec(A), Number)


# The engine of symbols


def symbols(rows, columns, name="a"):
    return np.array(sympy.Matrix(rows, columns, lambda i, j: sympy.Symbol(f"{name}{i}{j}")).tolist(), object)


def test_symbols_are_sympys_own():
    M = symbols(2, 2)
    theirs = sympy.Matrix(M.tolist())
    assert sympy.simplify(sympy.Matrix(SYMBOLS.inv(M).tolist()) - theirs.inv()) == sympy.zeros(2)
    assert sympy.expand(SYMBOLS.det(M).item() - theirs.det()) == 0
    vector = sympy.Matrix([M[0, 0], M[1, 0], M[0, 1], M[1, 1]])
    product = theirs.T * theirs
    expected = sympy.Matrix([product[0, 0], product[1, 0], product[0, 1], product[1, 1]]).jacobian(vector)
    assert sympy.Matrix(SYMBOLS.jacobian(lambda M: M.T @ M, M).tolist()) == expected


def test_a_smooth_function_is_any_smooth_function():
    """Put a function in its place, and the derivatives are that function's."""
    M = symbols(1, 2)
    x, y = M.flat
    partials = SYMBOLS.partials(SYMBOLS.smooth, M)
    assert [str(entry) for entry in partials.flat] == ["f_1(a00, a01)", "f_2(a00, a01)"]
    value = SYMBOLS.partials(lambda M: SYMBOLS.smooth(M @ np.array([[2, 0], [1, 1]])), M)
    f = sympy.exp(sympy.Symbol("u") * sympy.Symbol("v"))
    put = [sympy.Lambda(tuple(sympy.symbols("u v")), sympy.diff(f, s)) for s in ("u", "v")]
    found = [
        entry.replace(sympy.Function("f_1"), put[0]).replace(sympy.Function("f_2"), put[1]) for entry in value.flat
    ]
    direct = sympy.exp((2 * x + y) * y)
    assert all(sympy.simplify(a - sympy.diff(direct, v)) == 0 for a, v in zip(found, (x, y), strict=True))


@pytest.mark.parametrize(
    ("entry", "zero"),
    [
        ("(a + b)**2 - a**2 - 2*a*b - b**2", True),
        ("1/(1 - a) - 1/(1 + a) - 2*a/(1 - a**2)", True),
        ("exp(a)/(exp(a) + exp(b)) + exp(b)/(exp(a) + exp(b)) - 1", True),
        ("exp(a)*exp(b) - exp(a + b)", True),
        ("a*b - b*a*(1 + 1/1000000000)", False),
        ("1/a - 1/(a + b)", False),
        ("exp(a) - 1 - a", False),
    ],
)
def test_zero_is_told_from_what_is_not(entry, zero):
    assert is_zero(sympy.sympify(entry)) == zero


# The engine of words


def test_words_refuse_what_does_not_fit():
    A, B = Word("A", ("m", "n")), Word("B", ("m", "k"))
    for make in (lambda: A @ B, lambda: A + B, lambda: A - B, lambda: A * B, lambda: Words().tr(A)):
        with pytest.raises(ValueError, match="should"):
            make()
