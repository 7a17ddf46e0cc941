"""Matrices with named axes: what a sheet prints, what is refused and with which words, and NumPy as the judge of what fits."""

from __future__ import annotations

import doctest

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernels import Objective, conventions
from kernels.conventions import GIVEN, Shapes
from kernels.named_axes import Matrix

NAMES = list(GIVEN)
SHAPES = {"X": ("m", "n"), "theta": ("n", "k"), "H": ("m", "k"), "Z": ("m", "k"), "Y": ("m", "k"), "delta": ("m", "k")}
ROWS, COLUMNS = Shapes("rows", m=3, n=3, k=3), Shapes("columns", m=3, n=3, k=3)


def filled(convention, sizes, seed=0):
    """A sheet with random arrays for everything that is at hand."""
    rng = np.random.default_rng(seed)
    shapes = {name: axes[::-1] if convention == "columns" and "m" in axes else axes for name, axes in SHAPES.items()}
    arrays = {name: rng.standard_normal([sizes[axis] for axis in axes]) for name, axes in shapes.items()}
    return Shapes(convention, **arrays), arrays


def test_the_documentation_is_what_is_printed():
    assert doctest.testmod(conventions).failed == 0
    assert doctest.testmod(conventions).attempted > 4


def test_a_sheet_in_columns():
    s = Shapes("columns", m=600, n=20, k=3)
    s.theta.T @ s.X
    s.X @ s.delta.T
    s.X @ s.delta.T  # once is enough
    assert repr(s).splitlines() == [
        "samples in columns",
        "θ              (n, k) = (20, 3)                    features × classes",
        "X̃              (n, m) = (20, 600)                  features × samples",
        "H̃ = θᵀX̃        (k, n)(n, m) → (k, m) = (3, 600)    classes × samples",
        "Δ̃              (k, m) = (3, 600)                   classes × samples",
        "∂ℓ/∂θ = X̃Δ̃ᵀ    (n, m)(m, k) → (n, k) = (20, 3)     features × classes, as θ",
    ]


def test_sizes_may_be_left_open():
    s = Shapes("rows", n=20)
    s.X @ s.theta
    assert repr(s).splitlines()[1:] == [
        "X         (m, n)                   samples × features",
        "θ         (n, k)                   features × classes",
        "H = Xθ    (m, n)(n, k) → (m, k)    samples × classes",
    ]
    assert repr(s.X) == "X (m, n)"
    assert repr(Shapes("rows", m=2, n=3).X.T) == "Xᵀ (n, m) = (3, 2)"
    assert repr(Shapes("rows")) == "samples in rows"


def test_a_line_comes_once_with_the_sizes_that_are_known_by_then():
    s = Shapes("rows", n=20, k=3)
    s.X @ s.theta
    s.X @ Shapes("rows", X=np.ones((600, 20)), k=3).theta
    assert repr(s).splitlines()[1:] == [
        "X         (m, n) = (600, 20)                  samples × features",
        "θ         (n, k) = (20, 3)                    features × classes",
        "H = Xθ    (m, n)(n, k) → (m, k) = (600, 3)    samples × classes",
    ]


def test_a_step_down_the_mean_gradient_is_numpys():
    s, arrays = filled("columns", {"m": 5, "n": 4, "k": 3})
    step = s.theta - 0.1 * (s.X @ (s.Z - s.Y).T) / 5 + s.theta * s.theta
    expected = arrays["theta"] - 0.1 * arrays["X"] @ (arrays["Z"] - arrays["Y"]).T / 5 + arrays["theta"] ** 2
    np.testing.assert_allclose(step.array, expected)


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (lambda r, c: r.X @ r.theta, "Xθ"),
        (lambda r, c: (r.X @ r.theta).T, "θᵀXᵀ"),
        (lambda r, c: r.X.T.T, "X"),
        (lambda r, c: r.X.T @ (r.Z - r.Y), "Xᵀ(Z − Y)"),
        (lambda r, c: (r.X.T @ r.delta).T, "(XᵀΔ)ᵀ"),
        (lambda r, c: r.theta - r.X.T @ r.delta, "θ − (XᵀΔ)"),
        (lambda r, c: r.theta - c.X @ c.delta.T, "θ − (X̃Δ̃ᵀ)"),
        (lambda r, c: r.X @ (r.theta - r.X.T @ r.delta), "X(θ − (XᵀΔ))"),
        (lambda r, c: r.X.within("columns"), "X̃ᵀ"),
        (lambda r, c: r.X.T.within("columns") @ c.delta.T, "X̃Δ̃ᵀ"),
        (lambda r, c: (r.X @ r.theta - r.Y).within("columns"), "(θᵀX̃ − Ỹ)ᵀ"),
        (lambda r, c: (c.theta.T @ c.X - c.Y).within("rows"), "(Xθ − Y)ᵀ"),
        (lambda r, c: r.theta.within("columns"), "θ"),
        (lambda r, c: r.X.T @ r.X, "XᵀX"),
        (lambda r, c: r.theta - 0.1 * (r.X.T @ r.delta / 600), "θ − (0.1·((XᵀΔ)/600))"),
        (lambda r, c: (r.Z * r.delta).within("columns"), "(Z̃ ∘ Δ̃)ᵀ"),
        (lambda r, c: (2 * r.Z).within("columns"), "(2·Z̃)ᵀ"),
        (lambda r, c: -r.Z.T, "−Zᵀ"),
    ],
)
def test_a_result_says_what_it_is(make, name):
    assert make(ROWS, COLUMNS).bare == name.replace("Ỹ", "Y\N{COMBINING TILDE}")


MIXED = "X (m, n) has samples in rows, Δ̃ (k, m) in columns: multiply within one convention, "


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda r, c: r.X @ c.delta,
            f"{MIXED}in rows XᵀΔ: (n, m)(m, k) → (n, k), in columns X̃Δ̃ᵀ: (n, m)(m, k) → (n, k)",
        ),
        (
            lambda r, c: r.X.T @ c.delta.T,
            "Xᵀ (n, m) has samples in rows, Δ̃ᵀ (m, k) in columns: multiply within one convention, "
            "in rows XᵀΔ: (n, m)(m, k) → (n, k), in columns X̃Δ̃ᵀ: (n, m)(m, k) → (n, k)",
        ),
        (
            lambda r, c: c.delta @ r.X,
            "Δ̃ (k, m) has samples in columns, X (m, n) in rows: multiply within one convention, "
            "in rows ΔᵀX: (k, m)(m, n) → (k, n), in columns Δ̃X̃ᵀ: (k, m)(m, n) → (k, n)",
        ),
        (
            lambda r, c: r.X @ r.theta @ c.Y,
            "Xθ (m, k) has samples in rows, Y\N{COMBINING TILDE} (k, m) in columns: multiply within one convention, "
            "in rows XθYᵀ: (m, k)(k, m) → (m, m) or θᵀXᵀY: (k, m)(m, k) → (k, k), "
            "in columns X̃ᵀθY\N{COMBINING TILDE}: (m, k)(k, m) → (m, m) or "
            "θᵀX̃Y\N{COMBINING TILDE}ᵀ: (k, m)(m, k) → (k, k)",
        ),
        (
            lambda r, c: r.Z - c.Y,
            "Z (m, k) has samples in rows, Y\N{COMBINING TILDE} (k, m) in columns: subtract within one convention, "
            "in rows Z (m, k) and Y (m, k), in columns Z̃ (k, m) and Y\N{COMBINING TILDE} (k, m)",
        ),
        (
            lambda r, c: r.Z + c.Y.T,
            "Z (m, k) has samples in rows, Y\N{COMBINING TILDE}ᵀ (m, k) in columns: add within one convention, "
            "in rows Z (m, k) and Y (m, k), in columns Z̃ (k, m) and Y\N{COMBINING TILDE} (k, m)",
        ),
        (
            lambda r, c: r.Z * c.Y,
            "Z (m, k) has samples in rows, Y\N{COMBINING TILDE} (k, m) in columns: multiply entries within one convention, "
            "in rows Z (m, k) and Y (m, k), in columns Z̃ (k, m) and Y\N{COMBINING TILDE} (k, m)",
        ),
        (lambda r, c: r.Z * r.X, "Z ∘ X: (m, k) and (m, n); should be the same axes"),
        (lambda r, c: r.Z / r.Z, "Z: divided by a Matrix; should be by a number"),
        (
            lambda r, c: r.X @ r.theta.T,
            "Xθᵀ: (m, n)(k, n), and n (features) are not k (classes); what fits is Xθ: (m, n)(n, k) → (m, k)",
        ),
        (
            lambda r, c: r.theta @ r.theta,
            "θθ: (n, k)(n, k), and k (classes) are not n (features); what fits is θᵀθ: (k, n)(n, k) → (k, k) or "
            "θθᵀ: (n, k)(k, n) → (n, n)",
        ),
        (
            lambda r, c: r.X @ r.X.T @ r.theta,
            "XXᵀθ: (m, m)(n, k), and m (samples) are not n (features); no transposes fit: they share no axis",
        ),
        (lambda r, c: r.Z - r.X, "Z − X: (m, k) and (m, n); should be the same axes"),
        (lambda r, c: r.Z + r.Y.T, "Z + Yᵀ: (m, k) and (k, m); should be the same axes"),
        (
            lambda r, c: r.X @ np.eye(3),
            "ndarray: its axes have no names; should be a matrix of Shapes, as in Shapes('rows', X=array)",
        ),
        (
            lambda r, c: np.eye(3) @ r.X,
            "ndarray: its axes have no names; should be a matrix of Shapes, as in Shapes('rows', X=array)",
        ),
        (
            lambda r, c: r.X - 1,
            "int: its axes have no names; should be a matrix of Shapes, as in Shapes('rows', X=array)",
        ),
        (
            lambda r, c: r.X.T @ Shapes("rows", m=100, n=3, k=3).delta,
            "Xᵀ (n, m) comes from 3 samples, Δ (m, k) from 100; should be as many",
        ),
    ],
)
def test_what_does_not_fit_is_refused_though_all_sizes_are_equal(make, message):
    with pytest.raises(ValueError) as caught:  # noqa: PT011 the whole message is compared
        make(ROWS, COLUMNS)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Shapes("row"), "convention: 'row'; should be rows or columns"),
        (lambda: Shapes("rows", m=0), "m: 0; should be a whole number of at least 1"),
        (lambda: Shapes("rows", k=2.5), "k: 2.5; should be a whole number of at least 1"),
        (lambda: Shapes("rows", W=np.eye(2)), "W: unknown; should be one of m, n, k, X, theta, H, Z, Y, delta"),
        (lambda: Shapes("rows", X="a"), "X: <U1; should be numbers"),
        (lambda: Shapes("rows", X=np.ones(3)), "X: shape (3,); should have two axes, (m, n)"),
        (
            lambda: Shapes("rows", m=600, n=20, X=np.ones((20, 600))),
            "X: shape (20, 600); should be (m, n) = (600, 20), samples × features; its transpose would fit",
        ),
        (
            lambda: Shapes("columns", m=600, X=np.ones((600, 20))),
            "X: shape (600, 20); should be (n, m) = (600, 600), features × samples; its transpose would fit",
        ),
        (
            lambda: Shapes("rows", X=np.ones((600, 20)), theta=np.ones((30, 3))),
            "theta: shape (30, 3); should be (n, k) = (20, 3), features × classes",
        ),
    ],
)
def test_bad_sheets_are_refused(make, message):
    with pytest.raises(ValueError) as caught:  # noqa: PT011 the whole message is compared
        make()
    assert str(caught.value) == message


def test_an_unknown_matrix_is_no_attribute():
    with pytest.raises(AttributeError, match="W: unknown; should be one of X, theta, H, Z, Y, delta"):
        _ = ROWS.W


@pytest.mark.parametrize("convention", ["rows", "columns"])
def test_the_gradient_is_the_kernels(convention):
    rng = np.random.default_rng(0)
    X, y, theta = rng.standard_normal((600, 20)), rng.integers(0, 3, 600), rng.standard_normal((20, 3))
    H = X @ theta
    Z = np.exp(H) / np.exp(H).sum(axis=1, keepdims=True)
    given = {"X": X, "Z": Z, "Y": np.eye(3)[y]}
    s = Shapes(convention, theta=theta, **{name: a if convention == "rows" else a.T for name, a in given.items()})
    gradient = s.X.T @ (s.Z - s.Y) if convention == "rows" else s.X @ (s.Z - s.Y).T
    kernel = Objective("softmax", convention).value_and_grad(X if convention == "rows" else X.T, y, theta)[1]
    np.testing.assert_allclose(gradient.array / 600, kernel, rtol=1e-12, atol=1e-14)


lengths = st.integers(1, 3)
sizes = st.fixed_dictionaries({"m": lengths, "n": lengths, "k": lengths})
steps = st.lists(st.tuples(st.sampled_from(NAMES), st.booleans()), min_size=2, max_size=5)


def chain(sheet, arrays, chosen):
    """The matrices of a chain, some of them transposed, each with its array and its axes."""
    for name, turned in chosen:
        axes = SHAPES[name][::-1] if sheet.convention == "columns" and "m" in SHAPES[name] else SHAPES[name]
        matrix, array = getattr(sheet, name), arrays[name]
        yield (matrix.T, array.T, axes[::-1]) if turned else (matrix, array, axes)


@given(st.sampled_from(["rows", "columns"]), sizes, steps)
def test_a_chain_is_accepted_just_where_inner_axes_have_one_name_and_then_is_numpys(convention, sizes, chosen):
    sheet, arrays = filled(convention, sizes)
    (product, expected, (first, last)), *others = chain(sheet, arrays, chosen)
    for matrix, array, (start, stop) in others:
        if start != last:
            with pytest.raises(ValueError, match="are not"):
                product @ matrix
            return
        product, expected, last = product @ matrix, expected @ array, stop
    assert product.axes == (first, last)
    assert product.array.shape == expected.shape
    np.testing.assert_allclose(product.array, expected, rtol=1e-12, atol=1e-12)


@given(sizes, sizes, steps, st.lists(st.booleans(), min_size=5, max_size=5))
def test_whatever_numpy_refuses_is_refused_also_between_sheets(ours, theirs, chosen, others):
    """Two sheets, of other data and of the other convention: what is accepted, NumPy can do."""
    sheets = [filled("rows", ours), filled("columns", theirs, seed=1)]
    product = expected = None
    for (name, turned), other in zip(chosen, others, strict=False):
        sheet, arrays = sheets[other]
        ((matrix, array, _),) = chain(sheet, arrays, [(name, turned)])
        if product is None:
            product, expected = matrix, array
            continue
        if expected.shape[1] != array.shape[0]:
            with pytest.raises(ValueError, match=r"; |convention"):
                product @ matrix
            return
        try:
            product = product @ matrix
        except ValueError:
            return
        expected = expected @ array
        np.testing.assert_allclose(product.array, expected, rtol=1e-12, atol=1e-12)


@given(st.sampled_from(NAMES), st.sampled_from(NAMES), st.booleans(), st.booleans())
def test_no_product_mixes_conventions_and_the_way_out_is_the_same_in_both(one, other, first, second):
    ours, theirs = getattr(ROWS, one), getattr(COLUMNS, other)
    ours, theirs = ours.T if first else ours, theirs.T if second else theirs
    if "theta" in (one, other):
        return
    with pytest.raises(ValueError, match=r"multiply within one convention, in rows .+ → \(., .\), in columns .+ → "):
        ours @ theirs
    crossed = theirs.within("rows")
    assert crossed.within("columns").name == theirs.name
    assert crossed.axes == theirs.axes
    if ours.axes[1] == crossed.axes[0]:
        assert isinstance(ours @ crossed, Matrix)
