"""`python -m harness.ui`: MLflow's UI on the store, on 127.0.0.1, and the link that shows the last sweep's charts."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from urllib.parse import quote

from harness.config import ConfigurationError
from harness.report.__main__ import options
from harness.tracking import Settings, Store, StoreError, existing, of_sweep

USAGE = "python -m harness.ui [results=FOLDER] [port=5000] [sweep=NAME]"
HOST = "127.0.0.1"
# Of the server: nothing is sent home, nothing unpickled, no queue of jobs kept, and no more said than need be.
DEFAULTS = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false",
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    "PYTHONWARNINGS": "ignore",
}


def link(experiment_id: str, sweep: str, port: int) -> str:
    """The address that opens a sweep's runs as charts."""
    order = "orderByKey=attributes.start_time&orderByAsc=true"
    view = f"searchFilter={quote(of_sweep(sweep), safe='')}&{order}&compareRunsMode=CHART&workflowType=machine_learning"
    return f"http://{HOST}:{port}/#/experiments/{experiment_id}/runs?{view}"


def command(store: Store, port: int) -> list[str]:
    """The server's command line: this machine alone, artifacts served from the results folder."""
    artifacts = (store.results / "artifacts").as_uri()
    return [
        sys.executable, "-m", "mlflow", "server", "--backend-store-uri", store.uri, "--default-artifact-root", artifacts,
        "--host", HOST, "--port", str(port), "--workers", "1", "--uvicorn-opts", "--log-level=warning",
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
    if _answers(int(port)):
        sys.exit(f"harness.ui: port={port}: another program listens there; choose another, port={int(port) + 1}")
    said = f"{name}: {link(experiment_id, sweep, int(port))}\nCtrl-C stops the server."
    sys.exit(serve(command(store, int(port)), int(port), said))


def serve(server: list[str], port: int, said: str) -> int:
    """Run the server until it ends or is stopped; returns its exit status. What is `said` comes when it answers."""
    before = signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    with subprocess.Popen(server, env={**os.environ, **DEFAULTS}) as process:
        try:
            while process.poll() is None and not _answers(port):
                time.sleep(0.1)
            if process.returncode is None:
                print(said, flush=True)
            return process.wait()
        except KeyboardInterrupt:
            return 0
        finally:
            process.terminate()
            signal.signal(signal.SIGTERM, before)


def _answers(port: int) -> bool:
    """Whether something listens at the port."""
    with socket.socket() as probe:
        return probe.connect_ex((HOST, port)) == 0


if __name__ == "__main__":
    main()
