"""The sweeper as Hydra finds it; the work is done in harness/sweeper.py.

No `from __future__ import annotations` here: Hydra loads plugins outside sys.modules, where dataclasses can't resolve them.
"""

import shlex
import sys
from dataclasses import dataclass, field

from hydra.core.config_store import ConfigStore
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig


@dataclass
class BenchSweeperConf:
    """`params`: swept values by key, as on the command line; `grids`: several such mappings, each a product of its own.

    An axis that is null in a grid is one of `params` that the grid does without.
    """

    _target_: str = "hydra_plugins.bench_sweeper.BenchSweeper"
    params: dict[str, str] | None = field(
        default_factory=dict
    )  # not null: `+hydra.sweeper.params.seed='0,1'` adds to it
    grids: dict[str, dict[str, str | None]] | None = field(default_factory=dict)


ConfigStore.instance().store("bench", BenchSweeperConf, group="hydra/sweeper", provider="pystickonfire")


class BenchSweeper(Sweeper):
    """Expands, checks, skips, runs and reports."""

    def __init__(self, params: DictConfig | None, grids: DictConfig | None) -> None:
        self.params, self.grids = params, grids

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        self.loader, self.config = hydra_context.config_loader, config

    def sweep(self, arguments: list[str]) -> None:
        from harness.sweeper import COMMAND, sweep  # `--help` and `--cfg` go without

        command = f"{COMMAND} {shlex.join(sys.argv[1:])}"
        status = sweep(self.loader, self.config, self.params, self.grids, arguments, command)
        if status:
            sys.exit(status)
