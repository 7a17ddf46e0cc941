"""Training: the course's table, both layouts, other libraries' optima, divergence, targets and orders."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import scipy.optimize
import sklearn.linear_model
import statsmodels.api as sm

from experiments import backends
from experiments.backends.numba import Numba
from experiments.backends.sklearn import Sklearn
from experiments.claims import train as claims_train
from experiments.data import BreastCancer, Diabetes, Digits, Mnist, Synthetic
from experiments.train import Train, distance, error, probe
from harness.contract import WHOLE_RUN
from kernels import Objective, layouts, losses, noises
from kernels.losses import Target

MNIST = Path(__file__).parents[3] / "shared" / "data" / "mnist"
needs_mnist = pytest.mark.skipif(not MNIST.is_dir(), reason="needs MNIST in ../shared/data/mnist")

PLAIN = Train(
    data=Synthetic(noise=noises.Gaussian(), samples=300, features=4, test_share=0.2),
    loss=losses.Squared(),
    layout=layouts.Rows(),
    backend=Numba,
    epochs=3,
)


def train(**changes):
    return dataclasses.replace(PLAIN, **changes)


def table(experiment):
    """The rows of a run as a frame, one row a step."""
    experiment.check()
    steps: dict[int, dict[str, float]] = {}
    for row in experiment.run():
        steps.setdefault(row.step, {}).update(row.metrics)
    return pd.DataFrame(steps).T


def last(experiment):
    return table(experiment).iloc[-1]


@needs_mnist
@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_courses_table_in_both_layouts(dtype):
    """Both rows of the published table to the last printed digit, and the two trajectories together all the way."""
    runs = {}
    for layout in (layouts.Rows(), layouts.Columns()):
        runs[layout.name] = table(
            train(
                data=Mnist(root=str(MNIST)), loss=losses.Softmax(), layout=layout, dtype=dtype, batch_size=100,
                step_size=0.2, order="sequential", epochs=10,
            )
        )  # fmt: skip
        published = claims_train.REGRESSION
        measured = runs[layout.name].loc[published.index, list(published.columns)]
        pd.testing.assert_frame_equal(measured.round(5), published, check_names=False)
    a, b = runs["rows"], runs["columns"]
    allowed = claims_train.AGREEMENT[dtype]
    for metric in claims_train.TRAJECTORY:
        assert (abs(a[metric] - b[metric]) / abs(a[metric])).max() <= allowed
    assert (abs(a["train/theta_probe"] - b["train/theta_probe"]) / a["train/theta_norm"]).max() <= allowed


@needs_mnist
@pytest.mark.slow
@pytest.mark.parametrize("layout", layouts.ALL)
def test_the_courses_network_in_both_layouts(layout):
    """784-100-10 by automatic differentiation in float64, one epoch: the published weights and loss to their last digits."""
    e = train(
        data=Mnist(root=str(MNIST)), loss=losses.Softmax(), layout=layouts.named(layout), batch_size=100, step_size=0.2,
        order="sequential", epochs=1, model="mlp",
    )  # fmt: skip
    found = table(e).loc[0]
    assert round(found["train/weight1_norm"], 6) == 28.437788
    assert round(found["train/weight2_norm"], 6) == 10.455095
    assert round(found["train/loss"], 5) == 0.19770
    assert abs(found["train/error"] - 0.06007) < 4 / 60_000  # a few labels turn with rounding: PyTorch has 3,606 wrong


def assert_converged_to(experiment, theta, tolerance):
    """The run ends at θ, as its norm, a random direction and the loss show (softmax: up to what it can't see)."""
    at_end = last(experiment)
    p = experiment._prepared()
    assert at_end["train/theta_norm"] == pytest.approx(np.linalg.norm(theta), rel=tolerance)
    assert abs(at_end["train/theta_probe"] - np.sum(theta * probe(theta.shape))) <= tolerance * 10 * np.linalg.norm(
        theta
    )
    theirs = Objective(experiment.loss).value_and_grad(p.X, p.y, theta)[0]
    assert at_end["train/loss"] == pytest.approx(theirs, rel=1e-9)


def test_squared_loss_converges_to_ordinary_least_squares():
    # the blood counts of `diabetes` are nearly collinear: λmin = 0.009 of λmax = 4, so it takes many steps
    data = Diabetes(standardize=True, bias=True)
    d = data.load(0)
    theirs = sklearn.linear_model.LinearRegression(fit_intercept=False).fit(d.X, d.y).coef_
    assert_converged_to(train(data=data, batch_size=None, step_size=0.48, epochs=4000), theirs[:, None], 1e-6)


def test_logistic_loss_converges_to_statsmodels_logit():
    data = Synthetic(noise=noises.Bernoulli(), samples=400, features=5)
    d = data.load(0)
    theirs = sm.Logit(d.y, d.X).fit(disp=0, tol=1e-12, method="newton").params
    assert_converged_to(
        train(data=data, loss=losses.Logistic(), batch_size=None, step_size=4.0, epochs=1000), theirs[:, None], 1e-8
    )


def test_huber_loss_converges_to_scipys_optimum():
    data = Synthetic(noise=noises.StudentT(), samples=400, features=5)
    d = data.load(0)
    theirs = scipy.optimize.minimize(
        lambda t: scipy.special.huber(1.345, d.y - d.X @ t).mean(),
        np.zeros(5),
        jac=lambda t: d.X.T @ np.clip(d.X @ t - d.y, -1.345, 1.345) / 400,
        method="BFGS",
        options={"gtol": 1e-11},
    ).x
    assert_converged_to(
        train(data=data, loss=losses.Huber(), batch_size=None, step_size=0.8, epochs=1000), theirs[:, None], 1e-8
    )


def test_softmax_loss_converges_to_scikit_learns_multinomial_regression():
    data = Synthetic(noise=noises.Categorical(), samples=500, features=4, classes=3)
    d = data.load(0)
    model = sklearn.linear_model.LogisticRegression(C=np.inf, fit_intercept=False, tol=1e-12, max_iter=10000)
    theirs = model.fit(d.X, d.y).coef_.T
    centred = theirs - theirs.mean(axis=1, keepdims=True)  # from θ = 0, gradient descent keeps this mean at 0
    assert_converged_to(
        train(data=data, loss=losses.Softmax(), batch_size=None, step_size=4.0, epochs=1000), centred, 1e-6
    )


def test_metrics_are_those_of_scikit_learn():
    at_end = last(train(data=Digits(test_share=0.3), loss=losses.Softmax(), epochs=5))
    d = Digits(test_share=0.3).load(0)
    theta = np.zeros((64, 10))
    f = Objective("softmax")
    from kernels import stream

    for epoch in range(5):
        f.sgd_epoch(d.X, d.y, theta, 64, 0.1, stream(0, "order", str(epoch)).permutation(len(d.X)))
    predicted = np.argmax(d.X_test @ theta, axis=1)
    assert at_end["test/error"] == pytest.approx(1 - sklearn.metrics.accuracy_score(d.y_test, predicted))
    z = scipy.special.softmax(d.X_test @ theta, axis=1)
    assert at_end["test/loss"] == pytest.approx(sklearn.metrics.log_loss(d.y_test, z, labels=range(10)), rel=1e-10)
    assert at_end["train/theta_norm"] == pytest.approx(np.linalg.norm(theta), rel=1e-12)


def test_error_of_numbers_and_counts():
    H, y = np.array([[1.0], [2.0]]), np.array([1.0, 4.0])
    assert error(H, y, Target.REAL, layouts.Rows()) == pytest.approx(np.sqrt(2))
    assert error(H.T, y, Target.REAL, layouts.Columns()) == pytest.approx(np.sqrt(2))
    assert error(np.array([[1.0], [-2.0]]), np.array([0.0, 0.0]), Target.BINARY, layouts.Rows()) == 0.5
    counts = np.array([[3.0, 1.0], [0.0, 4.0]])
    assert error(np.zeros((2, 2)), counts, Target.COUNTS, layouts.Rows()) == pytest.approx((0.25 + 0.5) / 2)


def test_distance_ignores_what_softmax_cannot_see():
    truth = np.arange(6.0).reshape(3, 2)
    assert distance(truth + np.array([[1.0], [2.0], [3.0]]), truth) == pytest.approx(0, abs=1e-15)
    assert distance(truth[:, :1] + 1, truth[:, :1]) == pytest.approx(np.sqrt(3))


def test_more_training_brings_theta_nearer_to_the_truth():
    near = table(train(epochs=20))["train/theta_error"]
    assert near.iloc[-1] < 0.5 * near.iloc[0]


def test_divergence_is_a_result():
    result = table(train(step_size=50.0, epochs=60))
    assert result["train/diverged"].dropna().tolist() == [1.0]
    assert len(result) < 60
    assert {"time/compute_s", "time/median_epoch_s"} <= set(result.columns)


def test_overflow_is_divergence_too():
    result = table(train(step_size=1e300, epochs=3))
    assert result["train/diverged"].loc[WHOLE_RUN] == 1.0


def test_a_target_ends_the_run_early():
    result = table(train(target_loss=0.7, epochs=200, step_size=0.05, batch_size=60))
    at_end = result.iloc[-1]
    assert at_end["train/loss"] <= 0.7 < result["train/loss"].iloc[-2]
    whole = result.loc[WHOLE_RUN]
    assert whole["train/epochs_to_target"] == len(result)
    assert whole["train/steps_to_target"] == len(result) * 4  # 240 samples in batches of 60
    assert whole["time/to_target_s"] > 0


def test_compute_and_evaluation_are_timed_apart():
    result = table(train())
    assert (result[["time/epoch_s", "time/evaluation_s", "time/reference_s"]] > 0).all().all()
    assert result["time/compute_s"].loc[WHOLE_RUN] == pytest.approx(result["time/epoch_s"].sum())


def test_batch_size_null_is_gradient_descent():
    a, b = table(train(batch_size=None, order="sequential")), table(train(batch_size=240, order="sequential"))
    assert a["train/loss"].tolist() == b["train/loss"].tolist()


def test_same_seed_same_bits_other_seed_other_order():
    def losses_of(seed):
        return table(train(data=Digits(), loss=losses.Softmax(), seed=seed))["train/loss"].tolist()

    assert losses_of(1) == losses_of(1)
    assert losses_of(1) != losses_of(2)


@pytest.mark.parametrize("threads", [1, 2])
def test_same_bits_on_any_number_of_threads(threads):
    e = train(data=Digits(), loss=losses.Softmax(), batch_size=900)
    if threads > 1:
        pytest.importorskip("numba")
        from kernels.threads import available

        if available() < threads:
            pytest.skip("this process has one thread")
    one = table(dataclasses.replace(e, threads=threads))
    assert one["train/theta_probe"].tolist() == table(dataclasses.replace(e, threads=1))["train/theta_probe"].tolist()
    assert dataclasses.replace(e, threads=threads).tags()["threads"] == str(threads)


@pytest.mark.parametrize("name", losses.ALL)
@pytest.mark.parametrize("layout", layouts.ALL)
def test_every_loss_trains_on_a_noise_that_fits(name, layout):
    """A new loss is trained here without an edit: on the first noise that gives targets of its kind."""
    loss = losses.named(name)
    noise = next(n() for n in noises.ALL.values() if n.target is loss.target)
    e = train(
        data=Synthetic(noise=noise, samples=300, features=4), loss=loss, layout=layouts.named(layout), step_size=0.05
    )
    e.warm_up()
    result = table(e)
    assert result["train/loss"].iloc[-1] < result["train/loss"].iloc[0]
    assert result["train/diverged"].loc[WHOLE_RUN] == 0


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"loss": losses.Softmax()}, "loss=softmax takes classes .* use loss=absolute or loss=huber"),
        ({"data": Digits()}, "loss=squared takes real numbers, but the data .* use loss=softmax"),
        ({"data": BreastCancer(), "loss": losses.Huber()}, "use loss=logistic"),
        ({"threads": 10**6}, r"threads: 1000000; should be in 1\.\."),
        ({"backend": Sklearn}, r"backend: sklearn has no forward pass of its own, NumPy does it; should be numpy"),
    ],
)
def test_what_makes_no_sense_is_refused_before_it_runs(changes, message):
    with pytest.raises(ValueError, match=message):
        train(**changes).check()


def test_softmax_takes_two_classes():
    e = train(data=BreastCancer(standardize=True), loss=losses.Softmax())
    assert last(e)["train/error"] < 0.1


@pytest.mark.parametrize("name", ["numpy", "torch", "jax"])
@pytest.mark.parametrize(("loss", "data"), [(losses.Squared(), PLAIN.data), (losses.Softmax(), Digits())])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_another_library_trains_the_same(name, loss, data, dtype):
    backend = backends.find()[name]
    pytest.importorskip(backend.package)
    runs = [
        table(
            train(backend=each, loss=loss, data=data, dtype=dtype, layout=layouts.Columns(), epochs=2, step_size=0.01)
        )
        for each in (Numba, backend)
    ]
    untimed = [column for column in runs[1] if not column.startswith(("time/", "rate/"))]
    assert {"train/loss", "train/theta_norm"} <= set(untimed)
    tolerance = {"float32": 1e-4, "float64": 1e-10}[dtype]
    pd.testing.assert_frame_equal(runs[0][untimed], runs[1][untimed], rtol=tolerance, atol=tolerance)
