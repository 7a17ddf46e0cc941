"""Downloading, from servers of the test's own on 127.0.0.1: whole and with the right SHA-256, or one line."""

from __future__ import annotations

import functools
import hashlib
import http.server
import re
import socket
import threading

import numpy as np
import pytest

from experiments.data import Mnist, download, mnist


class Silent(http.server.SimpleHTTPRequestHandler):
    """Serves a folder, writes down what it was asked for, and cuts files short if told to."""

    asked: list[str]
    cut = 0

    def do_GET(self):
        self.asked.append(self.path)
        super().do_GET()

    def copyfile(self, source, outputfile):
        data = source.read()
        outputfile.write(data[: len(data) - self.cut])

    def log_message(self, *_):
        pass


@pytest.fixture
def serve(monkeypatch):
    """`serve(folder)` → (its address, the list of paths asked for)."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    servers = []

    def start(folder, cut=0):
        handler = type("Handler", (Silent,), {"asked": [], "cut": cut})
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(handler, directory=str(folder)))
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        servers.append((server, thread))
        return f"http://127.0.0.1:{server.server_port}/", handler.asked

    yield start
    for server, thread in servers:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def dead():
    """An address where nobody listens."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{s.getsockname()[1]}/"


@pytest.fixture
def published(small_mnist, nowhere, monkeypatch):
    """A folder with the small MNIST, whose hashes are taken for the published ones."""
    root, _ = small_mnist(".gz", "mirror")
    hashes = {name: hashlib.sha256((root / name).read_bytes()).hexdigest() for name in mnist.SHA256}
    monkeypatch.setattr(mnist, "SHA256", hashes)
    return root


def test_from_the_first_mirror_into_the_cache_once(serve, published, nowhere, monkeypatch, small_mnist):
    url, asked = serve(published)
    monkeypatch.setattr(mnist, "MIRRORS", (url,))
    assert Mnist().stamp() == mnist.PUBLISHED  # asking for the stamp fetches nothing
    assert asked == []
    data = Mnist().load(0)
    assert data.X.shape == (30, 16)
    assert sorted(path.name for path in nowhere.iterdir()) == sorted(mnist.SHA256)
    assert sorted(asked) == sorted(f"/{name}" for name in mnist.SHA256)
    Mnist(bias=True).load(0)
    assert len(asked) == 4


def test_check_downloads_before_any_run(serve, published, nowhere, monkeypatch):
    monkeypatch.setattr(mnist, "MIRRORS", (serve(published)[0],))
    Mnist().check()
    assert len(list(nowhere.iterdir())) == 4


def test_a_dead_mirror_is_passed_over(serve, published, dead, monkeypatch):
    url, asked = serve(published)
    monkeypatch.setattr(mnist, "MIRRORS", (dead, url))
    assert len(Mnist().load(0).X) == 30
    assert len(asked) == 4


def test_the_second_mirror_gives_what_the_first_lacks(serve, published, tmp_path, monkeypatch):
    half = tmp_path / "half"
    half.mkdir()
    for name in list(mnist.SHA256)[:2]:
        (half / name).write_bytes((published / name).read_bytes())
    (first, _), (second, asked) = serve(half), serve(published)
    monkeypatch.setattr(mnist, "MIRRORS", (first, second))
    assert len(Mnist().load(0).X) == 30
    assert sorted(asked) == sorted(f"/{name}" for name in list(mnist.SHA256)[2:])


def test_none_works_one_line_says_why_and_what_to_do(serve, published, dead, nowhere, tmp_path, monkeypatch):
    wrong = tmp_path / "wrong"
    wrong.mkdir()
    for name in mnist.SHA256:
        (wrong / name).write_bytes(b"not what was published")
    (empty := tmp_path / "empty").mkdir()
    mirrors = (dead, serve(empty)[0], serve(wrong)[0], serve(published, cut=5)[0])
    monkeypatch.setattr(mnist, "MIRRORS", mirrors)
    host = r"127\.0\.0\.1:\d+"
    expected = (
        rf"^MNIST is not here and no mirror gave it \({host}: ConnectionError; {host}: HTTP 404; "
        rf"{host}: wrong SHA-256; {host}: ChunkedEncodingError\); put train-images-idx3-ubyte, [^\n]* "
        rf"into {re.escape(str(nowhere))}, "
        r"or name their folder with data\.root=FOLDER$"
    )
    with pytest.raises(ValueError, match=expected):
        Mnist().load(0)
    assert list(nowhere.iterdir()) == []  # nothing half done stays


def test_a_cache_folder_that_cannot_be_written_is_one_line(serve, published, nowhere, monkeypatch):
    nowhere.parent.parent.mkdir(exist_ok=True)
    nowhere.parent.write_text("a file where the folder should be")
    monkeypatch.setattr(mnist, "MIRRORS", (serve(published)[0],))
    with pytest.raises(
        ValueError, match=r"^MNIST is not here[^\n]*(NotADirectoryError|FileExistsError|Not a dir)[^\n]*$"
    ):
        Mnist().load(0)


def test_progress_is_shown_on_a_terminal(serve, tmp_path, monkeypatch, capsys):
    data = np.random.default_rng(0).bytes(300_000)
    (tmp_path / "big.bin").write_bytes(data)
    monkeypatch.setenv("FORCE_COLOR", "1")  # rich takes any stream for a terminal
    monkeypatch.setenv("TERM", "xterm")
    seen = []
    update = download.Bar.update
    monkeypatch.setattr(download.Bar, "update", lambda bar, size: (update(bar, size), seen.append((bar.total, size))))
    path = download.fetch(serve(tmp_path)[0] + "big.bin", hashlib.sha256(data).hexdigest(), tmp_path / "to", 5)
    assert path.read_bytes() == data
    out, err = capsys.readouterr()
    assert out == ""
    assert "big.bin" in err
    assert seen[-1] == (300_000, 300_000)
