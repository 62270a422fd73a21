"""Workbooks, JSON Lines and zip archives through the whole program, and what was rejected of them again."""

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import xlsxwriter  # type: ignore[import-untyped]

import importer
from importer.config import loader
from importer.config.schema import Config
from importer.sandbox import server as sandbox
from importer.sandbox.options import SandboxOptions

KEY = "sk_key"
ROWS = [("1001", "ana@x.example", "12"), ("1002", "no address", "7"), ("1003", "bo@x.example", "many")]


def workbook(path: Path) -> str:
    """Ids are numbers, which Excel holds as floats; the last number is a text."""
    with xlsxwriter.Workbook(str(path / "list.xlsx")) as out:
        sheet = out.add_worksheet()
        sheet.write_row(0, 0, ["id", "email", "visits"])
        for at, (id_, email, visits) in enumerate(ROWS, 1):
            sheet.write_row(at, 0, [float(id_), email, float(visits) if visits.isdigit() else visits])
    return str(out.filename)


def json_lines(path: Path) -> str:
    visits = ["12", "7", '"many"']
    lines = [
        f'{{"id": {r[0]}, "email": "{r[1]}", "visits": {v}}}\n' for r, v in zip(ROWS, visits, strict=True)
    ]
    (path / "list.jsonl").write_text("".join(lines))
    return str(path / "list.jsonl")


def archive(path: Path) -> str:
    text = "\n".join("\t".join(row) for row in [("id", "email", "visits"), *ROWS])
    with zipfile.ZipFile(path / "list.zip", "w") as out:
        out.writestr("list.tsv", text + "\n")
    return str(path / "list.zip")


def corrected_table(path: Path) -> None:
    rows = pl.read_parquet(path)
    assert rows.schema == {"id": pl.Float64, "email": pl.String, "visits": pl.String}
    rows.with_columns(email=pl.lit("di@x.example"), visits=pl.lit("9")).write_parquet(path)


def corrected_text(path: Path) -> None:
    text = path.read_text()
    path.write_text(text.replace("no address", "di@x.example").replace("many", "9").replace("bo@", "di@"))


@pytest.mark.parametrize(
    ("make", "correct", "name"),
    [
        (workbook, corrected_table, "01-list.xlsx.parquet"),
        (json_lines, corrected_text, "01-list.jsonl"),
        (archive, corrected_text, "01-list.zip.tsv"),
    ],
)
def test_what_is_rejected_comes_in_a_file_that_is_read_again(
    make: Callable[[Path], str],
    correct: Callable[[Path], None],
    name: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("LIST_KEY", KEY)
    config = loader.parse(
        {
            "name": "kinds",
            "source": {"path": make(tmp_path)},
            "identity": {"column": "id"},
            "destination": {"type": "vevee", "api_key": "env:LIST_KEY", "requests_per_second": 0},
            "attributes": {"email": {"type": "email"}, "visits": {"type": "number"}},
        }
    )
    state = tmp_path / "state"
    checked = importer.check(config, (), importer.Options(state_dir=state))
    with sandbox.running(config, SandboxOptions(), KEY) as server:
        options = importer.Options(state_dir=state, base_url=server.url)
        first = importer.run(config, (), options)
        stored: dict[str, dict[str, Any]] = {person: dict(values) for person, values in server.stored.items()}
        (kept,) = (first.folder / "rejected_rows").iterdir()
        correct(kept)
        again = importer.retry(state, first.run_id, kept, options)
        afterwards: dict[str, dict[str, Any]] = dict(server.stored)
    assert stored == {
        "1001": {"email": "ana@x.example", "visits": 12},
        "1002": {"visits": 7},
        "1003": {"email": "bo@x.example"},
    }
    assert checked.values["rejected"] == first.values["rejected"] == 2
    assert kept.name == name
    assert (again.values["applied"], again.values["rejected"]) == (2, 0)
    assert afterwards["1002"]["email"] == "di@x.example"
    assert afterwards["1003"]["visits"] == 9


def counting_visits(path: Path) -> Config:
    """The configuration of a list of ids and visits."""
    return loader.parse(
        {
            "name": "kinds",
            "source": {"path": str(path)},
            "identity": {"column": "id"},
            "destination": {"type": "vevee", "api_key": "env:LIST_KEY"},
            "attributes": {"visits": {"type": "number"}},
        }
    )


@pytest.mark.parametrize("kind", ["jsonl", "xlsx"])
def test_a_number_with_a_fraction_is_no_id_beside_texts(kind: str, tmp_path: Path) -> None:
    path = tmp_path / f"list.{kind}"
    ids = ["a-1", 7.5, "7.5", 8.0]
    if kind == "jsonl":
        path.write_text("".join(json.dumps({"Id ": one, "visits": 1}) + "\n" for one in ids))
    else:
        with xlsxwriter.Workbook(str(path)) as out:
            sheet = out.add_worksheet()
            sheet.write_row(0, 0, ["Id ", "visits"])
            for at, one in enumerate(ids, 1):
                sheet.write_row(at, 0, [one, 1])
    config = counting_visits(path)
    checked = importer.check(config, (), importer.Options(state_dir=tmp_path / "state"))
    assert [(r["row"], r["distinct_id"], r["reason"]) for r in checked.rejects().rows(named=True)] == [
        ("2", "7.5", "distinct_id_inexact")
    ]


def test_an_id_that_is_no_text_is_refused_again_until_it_is_corrected(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LIST_KEY", KEY)
    path, state = tmp_path / "list.jsonl", tmp_path / "state"
    path.write_text('{"Id ":"a-1","visits":1}\n{"Id ":7.5,"visits": 2}\n{"Id ":true,"visits":3}\n')
    config = counting_visits(path)
    with sandbox.running(config, SandboxOptions(), KEY) as server:
        options = importer.Options(state_dir=state, base_url=server.url)
        first = importer.run(config, (), options)
        (kept,) = (first.folder / "rejected_rows").iterdir()
        assert kept.read_text() == '{"Id ":7.5,"visits": 2}\n{"Id ":true,"visits":3}\n', "as it stood"
        again = importer.retry(state, first.run_id, options=options)
        assert (again.rows["rejected"], set(server.stored)) == (2, {"a-1"})
        kept.write_text(kept.read_text().replace("7.5", '"7.5"'))
        importer.retry(state, first.run_id, kept, options)
        assert set(server.stored) == {"a-1", "7.5"}
