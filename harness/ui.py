"""`python -m harness.ui`: MLflow's UI on the store, on 127.0.0.1, and the link that shows the last sweep's charts."""

from __future__ import annotations

import os
import subprocess
import sys
from urllib.parse import quote

from harness.config import ConfigurationError
from harness.report.__main__ import options
from harness.tracking import Settings, Store, StoreError, existing

USAGE = "python -m harness.ui [results=FOLDER] [port=5000] [sweep=NAME]"
HOST = "127.0.0.1"


def link(experiment_id: str, sweep: str, port: int) -> str:
    """The address that opens a sweep's runs as charts."""
    wanted = quote(f"tags.sweep = '{sweep}' and tags.kind = 'run'", safe="")
    view = f"searchFilter={wanted}&compareRunsMode=CHART&workflowType=machine_learning"
    return f"http://{HOST}:{port}/#/experiments/{experiment_id}/runs?{view}"


def command(store: Store, port: int) -> list[str]:
    """The server's command line: this machine alone, artifacts served from the results folder."""
    artifacts = (store.results / "artifacts").as_uri()
    return [
        sys.executable, "-m", "mlflow", "server", "--backend-store-uri", store.uri, "--default-artifact-root", artifacts,
        "--host", HOST, "--port", str(port), "--workers", "1",
    ]  # fmt: skip


def main() -> None:
    """Start the server; print the link; stop with Ctrl-C."""
    try:
        chosen = options(sys.argv[1:], {"results": "results", "port": "5000", "sweep": None}, USAGE)
        port = str(chosen["port"])
        if not port.isdecimal() or not 1024 <= int(port) <= 65535:
            raise ConfigurationError(f"port={port}: should be a number in 1024..65535")
        store = existing(Settings(str(chosen["results"])))
        experiment_id, sweep, name = store.last(chosen["sweep"])
    except (ConfigurationError, StoreError) as error:
        sys.exit(f"harness.ui: {error}")
    print(f"{name}: {link(experiment_id, sweep, int(port))}\nCtrl-C stops the server.", flush=True)
    environment = {**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false"}
    try:
        sys.exit(subprocess.call(command(store, int(port)), env=environment))
    except KeyboardInterrupt:
        sys.exit(0)


if __name__ == "__main__":
    main()
