"""What is refused before Spark is asked for anything, and how its errors are told."""

from pathlib import Path
from typing import Any, cast

import pytest

from importer.config.options import Options
from importer.errors import ConfigError, OutOfTimeError, SourceError
from importer.spark import library


@pytest.fixture
def mapping(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    monkeypatch.setenv("LAKE_KEY", "sk_test_lake")
    return {
        "name": "lake",
        "identity": {"column": "id"},
        "source": {},
        "destination": {"type": "vevee", "api_key": "env:LAKE_KEY", "account": "test"},
        "attributes": {"plan": {"type": "free_text"}},
    }


def refused(mapping: dict[str, Any], folder: Path, **more: Any) -> str:
    asked, never_looked_at = Options(state_dir=folder / "state", **more), cast(Any, None)
    with pytest.raises(ConfigError) as caught:
        library.run(never_looked_at, mapping, asked, staging=folder / "staging")
    return str(caught.value)


def test_what_a_table_of_a_cluster_cannot_have_is_refused(mapping: dict[str, Any], tmp_path: Path) -> None:
    assert "df.limit" in refused(mapping, tmp_path, limit=5)
    mapping["run"] = {"changed_only": True, "on_gone": "clear"}
    assert "run.on_gone" in refused(mapping, tmp_path)
    del mapping["run"]
    mapping["destination"]["api_key"] = "env:LAKE_KEY_THAT_IS_NOT_SET"
    assert "LAKE_KEY_THAT_IS_NOT_SET" in refused(mapping, tmp_path)
    assert not list((tmp_path / "state" / "runs").iterdir())


@pytest.mark.parametrize(
    ("text", "kind", "sentence"),
    [
        ("…\nimporter.core.errors.OutOfTimeError: late\n at x", OutOfTimeError, "late"),
        ("importer.core.errors.OtherError: what", SourceError, "what"),
        ("ModuleNotFoundError: No module named 'importer'", SourceError, "an executor has no importer"),
        ("[CAST_INVALID_INPUT] The value 'secret'", SourceError, r"could not read it \(ValueError\)"),
    ],
)
def test_errors_of_spark_are_told_in_one_sentence(text: str, kind: type[Exception], sentence: str) -> None:
    found = library._plain(ValueError(text))
    assert type(found) is kind
    with pytest.raises(kind, match=sentence) as caught:
        raise found
    assert "secret" not in str(caught.value)
