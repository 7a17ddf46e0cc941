"""What is kept on disk: found again, by whatever has the same `repr`; and no harm done where nothing can be kept."""

from __future__ import annotations

import math

import pytest

from experiments.kept import kept


class Counted:
    """Finds two numbers, and counts how often."""

    calls = 0

    def __call__(self):
        self.calls += 1
        return {"found": 1 / 3, "not": math.nan}


def test_what_was_found_is_found_again(tmp_path):
    find = Counted()
    for asked in ("a", "b", "a", ("a", 1.5), ("a", 1.5)):
        found = kept(tmp_path / "new" / "folder", asked, find)
        assert found == pytest.approx({"found": 1 / 3, "not": math.nan}, rel=0, nan_ok=True)
    assert find.calls == 3
    assert len(list(tmp_path.rglob("*"))) == 2 + 3  # nothing half-written is left


@pytest.mark.parametrize("damage", [b"", b"{", b"[1]", b'{"found": "x"}', b"\x80\xff", b"null"], ids=repr)
def test_a_damaged_file_is_written_anew(tmp_path, damage):
    find = Counted()
    kept(tmp_path, "a", find)
    [file] = tmp_path.iterdir()
    file.write_bytes(damage)
    assert kept(tmp_path, "a", find)["found"] == 1 / 3
    assert find.calls == 2
    assert kept(tmp_path, "a", find)["found"] == 1 / 3
    assert find.calls == 2


def test_where_nothing_can_be_kept_all_is_found_anew(tmp_path):
    find, place = Counted(), tmp_path / "file"
    place.write_text("in the folder's place")
    for folder in (place, place / "below"):
        assert kept(folder, "a", find)["found"] == 1 / 3
    assert find.calls == 2
