"""Is a loss −log of its noise? Errors planted in a density, a sampler, a factor or a loss are all caught."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from experiments.likelihood import ROUNDING, Likelihood
from kernels import losses, noises
from kernels.noises import Gaussian, Laplace, StudentT


def metrics(noise):
    experiment = Likelihood(noise=noise)
    experiment.check()
    (row,) = experiment.run()
    return row.metrics


@pytest.mark.parametrize("name", noises.ALL)
def test_a_noises_own_loss_fits_to_rounding_and_the_others_do_not(name):
    m = metrics(noises.named(name))
    if noises.named(name).loss:
        assert m["model/own_misfit"] <= ROUNDING
    else:
        assert "model/own_misfit" not in m
    others = [value for key, value in m.items() if key.startswith("model/misfit_")]
    others.remove(m[f"model/misfit_{noises.named(name).loss}"]) if noises.named(name).loss else None
    assert m.get("model/next_misfit") == (min(others) if others else None)
    assert all(misfit > 1e-3 for misfit in others)


@pytest.mark.parametrize("noise", [Gaussian(scale=2.0), Laplace(scale=0.3), StudentT(nu=5.0, scale=3.0)])
def test_the_factor_is_the_noises_own(noise):
    assert metrics(noise)["model/own_misfit"] <= ROUNDING


@dataclass(frozen=True)
class WrongFactor(Gaussian):
    def matched_loss(self):
        return losses.Squared(), 2.0


@dataclass(frozen=True)
class WrongLoss(Laplace):
    loss = "squared"

    def matched_loss(self):
        return losses.Squared(), 1.0


@dataclass(frozen=True)
class WrongDegrees(StudentT):
    """The loss is that of other degrees of freedom than the density."""

    def matched_loss(self):
        return losses.StudentT(self.nu + 1, self.scale), 1.0


@pytest.mark.parametrize("noise", [WrongFactor(), WrongLoss(), WrongDegrees()])
def test_a_loss_that_is_not_minus_log_of_the_density_shows(noise):
    assert metrics(noise)["model/own_misfit"] > 1e6 * ROUNDING


@dataclass(frozen=True)
class GrowsOutwards(Laplace):
    def log_density(self, y, h):
        return np.minimum(np.abs(y - h), 3.0) - 8.0


@dataclass(frozen=True)
class TooNarrow(Gaussian):
    def log_density(self, y, h):
        return 10 * super().log_density(y, h)


@dataclass(frozen=True)
class Improbable(noises.Categorical):
    def log_density(self, y, h):
        return super().log_density(y, h) - 0.1


@pytest.mark.parametrize("noise", [GrowsOutwards(), TooNarrow(), Improbable()])
@pytest.mark.filterwarnings("ignore")  # quadrature says that it does not converge, and so does the run
def test_a_density_that_does_not_sum_to_one_ends_the_run(noise):
    with pytest.raises(ValueError, match=r"its density sums to .*; should be 1"):
        metrics(noise)


@dataclass(frozen=True)
class SpreadsWider(Laplace):
    def sample(self, h, rng):
        return h + 1.5 * (super().sample(h, rng) - h)


@dataclass(frozen=True)
class FavoursHeads(noises.Bernoulli):
    def sample(self, h, rng):
        return np.maximum(super().sample(h, rng), super().sample(h, rng))


@pytest.mark.parametrize("noise", [SpreadsWider(), FavoursHeads()])
def test_a_sampler_that_draws_from_another_density_ends_the_run(noise):
    with pytest.raises(ValueError, match="should be the density's entropy"):
        metrics(noise)


def test_a_noise_that_names_a_loss_which_is_not_there_is_refused():
    @dataclass(frozen=True)
    class Sech(Gaussian):
        loss = "log_cosh"

    with pytest.raises(ValueError, match="names the loss 'log_cosh'; should be one of absolute, huber"):
        Likelihood(noise=Sech()).check()


def test_one_hypothesis_shows_nothing():
    with pytest.raises(ValueError, match="hypotheses: 1; should be at least 2"):
        Likelihood(noise=noises.Gaussian(), hypotheses=1).check()
