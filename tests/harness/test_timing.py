"""Timing, on a clock that the test turns: what is measured when, how often, and what is said of it."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from scipy import stats

from harness import timing
from harness.timing import AGAIN, REFERENCE, SHORTEST_S, Arm, Stopwatch, measure, median_interval


class Clock:
    """A clock that only moves when somebody works."""

    def __init__(self, monkeypatch):
        self.now = 0.0
        self.calls = []
        monkeypatch.setattr(timing, "time", SimpleNamespace(perf_counter=lambda: self.now))

    def work(self, name, *seconds):
        """Work of that name, which takes so long; several: in turn, the last one from then on."""
        left = list(seconds)

        def call():
            self.calls.append(name)
            self.now += left.pop(0) if len(left) > 1 else left[0]

        return call


@pytest.fixture
def clock(monkeypatch):
    made = Clock(monkeypatch)
    monkeypatch.setattr(timing, "reference_work", made.work(REFERENCE, 1.0))
    return made


def test_arms_take_turns_and_the_first_place_goes_round(clock):
    arms = measure({"a": clock.work("a", 1.0), "b": clock.work("b", 2.0)}, rounds=5, again=["a"])
    warm_up, rounds = clock.calls[:8], np.array(clock.calls[8:]).reshape(5, 4).tolist()
    assert warm_up == ["a", "a", "b", "b", REFERENCE, REFERENCE, "a", "a"]
    assert rounds == [
        ["a", "b", REFERENCE, "a"],
        ["b", REFERENCE, "a", "a"],
        [REFERENCE, "a", "a", "b"],
        ["a", "a", "b", REFERENCE],
        ["a", "b", REFERENCE, "a"],
    ]
    assert {name: arm.seconds.tolist() for name, arm in arms.items()} == {
        "a": [1.0] * 5, "b": [2.0] * 5, REFERENCE: [1.0] * 5, "a" + AGAIN: [1.0] * 5,
    }  # fmt: skip


def test_the_first_call_does_not_count(clock):
    arms = measure({"a": clock.work("a", 99.0, 1.0)}, rounds=3, again=["a"])
    assert arms["a"].seconds.tolist() == [1.0] * 3


@pytest.mark.parametrize(
    ("seconds", "repeats"),
    [(1.01 * SHORTEST_S, 1), (SHORTEST_S / 3.99, 4), (SHORTEST_S / 3.5, 4), (1.0, 1), (0.0, 200_000)],
)
def test_a_short_call_is_repeated_until_it_can_be_measured(seconds, repeats, clock):
    clock.calls.clear()
    [arm] = (
        arm for name, arm in measure({"a": clock.work("a", seconds)}, rounds=1, again=["a"]).items() if name == "a"
    )
    assert clock.calls.count("a") == 2 * (2 + repeats)  # for the arm and its twin: warm-up, a first timing, the round
    assert arm.seconds[0] == pytest.approx(seconds, rel=1e-9)


def test_a_slow_spell_hits_every_arm(clock):
    """That is what taking turns is for: the ratio within a round stays."""
    slow = {"now": 1.0}
    work = {"a": 1.0, "b": 3.0}

    def arm(name):
        def call():
            clock.now += work[name] * slow["now"]
            slow["now"] *= 1.05  # the machine gets slower with every call

        return call

    arms = measure({name: arm(name) for name in work}, rounds=9, again=["a"])
    ratio = np.median(arms["b"].seconds / arms["a"].seconds)
    assert 2.5 < ratio < 3.6
    assert arms["a"].seconds[-1] / arms["a"].seconds[0] > 3


def test_time_reference_is_the_least_of_three(clock, monkeypatch):
    monkeypatch.setattr(timing, "reference_work", clock.work(REFERENCE, 9.0, 3.0, 2.0, 4.0))
    assert timing.time_reference() == 2.0
    assert len(clock.calls) == 4


def test_the_reference_work_is_the_same_everywhere():
    assert timing.reference_work() == (1 << 17) * ((1 << 17) - 1) / 2
    assert timing._reference_numbers().nbytes == 1 << 20


def test_a_real_measurement():
    arms = measure({"sum": lambda: sum(range(1000))}, rounds=3, again=["sum"])
    assert set(arms) == {"sum", REFERENCE, "sum" + AGAIN}
    for arm in arms.values():
        low, high = arm.interval_s()
        assert 0 < low <= arm.median_s <= high < 1


def test_a_stopwatch_adds_up_by_name(clock):
    watch = Stopwatch()
    for seconds in (1.0, 2.0):
        with watch.of("compute"):
            clock.now += seconds
        clock.now += 100
    fail = clock.work("fails", 5.0)
    with pytest.raises(TypeError), watch.of("evaluation"):
        fail() + 1
    assert watch.seconds == {"compute": 3.0, "evaluation": 5.0}


# The interval for a median


@pytest.mark.parametrize("confidence", [0.5, 0.9, 0.95, 0.99])
@pytest.mark.parametrize("n", [1, 2, 3, 5, 6, 7, 8, 9, 15, 16, 51, 100, 1000])
def test_the_median_interval_is_the_narrowest_that_keeps_its_word(n, confidence):
    """(j-th smallest, j-th largest) misses the median with probability 2 P(Binomial(n, ½) ≤ j − 1), exactly."""
    samples = np.random.default_rng(n).permutation(n).astype(float)
    low, high = median_interval(samples, confidence)
    j = int(low) + 1  # the samples are their own ranks
    assert high == n - j
    miss = 2 * stats.binom.cdf(j - 1, n, 0.5)
    if j > 1:
        assert miss <= 1 - confidence
    assert 2 * stats.binom.cdf(j, n, 0.5) > 1 - confidence  # one further in would miss too often


@pytest.mark.parametrize("draw", ["exponential", "standard_cauchy", "standard_normal"])
def test_the_median_interval_covers_whatever_the_noise(draw):
    n, confidence, trials = 15, 0.95, 4000
    rng = np.random.default_rng(20)
    median = {"exponential": np.log(2)}.get(draw, 0.0)
    covered = 0
    for _ in range(trials):
        low, high = median_interval(getattr(rng, draw)(size=n), confidence)
        covered += low <= median <= high
    exact = 1 - 2 * stats.binom.cdf(3, n, 0.5)  # j = 4 of 15: 96.5 %
    assert exact > confidence
    assert abs(covered / trials - exact) < 4 * np.sqrt(exact * (1 - exact) / trials)


def test_too_few_samples_give_their_range():
    assert median_interval([3.0, 1.0, 2.0], 0.99) == (1.0, 3.0)
    assert Arm(np.array([2.0])).interval_s() == (2.0, 2.0)
    assert Arm(np.array([1.0, 4.0, 2.0])).median_s == 2.0
