"""The table of outcomes says of each value what the summary counts and `rejects.csv` shows."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import importer
from importer.config import loader as configuration
from importer.core.models import Outcome, RunSummary
from importer.errors import ConfigError
from importer.sandbox import server as sandbox
from importer.sandbox.options import SandboxOptions
from importer.sandbox.server import SandboxServer

KEY = "sk_test_outcomes"
PEOPLE = 60


@pytest.fixture
def mapping(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Two rows of each third person, bad values, undeclared options, cells that clear, a row of nobody."""
    monkeypatch.setenv("OUTCOMES_KEY", KEY)
    lines = ["id,plan,age,tags,note"]
    for n in range(PEOPLE):
        lines.append(f"u{n},{'off' if n % 7 == 3 else 'a'},{'x' if n % 5 == 2 else n},t1|t{n % 4},n{n}")
        if n % 3 == 0:
            lines.append(f"u{n},b,,t2,{'' if n % 2 else 'later'}")
    path = tmp_path / "list.csv"
    path.write_text("\n".join([*lines, ",a,1,t1,nobody"]) + "\n")
    return {
        "name": "outcomes",
        "source": {"path": str(path), "clear_values": ["n9"]},
        "identity": {"column": "id"},
        "destination": {
            "type": "vevee",
            "api_key": "env:OUTCOMES_KEY",
            "account": "test",
            "requests_per_second": 0,
        },
        "attributes": {
            "plan": {"type": "single_choice", "options": ["a", "b"]},
            "age": {"type": "number"},
            "tags": {"type": "multi_choice", "options": ["t1", "t2"]},
            "note": {"type": "free_text", "blank": "clear"},
        },
        "run": {"outcomes": True},
    }


def serving(mapping: dict[str, Any], **more: Any) -> Any:
    return sandbox.running(configuration.parse(mapping), SandboxOptions(**more), KEY)


def options(folder: Path, server: SandboxServer, **more: Any) -> importer.Options:
    return importer.Options(state_dir=folder / "state", base_url=server.url, **more)


def lines_of(summary: RunSummary) -> Iterator[tuple[str, ...]]:
    """The lines of `rejects.csv` about one value each."""
    for line in summary.rejects().filter(pl.col("attribute") != "").iter_rows(named=True):
        yield tuple(line[name] for name in ("row", "line", "distinct_id", "attribute", "stage", "reason"))


def assert_agrees(summary: RunSummary) -> pl.DataFrame:
    """One row a value, as many of each outcome and attribute as counted, with the lines of the report."""
    table = summary.outcomes().collect()
    assert table.select("row", "source", "attribute").is_duplicated().sum() == 0
    assert (table["run_id"] == summary.run_id).all()
    counts = Counter(table["outcome"])
    assert {str(o): counts[str(o)] for o in Outcome} == {
        k: n for k, n in summary.values.items() if k != "read"
    }
    for attribute in summary.attributes:
        mine = Counter(table.filter(attribute=attribute["attribute"])["outcome"])
        assert {str(o): mine[str(o)] for o in Outcome} == {str(o): attribute[str(o)] for o in Outcome}
    told = table.filter(pl.col("stage").is_not_null())
    columns = ["row", "line", "distinct_id", "attribute", "stage", "reason"]
    assert sorted(told.select(pl.col(columns).cast(pl.String)).rows()) == sorted(lines_of(summary))
    assert table.filter(outcome="applied")["at"].null_count() == 0
    return table


def test_every_value_of_a_run_is_in_the_table(mapping: dict[str, Any], tmp_path: Path) -> None:
    with serving(mapping, undefined=frozenset({"note"})) as server:
        summary = importer.run(mapping, None, options(tmp_path, server))
    table = assert_agrees(summary)
    assert set(table["outcome"]) == {"applied", "rejected", "superseded"}
    assert set(table["stage"].drop_nulls()) == {"check", "send", "adjust"}
    assert table.filter(stage="send")["status"].unique().to_list() != [None]
    assert table["fingerprint"].null_count() == 0
    assert table.group_by("row").agg(pl.col("fingerprint").n_unique())["fingerprint"].unique().to_list() == [
        1
    ]


def test_a_resumed_run_replaces_what_was_not_attempted(mapping: dict[str, Any], tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    with serving(mapping, quota=PEOPLE // 2) as server:
        stopped = importer.run(mapping, None, options(tmp_path, server, outcomes=str(copy)))
    assert assert_agrees(stopped).filter(outcome="not_attempted").height > 0
    assert list(copy.glob("outcome=not_attempted/*"))
    with serving(mapping) as server:
        done = importer.resume(tmp_path / "state", options=options(tmp_path, server))
    table = assert_agrees(done)
    assert "not_attempted" not in set(table["outcome"])
    assert not list(copy.glob("outcome=not_attempted/*"))
    copied = pl.scan_parquet(copy / "**/*.parquet", hive_partitioning=True).collect()
    assert copied.sort("row", "attribute").rows() == table.sort("row", "attribute").rows()


def test_unchanged_rows_are_in_the_table(mapping: dict[str, Any], tmp_path: Path) -> None:
    mapping["run"]["changed_only"] = True
    path = Path(mapping["source"]["path"])
    with serving(mapping) as server:
        importer.run(mapping, None, options(tmp_path, server))
        path.write_text(path.read_text().replace("u10,off,10", "u10,a,11"))
        summary = importer.run(mapping, None, options(tmp_path, server))
    table = assert_agrees(summary)
    assert table.filter(outcome="unchanged").height > PEOPLE
    assert table.filter(outcome="applied").select("distinct_id", "attribute").rows() == [
        ("u10", "plan"),
        ("u10", "age"),
    ]


def test_a_run_without_the_table_says_how_to_get_one(mapping: dict[str, Any], tmp_path: Path) -> None:
    del mapping["run"]
    with serving(mapping) as server:
        summary = importer.run(mapping, None, options(tmp_path, server))
    with pytest.raises(ConfigError, match="outcomes = true"):
        summary.outcomes()


def test_a_copy_that_fails_ends_with_7_and_the_run_has_the_table(
    mapping: dict[str, Any], tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("in the way")
    with serving(mapping) as server:
        summary = importer.run(mapping, None, options(tmp_path, server, outcomes=str(tmp_path / "file")))
    assert (summary.state, summary.exit_code) == ("finished", 7)
    assert f"whole in {summary.folder / 'outcomes'}" in summary.message
    assert_agrees(summary)
