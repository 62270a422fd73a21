"""The state folder is its owner's alone, and the process and its temporary folder stay as they are."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import importer
from importer.config import loader
from importer.core.errors import StateError
from importer.sandbox import server as sandbox
from importer.sandbox.options import SandboxOptions
from importer.storage import account
from tests.support.mappings import mapping as mapping_of
from tests.support.oracle.program import assert_private

KEY = "sk_test_state"


@pytest.fixture
def mapping(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """An import with something of everything that is kept: rejects, original rows, a snapshot."""
    source = tmp_path / "people.csv"
    source.write_text("id,plan,age\n1,pro,20\n2,off,30\n3,pro,\n1,basic,21\n,pro,1\n")
    monkeypatch.setenv("STATE_KEY", KEY)
    attributes = {"plan": {"type": "single_choice", "options": ["pro", "basic"]}, "age": {"type": "number"}}
    return mapping_of(source, attributes, "STATE_KEY", run={"changed_only": True})


@pytest.fixture
def options(mapping: dict[str, Any], tmp_path: Path) -> Iterator[importer.Options]:
    with sandbox.running(loader.parse(mapping), SandboxOptions(), KEY) as server:
        yield importer.Options(state_dir=tmp_path / "state", base_url=server.url)


def test_every_file_is_its_owners_alone_and_nothing_of_the_process_changes(
    mapping: dict[str, Any], options: importer.Options, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary))
    monkeypatch.setattr(tempfile, "tempdir", None)
    assert pl.DataFrame().is_empty()  # polars sets a variable of its own when it is loaded
    environment = dict(os.environ)
    umask = os.umask(0)
    try:
        assert importer.check(mapping, (), options).exit_code == 1
        assert importer.run(mapping, (), options).exit_code == 1
        assert importer.run(mapping, (), options).rows["unchanged"] == 2
        assert importer.retry(tmp_path / "state", None, None, options).exit_code == 1
        assert os.umask(0) == 0
    finally:
        os.umask(umask)
    assert_private(tmp_path / "state")
    assert list(temporary.iterdir()) == []
    assert dict(os.environ) == environment
    assert tempfile.gettempdir() == str(temporary)


def test_a_folder_that_a_kill_left_half_made_or_half_deleted_goes_with_the_next_run(
    mapping: dict[str, Any], options: importer.Options, tmp_path: Path
) -> None:
    assert importer.run(mapping, (), options).exit_code == 1
    state = tmp_path / "state"
    for name in (".new-x1", ".gone-night"):
        (state / name).mkdir()
        (state / name / "run.json").write_text("{}")
    assert importer.run(mapping, (), options).exit_code == 1
    assert sorted(path.name for path in state.glob(".*")) == [".gitignore"]


def test_a_link_in_the_place_of_a_file_of_ours_is_not_followed(
    mapping: dict[str, Any], options: importer.Options, tmp_path: Path
) -> None:
    assert importer.run(mapping, (), options).exit_code == 1
    key = account.import_id(options.applied_to(loader.parse(mapping)))
    precious = tmp_path / "precious"
    precious.write_text("keep me")
    lock = tmp_path / "state" / "locks" / f"{key}.lock"
    lock.unlink()
    lock.symlink_to(precious)
    with pytest.raises(StateError, match="locks"):
        importer.run(mapping, (), options)
    assert precious.read_text() == "keep me"
