"""The door refuses bad input with a ValueError that names the argument, what it is and what it should be."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse
from problems import LOSSES
from refusals import ARGUMENTS, BAD_LABELS, METHODS, ONE_OUTPUT, call, case, refused, spoiled

from kernels import losses
from kernels.losses import Target

# Shapes and dtypes


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("X", [3.0, [1.0, 2.0], np.ones((2, 3, 4))], ids=["0-d", "1-d", "3-d"])
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


@pytest.mark.parametrize("argument", ["X", "y", "theta"])
def test_none_is_no_array(argument, layout):
    f, good = case("squared", layout)
    with refused(f"{argument}: None; should be an array"):
        call(f, "value_and_grad", {**good, argument: None})


@pytest.mark.parametrize("argument", ["X", "theta"])
def test_a_sparse_matrix_is_named(argument, layout):
    f, good = case("squared", layout)
    with refused(f"{argument}: a sparse csr_array; should be dense, as its toarray() is"):
        call(
            f,
            "value_and_grad",
            {**good, argument: scipy.sparse.csr_array(good[argument].reshape(len(good[argument]), -1))},
        )


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
    should = "an integer type such as int64" if f.loss.target is Target.CLASS else "float64"
    with refused(f"y: {y.dtype}; should be {should}, {f.loss.target.value}"):
        f.value_and_grad(good["X"], y, good["theta"])


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
        with refused(f"y: {dtype}; should be an integer type such as int64, classes 0..k-1"):
            f.value_and_grad(good["X"], (good["y"] % 2).astype(dtype), good["theta"])
    with refused("y: 18446744073709551615 at [0]; should be integers in 0..4"):
        f.value_and_grad(good["X"], np.full(131, 2**64 - 1, np.uint64), good["theta"])


def test_a_target_too_big_for_float32(layout):
    f, good = case("squared", layout, np.float32)
    with refused("y: 1e+300 at [65]; should be small enough for float32, as X is"):
        f.value_and_grad(good["X"], spoiled(good["y"], 65, 1e300), good["theta"])


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
        ([], "order: empty; should visit at least one of the samples 0..130"),
        (np.empty(0, int), "order: empty; should visit at least one of the samples 0..130"),
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
    with refused("theta: read-only; should be a writable array, since it changes in place"):
        call(f, "sgd_epoch", good)
