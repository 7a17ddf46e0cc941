"""The machine's caches, as sysfs describes them: read, or refused with the reason; never guessed."""

from __future__ import annotations

import pytest

from kernels.memory import Cache, Undescribed, caches_here

ZEN = {
    "index0": ("1", "Data", "32K", "8", "64", "64", "0"),
    "index1": ("1", "Instruction", "32K", "8", "64", "64", "0"),
    "index2": ("2", "Unified", "1024K", "8", "2048", "64", "0"),
    "index3": ("3", "Unified", "32768K", "16", "32768", "64", "0-7"),
}
FILES = ("level", "type", "size", "ways_of_associativity", "number_of_sets", "coherency_line_size", "shared_cpu_list")


def described(folder, caches):
    cache = folder / "cpu0" / "cache"
    for name, values in caches.items():
        (cache / name).mkdir(parents=True)
        for file, value in zip(FILES, values, strict=True):
            (cache / name / file).write_text(f"{value}\n")
    return cache


def test_the_data_caches_are_read_from_the_nearest_on(tmp_path):
    assert caches_here(described(tmp_path, ZEN)) == (
        Cache(32 << 10, 8, 64, "l1"),
        Cache(1 << 20, 8, 64, "l2"),
        Cache(32 << 20, 16, 64, "l3", shared=True),
    )


def test_threads_of_one_core_are_no_others(tmp_path):
    folder = described(tmp_path, {"index0": (*ZEN["index0"][:-1], "0,8")})
    (tmp_path / "cpu0" / "topology").mkdir()
    (tmp_path / "cpu0" / "topology" / "thread_siblings_list").write_text("0,8\n")
    assert not caches_here(folder)[0].shared


def test_other_lines_and_numbers_of_sets_are_taken_as_they_are(tmp_path):
    odd = ("3", "Unified", "30720K", "20", "12288", "128", "0-3")
    (cache,) = caches_here(described(tmp_path, {"index3": odd}))
    assert (cache.sets, cache.line_bytes) == (12288, 128)


def test_no_ways_are_one_set(tmp_path):
    (cache,) = caches_here(described(tmp_path, {"index0": ("1", "Data", "4K", "0", "1", "64", "0")}))
    assert (cache.ways, cache.sets) == (64, 1)


@pytest.mark.parametrize(
    ("caches", "reason"),
    [
        ({}, "describes no data cache"),
        ({"index0": ZEN["index1"]}, "describes no data cache"),
        ({"index0": ("1", "Data", "32K", "8", "63", "64", "0")}, "63 sets; should be 64, by its size, ways and line"),
        ({"index0": ("1", "Data", "32K", "7", "64", "64", "0")}, "size_bytes: 32768; should be a multiple of 448"),
        ({"index0": ("1", "Data", "", "8", "64", "64", "0")}, "invalid literal"),
        ({"index0": ("1", "Data", "32K", "0", "64", "0", "0")}, "division"),
    ],
)
def test_what_makes_no_cache_is_said(tmp_path, caches, reason):
    with pytest.raises(Undescribed, match=reason):
        caches_here(described(tmp_path, caches))


def test_a_file_that_is_missing_is_said(tmp_path):
    folder = described(tmp_path, ZEN)
    (folder / "index2" / "size").unlink()
    with pytest.raises(Undescribed, match=r"index2.*size"):
        caches_here(folder)
