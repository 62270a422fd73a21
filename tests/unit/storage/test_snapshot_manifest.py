"""The manifest of a snapshot is what was written, or the snapshot is damaged."""

import json
from pathlib import Path

import pytest

from importer.core.errors import StateError
from importer.storage import snapshot_manifest
from importer.storage.checked_files import DamagedError
from importer.storage.snapshot_manifest import Manifest, import_of, snapshot_errors
from tests.support.mappings import config_of

OF_0_1_0 = {
    "hash": "xxh64/1024",
    "import": {"name": "nightly", "type": "vevee", "base_url": "https://x", "account": "test"},
    "attributes": ["plan"],
    "changed_only": True,
    "next": 3,
    "runs": {"night": 2},
    "declared": {"plan": {"print": "abc", "since": 0}},
    "generation": 4,
    "base": [{"file": "base-000004-0000.arrow", "first": 0, "end": 1024, "people": 10}],
    "base_run": 1,
    "recent": {"file": "recent-000003.arrow", "people": 5},
    "recent_run": 1,
    "folded": 1,
    "full_at": 17.5,
    "where": None,
}


def test_a_manifest_comes_back(tmp_path: Path) -> None:
    assert Manifest.load(tmp_path) == Manifest()
    manifest = Manifest(import_of(config_of()), ["plan"], next=7, runs={"a": 6}, full_at=1.5, where="age > 1")
    manifest.save(tmp_path)
    assert Manifest.load(tmp_path) == manifest


def test_that_of_the_version_before_is_read(tmp_path: Path) -> None:
    (tmp_path / snapshot_manifest.NAME).write_text(json.dumps(OF_0_1_0))
    found = Manifest.load(tmp_path)
    assert (found.next, found.runs, found.people, found.full_at) == (3, {"night": 2}, 10, 17.5)
    assert found.layer_files() == {"base-000004-0000.arrow", "recent-000003.arrow"}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        json.dumps(OF_0_1_0 | {"hash": "md5/16"}),
        json.dumps(OF_0_1_0 | {"bese": []}),
        json.dumps({"hash": "xxh64/1024"}),
    ],
)
def test_another_file_is_damage(text: str, tmp_path: Path) -> None:
    (tmp_path / snapshot_manifest.NAME).write_text(text)
    with pytest.raises(StateError, match="the snapshot is damaged; delete this folder"):
        Manifest.load(tmp_path)


def test_a_fault_of_ours_is_never_called_damage(tmp_path: Path) -> None:
    """It would make a user delete a good snapshot."""
    for error in (TypeError(), KeyError(), AttributeError(), ValueError()):
        with pytest.raises(type(error)), snapshot_errors(tmp_path):
            raise error
    with pytest.raises(StateError, match="damaged"), snapshot_errors(tmp_path):
        raise DamagedError
