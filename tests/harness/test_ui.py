"""MLflow's UI: for this machine alone, and the link that opens the charts."""

from __future__ import annotations

import importlib.metadata
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from urllib.parse import parse_qs, unquote

import pytest
from bench import ROOT, TOYS, in_process, runs, values

from harness import frames, ui
from harness.report.__main__ import main as report_main
from harness.tracking import Settings, Store


def test_the_link_opens_a_sweeps_runs_as_charts():
    link = ui.link("7", "abc123", 5001)
    address, _, rest = link.partition("/#/")
    assert address == "http://127.0.0.1:5001"
    path, _, query = rest.partition("?")
    assert path == "experiments/7/runs"
    assert parse_qs(query) == {
        "searchFilter": ["tags.kind = 'run' and tags.sweep LIKE '%abc123%'"],
        "orderByKey": ["attributes.start_time"],
        "orderByAsc": ["true"],
        "compareRunsMode": ["CHART"],
        "workflowType": ["machine_learning"],
    }
    assert unquote(link) != link


def test_the_server_is_for_this_machine_alone(store):
    command = ui.command(store, 5001)
    given = dict(zip(command[4:-2:2], command[5:-2:2], strict=True))
    assert command[:4] == [sys.executable, "-m", "mlflow", "server"]
    assert given == {
        "--backend-store-uri": store.uri, "--default-artifact-root": (store.results / "artifacts").as_uri(),
        "--host": "127.0.0.1", "--port": "5001", "--workers": "1",
    }  # fmt: skip
    assert command[-2:] == ["--uvicorn-opts", "--log-level=warning"]


def test_the_server_starts_on_the_last_sweep_and_safely(toys, results, store, monkeypatch):
    toys("index=1", "name=first")
    toys("index=1", "name=second")
    started = []
    monkeypatch.setattr(ui, "serve", lambda *given: started.append(given) or 3)
    port = free_port()
    shown = in_process([f"results={results}", f"port={port}"], ui.main)
    assert (shown.status, shown.out, shown.err) == (3, "", "")
    sweep = runs(results, "second")["sweep"][0]
    said = f"second: {ui.link(store.experiment('second'), sweep, port)}\nCtrl-C stops the server."
    assert started == [(ui.command(store, port), port, said)]

    in_process([f"results={results}", "sweep=first", f"port={port}"], ui.main)
    assert started[1][2].startswith(f"first: http://127.0.0.1:{port}/")


def test_a_port_that_is_taken_is_one_line(toys, results):
    toys("index=1")
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        shown = in_process([f"results={results}", f"port={port}"], ui.main)
    assert shown.status == 1
    assert f"port={port}: another program listens there; choose another, port={port + 1}" in shown.err


# Answers one connection, says whether MLflow's defaults were set, and ends with the status 3.
ANSWERS_ONCE = """
import os, socket, sys
with socket.create_server(("127.0.0.1", int(sys.argv[1]))) as server:
    server.accept()
sys.exit(3 if os.environ["MLFLOW_DISABLE_TELEMETRY"] == "true" and "PATH" in os.environ else 4)
"""


def test_the_link_is_said_once_the_server_answers(capfd):
    port = free_port()
    assert ui.serve([sys.executable, "-c", ANSWERS_ONCE, str(port)], port, "here it is") == 3
    assert capfd.readouterr().out == "here it is\n"
    assert ui.DEFAULTS["MLFLOW_ALLOW_PICKLE_DESERIALIZATION"] == "false"


def test_a_server_that_does_not_start_gives_no_link(capfd):
    assert ui.serve([sys.executable, "-c", "raise SystemExit(5)"], free_port(), "here it is") == 5
    assert capfd.readouterr().out == ""


def test_ctrl_c_ends_it_quietly(monkeypatch, capfd):
    def interrupted(seconds):
        raise KeyboardInterrupt

    monkeypatch.setattr(ui.time, "sleep", interrupted)
    before = signal.getsignal(signal.SIGTERM)
    assert ui.serve([sys.executable, "-c", "import time; time.sleep(600)"], free_port(), "here it is") == 0
    assert capfd.readouterr() == ("", "")
    assert signal.getsignal(signal.SIGTERM) == before


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture
def server(toys, results):
    """The address of MLflow's server, as `python -m harness.ui` starts it; a sweep has run before."""
    assert toys("index=0,1").status == 0
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "harness.ui", f"results={results}", f"port={port}"],
        env={**os.environ, "PYTHONPATH": str(ROOT)}, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        start_new_session=True,
    )  # fmt: skip
    try:
        link = next(line for line in process.stdout if "/#/" in line).split()[-1]
        assert link.startswith(f"http://127.0.0.1:{port}/#/experiments/")
        address = link.partition("/#/")[0]
        _wait(address, process)
        yield address
    finally:
        os.killpg(process.pid, signal.SIGINT)
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait(5)
        process.stdout.close()
    assert process.returncode == 0


def _wait(address, process, patience_s=60):
    deadline = time.monotonic() + patience_s
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(f"{address}/health", timeout=5) as answer:
                assert answer.read() == b"OK"
                return
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            time.sleep(0.2)
    pytest.fail("the server did not answer")


@pytest.mark.slow
def test_the_ui_for_real_and_a_sweep_on_the_server(server, results, tmp_path):
    """The server shows the sweep; and it can be the store of another, to the same numbers as the file."""
    with urllib.request.urlopen(f"{server}/version", timeout=5) as answer:
        assert answer.read().decode() == importlib.metadata.version("mlflow")
    body = json.dumps({"experiment_ids": ["1"], "filter": "tags.kind = 'run'", "max_results": 10}).encode()
    request = urllib.request.Request(f"{server}/api/2.0/mlflow/runs/search", body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=5) as answer:
        assert {run["info"]["run_name"] for run in json.load(answer)["runs"]} == {"index=0", "index=1"}

    elsewhere = tmp_path / "elsewhere"
    on_server = [*TOYS, "tracking=server", f"tracking.uri={server}", "name=remote", f"results={elsewhere}"]
    done = in_process([*on_server, "index=0,1"])
    assert (done.status, done.err) == (0, "")
    assert f"runs in MLflow: {server}\n" in done.out
    assert "1 to go" in in_process([*on_server, "index=0,1,2"]).out
    page = (elsewhere / "reports" / "remote" / "index.html").read_text()
    assert f'href="{server}/#/experiments/' in page
    assert {path.name for path in elsewhere.iterdir()} == {"reports"}
    remote = frames.runs(Store(Settings(str(elsewhere), server)), "remote")
    assert set(remote["status"]) == {"FINISHED"}
    stored = values(results, "remote")
    assert {name: stored[name] for name in ("index=0", "index=1")} == values(results)
    again = in_process(["sweep=remote", f"results={elsewhere}", f"uri={server}"], report_main)
    assert (again.status, again.err) == (0, "")
