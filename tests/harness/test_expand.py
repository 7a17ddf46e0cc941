"""From axes to points: products, unions of grids, what the command line replaces, and what it does not touch."""

from __future__ import annotations

import math
import re
from collections import Counter

import pytest
from bench import CONF, TOYS, expansion, in_process, jobs
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from omegaconf import OmegaConf

from harness.config import ConfigurationError
from harness.expand import Expansion

TOY = "experiment=toy"


def expanded(grids, arguments, params=None):
    """The points of grids that are in no file."""
    with initialize_config_dir(str(CONF), version_base="1.3"):
        loader = GlobalHydra.instance().config_loader()
        search = [f"hydra.searchpath=[file://{TOYS[1]}]"]
        return list(Expansion(loader, "config", search, params, grids, arguments))


def points(*arguments):
    """The grid, the index and the rate (or width) of each point."""
    return [
        (point.grid, point.config.index, point.config.get("rate", point.config.get("width")))
        for point in expansion(*arguments)
    ]


def test_a_single_run_is_a_sweep_of_one():
    [point] = expansion(TOY)
    assert (point.grid, point.overrides, point.config.index) == ("", (TOY,), 0)
    assert "hydra" not in point.config


def test_axes_of_the_command_line_are_multiplied_in_their_order():
    assert points(TOY, "index=2,1", "rate=0.5,1.5") == [("", 2, 0.5), ("", 2, 1.5), ("", 1, 0.5), ("", 1, 1.5)]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("range(3)", [0, 1, 2]),
        ("choice(3,1)", [3, 1]),
        ("range(1,8,3)", [1, 4, 7]),
        ("sort(3,1,2)", [1, 2, 3]),
        ("glob(*)", None),
    ],
)
def test_every_way_of_hydra_to_say_several(given, expected):
    if expected is None:  # options of a group
        assert len(expansion("experiment=gradients", f"loss={given}")) == len(list((CONF / "loss").glob("*.yaml")))
    else:
        assert [point.config.index for point in expansion(TOY, f"index={given}")] == expected


def test_a_list_is_one_value():
    [point] = expansion("data=table", "data.drop=[a,b]", "data.path=x", "data.target=y")
    assert OmegaConf.to_container(point.config.data.drop) == ["a", "b"]


def test_values_of_a_file_are_replaced_by_the_command_line():
    assert points("+sweep=pair") == [("", 0, 0.5), ("", 0, 1.5), ("", 1, 0.5), ("", 1, 1.5)]
    assert points("+sweep=pair", "index=7") == [("", 7, 0.5), ("", 7, 1.5)]
    assert points("+sweep=pair", "index=7,8", "rate=2") == [("", 7, 2), ("", 8, 2)]
    assert len(points("+sweep=pair", "seed=0,1")) == 8


def test_an_axis_can_be_taken_out():
    assert points("+sweep=pair", "~hydra.sweeper.params.index") == [("", 0, 0.5), ("", 0, 1.5)]
    assert points("+sweep=pair", "~hydra.sweeper.params.index", "index=5") == [("", 5, 0.5), ("", 5, 1.5)]
    assert points("+sweep=parts", "~hydra.sweeper.grids.of_toys") == [("of_others", 0, None), ("of_others", 1, None)]


def test_grids_are_a_union_of_products():
    assert points("+sweep=parts") == [
        *(("of_toys", index, rate) for index in (0, 1, 2) for rate in (0.5, 1.5)),
        ("of_others", 0, None),
        ("of_others", 1, None),
    ]


def test_an_axis_can_be_added_in_hydras_own_words():
    assert points(TOY, "+hydra.sweeper.params.index='1,2'") == [("", 1, 0.5), ("", 2, 0.5)]
    assert points("+sweep=pair", "+hydra.sweeper.params.seed='0,1'", "rate=2")[::2] == [("", 0, 2), ("", 1, 2)]


def test_params_hold_for_every_grid():
    grids = {"a": {"experiment": "toy", "index": "0,1,2"}, "b": {"experiment": "other", "seed": "7"}}
    found = [(point.grid, point.config.index, point.config.seed) for point in expanded(grids, [], {"seed": "0,1"})]
    assert found == [*(("a", index, seed) for seed in (0, 1) for index in (0, 1, 2)), ("b", 0, 7)]


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("index=5", {("of_toys", 5, 0.5), ("of_toys", 5, 1.5), ("of_others", 5, None)}),
        ("index=5,6", {(g, i, r) for g, r in (("of_toys", 0.5), ("of_toys", 1.5), ("of_others", None)) for i in (5, 6)}),
        ("rate=3", {*(("of_toys", i, 3) for i in range(3)), ("of_others", 0, None), ("of_others", 1, None)}),
        ("rate=3,4", {*(("of_toys", i, r) for i in range(3) for r in (3, 4)), ("of_others", 0, None), ("of_others", 1, None)}),
    ],
)  # fmt: skip
def test_an_override_replaces_the_axis_in_each_grid_that_has_it_and_passes_by_the_others(override, expected):
    found = points("+sweep=parts", override)
    assert set(found) == expected
    assert len(found) == len(expected)


def test_an_override_holds_where_the_value_was_null():
    """A value of null is not a key that is not there: the second grid's `width` is null."""
    overridden = expansion("+sweep=parts", "width=2,3")
    assert [point.config.width for point in overridden if point.grid == "of_others"] == [2, 3, 2, 3]
    assert not any("width" in text for point in overridden if point.grid == "of_toys" for text in point.overrides)


def test_an_override_of_the_tour_reaches_what_is_null():
    threads = {(p.grid, p.config.get("threads", "none")) for p in expansion("+sweep=tour", "threads=1")}
    with_threads = {"losses_and_noises", "batch_and_step", "layouts", "passes", "network"}
    assert {grid for grid, value in threads if value == 1} == with_threads
    assert {value for grid, value in threads if grid not in with_threads} == {"none"}


def test_a_group_of_the_command_line_passes_by_the_grids_without_it():
    tour = expansion("+sweep=tour", "noise=laplace,gaussian")
    passes = [point for point in tour if point.grid == "passes"]
    assert len(passes) == 8
    assert "noise" not in passes[0].config
    assert {p.config.noise._target_ for p in tour if p.grid == "batch_and_step"} == {
        "kernels.noises.Laplace",
        "kernels.noises.Gaussian",
    }


def test_a_mandatory_value_can_be_given_to_one_part(tmp_path):
    [_, given] = expanded({"a": {"experiment": "toy"}, "b": {"experiment": "reader"}}, ["data.path=x,y"])[1:]
    assert given.config.data.path == "y"


@pytest.mark.parametrize("argument", ["+foo=3", "++foo=3", "foo=1,2", "rate.x=1,2"])
def test_what_no_grid_has_is_refused(argument):
    with pytest.raises(ConfigurationError, match=argument.lstrip("+").partition("=")[0]):
        expansion("+sweep=parts", argument)


def test_a_group_that_no_grid_has_is_refused():
    with pytest.raises(ConfigurationError, match="noise: no such setting in any part of the sweep"):
        expanded({"a": {"experiment": "gradients"}, "b": {"experiment": "passes"}}, ["noise=laplace"])


def test_force_adding_a_swept_key_is_refused_in_a_grid_too():
    with pytest.raises(ConfigurationError, match=r"\+\+index: \+\+ would add runs"):
        expansion("+sweep=parts", "++index=5")


def test_force_adding_sets_where_nothing_is_swept():
    assert [point.config.index for point in expansion(TOY, "++index=5,6")] == [5, 6]


def test_a_deleted_group_is_gone():
    [point] = expansion(TOY, "~profile")
    assert "profile" not in point.config


def test_points_do_not_share_what_can_change():
    one, two = expansion("loss=huber,squared", "batch_size=8")
    one.config.data.samples = 17
    assert two.config.data.samples == 1000
    again = expansion("batch_size=8,16")
    again[0].config.data.samples = 17
    assert again[1].config.data.samples == 1000


def test_each_point_is_what_stock_hydra_would_compose():
    """The short cut (compose a choice of groups once, then copy and update) against composing every job."""
    arguments = (
        "+sweep=noise",
        "data.test_share=0.1,0.2",
        "loss=huber",
        "order=sequential,shuffled",
        "batch_size=1,8,64,512,null",
    )
    found = expansion(*arguments, folder=None)
    assert len(found) == 4 * 5 * 2 * 2 * 5
    with initialize_config_dir(str(CONF), version_base="1.3"):
        for point in found[::13]:
            stock = compose("config", list(point.overrides))
            assert OmegaConf.to_container(point.config) == OmegaConf.to_container(stock)


PROFILE = {"profile": OmegaConf.load(CONF / "profile" / "default.yaml")}  # sweeps may refer to it
SWEEPS = {path.stem: OmegaConf.merge(PROFILE, OmegaConf.load(path)) for path in sorted((CONF / "sweep").glob("*.yaml"))}


def values_of(swept):
    """`range(3)` and `a,b,c`, without Hydra's parser."""
    count = re.fullmatch(r"range\((\d+)\)", str(swept))
    return [str(i) for i in range(int(count.group(1)))] if count else str(swept).split(",")


def axes_of(sweep):
    """(grid, key, values) of each swept axis of a file."""
    sweeper = sweep.hydra.sweeper
    for grid, axes in (sweeper.get("grids") or {"": {}}).items():
        for key, swept in {**(sweeper.get("params") or {}), **axes}.items():
            if swept is not None:
                yield grid, key, swept


AXES = [(name, grid, key, values) for name, sweep in SWEEPS.items() for grid, key, values in axes_of(sweep)]
FIRST = {name: grid for name, grid, *_ in reversed(AXES)}  # each sweep's first grid
PARTS = list(dict.fromkeys((name, grid) for name, grid, *_ in AXES))


def swept_axes():
    for name, grid, key, values in AXES:
        if key != "experiment" and FIRST[name] == grid:
            yield pytest.param(name, grid, key, values, id="-".join(filter(None, (name, grid, key))))


@pytest.mark.slow
@pytest.mark.parametrize("name", SWEEPS)
def test_a_sweep_has_the_points_that_its_file_says(name):
    sweeper = SWEEPS[name].hydra.sweeper
    sizes = Counter(point.grid for point in expansion(f"+sweep={name}", folder=None))
    for grid, axes in (sweeper.get("grids") or {"": {}}).items():
        swept = {**(sweeper.get("params") or {}), **axes}.values()
        assert sizes[grid] == math.prod(len(values_of(values)) for values in swept if values is not None)


@pytest.mark.sampled(12)
@pytest.mark.parametrize(("name", "grid", "key", "values"), list(swept_axes()))
def test_every_swept_axis_can_be_overridden(name, grid, key, values):
    """By one value and by several; the other axes stay as they are, and so does a part of the sweep without the key."""
    kept = {g: {k: values_of(swept)[0] for n, h, k, swept in AXES if (n, h) == (name, g)} for _, g, *_ in AXES}
    without = next((g for g, axes in kept.items() if axes and key not in axes), None)
    grids = {g: kept[g] for g in (grid, without) if g is not None}
    first, *_, last = values_of(values) * 2
    for override, expected in ((f"{key}={first}", {first}), (f"{key}={first},{last}", {first, last})):
        found = list(expanded(grids, [f"+sweep={name}", override]))
        mine = [point for point in found if point.grid == grid]
        assert {text for point in mine for text in point.overrides if text.startswith(f"{key}=")} == {
            f"{key}={value}" for value in expected
        }
        assert len(mine) == 1 + override.count(",")
        assert {point.grid for point in found} == set(grids)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "grid"), PARTS, ids=["-".join(filter(None, part)) for part in PARTS])
def test_all_axes_of_a_part_can_be_overridden_at_once(name, grid):
    """Each by its last value, which leaves one run."""
    axes = {key: values_of(swept) for n, g, key, swept in AXES if (n, g) == (name, grid)}
    overrides = {f"{key}={values[-1]}" for key, values in axes.items() if key != "experiment"}
    first = {key: values[0] for key, values in axes.items()}
    (point,) = expanded({grid: first}, [f"+sweep={name}", *overrides])
    assert overrides <= set(point.overrides)


def test_a_grid_may_do_without_an_axis_of_all():
    found = expanded({"a": {"index": "1,2"}, "b": {"index": "3", "rate": None}}, [TOY], {"rate": "0.5,1.5"})
    assert [(point.grid, point.config.index, point.config.rate) for point in found] == [
        ("a", 1, 0.5), ("a", 2, 0.5), ("a", 1, 1.5), ("a", 2, 1.5), ("b", 3, 0.5),
    ]  # fmt: skip


def test_a_sweep_of_its_own_values_is_the_same_sweep():
    """Overriding an axis by what it is anyway changes no run's hash."""
    plain, said = jobs("+sweep=pair"), jobs("+sweep=pair", "index=0,1")
    assert [one.hash for one in plain] == [one.hash for one in said]


def test_a_long_sweep_expands_soon(bench):
    """1.7 ms a job where stock Hydra takes 155; here only that nothing is composed for each job."""
    composed = []
    original = Expansion._compose

    def counted(self, choices):
        composed.append(choices)
        return original(self, choices)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Expansion, "_compose", counted)
        assert len(expansion("batch_size=range(1,200)", "loss=huber,squared")) == 398
    assert len(composed) == 2


def test_a_name_that_the_parser_knows_is_no_key(tmp_path):
    refused = in_process([*TOYS, "index=1", "rate={a:1}", f"results={tmp_path / 'fresh'}"])
    assert refused.line
