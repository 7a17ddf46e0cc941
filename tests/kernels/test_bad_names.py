"""Names, objects and parameters that are none are refused in one line; so is what a loss is given on its own."""

from __future__ import annotations

import dataclasses
import re

import numpy as np
import pytest
from problems import LOSSES, problem
from refusals import BAD_LABELS, NOT_FINITE, ONE_OUTPUT, refused, spoiled

from kernels import Objective, layouts, losses, noises
from kernels.losses import Target


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
    with refused(f"{field}: {bad!r}; should be"):
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
    if loss.target is Target.REAL:
        with refused("y: 1e+300 at [3]; should be small enough for float32"):
            evaluate(H.astype(np.float32), spoiled(y, 3, 1e300))
    if name in ONE_OUTPUT:
        with refused(f"h: 2 columns; should have one, for loss {name}"):
            evaluate(np.ones((20, 2)), y)
