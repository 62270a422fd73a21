"""The same rows of texts are read the same from every kind of list."""

import csv
import gzip
import io
import json
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
import xlsxwriter  # type: ignore[import-untyped]
from hypothesis import given
from hypothesis import strategies as st

from importer.source.options import SourceOptions
from importer.source.reader import open_source

Rows = list[tuple[str, str]]
NAMES = ("id", "note")


def as_csv(rows: Rows) -> bytes:
    out = io.StringIO()
    csv.writer(out, quoting=csv.QUOTE_ALL, lineterminator="\n").writerows([NAMES, *rows])
    return out.getvalue().encode()


def as_json_lines(rows: Rows) -> bytes:
    objects = [{name: text for name, text in zip(NAMES, row, strict=True) if text} for row in rows]
    return b"".join(json.dumps(one).encode() + b"\n" for one in [dict.fromkeys(NAMES), *objects])


def as_workbook(rows: Rows) -> bytes:
    out = io.BytesIO()
    with xlsxwriter.Workbook(out, {"in_memory": True}) as made:
        sheet = made.add_worksheet()
        for at, row in enumerate([NAMES, *rows]):
            for place, text in enumerate(row):
                sheet.write_string(at, place, text)
    return out.getvalue()


def as_archive(rows: Rows) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr("inside/list.csv", as_csv(rows))
    return out.getvalue()


KINDS: Mapping[str, Callable[[Rows], bytes]] = {
    "list.csv": as_csv,
    "list.csv.gz": lambda rows: gzip.compress(as_csv(rows)),
    "list.jsonl": as_json_lines,
    "list.xlsx": as_workbook,
    "list.zip": as_archive,
}

texts = st.text(
    st.characters(exclude_categories=("Cs", "Cc", "Cn"), exclude_characters="\ufffe\uffff"), max_size=6
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("kinds")


@pytest.mark.parametrize("name", KINDS)
@given(rows=st.lists(st.tuples(texts.filter(bool), texts), min_size=1, max_size=5))
def test_every_kind_gives_the_same_texts(rows: Rows, name: str, folder: Path) -> None:
    path = folder / name
    path.write_bytes(KINDS[name](rows))
    cells = [row for batch in open_source(str(path), SourceOptions()).batches() for row in batch.cells.rows()]
    found = [tuple(text or "" for text in row) for row in cells if any(row)]
    assert found == rows
