"""`python -m harness.report sweep=NAME [id=ID] [results=FOLDER]`: write and print a sweep's report once more."""

from __future__ import annotations

import sys

from rich.console import Console

from harness.config import ConfigurationError, nearest
from harness.tracking import Settings, StoreError, existing

USAGE = "python -m harness.report sweep=NAME [id=ID] [results=FOLDER] [uri=MLFLOW_SERVER]"


def options(arguments: list[str], known: dict[str, str | None], usage: str) -> dict[str, str | None]:
    """`key=value` arguments over their defaults; prints the usage for --help. Raises ConfigurationError for others."""
    if {"-h", "--help"} & set(arguments):
        print(usage)
        sys.exit(0)
    chosen = dict(known)
    for argument in arguments:
        key, equals, value = argument.partition("=")
        if key not in known or not equals:
            raise ConfigurationError(f"{argument}: not an option{nearest(key, known)} (usage: {usage})")
        chosen[key] = value
    return chosen


def main() -> None:
    """Report the newest sweep of that name, or the one with that id."""
    from harness import report

    try:
        chosen = options(sys.argv[1:], {"sweep": None, "id": None, "results": "results", "uri": None}, USAGE)
        if not chosen["sweep"]:
            raise ConfigurationError(f"sweep=NAME is missing; usage: {USAGE}")
        store = existing(Settings(str(chosen["results"]), chosen["uri"]))
        experiment, newest, _ = store.last(chosen["sweep"])
        if chosen["id"] and not (chosen["id"].isalnum() and any(store.search(experiment, chosen["id"]))):
            raise ConfigurationError(
                f"id={chosen['id']}: no such sweep of {chosen['sweep']}; should be an id that a report shows"
            )
        report.publish(store, chosen["sweep"], chosen["id"] or newest, Console(soft_wrap=True))
    except (ConfigurationError, StoreError) as error:
        sys.exit(f"harness.report: {error}")


if __name__ == "__main__":
    main()
