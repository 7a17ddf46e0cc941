"""Hydra's errors, worded for the person at the command line: one line, with the nearest name."""

from __future__ import annotations

import re
from pathlib import Path

from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException, MissingConfigException, OverrideParseException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from harness.config import TARGET, ConfigurationError, nearest

CONF = Path(__file__).parent.parent / "conf"


def one_line(error: BaseException, arguments: list[str]) -> str | None:
    """What is wrong and what would be right; None for an error that is ours, whose traceback should be seen."""
    if isinstance(error, ConfigurationError) or type(error).__name__ == "StoreError":
        return str(error)
    for argument in arguments:
        if argument.lstrip("+~").startswith("="):
            return f"{argument!r}: there is no key; should be key=value"
    if isinstance(error, MissingConfigException) and error.missing_cfg_file:
        group, _, option = error.missing_cfg_file.rpartition("/")
        if not group:
            return f"--config-name={option}: there is no such file in conf/; should be config, what is asked when it is left out"
        return f"{group}={option}: there is no such {group}{nearest(option, error.options or [])}"
    if isinstance(error, OverrideParseException):
        return _unreadable(str(error.override))
    if "Can only enumerate CHOICE and RANGE" in str(error):
        return f"{_interval_of(arguments)}: has no end of values; should list them, or be choice(…) or range(…)"
    if isinstance(error, ValueError) and str(error).startswith("The --resolve flag"):
        return "--resolve: goes with --cfg or --help alone"
    if isinstance(error, ValueError) and str(error).startswith("Config group override must be"):
        return f"{_no_option(arguments)}: should be the name of an option"
    if "Multiple values for sweep" in str(error):
        return "+sweep=…: one sweep at a time"
    if "Ambiguous value for argument" in str(error):
        return _behind_a_list(arguments)
    if isinstance(error, (HydraException, OmegaConfBaseException)):
        return _composition(error, arguments)
    return None


def _behind_a_list(arguments: list[str]) -> str:
    """What is wrong where Hydra blames a list of values: of a command that does not compose it takes no sweep.

    The same command, with the first value of each list, fails for the true reason.
    """
    plain, lists = [], []
    for override in OverridesParser.create().parse_overrides([a for a in arguments if "=" in a and a[0] != "-"]):
        given = str(override.input_line)
        if override.is_sweep_override():
            lists.append(given)
            given = f"{given.partition('=')[0]}={next(override.sweep_string_iterator())}"
        plain.append(given)
    GlobalHydra.instance().clear()
    try:
        with initialize_config_dir(str(CONF), version_base="1.3"):
            compose("config", plain)
    except Exception as error:
        return one_line(error, plain) or str(error)
    return f"{lists[0]}: a list of values makes a sweep, and this command shows one configuration; should be one value"


def _unreadable(argument: str) -> str:
    """What is wrong with an argument that is not in Hydra's grammar."""
    key, equals, value = argument.partition("=")
    if not equals:
        return f"{argument!r}: not a setting; should be key=value (a value with spaces in quotes: 'key=\"a b\"')"
    if "(" in value or "[" in value or "{" in value:
        return f"{argument}: the value cannot be read; brackets should be closed and not empty, as in {key}=range(3) or {key}=[a,b]"
    return f"{argument}: the value cannot be read; should be in quotes, '{key}=\"{value}\"'"


def _interval_of(arguments: list[str]) -> str:
    return next((argument for argument in arguments if "interval(" in argument), "an interval")


def _composition(error: BaseException, arguments: list[str]) -> str:
    cause = error.__cause__
    text = str(error).strip() or str(cause)
    known: list[str] = []
    if match := re.search(r"Could not override '([^']+)'", text):
        key = match.group(1)
        known = _known_keys(cause)
        if "No match in the defaults list" in text:
            if any(argument.startswith(f"{key}=") for argument in arguments) and key == "sweep":
                return "sweep=…: a sweep is added, with a plus: +sweep=…"
            if key in _groups():
                choices = _choices(_having(f"/{key}: ", "experiment"))
                return f"{key}: what was chosen has no such group; it goes with {choices}"
            return f"{key}: no such group here{nearest(key, known or _groups())}"
        parent, _, name = key.rpartition(".")
        meant = _chosen_with(cause, key)
        if not meant and (having := _having(f"\n{name}:", parent or "experiment")):
            return f"{key}: what was chosen has no such setting; it goes with {_choices(having)}"
        if not meant and not parent:
            meant = list(dict.fromkeys(path.parent.name for path in _having(f"\n{name}:", "*")))
        if meant:
            return f"{key}: no such setting; did you mean {' or '.join(f'{group}.{key}' for group in meant)}?"
        return f"{key}: no such setting{nearest(name, known or ([] if parent else _groups()))}"
    if isinstance(cause, OmegaConfBaseException):
        text = f"{text}: {cause}" if text != str(cause) else text
    return " ".join(text.split())


def _choices(options: list[Path]) -> str:
    return ", ".join(f"{path.parent.name}={path.stem}" for path in options)


def _known_keys(cause: BaseException | None) -> list[str]:
    """The keys of the node in which an unknown one was looked for."""
    node = getattr(cause, "parent_node", None)
    return [str(key) for key in node if key not in ("hydra", TARGET)] if node is not None else []


def _chosen_with(cause: BaseException | None, key: str) -> list[str]:
    """The groups of that node of which what was chosen has the key: `data` for `samples`."""
    node = getattr(cause, "parent_node", None)
    chosen = OmegaConf.to_container(node, resolve=False) if isinstance(node, DictConfig) else {}
    assert isinstance(chosen, dict)
    return sorted(
        str(name) for name, each in chosen.items() if isinstance(each, dict) and TARGET in each and key in each
    )


def _no_option(arguments: list[str]) -> str:
    """The argument that gives a group what is no option of it."""
    for argument in arguments:
        group, _, option = argument.lstrip("+").partition("=")
        if group in _groups() and not (CONF / group / f"{option}.yaml").exists():
            return argument
    return "a group"


def _having(text: str, group: str) -> list[Path]:
    """The options of the group (*: of any but sweeps) in whose files that text stands."""
    options = sorted(path for path in CONF.glob(f"{group}/*.yaml") if path.parent.name != "sweep")
    return [path for path in options if text in path.read_text("utf-8")]


def _groups() -> list[str]:
    return [path.name for path in CONF.iterdir() if path.is_dir() and path.name != "hydra"]
