"""`python -m harness`: compose, check, run, report. Kept light, so that `--help` answers at once."""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path

import hydra
from omegaconf import DictConfig

FULL_ERROR = "HYDRA_FULL_ERROR"
CONF = str(Path(__file__).parent.parent / "conf")


@hydra.main(version_base="1.3", config_path=CONF, config_name="config")
def _compose(config: DictConfig) -> None:
    raise AssertionError("the sweeper runs the jobs itself")


def main() -> None:
    """The command line. Whatever the user can mend is one line on stderr and exit status 1 or 2, without a traceback."""
    if any(argument.lstrip("+").startswith("hydra.mode=") for argument in sys.argv[1:]):
        sys.exit("harness: hydra.mode: stays MULTIRUN; a single run is a sweep of one")
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal without Greek still gets its verdicts
    wanted = os.environ.get(FULL_ERROR) == "1"
    os.environ[FULL_ERROR] = "1"  # Hydra then raises, and the line is ours to word
    try:
        _compose()
    except KeyboardInterrupt:
        sys.exit(130)
    except Exception as error:
        if wanted:
            raise
        from harness.messages import one_line

        line = one_line(error, sys.argv[1:])
        if line is None:
            raise
        sys.exit(f"harness: {line}")
    except BaseException as error:
        if type(error).__name__ == "Stopped":
            sys.exit(143)
        raise


if __name__ == "__main__":
    main()
