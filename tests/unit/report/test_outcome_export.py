"""The table of outcomes is copied beside those of other runs, into a folder or an object store."""

from pathlib import Path

import pytest

from importer.errors import StateError
from importer.report.outcome_export import copies, export


def table(folder: Path, **files: str) -> Path:
    """A table whose files hold these texts; `applied_1` is outcome=applied/chunk-1.parquet."""
    for name, text in files.items():
        outcome, _, number = name.rpartition("_")
        path = folder / f"outcome={outcome}" / f"chunk-{number}.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def names(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): path.read_text() for path in sorted(folder.glob("*/*"))}


def test_runs_stand_beside_each_other_and_a_resumed_one_replaces_its_own(tmp_path: Path) -> None:
    there = tmp_path / "there"
    export(table(tmp_path / "x", applied_1="other"), "a.b", str(there))
    export(table(tmp_path / "1", applied_1="old", not_attempted_1="left"), "b", str(there))
    export(table(tmp_path / "2", applied_1="new"), "b", str(there))
    assert names(there) == {
        "outcome=applied/chunk-1.a.b.parquet": "other",
        "outcome=applied/chunk-1.b.parquet": "new",
    }
    assert [path.name for path in copies(there, "b")] == ["chunk-1.b.parquet"]
    assert {path.stat().st_mode & 0o777 for path in copies(there, "b")} == {0o600}


def test_what_is_in_the_way_is_named(tmp_path: Path) -> None:
    (tmp_path / "there").write_text("")
    with pytest.raises(StateError, match="could not be copied there") as caught:
        export(table(tmp_path / "t", applied_1="x"), "run", str(tmp_path / "there"))
    assert f"whole in {tmp_path / 't'}" in str(caught.value)
