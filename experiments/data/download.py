"""One file from the web into a folder: checked by its SHA-256, in one piece or not at all, with a progress bar."""

from __future__ import annotations

import logging
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn, TransferSpeedColumn


class Refused(OSError):
    """The file did not come, or not as it should: why, in a few words."""


class Bar:
    """rich's progress bar with the methods that pooch calls."""

    def __init__(self, progress: Progress, name: str) -> None:
        self._progress = progress
        self._task: TaskID = progress.add_task(name, total=None)

    @property
    def total(self) -> float | None:
        return self._progress.tasks[self._task].total

    @total.setter
    def total(self, size: int) -> None:
        self._progress.update(self._task, total=size or None)  # 0: the server did not say

    def update(self, size: int) -> None:
        self._progress.advance(self._task, size)

    def reset(self) -> None:
        self._progress.reset(self._task)

    def close(self) -> None:
        """Nothing to close: the progress bar's own context does."""


def fetch(url: str, sha256: str, folder: Path, patience_s: float) -> Path:
    """The file at `url` in `folder`, under its own name; not fetched again if it is there. Raises Refused."""
    import pooch

    pooch.get_logger().setLevel(logging.WARNING)  # it has a bar; the log need not say it too
    name = url.rsplit("/", 1)[-1]
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        downloader = pooch.HTTPDownloader(progressbar=Bar(progress, name), chunk_size=1 << 16, timeout=patience_s)
        try:
            return Path(pooch.retrieve(url, f"sha256:{sha256}", fname=name, path=folder, downloader=downloader))
        except (OSError, ValueError) as error:
            raise Refused(_reason(error)) from error


def _reason(error: Exception) -> str:
    """Why, in a few words: what requests and pooch say fills a screen."""
    response = getattr(error, "response", None)
    if response is not None:
        return f"HTTP {response.status_code}"
    if isinstance(error, OSError):
        where = f": {error.filename}" if error.filename else ""
        return f"{error.strerror or type(error).__name__}{where}"
    return "wrong SHA-256" if "hash" in str(error) else " ".join(str(error).split())
