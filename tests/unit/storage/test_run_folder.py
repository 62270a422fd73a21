"""What is read of a run is what was written, or one sentence says that it is not."""

from pathlib import Path

import pytest

from importer.core.errors import StateError
from importer.storage import run_folder
from importer.storage.run_folder import RunFolder

META = {"run_id": "night", "mode": "run", "started_at": "2026-01-01T00:00:00+00:00", "identity": "x-1"}


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    found = RunFolder(tmp_path / "runs" / "night")
    found.path.mkdir(parents=True)
    found.write_meta(META)
    return found


def test_meta_and_summary_come_back(folder: RunFolder) -> None:
    assert folder.run_id == "night"
    assert folder.read_meta() == META
    assert folder.read_summary() is None
    folder.write_summary({"state": "finished", "name": "Zoë"})
    assert folder.read_summary() == {"state": "finished", "name": "Zoë"}


@pytest.mark.parametrize("text", ["", "{", "[]", '{"mode": "run"', '{"no": "state"}'])
def test_damage_is_one_sentence(folder: RunFolder, text: str) -> None:
    folder.summary.write_text(text)
    with pytest.raises(StateError, match=r"nothing is known of this run; move .*night away"):
        folder.read_summary()
    folder.meta.write_text("{")
    with pytest.raises(StateError, match="nothing is known of this run"):
        folder.read_meta()


def test_a_flipped_letter_of_run_json_is_damage(folder: RunFolder) -> None:
    folder.meta.write_text(folder.meta.read_text().replace('"run"', '"ran"'))
    with pytest.raises(StateError, match=r"run.json: missing or damaged"):
        folder.read_meta()


@pytest.mark.parametrize("letter", ["finished", "rows", "checksum", "state_version"])
def test_a_flipped_letter_of_the_summary_is_damage(folder: RunFolder, letter: str) -> None:
    folder.write_summary({"state": "finished", "rows": {"read": 1}, "name": "Zoë \udce9 \x9b"})
    assert folder.read_summary() == {"state": "finished", "rows": {"read": 1}, "name": "Zoë \udce9 \x9b"}
    text = folder.summary.read_text("utf-8")
    assert "Zoë" in text
    folder.summary.write_text(text.replace(letter, "X" + letter[1:]), "utf-8")
    with pytest.raises(StateError, match=r"summary.json: missing or damaged"):
        folder.read_summary()


def test_a_stage_of_an_earlier_version_has_its_name_of_now(folder: RunFolder) -> None:
    folder.summary.write_text('{"state": "finished", "rejects": [{"stage": "trim"}, {"stage": "read"}]}')
    summary = folder.read_summary()
    assert summary is not None
    assert [reject["stage"] for reject in summary["rejects"]] == ["adjust", "read"]


def test_a_summary_of_an_earlier_version_has_no_checksum(folder: RunFolder) -> None:
    folder.summary.write_text('{"state": "finished"}')
    assert folder.read_summary() == {"state": "finished"}


@pytest.mark.parametrize(
    ("mode", "more", "summary", "state", "resumable"),
    [
        ("run", {}, None, "open", True),
        ("run", {}, "stopped", "stopped", True),
        ("run", {}, "finished", "finished", False),
        ("run", {"superseded_by": "later"}, "stopped", "superseded", False),
        ("check", {}, None, "open", False),
    ],
)
def test_how_a_run_stands(
    folder: RunFolder, mode: str, more: dict[str, str], summary: str | None, state: str, resumable: bool
) -> None:
    folder.write_meta({**META, "mode": mode, **more})
    if summary:
        folder.write_summary({"state": summary})
    assert run_folder.state_of(folder.read_meta(), folder.read_summary()) == state
    assert run_folder.is_resumable(folder) is resumable


def test_what_is_only_for_the_run_goes_with_it(folder: RunFolder) -> None:
    folder.make_folders()
    (folder.spool / "segment").write_text("rows")
    (folder.work / "part").write_text("lines")
    folder.drop_temporary()
    assert [path.name for path in folder.path.iterdir()] == ["run.json"]


def test_ids_sort_by_time_and_differ() -> None:
    ids = [run_folder.new_run_id() for _ in range(50)]
    assert len(set(ids)) == 50
    assert sorted(id_[:15] for id_ in ids) == [id_[:15] for id_ in ids]
