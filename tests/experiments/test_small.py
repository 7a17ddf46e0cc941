"""passes, location, gradients: small runs, against closed forms and other libraries."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import scipy.optimize

from experiments import backends
from experiments.backends.numba import Numba
from experiments.backends.numpy import NumPy
from experiments.claims.gradients import ROUNDING
from experiments.constant import Constant, best_constant
from experiments.data import BreastCancer, Diabetes, Synthetic
from experiments.gradients import Gradients
from experiments.passes import Passes
from harness.contract import WHOLE_RUN
from kernels import layouts, losses, noises

PASSES = Passes(
    loss=losses.Softmax(),
    layout=layouts.Rows(),
    backend=Numba,
    samples=256,
    features=20,
    classes=5,
    batch_size=32,
    rounds=5,
)


class Absent(NumPy):
    name = "absent"
    package = "no_such_package"


def metrics(experiment):
    experiment.check()
    merged = {}
    for row in experiment.run():
        merged |= row.metrics
    return merged


@pytest.mark.parametrize("name", losses.ALL)
@pytest.mark.parametrize("layout", layouts.ALL)
@pytest.mark.parametrize("order", ["sequential", "shuffled"])
def test_passes_times_every_arm(name, layout, order):
    loss = losses.named(name)
    classes = 5 if name in ("softmax", "multinomial") else 1
    e = dataclasses.replace(PASSES, loss=loss, layout=layouts.named(layout), classes=classes, order=order)
    e.warm_up()
    m = metrics(e)
    for arm in ("forward", "gradient", "fused", "epoch"):
        assert 0 < m[f"time/{arm}_low_s"] <= m[f"time/{arm}_s"] <= m[f"time/{arm}_high_s"]
        product = 2 * 256 * 20 * classes * (2 if arm in ("fused", "epoch") else 1)
        assert m[f"rate/{arm}_flop_per_s"] == pytest.approx(product / m[f"time/{arm}_s"])
        assert m[f"rate/{arm}_bytes_per_s"] == pytest.approx(256 * 20 * 4 / m[f"time/{arm}_s"])
        logits = 256 * classes if arm in ("forward", "gradient") else 0
        traffic = 4 * (256 * 20 + logits)
        roof = min(m["ceiling/sgemm_flop_per_s"], product / traffic * m["ceiling/read_bytes_per_s"])
        assert m[f"rate/{arm}_roof_fraction"] == pytest.approx(product / m[f"time/{arm}_s"] / roof)
        assert m[f"rate/{arm}_low_flop_per_s"] <= m[f"rate/{arm}_flop_per_s"] <= m[f"rate/{arm}_high_flop_per_s"]
    assert m["time/fused_aa_ratio"] > 0
    assert m["time/epoch_aa_ratio"] > 0
    assert m["time/reference_s"] > 0


def test_passes_keeps_every_round():
    rows = list(PASSES.run())
    assert [row.step for row in rows] == [0, 1, 2, 3, 4, WHOLE_RUN]
    fused = [row.metrics["rounds/fused_s"] for row in rows[:-1]]
    assert rows[-1].metrics["time/fused_s"] == pytest.approx(np.median(fused))


def test_passes_refuses_classes_for_a_loss_of_one_number():
    with pytest.raises(ValueError, match="classes: 5; should be 1, for loss=huber"):
        dataclasses.replace(PASSES, loss=losses.Huber()).check()


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("samples", [50, 51])
def test_the_best_constants(seed, samples):
    data = Synthetic(noise=noises.StudentT(), samples=samples, features=2)
    y = data.load(seed).y
    squared = metrics(Constant(data=data, loss=losses.Squared(), backend=Numba, seed=seed))
    assert squared["train/constant"] == pytest.approx(y.mean(), abs=1e-12)
    assert squared["model/mean_distance"] <= 1e-12
    if samples % 2:  # every number between the two middle ones is a median of an even sample
        assert squared["model/median_distance"] > 1e-6
    absolute = metrics(Constant(data=data, loss=losses.Absolute(), backend=Numba, seed=seed))
    assert absolute["model/median_distance"] <= 1e-12
    assert np.abs(y - absolute["train/constant"]).sum() <= np.abs(y - np.median(y)).sum() * (1 + 1e-14)


@pytest.mark.parametrize("name", ["huber", "student_t"])
def test_best_constant_of_other_losses_against_scipy(name):
    y = Diabetes().load(0).y / 50
    loss = losses.named(name)
    found = best_constant(Numba(loss), y)
    expected = scipy.optimize.minimize_scalar(
        lambda a: loss.values(np.full(len(y), a), y).sum(), bracket=(y.min(), y.max()), options={"xtol": 1e-12}
    )
    assert found == pytest.approx(expected.x, abs=1e-6)


def test_the_constant_of_a_constant_sample_and_of_labels():
    assert best_constant(Numba("squared"), np.full(5, 3.25)) == 3.25
    with pytest.raises(ValueError, match="should be real numbers, to have a mean"):
        Constant(data=BreastCancer(), loss=losses.Squared(), backend=Numba).check()


@pytest.mark.parametrize("name", ["numpy", "torch", "jax"])
def test_another_library_may_answer_instead(name):
    backend = backends.find()[name]
    pytest.importorskip(backend.package)
    data = Synthetic(noise=noises.Gaussian(), samples=101, features=2)
    theirs, ours = (metrics(Constant(data=data, loss=losses.Squared(), backend=each)) for each in (backend, Numba))
    assert theirs["train/constant"] == pytest.approx(ours["train/constant"], rel=1e-12)
    for dtype, tolerance in ROUNDING.items():
        e = Gradients(loss=losses.Softmax(), layout=layouts.Columns(), backend=backend, dtype=dtype, samples=50)
        assert metrics(e)["model/error"] <= tolerance


@pytest.mark.parametrize(
    "experiment",
    [
        Constant(data=Synthetic(noise=noises.Gaussian()), loss=losses.Huber(), backend=Absent),
        Gradients(loss=losses.Huber(), layout=layouts.Rows(), backend=Absent),
    ],
)
def test_a_library_that_is_missing_is_said_before_it_runs(experiment):
    with pytest.raises(ValueError, match="backend: absent needs no_such_package, which is not installed"):
        experiment.check()
