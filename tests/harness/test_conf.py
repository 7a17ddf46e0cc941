"""Every file in conf/ composes, and every command that a file names can be run; a new file is tested without an edit here."""

from __future__ import annotations

import re
import shlex

import pytest
from bench import CONF, expansion, jobs, named, runs
from omegaconf import OmegaConf

from experiments.claims.peers import RATIOS, ROOFS, TURNED
from experiments.data import Mnist
from experiments.peers import Peers
from harness.config import ConfigurationError

FILES = {str(path.relative_to(CONF).with_suffix("")): path for path in sorted(CONF.rglob("*.yaml"))}
GROUPS = {name: path for name, path in FILES.items() if "/" in name and not name.startswith("hydra/")}
# An experiment that has the group.
HOST = {"loss": "gradients", "noise": "likelihood", "layout": "gradients", "backend": "gradients"}
HAS_MNIST = Mnist()._files() is not None


def needs_mnist(name):
    marks = pytest.mark.skipif(not HAS_MNIST, reason="MNIST is not beside the checkout (../shared/data/mnist)")
    return [marks] if "mnist" in name else []


@pytest.mark.parametrize("name", [name for name in GROUPS if not name.startswith("sweep/")])
def test_every_option_composes(name):
    group, option = name.split("/")
    host = [f"experiment={HOST[group]}"] if group in HOST else []
    points = expansion(*host, f"{group}={option}", folder=None)
    assert points
    for point in points:
        assert {"experiment", "name", "seed", "results", "tracking", "profile"} <= set(point.config)


@pytest.mark.parametrize("name", [name for name in GROUPS if not name.startswith(("sweep/", "tracking/", "profile/"))])
def test_every_option_opens_with_what_it_is(name):
    first, *rest = GROUPS[name].read_text().splitlines()
    head = rest[0] if first.startswith("# @package") else first
    assert re.fullmatch(r"# .{10,}", head)


COMMAND = re.compile(r"python -m harness(?: ([^`#]*?))?(?:  .*)?$")
COMMANDS = [
    pytest.param(match.group(1) or "", id=f"{name}:{number}", marks=needs_mnist(match.group(1) or ""))
    for name, path in FILES.items()
    for number, line in enumerate(path.read_text().splitlines(), start=1)
    if (match := COMMAND.search(line))
    and "--help" not in line
    and "harness." not in match.group(0).split()[2]
    and not re.fullmatch(r"\+sweep=\w+", match.group(1) or "")  # a test of their own has these
]


@pytest.mark.sampled(20)
@pytest.mark.parametrize("arguments", COMMANDS)
def test_every_command_that_a_file_names_can_run(arguments, working_directory):
    """Each in the terminal's own reading, down to jobs that have been checked."""
    rows = "".join(f"{i},{i * i % 7},{i / 3}\n" for i in range(20))
    for file, target in (("x.csv", "y"), ("houses.csv", "price")):
        (working_directory / file).write_text(f"a,b,{target}\n{rows}")
    assert jobs(*shlex.split(arguments), folder=None)


def test_there_are_commands_to_test():
    assert len(COMMANDS) > 20


@pytest.mark.parametrize("name", [name for name in GROUPS if name.startswith("sweep/")])
def test_every_sweep_opens_with_its_command(name):
    lines = GROUPS[name].read_text().splitlines()
    assert lines[0] == "# @package _global_"
    assert lines[1].endswith(f": python -m harness +{name.replace('/', '=')}")
    assert OmegaConf.load(GROUPS[name]).name == name.split("/")[1]


@pytest.mark.sampled(6)
@pytest.mark.parametrize("name", [pytest.param(n, marks=needs_mnist(n)) for n in GROUPS if n.startswith("sweep/")])
def test_every_sweep_expands_to_jobs_that_can_run(name):
    made = named(f"+{name.replace('/', '=')}", "profile=smoke", folder=None)
    assert len(made) >= 4
    assert len({one.job.hash for one in made}) == len(made)


@pytest.fixture(scope="module")
def races():
    """The settings of every run of `+sweep=peers`, as if every library were there."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Peers, "check", lambda self: None)
        return [one.params for one in named("+sweep=peers", folder=None) if "work" in one.params]


@pytest.mark.slow
@pytest.mark.parametrize("bar", [*RATIOS, *ROOFS], ids=lambda bar: bar.id)
def test_the_race_of_all_peers_measures_every_bar(bar, races):
    wanted = {key: str(value) for key, value in bar.settings.items()}
    matching = {params["backend"] for params in races if wanted.items() <= params.items()}
    every = {name.split("/")[1] for name in GROUPS if name.startswith("backend/")} - {TURNED}
    if wanted["work"] == "epoch":
        every -= {"torch_autograd", "torch_compiled"}
        every -= {"numpy_tuned", "torch_tuned"} if int(wanted["batch_size"]) < 4096 else set()
    assert matching - {TURNED} == every


def test_the_race_of_all_peers_measures_what_columns_cost(races):
    large = next(bar.settings for bar in RATIOS if bar.id == "peers-large")
    wanted = {key: str(value) for key, value in large.items()} | {"backend": TURNED}
    assert sum(wanted.items() <= params.items() for params in races) == 1


LOSSES = [name.split("/")[1] for name in GROUPS if name.startswith("loss/")]


@pytest.mark.sampled(6)
@pytest.mark.parametrize("data", ["synthetic", "diabetes", "digits", "breast_cancer"])
def test_a_loss_either_fits_the_data_or_is_refused_with_one_that_does(data):
    fitting = []
    for loss in LOSSES:
        try:
            jobs(f"data={data}", f"loss={loss}", folder=None)
            fitting.append(loss)
        except ConfigurationError as refused:
            suggested = re.findall(r"loss=(\w+)", str(refused).partition("; use ")[2])
            assert suggested
            jobs(f"data={data}", f"loss={suggested[0]}", folder=None)
    assert fitting


def shrunk(name):
    """Overrides of a sweep's file that leave, of all its grids share, two values of the longest axis, and one of each other.

    Grids that share nothing have two values each. Samples and features are few.
    """
    sweeper = OmegaConf.to_container(OmegaConf.load(GROUPS[f"sweep/{name}"]).hydra.sweeper, resolve=False)
    parts = [(f"hydra.sweeper.grids.{grid}", axes) for grid, axes in (sweeper.get("grids") or {}).items()]
    if sweeper.get("params"):
        parts.append(("hydra.sweeper.params", sweeper["params"]))
    for prefix, axes in parts:
        swept = {  # a grid does without what is null
            key: ["0", "1"] if values.startswith("range") else values.split(",")
            for key, values in axes.items()
            if values
        }
        longest = max(swept, key=lambda key: (key != "seed", len(swept[key])))
        for key, values in swept.items():
            varies = key == longest and (axes is sweeper.get("params") or not sweeper.get("params"))
            kept = values[: 2 if varies else 1]
            if key == "rounds":
                kept = ["3"]
            if key in ("samples", "features"):
                kept = [str(min(int(value), 500 + i)) for i, value in enumerate(kept)]
            if kept != values and "." not in key:  # to Hydra the dot in a grid's key is one of the path to it
                yield f"{prefix}.{key}='{','.join(kept)}'"


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", sorted(n.split("/")[1] for n in GROUPS if n.startswith("sweep/") and n != "sweep/mnist")
)
def test_every_sweep_runs_to_its_report(name, bench, results):
    done = bench(f"+sweep={name}", "profile=smoke", *shrunk(name))
    assert (done.status, done.err) == (0, "")
    all_runs = runs(results, name)
    assert set(all_runs["status"]) == {"FINISHED"}
    assert len(all_runs) >= 2
    assert all_runs["time/compile_s"].notna().all()
    folder = results / "reports" / name
    assert {path.name for path in folder.iterdir()} == {
        "index.html", "report.md", "runs.parquet", "history.parquet", "verdicts.csv",
    }  # fmt: skip
    page = (folder / "index.html").read_text()
    assert "<h2>Figures</h2>" in page
    assert "<td>failed</td>" not in page
