"""The door refuses bad input with a ValueError that names the argument, what it is and what it should be."""

from __future__ import annotations

import dataclasses
import re

import numpy as np
import pytest
from problems import DTYPES, LOSSES, problem

from kernels import Objective, layouts, losses, noises, sums
from kernels.losses import Target

ARGUMENTS = {
    "forward": ("X", "theta"),
    "value_and_grad": ("X", "y", "theta"),
    "sgd_epoch": ("X", "y", "theta"),
    "gradient": ("X", "delta"),
}
METHODS = list(ARGUMENTS)
ONE_OUTPUT = [name for name, loss in losses.ALL.items() if loss.target in (Target.REAL, Target.BINARY)]
NOT_FINITE = [np.nan, np.inf, -np.inf]


def case(loss, layout="rows", dtype=np.float64, m=131, n=3, **sizes):
    """An objective, which has had a good call already, and good arguments for each of its methods."""
    p = problem(loss, layout, dtype, m=m, n=n, **sizes)
    p.objective.value_and_grad(p.X, p.y, p.theta)  # from the second call on there is a quicker road
    delta = np.random.default_rng(1).standard_normal((m, p.theta.shape[1])).astype(dtype)
    return p.objective, {"X": p.X, "y": p.y, "theta": p.theta, "delta": p.objective.layout.arrange(delta)}


def call(objective, method, arguments, **others):
    chosen = {name: arguments[name] for name in ARGUMENTS[method]}
    if method == "sgd_epoch":
        chosen |= {"batch_size": 50, "step_size": 0.1}
    return getattr(objective, method)(**{**chosen, **others})


def spoiled(array, position, value):
    """A copy with one entry replaced: as floats, for integers hold no NaN."""
    copy = np.array(array, np.result_type(array, np.float32))
    copy.reshape(-1)[position] = value
    return copy


def refused(message):
    return pytest.raises(ValueError, match=re.escape(message))


# Shapes and dtypes


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("X", [3.0, [1.0, 2.0], np.ones((2, 3, 4)), None], ids=["0-d", "1-d", "3-d", "None"])
def test_x_has_two_axes(method, X, layout):
    f, good = case("squared", layout)
    with refused(f"X: shape {np.shape(X)}; should be 2-d"):
        call(f, method, {**good, "X": X})


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("dtype", ["int64", "float16", "longdouble", "complex128", "bool", "object", ">f8", "U3"])
def test_x_is_float32_or_float64(method, dtype, layout):
    f, good = case("squared", layout)
    with refused(f"X: {np.dtype(dtype)}; should be float32 or float64"):
        call(f, method, {**good, "X": good["X"].astype(dtype)})


@pytest.mark.parametrize(
    ("method", "argument"), [(m, a) for m in METHODS for a in ("theta", "delta") if a in ARGUMENTS[m]]
)
@pytest.mark.parametrize("dtype", ["float32", "float16", "int64", "complex128"])
def test_theta_and_delta_have_the_dtype_of_x(method, argument, dtype, layout):
    f, good = case("squared", layout)
    with refused(f"{argument}: {dtype}; should be float64, like X"):
        call(f, method, {**good, argument: good[argument].astype(dtype)})


def test_x_and_theta_may_not_mix_the_other_way_either(layout):
    f, good = case("softmax", layout, np.float32)
    with refused("theta: float64; should be float32, like X"):
        f.forward(good["X"], good["theta"].astype(np.float64))


@pytest.mark.parametrize("method", ["forward", "value_and_grad", "sgd_epoch"])
def test_theta_has_one_or_two_axes(method, layout):
    f, good = case("softmax", layout)
    for theta in (np.array(1.0), np.ones((3, 5, 1))):
        with refused(f"theta: shape {theta.shape}; should be 1-d or 2-d"):
            call(f, method, {**good, "theta": theta})


@pytest.mark.parametrize("method", ["forward", "value_and_grad", "sgd_epoch"])
def test_theta_has_a_row_for_each_feature(method, layout):
    f, good = case("softmax", layout)
    where = f"X {good['X'].shape} in layout {layout} has 3 features"
    with refused(f"theta: shape (4, 5); should be (3, 5), since {where}"):
        call(f, method, {**good, "theta": np.ones((4, 5))})
    with refused(f"theta: shape (131,); should be (3,), since {where}"):
        call(f, method, {**good, "theta": np.ones(131)})


def test_the_other_layouts_x_is_found_out(layout):
    """The commonest slip: X transposed. Its features are then not those of θ."""
    f, good = case("softmax", layout)
    with refused("theta: shape (3, 5); should be (131, 5)"):
        f.value_and_grad(good["X"].T, good["y"], good["theta"])


@pytest.mark.parametrize("loss", ONE_OUTPUT)
@pytest.mark.parametrize("method", ["value_and_grad", "sgd_epoch"])
def test_a_loss_of_one_output_takes_one_column_of_theta(loss, method, layout):
    f, good = case(loss, layout)
    with refused(f"theta: 2 columns; should have one, for loss {loss}"):
        call(f, method, {**good, "theta": np.ones((3, 2))})


@pytest.mark.parametrize("method", METHODS)
def test_an_empty_batch_or_no_features(method, layout):
    f, good = case("squared", layout)
    for rows in (np.ones((0, 3)), np.ones((131, 0)), np.ones((0, 0))):
        X = f.layout.arrange(rows)
        with refused(f"X: empty, shape {X.shape}; should have at least one sample and one feature"):
            call(f, method, {**good, "X": X})


@pytest.mark.parametrize("method", ["forward", "value_and_grad", "sgd_epoch"])
def test_theta_without_outputs(method, layout):
    f, good = case("softmax", layout)
    with refused("theta: empty, shape (3, 0)"):
        call(f, method, {**good, "theta": np.ones((3, 0))})


def test_delta_has_a_row_for_each_sample(layout):
    f, good = case("softmax", layout)
    short, right = f.layout.shape(130, 5), f.layout.shape(131, 5)
    with refused(f"delta: shape {short}; should be {right}, for 131 samples"):
        f.gradient(good["X"], np.ones(short))
    with refused("delta: shape (7,); should be (131,), for 131 samples"):
        f.gradient(good["X"], np.ones(7))
    with refused("delta: shape (131,); should be (2,), for 2 samples"):
        f.gradient(good["X"], np.ones(131), order=[4, 4])


def test_a_ragged_list_is_no_array(layout):
    f, good = case("squared", layout)
    ragged = [[1.0, 2.0], [3.0]]
    for method, argument in (
        ("value_and_grad", "X"),
        ("value_and_grad", "y"),
        ("forward", "theta"),
        ("gradient", "delta"),
    ):
        with refused(f"{argument}: "):
            call(f, method, {**good, argument: ragged})
    with refused("order: "):
        f.forward(good["X"], good["theta"], order=ragged)


# Targets


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("method", ["value_and_grad", "sgd_epoch"])
def test_y_has_the_shape_that_the_loss_takes(loss, method, layout):
    f, good = case(loss, layout)
    m, kind = 131, f.loss.target.value
    should = (m, 5) if f.loss.target is Target.COUNTS else (m,)
    wrong = [good["y"][:-1], good["y"][..., None], np.array(0), good["y"].T[:1]]
    for y in wrong:
        with refused(f"y: shape {y.shape}; should be {should}, {kind} for {m} samples"):
            call(f, method, {**good, "y": y})


def test_counts_lie_as_samples_in_rows_in_both_layouts(layout):
    f, good = case("multinomial", layout)
    with refused("y: shape (5, 131); should be (131, 5)"):
        f.value_and_grad(good["X"], good["y"].T, good["theta"])


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("dtype", ["complex128", "U3", "object", "datetime64[s]"])
def test_y_is_of_a_kind_that_the_loss_takes(loss, dtype, layout):
    f, good = case(loss, layout)
    y = good["y"].astype("i8").astype(dtype)
    should = "int64" if f.loss.target is Target.CLASS else "float64"
    with refused(f"y: {y.dtype}; should be {should}, {f.loss.target.value}"):
        f.value_and_grad(good["X"], y, good["theta"])


BAD_LABELS = {
    Target.CLASS: [
        (-1, "y: -1 at [65]; should be integers in 0..4"),
        (5, "y: 5 at [65]; should be integers in 0..4"),
        (2**62, "y: 4611686018427387904 at [65]; should be integers in 0..4"),
    ],
    Target.BINARY: [
        (bad, f"y: {float(bad)} at [65]; should be 0 or 1") for bad in (0.5, -1, 2, 1e-300, np.nan, np.inf)
    ],
    Target.COUNTS: [(bad, f"y: {float(bad)} at [13, 0]; should be counts of 0 or more") for bad in (-1, -0.5, np.nan)],
    Target.REAL: [],  # any finite number will do
}


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("method", ["value_and_grad", "sgd_epoch"])
def test_labels_out_of_range(loss, method, layout):
    f, good = case(loss, layout)
    for bad, message in BAD_LABELS[f.loss.target]:
        y = good["y"].copy()
        y.reshape(-1)[65] = bad
        with refused(message):
            call(f, method, {**good, "y": y})


@pytest.mark.parametrize("loss", [name for name, loss in losses.ALL.items() if loss.target is Target.CLASS])
def test_classes_are_integers(loss, layout):
    f, good = case(loss, layout)
    for dtype in ("float64", "float32", "bool"):
        with refused(f"y: {dtype}; should be int64, classes 0..k-1"):
            f.value_and_grad(good["X"], (good["y"] % 2).astype(dtype), good["theta"])
    with refused("y: 18446744073709551615 at [0]; should be integers in 0..4"):
        f.value_and_grad(good["X"], np.full(131, 2**64 - 1, np.uint64), good["theta"])


def test_a_target_too_big_for_float32(layout):
    f, good = case("squared", layout, np.float32)
    with refused("y: inf at [65]; should be finite"):
        f.value_and_grad(good["X"], spoiled(good["y"], 65, 1e300), good["theta"])


# NaN and infinity


@pytest.mark.parametrize(("method", "argument"), [(m, a) for m in METHODS for a in ARGUMENTS[m]])
@pytest.mark.parametrize("loss", LOSSES)
def test_nan_and_infinity_are_refused_by_name(loss, layout, method, argument):
    f, good = case(loss, layout)
    for bad in NOT_FINITE:
        for position in (0, good[argument].size // 2, -1):
            array = spoiled(good[argument], position, bad)
            before = good["theta"].copy()
            if argument == "y" and f.loss.target is not Target.REAL:
                message = "^y: "  # refused as a label, as shown above
            else:
                at = [int(i[0]) for i in np.nonzero(~np.isfinite(array))]
                message = f"^{re.escape(f'{argument}: {bad} at {at}; should be finite')}$"
            with pytest.raises(ValueError, match=message):
                call(f, method, {**good, argument: array})
            np.testing.assert_array_equal(good["theta"], before)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("zeros", [False, True], ids=["random theta", "theta = 0"])
@pytest.mark.parametrize("loss", LOSSES)
def test_one_bad_number_anywhere_in_x_is_found(loss, layout, dtype, zeros):
    """Whatever the loss makes of it, 0 · NaN and 0 · ∞ are NaN: it reaches the gradient, and θ stays as it was."""
    f, good = case(loss, layout, dtype)
    if zeros:
        good |= {"theta": np.zeros_like(good["theta"]), "delta": np.zeros_like(good["delta"])}
    theta = good["theta"].copy()
    for bad in NOT_FINITE:
        for position in (0, good["X"].size // 2, -1):
            X = spoiled(good["X"], position, bad)
            for method in METHODS:
                with refused(f"X: {bad} at "):
                    call(f, method, {**good, "X": X, "theta": theta})
                np.testing.assert_array_equal(theta, good["theta"])


@pytest.mark.parametrize("loss", LOSSES)
def test_every_position_of_a_small_x(loss, layout):
    f, good = case(loss, layout, m=9, n=2)
    for position in range(18):
        X = spoiled(good["X"], position, np.nan)
        theta = good["theta"].copy()
        with refused(f"X: nan at {[int(i) for i in np.unravel_index(position, X.shape)]}; should be finite"):
            f.sgd_epoch(X, good["y"], theta, batch_size=4, step_size=0.1)
        np.testing.assert_array_equal(theta, good["theta"])


@pytest.mark.parametrize("loss", LOSSES)
def test_a_bad_number_in_any_partial_sum_is_found(loss, layout):
    n = 64
    m = 5 * sums.WORK_PER_PARTIAL // n
    f, good = case(loss, layout, m=m, n=n, k=2)
    assert sums.partials(m, n, good["theta"].shape[1], good["X"].itemsize) >= 4
    for position in np.linspace(0, m * n - 1, 5).astype(int):
        with refused("X: nan at "):
            f.value_and_grad(spoiled(good["X"], position, np.nan), good["y"], good["theta"])


def test_an_infinity_that_saturates_the_loss_is_still_found(layout):
    """log(1 + e^−∞) = 0 and δ = 0, but δ · ∞ is NaN."""
    f = Objective("logistic", layout)
    X = f.layout.arrange(np.array([[np.inf]]))
    with refused("X: inf at [0, 0]; should be finite"):
        f.value_and_grad(X, [0.0], np.array([-1.0]))


@pytest.mark.parametrize("loss", LOSSES)
def test_an_overflow_of_finite_data_is_not_blamed_on_them(loss, layout):
    f, good = case(loss, layout)
    big = np.finfo(float).max
    H = f.forward(np.full_like(good["X"], big), np.full_like(good["theta"], 2.0))
    assert (np.inf == H).all()
    value, grad = f.value_and_grad(np.full_like(good["X"], big), good["y"], np.full_like(good["theta"], 2.0))
    assert not (np.isfinite(value) and np.isfinite(grad).all())
    assert not np.isfinite(f.gradient(np.full_like(good["X"], big), np.ones_like(good["delta"]))).any()


@pytest.mark.parametrize("loss", LOSSES)
def test_a_bad_sample_that_is_not_visited_does_no_harm(loss, layout):
    f, good = case(loss, layout)
    X = spoiled(good["X"], 0, np.nan)
    value, _ = f.value_and_grad(X, good["y"], good["theta"], order=np.arange(1, 131))
    assert np.isfinite(value)


# Order, batch and step


@pytest.mark.parametrize("method", ["forward", "value_and_grad", "sgd_epoch"])
@pytest.mark.parametrize(
    ("order", "message"),
    [
        ([0, 131], "order: 131; should be in 0..130, for 131 samples"),
        ([-1, 0], "order: -1; should be in 0..130, for 131 samples"),
        (np.array([2**64 - 1], np.uint64), "order: 18446744073709551615; should be in 0..130"),
        ([0.0, 1.0], "order: float64 of shape (2,); should be a 1-d array of integers in 0..130"),
        ([True, False], "order: bool of shape (2,); should be"),
        ([[0, 1]], "order: int64 of shape (1, 2); should be"),
        (3, "order: int64 of shape (); should be"),
        ([], "order: float64 of shape (0,); should be"),
        (np.empty(0, int), "order: int64 of shape (0,); should be"),
        ("abc", "order: <U3 of shape (); should be"),
        ([10**30], "order: object of shape (1,); should be"),
    ],
)
def test_order_lists_samples(method, order, message, layout):
    f, good = case("squared", layout)
    with refused(message):
        call(f, method, good, order=order)
    with refused(message):
        f.gradient(good["X"], np.ones(f.layout.shape(max(np.size(order), 1), 1)), order=order)


@pytest.mark.parametrize("batch_size", [0, -1, 1.5, True, np.nan, "10", None, np.float64(10)])
def test_batch_size_is_a_whole_number(batch_size, layout):
    f, good = case("squared", layout)
    with refused(f"batch_size: {batch_size!r}; should be a whole number of at least 1"):
        call(f, "sgd_epoch", good, batch_size=batch_size)


@pytest.mark.parametrize("step_size", [0, -1, np.nan, np.inf, "a", None, 1j, [0.1], 10**400])
def test_step_size_is_a_finite_number_above_zero(step_size, layout):
    f, good = case("squared", layout)
    with refused(f"step_size: {step_size!r}; should be a finite number above 0"):
        call(f, "sgd_epoch", good, step_size=step_size)


def test_theta_of_an_epoch_can_be_written_to(layout):
    f, good = case("squared", layout)
    with refused("theta: a list; should be a writable array, since it changes in place"):
        call(f, "sgd_epoch", {**good, "theta": good["theta"].tolist()})
    good["theta"].setflags(write=False)
    with refused("theta: a ndarray; should be a writable array, since it changes in place"):
        call(f, "sgd_epoch", good)


# Names, objects and parameters


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Objective("hubr"), f"loss: 'hubr'; should be one of {', '.join(losses.ALL)}, or a Loss object"),
        (
            lambda: Objective(losses.Huber),
            "loss: <class 'kernels.losses.huber.Huber'>; should be a name or a Loss object",
        ),
        (lambda: Objective(None), "loss: None; should be a name or a Loss object"),
        (
            lambda: Objective("huber", "row"),
            f"layout: 'row'; should be one of {', '.join(layouts.ALL)}, or a Layout object",
        ),
        (
            lambda: Objective("huber", layouts.Rows),
            "layout: <class 'kernels.layouts.rows.Rows'>; should be a name or a Layout",
        ),
        (lambda: Objective("huber", 1), "layout: 1; should be a name or a Layout object"),
        (
            lambda: noises.named("normal"),
            f"noise: 'normal'; should be one of {', '.join(noises.ALL)}, or a Noise object",
        ),
        (lambda: noises.Contaminated(share=1), "share: 1; should be between 0 and 1"),
        (lambda: noises.Multinomial(trials=1.5), "trials: 1.5; should be a whole number of at least 1"),
    ],
)
def test_unknown_names_and_objects(make, message):
    with refused(message):
        make()


@pytest.mark.parametrize(
    ("kind", "field"),
    [
        pytest.param(kind, field.name, id=f"{room}-{name}-{field.name}")
        for room, kinds in (("loss", losses.ALL), ("noise", noises.ALL))
        for name, kind in kinds.items()
        for field in dataclasses.fields(kind)
    ],
)
@pytest.mark.parametrize("bad", [0, -1, np.nan, np.inf, "a", None, 1j, [1.0, 2.0]], ids=repr)
def test_every_parameter_is_checked(kind, field, bad):
    with refused(f"{field}: {bad}; should be"):
        kind(**{field: bad})


@pytest.mark.parametrize("method", ["values", "deltas"])
@pytest.mark.parametrize("name", LOSSES)
def test_values_and_deltas_refuse_as_the_door_does(name, method):
    p = problem(name, m=20)
    loss, H, y = p.objective.loss, p.rows @ p.theta64, p.y
    evaluate = getattr(loss, method)
    for h, message in (
        (1.0, "h: shape (); should be 1-d or 2-d"),
        (H[None], f"h: shape {(1, *H.shape)}; should be 1-d or 2-d"),
        (H.astype(int), "h: int64; should be float32 or float64"),
        (H.astype(np.float16), "h: float16; should be float32 or float64"),
        (H[:0], f"h: empty, shape {H[:0].shape}; should have at least one sample"),
        (H[:-1], "y: shape "),
    ):
        with refused(message):
            evaluate(h, y)
    for bad in NOT_FINITE:
        with refused(f"h: {bad} at [10, 0]; should be finite"):
            evaluate(spoiled(H, 10 * H.shape[1], bad), y)
        with refused("y: "):
            evaluate(H, spoiled(y, 3, bad))
    for bad, message in BAD_LABELS[loss.target]:
        labels = np.array(y)
        labels.reshape(-1)[0] = bad
        with refused(re.sub(r" at .*?\]", f" at {[0] * y.ndim}", message)):
            evaluate(H, labels)
    if name in ONE_OUTPUT:
        with refused(f"h: 2 columns; should have one, for loss {name}"):
            evaluate(np.ones((20, 2)), y)
