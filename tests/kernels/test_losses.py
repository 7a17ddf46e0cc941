"""Each loss against oracles that are not ours: SciPy, scikit-learn, PyTorch, and mpmath at the extremes."""

from __future__ import annotations

import mpmath
import naive
import numpy as np
import pytest
import scipy.special
import scipy.stats
import sklearn.metrics
from problems import DTYPES, LOSSES, problem, relative_error

from kernels import losses
from kernels.losses import Target

RESIDUALS = [0.0, 1e-300, 1e-20, 1e-8, 0.3, 1.0, 1.344999, 1.345, 1.7, 40.0, 1e8, 1e100, 3e160, 1e300]
TINY = {np.dtype(np.float64): 5e-324, np.dtype(np.float32): 1.5e-45}


def mp_loss(loss, h, y):
    """(ℓ, δ) of one sample, h a list of logits; 400 digits, so that 1 + e⁻⁷⁰⁰ is not 1."""
    with mpmath.workdps(400):
        h = [mpmath.mpf(float(x)) for x in h]
        if loss.target in (Target.CLASS, Target.COUNTS):
            counts = (
                [mpmath.mpf(float(c)) for c in y] if loss.target is Target.COUNTS else [j == y for j in range(len(h))]
            )
            top = max(h)
            log_sum = top + mpmath.log(sum(mpmath.exp(x - top) for x in h))
            trials = sum(counts)
            z = [mpmath.exp(x - log_sum) for x in h]
            value = sum(c * (log_sum - x) for c, x in zip(counts, h, strict=True) if c)
            return value, [trials * zj - c for c, zj in zip(counts, z, strict=True)]
        y = mpmath.mpf(float(y))
        r = h[0] - y
        if loss.name == "squared":
            return r**2 / 2, [r]
        if loss.name == "absolute":
            return abs(r), [mpmath.sign(r)]
        if loss.name == "huber":
            d = mpmath.mpf(loss.delta)
            return (r**2 / 2, [r]) if abs(r) <= d else (d * (abs(r) - d / 2), [d * mpmath.sign(r)])
        if loss.name == "student_t":
            nu, s = mpmath.mpf(loss.nu), mpmath.mpf(loss.scale)
            log_density = (
                mpmath.loggamma((nu + 1) / 2) - mpmath.loggamma(nu / 2) - mpmath.log(s * mpmath.sqrt(nu * mpmath.pi))
                - (nu + 1) / 2 * mpmath.log1p(r**2 / (nu * s**2))
            )  # fmt: skip
            return -log_density, [(nu + 1) * r / (nu * s**2 + r**2)]
        if loss.name == "logistic":
            t = 1 - 2 * y
            return mpmath.log1p(mpmath.exp(t * h[0])), [t / (1 + mpmath.exp(-t * h[0]))]
        raise AssertionError(f"no oracle for loss {loss.name}")


def extremes(loss):
    """(h, y) samples from the edge of what floats hold to the middle."""
    if loss.target is Target.REAL:
        yield from (([s * r], 0.0) for r in RESIDUALS for s in (1, -1))
        yield from (([1e-3], s * r) for r in (0.1, 7.0, 2e150) for s in (1, -1))
    elif loss.target is Target.BINARY:
        yield from (([s * r], y) for r in [*RESIDUALS, 36.0, 700.0, 745.0, 1e308] for s in (1, -1) for y in (0.0, 1.0))
    else:
        rows = [
            [0, 0, 0], [1e-8, 0, -1e-8], [1, 2, 3], [40, 0, 1], [-40, 38, 39], [700, -700, 0], [1e308, 0, -0.5e308],
            [-1e308, -1e308, -1e308], [1e308, 1e308, 1e308], [1e308, 9e307, 3], [0.1, 745, 0.2], [3, 3 - 1e-12, -7],
        ]  # fmt: skip
        for h in rows:
            if loss.target is Target.CLASS:
                yield from ((h, y) for y in range(3))
            else:
                yield from ((h, y) for y in ([1, 0, 0], [0, 1, 0], [0, 0, 1], [2, 3, 0], [1, 1, 5], [0, 0, 0]))


@pytest.mark.parametrize("nu", [3.0, 63.9, 64.1, 300.0, 1e5, 1e12, 1e15, 1e30, 1e307])
def test_student_t_of_many_degrees_of_freedom_is_the_gaussian(nu):
    """Its constant is a difference of logarithms of Γ, each far larger than itself."""
    h, loss = np.array([0.0, 0.3, -2.0, 30.0]), losses.StudentT(nu, 1.5)
    if nu < 1e20:  # mpmath has 50 digits
        expected = [float(mp_loss(loss, [each], 0.0)[0]) for each in h]
    else:
        expected = -scipy.stats.norm.logpdf(h, scale=1.5)
    np.testing.assert_allclose(loss.values(h, np.zeros(4)), expected, rtol=1e-13)


@pytest.mark.parametrize("loss", [losses.StudentT(1e80), losses.StudentT(scale=1e-50), losses.Huber(1e-50)])
def test_parameters_beyond_float32_are_refused(loss):
    with pytest.raises(
        ValueError, match=rf"^loss: {type(loss).__name__}\(.* is beyond the range of float32; should have"
    ):
        loss.values(np.zeros(3, np.float32), np.zeros(3, np.float32))
    assert np.isfinite(loss.values(np.zeros(3), np.ones(3))).all()


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("parameters", [0, 1], ids=["defaults", "other parameters"])
def test_extreme_arguments_against_mpmath(name, parameters):
    others = {
        "huber": losses.Huber(0.03), "student_t": losses.StudentT(1.5, 20.0), "multinomial": losses.Multinomial(9),
    }  # fmt: skip
    loss = others[name] if parameters and name in others else losses.named(name)
    for h, y in extremes(loss):
        value, delta = mp_loss(loss, h, y)
        targets = np.array([y], np.int64 if loss.target is Target.CLASS else float)
        got = loss.values(np.array([h], float), targets)[0]
        got_delta = loss.deltas(np.array([h], float), targets)[0]
        # a value can be a difference (student_t's constant and logarithm): relative to its largest term, which is ≥ 1 there
        scale = max(abs(value), 1) if name == "student_t" else max(abs(value), TINY[np.dtype(float)])
        if abs(value) <= np.finfo(float).max:
            assert abs(got - value) <= 1e-14 * scale + TINY[np.dtype(float)], (h, y, got, value)
        else:
            assert got == np.inf
        for j, expected in enumerate(delta):
            cancels = name == "multinomial" and np.count_nonzero(y) != 1  # N z − c is a true difference
            size = max(abs(expected), float(sum(y)) if cancels else TINY[np.dtype(float)])
            assert abs(got_delta[j] - expected) <= 1e-14 * size + TINY[np.dtype(float)], (
                h,
                y,
                j,
                got_delta[j],
                expected,
            )


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", LOSSES)
def test_values_and_deltas_against_the_notes(name, dtype):
    p = problem(name, dtype=dtype)
    H = (p.rows @ p.theta64).astype(dtype)
    values, deltas = naive.losses_and_deltas(name, H.astype(float), p.y)
    tolerance = 1e-12 if dtype == np.float64 else 1e-5
    assert relative_error(p.objective.loss.values(H, p.y), values) <= tolerance
    assert relative_error(p.objective.loss.deltas(H, p.y), deltas) <= tolerance


H1 = np.linspace(-9, 9, 61)
Y1 = np.full(61, 0.25)


def test_scipy_agrees():
    r = H1 - Y1
    np.testing.assert_allclose(losses.Huber(1.1).values(H1, Y1), scipy.special.huber(1.1, r), rtol=1e-12)
    np.testing.assert_allclose(losses.StudentT(3, 2).values(H1, Y1), -scipy.stats.t.logpdf(r, 3, scale=2), rtol=1e-12)
    laplace = -scipy.stats.laplace.logpdf(r) - np.log(2)
    np.testing.assert_allclose(losses.Absolute().values(H1, Y1), laplace, rtol=1e-12)
    gaussian = -scipy.stats.norm.logpdf(r) - 0.5 * np.log(2 * np.pi)
    np.testing.assert_allclose(losses.Squared().values(H1, Y1), gaussian, rtol=1e-12, atol=1e-14)
    ones = np.ones(61)
    np.testing.assert_allclose(losses.Logistic().values(H1, ones), -scipy.special.log_expit(H1), rtol=1e-12)
    np.testing.assert_allclose(losses.Logistic().deltas(H1, ones), -scipy.special.expit(-H1), rtol=1e-12)
    H = np.random.default_rng(0).normal(0, 4, (40, 6))
    y = np.arange(40) % 6
    log_z = scipy.special.log_softmax(H, axis=1)
    np.testing.assert_allclose(losses.Softmax().values(H, y), -log_z[np.arange(40), y], rtol=1e-12)
    counts = np.random.default_rng(1).integers(0, 5, (40, 6)).astype(float)
    np.testing.assert_allclose(losses.Multinomial(30).values(H, counts), -(counts * log_z).sum(1), rtol=1e-12)


def test_scikit_learn_agrees_on_cross_entropy():
    H = np.random.default_rng(0).normal(0, 2, (50, 4))
    y = np.arange(50) % 4
    expected = sklearn.metrics.log_loss(y, scipy.special.softmax(H, axis=1))
    assert losses.Softmax().values(H, y).mean() == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("dtype", DTYPES)
def test_pytorch_agrees_on_values_and_gradients(dtype):
    torch = pytest.importorskip("torch", reason="needs PyTorch: pip install -e '.[peers]'")
    F = torch.nn.functional
    rng = np.random.default_rng(0)
    h, y = rng.normal(0, 3, 80).astype(dtype), rng.normal(0, 3, 80).astype(dtype)
    H, labels = rng.normal(0, 3, (80, 5)).astype(dtype), rng.integers(0, 5, 80)
    binary = (y > 0).astype(dtype)
    cases = [
        (losses.Squared(), h, y, lambda a, b: F.mse_loss(a, b, reduction="none") / 2),
        (losses.Absolute(), h, y, lambda a, b: F.l1_loss(a, b, reduction="none")),
        (losses.Huber(0.7), h, y, lambda a, b: F.huber_loss(a, b, reduction="none", delta=0.7)),
        (losses.StudentT(4, 2), h, y, lambda a, b: -torch.distributions.StudentT(4.0, b, 2.0).log_prob(a)),
        (losses.Logistic(), h, binary, lambda a, b: F.binary_cross_entropy_with_logits(a, b, reduction="none")),
        (losses.Softmax(), H, labels, lambda a, b: F.cross_entropy(a, b, reduction="none")),
    ]
    tolerance = 1e-12 if dtype == np.float64 else 1e-5
    for loss, logits, target, reference in cases:
        a = torch.tensor(logits, requires_grad=True)
        value = reference(a, torch.tensor(target))
        value.sum().backward()
        assert relative_error(loss.values(logits, target), value.detach().numpy()) <= tolerance, loss
        assert relative_error(loss.deltas(logits, target), a.grad.numpy()) <= tolerance, loss


@pytest.mark.parametrize("name", LOSSES)
def test_delta_is_the_derivative_of_value(name):
    """Central differences, away from the kinks: no value and delta can disagree."""
    p = problem(name, m=40)
    loss, H = p.objective.loss, p.rows @ p.theta64
    step = 1e-6
    for j in range(H.shape[1]):
        up, down = H.copy(), H.copy()
        up[:, j] += step
        down[:, j] -= step
        slope = (loss.values(up, p.y) - loss.values(down, p.y)) / (2 * step)
        np.testing.assert_allclose(loss.deltas(H, p.y)[:, j], slope, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", LOSSES)
def test_curvature_bounds_the_second_derivative(name):
    """The largest eigenvalue of ∂δ/∂h, by differences over many h, stays below the bound and comes near it."""
    p = problem(name, m=2000, k=2)
    loss = losses.Multinomial(5) if name == "multinomial" else p.objective.loss
    if not np.isfinite(loss.curvature):
        assert name == "absolute"
        return
    H = p.rows @ p.theta64
    H[:300] = 0  # equal logits: the most curved point of softmax, logistic and, with y = 0, student_t
    y = p.y.copy()
    if loss.target is Target.REAL:
        y[:300] = 0
    step = 1e-5
    hessian = np.empty((len(H), H.shape[1], H.shape[1]))
    for j in range(H.shape[1]):
        up, down = H.copy(), H.copy()
        up[:, j] += step
        down[:, j] -= step
        hessian[:, :, j] = (loss.deltas(up, y) - loss.deltas(down, y)) / (2 * step)
    largest = np.abs(np.linalg.eigvalsh((hessian + hessian.transpose(0, 2, 1)) / 2)).max()
    assert 0.99 * loss.curvature <= largest <= 1.0001 * loss.curvature


def test_multinomial_with_one_trial_is_softmax():
    H = np.random.default_rng(0).normal(0, 5, (60, 4))
    y = np.arange(60) % 4
    np.testing.assert_allclose(
        losses.Multinomial().values(H, naive.onehot(y, 4)), losses.Softmax().values(H, y), rtol=1e-15
    )
    np.testing.assert_allclose(
        losses.Multinomial().deltas(H, naive.onehot(y, 4)), losses.Softmax().deltas(H, y), rtol=1e-15
    )


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: losses.Huber(delta=0), "delta: 0; should be a finite number above 0"),
        (lambda: losses.StudentT(nu=-1), "nu: -1; should be"),
        (lambda: losses.StudentT(scale=float("nan")), "scale: nan; should be"),
        (lambda: losses.Multinomial(trials=0), "trials: 0; should be"),
        (lambda: losses.named("hubr"), "loss: 'hubr'; should be one of absolute, huber, logistic"),
    ],
)
def test_bad_parameters_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
