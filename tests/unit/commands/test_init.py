"""A draft reads the list, sends every column as text, and shows beside it what else a column could be."""

import re
import tomllib
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from importer.commands.init import draft
from importer.config import parse
from importer.core.errors import SourceError


def lines(tmp_path: Path, content: str | bytes, name: str = "people.csv") -> list[str]:
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return list(draft(str(path)))


def table(tmp_path: Path, content: str | bytes, name: str = "people.csv") -> dict[str, Any]:
    return tomllib.loads("\n".join(lines(tmp_path, content, name)))


def comments(tmp_path: Path, *cells: str) -> list[str]:
    """What a draft says of a column with these cells."""
    rows = "".join(f'{n},"{cell}"\n' for n, cell in enumerate(cells))
    found = lines(tmp_path, f"id,a\n{rows}")
    return [line.removeprefix("# ") for line in found[found.index('[attributes."a"]') + 2 :]]


def test_every_column_but_the_id_is_text(tmp_path: Path) -> None:
    found = table(tmp_path, "name,customer_id,age\nAna,1,7\nBen,2,8\n")
    assert found["identity"] == {"column": "customer_id"}
    assert found["attributes"] == {"name": {"type": "free_text"}, "age": {"type": "free_text"}}
    assert found["source"] == {"path": str(tmp_path / "people.csv"), "ignore": []}
    assert parse(found).destination.type == "vevee"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("people.csv", "people"),
        ("my list (2).csv.gz", "my-list-2"),
        ("_.csv", "customers"),
        ("ä.csv", "customers"),
        ("a" * 80 + ".csv", "a" * 64),
    ],
)
def test_the_import_is_named_after_the_file(name: str, expected: str, tmp_path: Path) -> None:
    import gzip

    content = b"id,a\n1,2\n"
    assert (
        table(tmp_path, gzip.compress(content) if name.endswith(".gz") else content, name)["name"] == expected
    )


@pytest.mark.parametrize(
    ("content", "identity"),
    [
        ("name,id\nAna,1\nBen,2\n", "id"),
        ("User ID,name\n1,Ana\n2,Ben\n", "User ID"),
        ("id,contact_no\n1,5\n1,6\n", "contact_no"),  # a name like an id whose cells are not single
        ("id,key\n1,1\n1,1\n", "id"),
        ("name,mail\nAna,a@x\nAna,b@x\n", "mail"),
        ("name,mail\nAna,a@x\nBen,\n", "name"),
        ("valid,paid\n1,1\n1,1\n", "valid"),
        ("name,id\n", "id"),
    ],
)
def test_the_id_is_the_column_named_like_one_else_the_first_with_single_cells(
    content: str, identity: str, tmp_path: Path
) -> None:
    assert table(tmp_path, content)["identity"]["column"] == identity


@pytest.mark.parametrize(
    ("content", "declared"),
    [
        (b"id;age\n1;7\n", {"delimiter": ";"}),
        (b"id\tage\n1\t7\n", {"delimiter": "\t"}),
        ("id;näme\n1;Zoë\n".encode("cp1252"), {"delimiter": ";", "encoding": "cp1252"}),
    ],
)
def test_another_dialect_is_declared(content: bytes, declared: dict[str, str], tmp_path: Path) -> None:
    found = table(tmp_path, content)["source"]
    assert {key: value for key, value in found.items() if key not in ("path", "ignore")} == declared


@pytest.mark.parametrize(
    ("cells", "said"),
    [
        (["", ""], ["blank in every row looked at"]),
        (["2026-03-31", ""], ['type = "date"  format = "%Y-%m-%d"']),
        (
            ["01/02/2026", "03/04/2026"],
            ['type = "date"  format = "%d/%m/%Y"', 'type = "date"  format = "%m/%d/%Y"'],
        ),
        (["31/01/2026", "03/04/2026"], ['type = "date"  format = "%d/%m/%Y"']),
        (["2026-03-31 10:20:30"], ['type = "datetime"  format = "%Y-%m-%d %H:%M:%S"']),
        (["Yes", "no"], ['type = "boolean"']),
        (["0", "1"], ['type = "boolean"', 'type = "number"']),
        (["yes", "yes"], []),
        (["1.5", "-2", ""], ['type = "number"']),
        (["01067", "12345"], []),
        (["+4930123456"], []),
        (["1.5", "seven"], []),
        (["pro"] * 5 + ["free"] * 5, ['type = "single_choice"  options = ["free", "pro"]']),
        (["pro"] * 5 + ["free"] * 4, []),
        (["Ana", "Ben"], []),
    ],
)
def test_what_all_cells_could_also_be_stands_beside_as_a_comment(
    cells: list[str], said: list[str], tmp_path: Path
) -> None:
    assert comments(tmp_path, *cells) == said


def test_more_than_twelve_texts_are_no_choice(tmp_path: Path) -> None:
    assert comments(tmp_path, *[f"plan {n % 13}" for n in range(65)]) == []
    assert comments(tmp_path, *[f"plan {n % 12}" for n in range(60)])[0].startswith('type = "single_choice"')


def test_names_of_any_kind_make_a_draft_that_is_read_back(tmp_path: Path) -> None:
    names = ["id", 'a"b', "c\\d", "é ü", "x.y", "1", "a\x7fb", "two\nlines"]
    path = tmp_path / "list.parquet"
    pl.DataFrame({name: ["1", "2"] for name in names}).write_parquet(path)
    found = tomllib.loads("\n".join(draft(str(path))))
    assert list(found["attributes"]) == names[1:]


def test_a_file_name_cannot_end_the_comment(tmp_path: Path) -> None:
    found = lines(tmp_path, "id,a\n1,2\n", "a\nb.csv")
    assert found[0] == "# Drafted from a?b.csv: read it, correct it, then: importer check FILE"
    assert re.fullmatch(r'path = ".*a\\nb\.csv"', found[5])


def test_a_list_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"none\.csv"):
        list(draft(str(tmp_path / "none.csv")))


def test_an_empty_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"people\.csv"):
        lines(tmp_path, "")
