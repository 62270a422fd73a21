"""JSON Lines as a source."""

from pathlib import Path

import polars as pl
import pytest

from importer.core.errors import SourceError
from importer.source import json_lines, row_size
from importer.source.batch import ROW_MALFORMED
from importer.source.json_lines import open_json_lines
from importer.source.row_size import too_long


def write(tmp_path: Path, *lines: str | bytes) -> str:
    path = tmp_path / "list.jsonl"
    path.write_bytes(b"".join((x if isinstance(x, bytes) else x.encode()) + b"\n" for x in lines))
    return str(path)


def said(path: str) -> str:
    with pytest.raises(SourceError) as caught:
        open_json_lines(path)
    return str(caught.value).removeprefix(f"{path}: ")


def test_values_that_are_no_text_and_no_whole_number_are_known_by_row(tmp_path: Path) -> None:
    ids = ('"7.5"', "7.5", "7", "7.0", "true", "null", '["a"]', "1e300")
    (batch,) = open_json_lines(write(tmp_path, *(f'{{"id": {one}, "n": 1}}' for one in ids))).batches()
    assert {name: list(rows) for name, rows in batch.untyped.items()} == {"id": [2, 5, 7, 8]}


def test_every_value_is_the_text_that_stands_in_the_file(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        '{"id": 12345678901234567890123, "n": 0.10, "vip": true, "note": null, "tags": ["a", "ä", 1]}',
        '{"id": "007", "n": 1e2, "vip": false, "note": "x\\ny", "tags": {"a": []}}',
    )
    (batch,) = open_json_lines(path).batches()
    assert batch.cells.schema == dict.fromkeys(("id", "n", "vip", "note", "tags"), pl.String)
    assert batch.cells.rows() == [
        ("12345678901234567890123", "0.10", "true", None, '["a", "ä", "1"]'),
        ("007", "100", "false", "x\ny", '{"a": []}'),
    ]
    assert batch.raw is None


@pytest.mark.parametrize(
    ("digits", "text"),
    [
        ("1001.0", "1001"),
        ("-7e2", "-700"),
        ("0.10", "0.10"),
        ("9007199254740993.0", "9007199254740993.0"),
        ("1e400", "1e400"),
        ("12345678901234567890.125", "12345678901234567890.125"),
    ],
)
def test_a_whole_number_in_a_float_is_its_digits(digits: str, text: str, tmp_path: Path) -> None:
    (batch,) = open_json_lines(write(tmp_path, f'{{"id": {digits}}}')).batches()
    assert batch.cells["id"].to_list() == [text]


def test_columns_are_the_keys_of_all_lines_and_a_missing_key_is_blank(tmp_path: Path) -> None:
    path = write(tmp_path, '{"id": "1"}', '{" plan ": "a", "id": "2"}', '{"plan": "b"}')
    source = open_json_lines(path)
    assert source.columns == ("id", "plan", "plan#2")
    assert [batch.cells.rows() for batch in source.batches()] == [
        [("1", None, None), ("2", "a", None), (None, None, "b")]
    ]


def test_a_bad_line_is_set_aside_alone_with_its_bytes(tmp_path: Path) -> None:
    bad = [
        b'{"id": "\xff"}',
        b'{"id": 1,}',
        b'["id", 1]',
        b'{"id": NaN}',
        b'{"id": 1, "id": 2}',
        b'{"id": "\\ud800"}',
        b"[" * 100_000,
        b'{"id": 1} {"id": 2}',
    ]
    path = write(tmp_path, '{"id": "a"}', "", *bad, '{"id": "z"}')
    (batch,) = open_json_lines(path).batches()
    assert batch.cells["id"].to_list() == ["a", "z"]
    assert batch.row.to_list() == [1, 10]
    assert batch.line.to_list() == [1, 11], "a blank line is no row"
    assert batch.set_aside["raw"].to_list() == bad
    assert batch.set_aside["row"].to_list() == list(range(2, 10))
    assert set(batch.set_aside["reason"]) == {ROW_MALFORMED}
    assert [message.split(", found")[1] for message in batch.set_aside["message"]] == [
        " bytes that are not, the first at byte 9 of the line",
        " something else at character 10",
        " another JSON value",
        " NaN, which is no JSON number",
        " one twice",
        " half of a character (a lone surrogate)",
        " lists inside lists without end",
        " something else at character 11",
    ]


def test_a_long_list_comes_in_blocks_and_again_from_the_first_row(tmp_path: Path) -> None:
    path = write(tmp_path, *(f'{{"id": "{n}"}}' for n in range(100)))
    source = open_json_lines(path)
    for _ in range(2):
        batches = list(source.batches(block_bytes=200))
        assert len(batches) > 3
        assert [row for batch in batches for row in batch.row] == list(range(1, 101))
        assert [id_ for batch in batches for id_ in batch.cells["id"]] == [str(n) for n in range(100)]


def test_a_line_that_is_too_long_is_set_aside_without_its_text(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (json_lines, row_size):
        monkeypatch.setattr(module, "MAX_ROW", 20)
    path = write(tmp_path, '{"id": "1"}', '{"id": "2", "n": "too long"}', '{"id": "3"}')
    (batch,) = open_json_lines(path).batches()
    assert batch.cells["id"].to_list() == ["1", "3"]
    assert batch.row.to_list() == [1, 3]
    assert batch.set_aside.select("row", "line", "raw", "message").rows() == [(2, 2, None, too_long(28))]


def test_what_is_no_json_lines_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert said(write(tmp_path)) == "the file is empty; one JSON object a line was expected."
    assert said(write(tmp_path, "[", '{"id": 1},')).startswith("is a JSON document, one list of all rows;")
    assert said(write(tmp_path, "id,n", "1,2")).startswith("no line is a JSON object with a key;")
    monkeypatch.setattr(json_lines, "MAX_LINE", 20)
    assert said(write(tmp_path, '{"id": 1}', '{"id": "12345678901234567890"}')).startswith("line 2 is longer")
    monkeypatch.setattr(json_lines, "MAX_COLUMNS", 1)
    assert said(write(tmp_path, '{"id": 1}', '{"n": 2}')).startswith(
        "the objects up to line 2 have more than 1"
    )


def test_a_byte_order_mark_is_no_part_of_the_first_line(tmp_path: Path) -> None:
    (batch,) = open_json_lines(write(tmp_path, b'\xef\xbb\xbf{"id": "1"}')).batches()
    assert batch.cells["id"].to_list() == ["1"]
