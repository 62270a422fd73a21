"""A table of the calling program is imported as its Parquet file is, batch by batch."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]
import pytest

import importer
from importer.config import loader as configuration
from importer.errors import ConfigError, SourceError
from importer.sandbox import faults
from importer.sandbox import server as sandbox
from importer.sandbox.options import SandboxOptions

KEY = "sk_test_tables"

ROWS = {
    "id": ["1", "2", "3", "1", None],
    "plan": ["pro", "off", "pro", "basic", "pro"],
    "age": [20, 30, None, 21, 5],
    "joined": [None, "2024-02-29", "2023-01-01", "2022-12-31", None],
}


@pytest.fixture
def mapping(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """A configuration without a path: the source is given with each call."""
    monkeypatch.setenv("TABLE_KEY", KEY)
    return {
        "name": "tables",
        "identity": {"column": "id"},
        "source": {},
        "destination": {"type": "vevee", "api_key": "env:TABLE_KEY", "requests_per_second": 0},
        "attributes": {
            "plan": {"type": "single_choice", "options": ["pro", "basic"]},
            "age": {"type": "number"},
            "joined": {"type": "date"},
        },
    }


def _frame() -> pl.DataFrame:
    return pl.DataFrame(ROWS).with_columns(pl.col("joined").str.to_date())


def _duckdb_query() -> Any:
    frame = _frame()  # noqa: F841 - the query names it
    return duckdb.sql("select * from frame")


TABLES: dict[str, Callable[[], Any]] = {
    "polars": _frame,
    "pandas": lambda: _frame().to_pandas(),
    "pyarrow": lambda: _frame().to_arrow(),
    "pyarrow stream": lambda: pa.RecordBatchReader.from_batches(
        _frame().to_arrow().schema, _frame().to_arrow().to_batches(max_chunksize=2)
    ),
    "duckdb": _duckdb_query,
}


def _imported(mapping: dict[str, Any], source: Any, state_dir: Path) -> tuple[Any, ...]:
    with sandbox.running(configuration.parse(mapping), SandboxOptions(), KEY) as server:
        options = importer.Options(state_dir=state_dir, base_url=server.url)
        summary = importer.run(mapping, source, options)
        rejects = summary.rejects().drop("file", "at")
        return server.stored, dict(summary.rows), dict(summary.values), dict(summary.people), rejects.rows()


@pytest.mark.parametrize("kind", TABLES)
def test_a_table_is_imported_as_its_parquet_file(kind: str, mapping: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "people.parquet"
    pq.write_table(_frame().to_arrow(), path)
    expected = _imported(mapping, str(path), tmp_path / "a")
    assert expected[0]["1"] == {"plan": "basic", "age": 21, "joined": "2022-12-31"}
    assert _imported(mapping, TABLES[kind](), tmp_path / "b") == expected


def test_check_counts_a_table_and_sends_nothing(mapping: dict[str, Any], tmp_path: Path) -> None:
    summary = importer.check(mapping, _frame(), importer.Options(state_dir=tmp_path / "s"))
    assert (summary.rows["read"], summary.calls["sent"]) == (5, 0)
    assert [(one["path"], one["rows"]) for one in summary.sources] == [("table", 5)]


def test_tables_and_files_are_read_in_the_order_given(mapping: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "more.parquet"
    _frame().head(1).write_parquet(path)
    sources = [_frame(), path, _frame().head(1).with_columns(age=pl.lit(99, pl.Int64))]
    stored, *_ = _imported(mapping, sources, tmp_path / "s")
    assert stored["1"] == {"plan": "pro", "age": 99, "joined": "2022-12-31"}


class Counted:
    """A stream that counts how many of its batches were taken."""

    def __init__(self, batches: int) -> None:
        self.taken = 0
        self._batches = batches
        self._lock = threading.Lock()

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        names = {"id": pa.string(), "plan": pa.string(), "age": pa.int64(), "joined": pa.date32()}
        schema = pa.schema(list(names.items()))
        return pa.RecordBatchReader.from_batches(schema, self._made(schema)).__arrow_c_stream__()

    def _made(self, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
        for number in range(self._batches):
            with self._lock:
                self.taken += 1
            ids = [f"{number}-{n}" for n in range(1000)]
            columns = [ids, ["pro"] * 1000, [1] * 1000, [None] * 1000]
            yield pa.record_batch([pa.array(c, f.type) for c, f in zip(columns, schema, strict=True)], schema)


def test_a_stream_is_never_collected(mapping: dict[str, Any], tmp_path: Path) -> None:
    table = Counted(2000)
    seen: list[tuple[int, int]] = []

    def note(progress: importer.Progress) -> None:
        seen.append((progress.rows, table.taken))

    summary = importer.check(mapping, table, importer.Options(state_dir=tmp_path / "s"), progress=note)
    assert summary.rows["read"] == 2_000_000
    rows, taken = seen[0]
    assert rows < 200_000
    assert taken < 1000, "the first rows are checked long before the last batch is made"


def test_what_is_no_source_is_refused(mapping: dict[str, Any], tmp_path: Path) -> None:
    wrong: Any = 42
    with pytest.raises(ConfigError, match="found int"):
        importer.check(mapping, [wrong], importer.Options(state_dir=tmp_path))
    with pytest.raises(SourceError, match="no source is named"):
        importer.check(mapping, None, importer.Options(state_dir=tmp_path))
    with pytest.raises(SourceError, match=r'table: column "joined" is missing'):
        importer.check(mapping, _frame().drop("joined"), importer.Options(state_dir=tmp_path))


def test_a_stopped_run_of_a_table_goes_on_without_it(mapping: dict[str, Any], state_dir: Path) -> None:
    config = configuration.parse(mapping)
    stop = SandboxOptions(faults=(faults.parse_fault("401@2-:times=0"),))
    with sandbox.running(config, stop, KEY) as server:
        options = importer.Options(state_dir=state_dir, base_url=server.url)
        assert importer.run(mapping, _frame(), options).exit_code == 4
        server.change(SandboxOptions())
        summary = importer.resume(state_dir)
        assert (summary.state, len(server.stored)) == ("finished", 3)


def test_a_table_that_was_not_read_to_its_end_cannot_be_resumed(
    mapping: dict[str, Any], state_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(_: object) -> None:
        raise KeyboardInterrupt

    options = importer.Options(state_dir=state_dir, base_url="http://127.0.0.1:9")
    with pytest.raises(KeyboardInterrupt):
        importer.run(mapping, _frame(), options, progress=stop)
    with pytest.raises(SourceError, match=r"table: .* cannot be read again; .*importer\.run"):
        importer.resume(state_dir)


def test_the_rejected_rows_of_a_table_are_retried(mapping: dict[str, Any], state_dir: Path) -> None:
    mapping["source"] = {"format": "csv"}  # of the configured source, which no table has
    with sandbox.running(configuration.parse(mapping), SandboxOptions(), KEY) as server:
        options = importer.Options(state_dir=state_dir, base_url=server.url)
        run = importer.run(mapping, _frame(), options)
        [kept] = (run.folder / "rejected_rows").iterdir()
        assert kept.name == "01-table.parquet"
        rows = pl.read_parquet(kept).with_columns(plan=pl.lit("pro"))
        rows.write_parquet(kept)
        assert importer.retry(state_dir, run.run_id, kept).values["applied"] == 1
        assert server.stored["2"]["plan"] == "pro"


def test_verify_and_explain_say_that_a_table_is_not_there(mapping: dict[str, Any], state_dir: Path) -> None:
    with sandbox.running(configuration.parse(mapping), SandboxOptions(), KEY) as server:
        importer.run(mapping, _frame(), importer.Options(state_dir=state_dir, base_url=server.url))
        with pytest.raises(SourceError, match=r"table: .* cannot be read again"):
            importer.verify(state_dir)
        lines = "\n".join(importer.explain(state_dir, "2"))
        assert "table cannot be read again: only rows with rejects are known" in lines
        assert '"off"' in lines
