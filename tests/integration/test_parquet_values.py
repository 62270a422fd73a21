"""Values as Parquet files hold them, through the whole program: exact, or rejected alone, and sent again."""

import datetime as dt
import decimal
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]
import pytest

import importer
from importer.config import loader
from importer.config.schema import Config
from importer.sandbox import server as sandbox
from importer.sandbox.options import SandboxOptions

KEY = "sk_key"


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Config:
    monkeypatch.setenv("LIST_KEY", KEY)
    return loader.parse(
        {
            "name": "values",
            "source": {"path": str(tmp_path / "list.parquet"), "ignore": ["picture"]},
            "identity": {"column": "id"},
            "destination": {"type": "vevee", "api_key": "env:LIST_KEY", "requests_per_second": 0},
            "attributes": {
                "seen": {"type": "datetime"},
                "opens": {"type": "free_text"},
                "rate": {"type": "free_text"},
                "sum": {"type": "number", "column": "rate_2"},
            },
        }
    )


def write(path: Path, ids: list[bytes | None], years: list[int]) -> None:
    height = len(ids)
    moments = [dt.datetime(year, 1, 2, 3, 4, 5, 999_999) for year in years]  # noqa: DTZ001 - INT96 has no zone
    rates = [decimal.Decimal("0.10")] * height
    table = pa.table(
        {
            "id": pa.array(ids, pa.binary()),
            "seen": pa.array(moments, pa.timestamp("us")),
            "opens": pa.array([dt.time(23, 59, 59, 999_999)] * height, pa.time64("us")),
            "rate": pa.array(rates, pa.decimal128(10, 2)),
            "rate_2": pa.array(rates, pa.decimal128(10, 2)),
            "picture": pa.array([b"\xff\0"] * height, pa.binary()),
        }
    )
    pq.write_table(table, path, use_deprecated_int96_timestamps=True, store_schema=False)


def test_values_arrive_exactly_and_a_bad_byte_costs_its_row_alone(config: Config, tmp_path: Path) -> None:
    write(Path(config.source.path), [b"old", b"bad\xff", b"new", b"nul\0"], [1500, 2024, 9999, 2024])
    options = importer.Options(state_dir=tmp_path / "state")
    checked = importer.check(config, (), options)
    with sandbox.running(config, SandboxOptions(), KEY) as server:
        sent = importer.Options(state_dir=tmp_path / "state", base_url=server.url)
        summary = importer.run(config, (), sent)
        stored: dict[str, dict[str, Any]] = dict(server.stored)
        (rows,) = (summary.folder / "rejected_rows").glob("*")
        again = importer.retry(tmp_path / "state", summary.run_id, rows, sent)
    same = {"opens": "23:59:59.999999", "rate": "0.10", "sum": 0.1}
    assert stored == {
        "old": {"seen": "1500-01-02T03:04:05.999999", **same},
        "new": {"seen": "9999-01-02T03:04:05.999999", **same},
    }
    assert checked.rows["rejected"] == 2
    assert [reject.reason for reject in summary.reject_counts] == ["row_malformed"]
    assert summary.rows["rejected"] == again.rows["rejected"] == 2
    assert pl.read_parquet(rows)["id"].to_list() == [b"bad\xff", b"nul\0"], "with their bytes"
