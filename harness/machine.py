"""The fingerprint of the machine: CPU, caches from sysfs, threads, library versions; and the digest of the sources."""

from __future__ import annotations

import hashlib
import importlib.metadata
import os
import platform
import socket
import subprocess
from contextlib import suppress
from functools import cache
from pathlib import Path

import psutil

CACHES = Path("/sys/devices/system/cpu/cpu0/cache")
LIBRARIES = (
    "numpy", "numba", "scipy", "scikit-learn", "torch", "jax", "pandas", "mlflow", "hydra-core",
)  # fmt: skip
# What a timing depends on, and the last digits of a result: of the fingerprint, what the identity is made of.
DECISIVE = ("cpu", "cores", "threads", "cache.", "python", "version.numpy", "version.numba")
# What a run's results depend on: its experiment, the kernels, and how it is timed.
SOURCES = ("experiments", "kernels", "harness/timing.py")


@cache
def fingerprint() -> dict[str, str]:
    """What this machine is, as tags: CPU, cores, caches, memory, operating system and library versions.

    A cache that the system does not describe is left out; nothing is guessed.
    """
    facts = {
        "cpu": _cpu_model(),
        "cores": str(os.cpu_count()),
        "threads": os.environ.get("NUMBA_NUM_THREADS") or str(_usable_cores()),
        "memory_gib": f"{psutil.virtual_memory().total / 2**30:.0f}",
        "os": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
    }
    facts |= {f"cache.{level}": size for level, size in caches().items()}
    for library in LIBRARIES:
        with suppress(importlib.metadata.PackageNotFoundError):  # the peers may be absent
            facts[f"version.{library}"] = importlib.metadata.version(library)
    return facts


def identity() -> str:
    """Short name of this machine as it is set up: timings of runs with different names are never pooled."""
    decisive = [f"{key}={value}" for key, value in sorted(fingerprint().items()) if key.startswith(DECISIVE)]
    return hashlib.sha256("\0".join(decisive).encode()).hexdigest()[:8]


def _usable_cores() -> int:
    """The cores that this process may run on, which a container may have fewer of than the machine."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def caches(folder: Path = CACHES) -> dict[str, str]:
    """Cache sizes as sysfs has them: `{"l1d": "32K, 8 ways, 64 B lines", …}`; empty where sysfs says nothing."""
    found = {}
    for index in sorted(folder.glob("index*")):
        try:
            level, kind, size, ways, line = (
                (index / name).read_text().strip()
                for name in ("level", "type", "size", "ways_of_associativity", "coherency_line_size")
            )
        except OSError:
            continue
        suffix = {"Data": "d", "Instruction": "i"}.get(kind, "")
        found[f"l{level}{suffix}"] = f"{size}, {ways} ways, {line} B lines"
    return found


def _cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    for line in lines:
        if line.startswith(("model name", "Model")):
            return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def process() -> dict[str, str]:
    """This process, so that a later sweep can tell whether it still lives: host, pid, and when it started."""
    return {
        "host": socket.gethostname(),
        "pid": str(os.getpid()),
        "process_start": f"{psutil.Process().create_time():.2f}",
    }


def is_alive(tags: dict[str, str]) -> bool | None:
    """Whether the process that `process()` described still runs; None if it is (or was) on another host."""
    if tags.get("host") != socket.gethostname():
        return None
    try:
        started = psutil.Process(int(tags["pid"])).create_time()
    except (psutil.Error, KeyError, ValueError):
        return False
    return bool(abs(started - float(tags.get("process_start", "nan"))) < 1.0)


@cache
def source_digest() -> str:
    """Digest (16 hex digits) of the code that decides a run's results; a finished run counts only under its own."""
    root = Path(__file__).parent.parent
    digest = hashlib.sha256()
    for name in SOURCES:
        path = root / name
        for file in sorted(path.rglob("*.py")) if path.is_dir() else [path]:
            if "notebooks" not in file.parts:
                digest.update(file.relative_to(root).as_posix().encode() + b"\0" + file.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


@cache
def git_revision() -> str:
    """The checkout's revision, with `+` if it has uncommitted changes; empty outside a checkout."""
    root = Path(__file__).parent.parent
    try:
        ask = ["git", "-C", str(root), "describe", "--always", "--dirty=+", "--abbrev=12"]
        return subprocess.run(ask, capture_output=True, text=True, timeout=10, check=True).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return ""
