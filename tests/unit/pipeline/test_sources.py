"""Which files and tables a run reads."""

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from importer.config import loader as configuration
from importer.config.schema import Config
from importer.errors import ConfigError, SourceError
from importer.pipeline.sources import Table, located, named_sources, open_sources, passed_over, refuse_changed


@pytest.fixture
def config(tmp_path: Path) -> Config:
    (tmp_path / "a.csv").write_text("id,plan\n1,x\n")
    mapping = {
        "name": "sources",
        "source": {"path": "a.csv"},
        "identity": {"column": "id"},
        "destination": {"type": "vevee", "api_key": "env:NONE"},
        "attributes": {"plan": {"type": "free_text"}},
    }
    return configuration.parse(mapping, tmp_path / "import.toml")


def test_tables_are_named_by_their_place() -> None:
    frame = pl.DataFrame({"id": ["1"]})
    assert named_sources(None) == ()
    assert named_sources(Path("a.csv")) == ("a.csv",)
    assert named_sources(frame) == (Table("table", frame),)
    several = named_sources([frame, "b.csv", frame])
    assert [one if isinstance(one, str) else one.name for one in several] == ["table-1", "b.csv", "table-3"]


def test_what_is_neither_path_nor_table_is_refused() -> None:
    wrong: Any = b"a.csv"
    with pytest.raises(ConfigError, match="found bytes"):
        named_sources([wrong])


def test_the_configured_path_is_looked_for_beside_the_configuration_too(
    config: Config, tmp_path: Path
) -> None:
    assert located(config, ()) == [str(tmp_path / "a.csv")]
    with pytest.raises(SourceError, match="no such file"):
        located(config, ["a.csv"])


def test_tables_stay_among_the_files(config: Config, tmp_path: Path) -> None:
    table, path = Table("table-1"), str(tmp_path / "a.csv")
    assert located(config, [path, table, path]) == [path, table, path]


def test_standard_input_stays_among_the_files_and_is_read_only_by_its_run(
    config: Config, tmp_path: Path
) -> None:
    path = str(tmp_path / "a.csv")
    assert located(config, [path, "-"]) == [path, "-"]
    with pytest.raises(SourceError, match="standard input is read once"):
        open_sources(config, ["-"])


def test_files_that_are_passed_over_are_counted_where_the_list_is_found(
    config: Config, tmp_path: Path
) -> None:
    (tmp_path / "lists").mkdir()
    for name in ("a.csv", "_SUCCESS", ".a.csv.crc"):
        (tmp_path / "lists" / name).touch()
    path = str(tmp_path / "lists")
    assert list(passed_over(config, ())) == []
    assert list(passed_over(config, [path, Table("table"), "-", "none.csv"])) == [(path, 2)]
    beside = config.model_copy(update={"source": config.source.model_copy(update={"path": "lists"})})
    assert list(passed_over(beside, ())) == [("lists", 2)]


def test_a_table_of_another_process_cannot_be_read(config: Config) -> None:
    with pytest.raises(SourceError, match="cannot be read again"):
        open_sources(config, [Table("table")])


def test_a_source_that_changes_while_it_is_read_is_refused(config: Config, tmp_path: Path) -> None:
    opened = open_sources(config, ())
    refuse_changed(opened)
    (tmp_path / "a.csv").write_text("id,plan\n1,longer\n")
    with pytest.raises(SourceError, match="changed while it was read"):
        refuse_changed(opened)
