"""Tables of differing schemas: one schema for all of them, without a changed value, or a refusal."""

from pathlib import Path

import polars as pl
import pytest

from importer.core.errors import SourceError
from importer.source.options import SourceOptions
from importer.source.reader import open_source
from importer.source.schemas import align, widened

US, MS, NS = (pl.Datetime(unit) for unit in ("us", "ms", "ns"))


@pytest.mark.parametrize(
    ("one", "other", "both"),
    [
        (pl.Int32(), pl.Int64(), pl.Int64()),
        (pl.UInt8(), pl.UInt32(), pl.UInt32()),
        (pl.UInt32(), pl.Int8(), pl.Int64()),
        (pl.UInt64(), pl.Int64(), None),
        (pl.Int32(), pl.Float64(), pl.Float64()),
        (pl.Int64(), pl.Float64(), None),
        (pl.Float32(), pl.Float64(), None),
        (pl.String(), pl.Categorical(), pl.String()),
        (pl.Enum(["a"]), pl.Enum(["b"]), pl.String()),
        (pl.String(), pl.Int64(), pl.String()),
        (pl.UInt64(), pl.Categorical(), pl.String()),
        (pl.String(), pl.Float64(), None),
        (pl.String(), pl.Binary(), pl.Binary()),
        (pl.Null(), pl.Boolean(), pl.Boolean()),
        (MS, US, US),
        (NS, US, US),
        (pl.Datetime("ms", "UTC"), pl.Datetime("us", "Europe/Oslo"), pl.Datetime("us", "UTC")),
        (US, pl.Datetime("us", "UTC"), None),
        (pl.Date(), US, None),
        (pl.Decimal(10, 2), pl.Decimal(20, 2), pl.Decimal(20, 2)),
        (pl.Decimal(10, 2), pl.Decimal(10, 3), None),
        (pl.List(pl.Null), pl.List(pl.String), pl.List(pl.String)),
        (pl.List(pl.Int64), pl.List(pl.String), pl.List(pl.String)),
        (pl.Struct({"a": pl.Int64}), pl.Struct({"a": pl.Int32}), None),
    ],
)
def test_types_are_widened_only_where_every_value_stays_as_it_stands(
    one: pl.DataType, other: pl.DataType, both: pl.DataType | None
) -> None:
    assert widened(one, other) == widened(other, one) == both
    assert widened(one, one) == one


def files(folder: Path, *frames: pl.DataFrame) -> list[str]:
    paths = [folder / f"{n}.parquet" for n in range(len(frames))]
    for path, frame in zip(paths, frames, strict=True):
        frame.write_parquet(path)
    return [str(path) for path in paths]


def read(paths: list[str], declared: list[str]) -> list[pl.DataFrame]:
    sources = align([open_source(path, SourceOptions()) for path in paths], declared)
    for source in sources:
        assert tuple(source.types or {}) == source.columns
    return [pl.concat([batch.cells for batch in source.batches()]) for source in sources]


def test_columns_are_read_by_name_and_others_left_out_where_they_differ(tmp_path: Path) -> None:
    paths = files(
        tmp_path,
        pl.DataFrame({"id": [1], "n": ["a"], "same": [1], "extra": [1.5]}, schema_overrides={"id": pl.Int32}),
        pl.DataFrame({"same": [2], "n": [None], "id": [2**40]}),
    )
    one, two = read(paths, ["id", "n"])
    assert one.schema == two.schema == {"id": pl.Int64, "n": pl.String, "same": pl.Int64}
    assert (one.rows(), two.rows()) == ([(1, "a", 1)], [(2**40, None, 2)])


def test_equal_schemas_stay_as_they_are(tmp_path: Path) -> None:
    frame = pl.DataFrame({"id": ["1"], "other": [b"\xff"]})
    assert all(found.equals(frame) for found in read(files(tmp_path, frame, frame), ["id"]))


def test_a_column_without_a_common_type_is_refused_with_both_files(tmp_path: Path) -> None:
    paths = files(tmp_path, pl.DataFrame({"id": ["1"]}), pl.DataFrame({"id": [1.5]}))
    with pytest.raises(
        SourceError, match=r'"id" is String in .*0\.parquet and Float64 in .*1\.parquet, and no'
    ):
        read(paths, ["id"])
