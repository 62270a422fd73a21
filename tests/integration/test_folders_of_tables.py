"""A folder of Parquet files (and CSV beside them) whose schemas differ: what `check` accepts, `run` sends."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import importer
from importer.config import loader as configuration
from importer.core.errors import SourceError
from tests.support.oracle.replies import KEY, ReplyServer

TYPES: dict[str, list[tuple[pl.DataType, list[Any]]]] = {
    "number": [
        (pl.Int8(), [1, None]),
        (pl.Int32(), [70_000, 2]),
        (pl.Int64(), [2**53 + 1, 3]),
        (pl.UInt32(), [2**32 - 1, None]),
        (pl.UInt64(), [2**64 - 1, 5]),
        (pl.Float64(), [1.5, 2.0]),
        (pl.Float32(), [0.5, 2.0]),
        (pl.Null(), [None, None]),
        (pl.Decimal(10, 2), [None, None]),
    ],
    "free_text": [
        (pl.String(), ["ä", "x"]),
        (pl.Categorical(), ["a", None]),
        (pl.Enum(["p", "q"]), ["p", "q"]),
        (pl.Null(), [None, None]),
        (pl.Int64(), [1, 2]),
    ],
}
"""For each declared type: types of a file's column, and values of two people."""


@pytest.fixture(scope="module")
def server() -> Iterator[ReplyServer]:
    with ReplyServer() as running:
        yield running


@st.composite
def folders(draw: st.DrawFn) -> tuple[str, list[tuple[int, bool, bool]]]:
    """A declared type; for each file its column's type, whether columns change places, an extra one."""
    declared = draw(st.sampled_from(sorted(TYPES)))
    one = st.tuples(st.integers(0, len(TYPES[declared]) - 1), st.booleans(), st.booleans())
    return declared, draw(st.lists(one, min_size=2, max_size=3))


@settings(max_examples=40)
@given(folder=folders(), csv=st.booleans())
def test_what_check_accepts_is_sent_as_it_stands(
    folder: tuple[str, list[tuple[int, bool, bool]]],
    csv: bool,
    server: ReplyServer,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    declared, files = folder
    place = tmp_path_factory.mktemp("tables")
    expected = write(place / "in", declared, files, csv=csv)
    os.environ["TABLES_KEY"] = KEY
    config = configuration.parse(
        {
            "name": place.name,
            "source": {"path": str(place / "in"), "ignore": ["extra"]},
            "identity": {"column": "id"},
            "destination": {
                "type": "vevee",
                "api_key": "env:TABLES_KEY",
                "base_url": server.url,
                "requests_per_second": 0,
            },
            "attributes": {"v": {"type": declared}},
        }
    )
    options = importer.Options(state_dir=place / "state")
    try:
        checked = importer.check(config, (), options)
    except SourceError as error:
        if "no type holds the values of both unchanged" in str(error):
            return
        raise
    done = importer.run(config, (), options)
    assert (checked.exit_code, done.exit_code) == (0, 0)
    assert done.values["applied"] == len(expected)
    stored = {person: value for (person, key), value in stored_by(server, place.name).items() if key == "v"}
    assert stored == expected


def stored_by(server: ReplyServer, prefix: str) -> dict[tuple[str, str], Any]:
    return {
        (person, key): value
        for person, values in server.stored.items()
        if person.startswith(prefix)
        for key, value in values.items()
    }


def write(folder: Path, declared: str, files: list[tuple[int, bool, bool]], *, csv: bool) -> dict[str, Any]:
    """The files, and what must be stored of each person."""
    folder.mkdir()
    expected: dict[str, Any] = {}
    for number, (kind, turned, extra) in enumerate(files):
        column, values = TYPES[declared][kind]
        ids = [f"{folder.parent.name}-{number}-{i}" for i in range(2)]
        frame = pl.DataFrame({"id": ids, "v": pl.Series(values, dtype=column)})
        frame = frame.select("v", "id") if turned else frame
        frame = frame.with_columns(extra=pl.lit(1)) if extra else frame
        frame.write_parquet(folder / f"{number}.parquet")
        expected |= {i: value for i, value in zip(ids, values, strict=True) if value is not None}
    if csv:
        person = f"{folder.parent.name}-csv"
        (folder / "list.csv").write_text(f"v,id\n7,{person}\n", "utf-8")
        expected[person] = 7 if declared == "number" else "7"
    return {i: str(v) if declared == "free_text" else v for i, v in expected.items()}
