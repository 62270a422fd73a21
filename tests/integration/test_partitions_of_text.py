"""A folder of CSV files in partitions through the whole program, and the rejected rows of it again."""

from pathlib import Path
from typing import Any

import pytest

import importer
from importer.config import loader
from importer.sandbox import server as sandbox
from importer.sandbox.options import SandboxOptions

KEY = "sk_key"


def test_columns_of_folders_are_sent_and_rejected_rows_keep_their_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LIST_KEY", KEY)
    for country, rows in {"DE": "1,a\n2,seven\n", "FR": "3,8\n"}.items():
        folder = tmp_path / "lists" / f"country={country}"
        folder.mkdir(parents=True)
        (folder / "part.csv").write_text(f"id,n\n{rows}")
    (tmp_path / "lists/_SUCCESS").touch()
    config = loader.parse(
        {
            "name": "partitions",
            "source": {"path": str(tmp_path / "lists")},
            "identity": {"column": "id"},
            "destination": {"type": "vevee", "api_key": "env:LIST_KEY", "requests_per_second": 0},
            "attributes": {"country": {"type": "free_text"}, "n": {"type": "number"}},
        }
    )
    state = tmp_path / "state"
    with sandbox.running(config, SandboxOptions(), KEY) as server:
        options = importer.Options(state_dir=state, base_url=server.url)
        first = importer.run(config, (), options)
        kept = first.folder / "rejected_rows/country=DE/01-part.csv"
        assert kept.read_text() == "id,n\n1,a\n2,seven\n"
        kept.write_text("id,n\n1,5\n2,seven\n")
        again = importer.retry(state, first.run_id, kept, options)
        stored: dict[str, dict[str, Any]] = dict(server.stored)
    assert stored == {"1": {"country": "DE", "n": 5}, "2": {"country": "DE"}, "3": {"country": "FR", "n": 8}}
    assert [(w.code, w.column, w.count) for w in first.warnings] == [
        ("files_passed_over", str(tmp_path / "lists"), 1)
    ]
    assert (again.folder / "rejected_rows/country=DE/01-part.csv").read_text() == "id,n\n2,seven\n"
