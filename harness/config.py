"""From a composed configuration to checked jobs: types, ranges, nearest names, and the hash that names a run's content.

The schema of an experiment is its own dataclass: the configuration's keys are its fields, their annotations its types
and ranges. Nested nodes with a `_target_` (a loss, a data source) are dataclasses too and are checked alike.
"""

from __future__ import annotations

import dataclasses
import difflib
import functools
import hashlib
import json
import math
import pydoc
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, cast

from omegaconf import DictConfig, OmegaConf
from pydantic import TypeAdapter, ValidationError

from harness.contract import META, Experiment, LeftOut

TARGET = "_target_"
PARTIAL = "_partial_"


class ConfigurationError(ValueError):
    """What is wrong with the configuration, where, and what would be right: one line for the user."""


@dataclass(frozen=True)
class Job:
    """One configuration, checked: the experiment it makes, its flat settings as text, and the hash of its content."""

    experiment: Experiment
    settings: Mapping[str, str]  # by the key that sets it on the command line: loss, loss.delta, batch_size
    hash: str

    @property
    def target(self) -> str:
        """Where the experiment's class is: `experiments.train.Train`."""
        return f"{type(self.experiment).__module__}.{type(self.experiment).__qualname__}"


def job(config: DictConfig) -> Job:
    """The checked job of a composed configuration. Raises ConfigurationError, in one line, and LeftOut as `check` does."""
    raw = cast(dict[str, Any], OmegaConf.to_container(config, resolve=False))
    values = cast(dict[str, Any], OmegaConf.to_container(config, resolve=True, throw_on_missing=False))
    target = (values.get("experiment") or {}).get(TARGET)
    if target is None:
        raise ConfigurationError("experiment: not set; should be one of conf/experiment/")
    cls = locate(target)
    fields = [f.name for f in dataclasses.fields(cls)]
    reserved = [name for name in fields if name in (*META, "experiment")]
    if reserved:
        raise ConfigurationError(
            f"{reserved[0]}: reports use this name; {target} should call its setting something else"
        )
    missing = [name for name in fields if name not in values]
    if missing:
        raise ConfigurationError(f"{missing[0]}: not set; {target} needs it, see conf/experiment/")
    chosen = {name: values[name] for name in fields}
    experiment = _build(target, {name: _node(value, name, raw[name]) for name, value in chosen.items()}, "")
    settings = _settings({name: raw[name] for name in fields}, chosen, raw, values)
    try:
        experiment.check()
        return Job(experiment, settings, content_hash(target, chosen, experiment))
    except LeftOut:
        raise
    except ValueError as error:
        raise ConfigurationError(_one_line(str(error))) from error


def _node(value: Any, where: str, written: Any) -> Any:
    """A configuration value; an object where the node says `_target_`. `written` is the value before interpolation."""
    where = reference(written) or where
    if isinstance(value, dict):
        inner = written if isinstance(written, dict) else {}
        built = {key: _node(each, f"{where}.{key}", inner.get(key)) for key, each in value.items()}
        return _build(built.pop(TARGET), built, f"{where}.") if TARGET in value else built
    if isinstance(value, list):
        return tuple(_node(each, where, None) for each in value)
    if isinstance(value, str) and value == "???":
        raise ConfigurationError(f"{where}: not set; give it on the command line, {where}=…")
    return value


def reference(written: Any) -> str | None:
    """The top-level key that a value is taken from: `noise` for `${noise}`."""
    match = re.fullmatch(r"\$\{(\w+)\}", written) if isinstance(written, str) else None
    return match.group(1) if match else None


def _build(target: str, arguments: dict[str, Any], where: str) -> Any:
    """An object of the class or function at `target`, its arguments checked against the annotations."""
    made = locate(target)
    if arguments.pop(PARTIAL, False):
        return functools.partial(made, **arguments) if arguments else made
    if dataclasses.is_dataclass(made):
        known = [f.name for f in dataclasses.fields(made)]
        for key in arguments:
            if key not in known:
                raise ConfigurationError(f"{where}{key}: {target} has no such setting{nearest(key, known)}")
    try:
        built = _adapter(made).validate_python(arguments)
    except ValidationError as error:
        raise ConfigurationError(_first_problem(error, where)) from error
    for key, value in arguments.items():  # to Python true is a number, 1
        if isinstance(value, bool) and type(getattr(built, key, value)) in (int, float):
            raise ConfigurationError(f"{where}{key}={as_text(value)}: should be a number")
    return built


@functools.cache
def locate(target: str) -> Any:
    """The class or function at `target`. Raises ConfigurationError where there is none; an import that fails goes on."""
    try:
        made = pydoc.locate(target)
    except pydoc.ErrorDuringImport as error:
        if isinstance(error.value, KeyboardInterrupt):
            raise error.value from None
        raise
    if not callable(made):
        raise ConfigurationError(
            f"_target_={target}: there is no such class; should be importable, or its folder on PYTHONPATH"
        )
    return made


@functools.cache
def _adapter(cls: type) -> TypeAdapter[Any]:
    return TypeAdapter(cls)


def _first_problem(error: ValidationError, where: str) -> str:
    """`batch_size=0: should be greater than or equal to 1`, from the first of a validation's errors."""
    problem = error.errors(include_url=False)[0]
    message = problem["msg"].removeprefix("Value error, ").removeprefix("Assertion failed, ")
    if not problem["loc"]:  # a dataclass's own check, which names its field itself
        return _one_line(f"{where}{message}")
    key = where + ".".join(str(part) for part in problem["loc"])
    if problem["type"] == "missing":
        return f"{key}: not set"
    given = problem["input"]
    if isinstance(given, float) and not math.isfinite(given):
        message = "should be finite"
    elif problem["type"] == "string_type" and isinstance(given, (int, float)):
        message = f"should be text, in quotes where it looks like a number: '{key}=\"{as_text(given)}\"'"
    message = re.sub(r"^Input should be", "should be", message)
    return _one_line(f"{key}={as_text(given)}: {message}")


def _one_line(text: str) -> str:
    return " ".join(text.split())


def nearest(name: str, known: Iterable[str]) -> str:
    """`; did you mean 'batch_size'?` where a known name is near, else the known names."""
    names = sorted(known)
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    if close:
        return f"; did you mean {close[0]!r}?"
    return f"; known: {', '.join(names)}" if names else ""


def content_hash(target: str, values: Mapping[str, Any], experiment: Experiment) -> str:
    """Hash (16 hex digits) of all that decides a run's results: experiment, its settings, and what those name outside.

    A setting that has a `stamp()` says with it which data, or which version of a library, it stands for.
    """
    stamps = {}
    for field in dataclasses.fields(experiment):
        value = getattr(experiment, field.name)
        stamp = getattr(getattr(value, "func", value), "stamp", None)  # `_partial_: true` makes a functools.partial
        if callable(stamp):
            stamps[field.name] = stamp()
    content = json.dumps([target, values, stamps], sort_keys=True, default=str)
    return hashlib.sha256(content.encode()).hexdigest()[:16]


def _settings(
    raw: Mapping[str, Any],
    values: Mapping[str, Any],
    root_raw: Mapping[str, Any],
    root: Mapping[str, Any],
    prefix: str = "",
) -> dict[str, str]:
    """Flat settings as text, each under the key that sets it: `${noise}` in `data.noise` stands under `noise`."""
    flat: dict[str, str] = {}
    for name, value in values.items():
        key, written = prefix + name, raw[name]
        if source := reference(written):
            key, value, written = source, root[source], root_raw[source]
        if isinstance(value, dict) and TARGET in value:
            flat[key] = choice(value[TARGET])
            inner = {k: v for k, v in value.items() if k not in (TARGET, PARTIAL)}
            flat |= _settings(written, inner, root_raw, root, f"{key}.")
        else:
            flat[key] = as_text(value)
    return flat


def choice(target: str) -> str:
    """The short name of what a `_target_` makes: its `name`, or its class's name in snake case."""
    made = locate(target)
    name = getattr(made, "name", None)
    return name if isinstance(name, str) else re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", made.__name__).lower()


def as_text(value: Any) -> str:
    """A value as it is written on the command line: `null` for None, `true`, `1e-05`."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (list, tuple)):
        return "[" + ",".join(as_text(inner) for inner in value) + "]"
    return str(value)
