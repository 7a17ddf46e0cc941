"""Caches as they are described: how large, how many ways, how long a line; and those of the machine at hand.

Source for the machine: Linux, Documentation/ABI/testing/sysfs-devices-system-cpu.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from kernels import check

SYSFS = Path("/sys/devices/system/cpu/cpu0/cache")
PAGE_BYTES = 4096


class Undescribed(LookupError):
    """The system does not say what caches there are; the message says what was looked for."""


@dataclass(frozen=True)
class Cache:
    """sets = size_bytes / (ways · line_bytes): an address's line, its number modulo `sets`, says which set may hold it.

    A set holds `ways` lines and gives up the one that was used longest ago (LRU). `shared`: all threads have one, else each
    has its own. Raises ValueError where a size is no whole number above 0, the line no power of two, or the size no
    multiple of ways · line_bytes.
    """

    size_bytes: int
    ways: int
    line_bytes: int = 64
    name: str = ""
    shared: bool = False

    def __post_init__(self) -> None:
        for name in ("size_bytes", "ways", "line_bytes"):
            object.__setattr__(self, name, check.whole(name, getattr(self, name)))
        if self.line_bytes & (self.line_bytes - 1):
            raise ValueError(f"line_bytes: {self.line_bytes}; should be a power of two, as 64")
        if self.size_bytes % (self.ways * self.line_bytes):
            multiple = f"{self.ways * self.line_bytes}, ways · line_bytes = {self.ways} · {self.line_bytes}"
            raise ValueError(f"size_bytes: {self.size_bytes}; should be a multiple of {multiple}")

    @property
    def sets(self) -> int:
        """How many sets there are: any number."""
        return self.size_bytes // (self.ways * self.line_bytes)

    @property
    def lines(self) -> int:
        """How many lines it holds."""
        return self.size_bytes // self.line_bytes


def fully_associative(size_bytes: int, line_bytes: int = 64, name: str = "") -> Cache:
    """A cache of one set: any line may be anywhere."""
    lines = check.whole("size_bytes", size_bytes) // check.whole("line_bytes", line_bytes)
    return Cache(size_bytes, max(1, lines), line_bytes, name)


def tlb(entries: int, ways: int, page_bytes: int = PAGE_BYTES, name: str = "") -> Cache:
    """A translation lookaside buffer: a cache of `entries` translations, whose lines are pages."""
    entries = check.whole("entries", entries)
    if entries % check.whole("ways", ways):
        raise ValueError(f"entries: {entries}; should be a multiple of the ways, {ways}")
    if check.whole("page_bytes", page_bytes) & (page_bytes - 1):
        raise ValueError(f"page_bytes: {page_bytes}; should be a power of two, as {PAGE_BYTES}")
    return Cache(entries * page_bytes, ways, page_bytes, name)


def caches_here(folder: Path = SYSFS) -> tuple[Cache, ...]:
    """The data caches of this machine's first core, from the nearest on: `l1`, `l2`, … as sysfs describes them.

    Raises Undescribed where it does not, or where what it says makes no cache; nothing is guessed.
    """
    found = {}
    for index in sorted(folder.glob("index[0-9]*")):
        try:
            if _read(index, "type") not in ("Data", "Unified"):
                continue
            level, line, sets = (int(_read(index, name)) for name in ("level", "coherency_line_size", "number_of_sets"))
            size = _bytes(_read(index, "size"))
            # Linux writes 0 ways for a cache of one set.
            ways = int(_read(index, "ways_of_associativity")) or size // line
            cache = Cache(size, ways, line, f"l{level}", _is_shared(index))
        except (OSError, ValueError, ZeroDivisionError) as error:
            raise Undescribed(f"{index}: {error}") from error
        if cache.sets != sets:
            raise Undescribed(f"{index}: {sets} sets; should be {cache.sets}, by its size, ways and line")
        found[level] = cache
    if not found:
        raise Undescribed(f"{folder}: describes no data cache")
    return tuple(found[level] for level in sorted(found))


def _read(index: Path, name: str) -> str:
    return (index / name).read_text().strip()


def _bytes(text: str) -> int:
    """`32K`, `1024K`, `32M` as bytes."""
    scale = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30}.get(text[-1:], 1)
    return int(text.rstrip("KMG")) * scale


def _is_shared(index: Path) -> bool:
    """Whether other cores than this one, whose threads of hardware share all of its caches, have it too."""
    siblings = index.parent.parent / "topology" / "thread_siblings_list"
    own = siblings.read_text().strip() if siblings.exists() else "0"
    return _read(index, "shared_cpu_list") != own
