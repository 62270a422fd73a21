"""Names of columns: padded, repeated, missing, written otherwise."""

from pathlib import Path

import polars as pl
import pytest

from importer.core.errors import SourceError
from importer.source.columns import check_columns
from importer.source.names import base_name, unique_names, with_names
from importer.source.options import SourceOptions
from importer.source.reader import open_source
from importer.source.source import Source

ODD = '\ufeffcustomer_id,Email,email , first name\u00a0,"plan\nname",,phone,phone,\n'


def opened(folder: Path, header: str, row: str = "") -> Source:
    path = folder / "list.csv"
    path.write_text(header + row, "utf-8")
    return open_source(str(path), SourceOptions())


def test_every_column_has_a_name_of_its_own() -> None:
    assert unique_names(["a ", "\u200ba", "", "A", "a", "", " "]) == ("a", "a#2", "#3", "A", "a#3", "", "")
    assert unique_names(["a", "a", "a#2"]) == ("a", "a#2#", "a#2")
    assert unique_names(["", ""]) == ("", "")
    assert (base_name("email#2"), base_name("#3"), base_name("email")) == ("email", "#3", "email")


def test_columns_are_found_by_name_by_place_and_in_other_writing(tmp_path: Path) -> None:
    source = opened(tmp_path, ODD, "1,A@x.example,a@x.example,Ana,gold,i,+1,+2,\n")
    wanted = ["CUSTOMER_ID", "email", "First Name", "Plan Name", "#6", "phone#2", "#2"]
    found = with_names(source, wanted)
    assert found.columns == (
        "CUSTOMER_ID",
        "#2",
        "email",
        "First Name",
        "Plan Name",
        "#6",
        "phone",
        "phone#2",
    )
    [batch] = found.batches()
    assert batch.cells.select(wanted).row(0) == ("1", "a@x.example", "Ana", "gold", "i", "+2", "A@x.example")
    assert found.layout is not None
    assert found.layout.columns == (*found.columns, "")


def test_parquet_names_are_trimmed_and_matched_too(tmp_path: Path) -> None:
    path = tmp_path / "list.parquet"
    pl.DataFrame({" id": [1], "E Mail": ["a"]}).write_parquet(path)
    found = with_names(open_source(str(path), SourceOptions()), ["id", "e  mail"])
    [batch] = found.batches()
    assert batch.cells.to_dict(as_series=False) == {"id": [1], "e  mail": ["a"]}
    assert list(found.types or {}) == ["id", "e  mail"]


@pytest.mark.parametrize(
    ("header", "declared", "ignore", "message"),
    [
        (
            "id,mail,mail\n",
            ["id", "mail"],
            [],
            (
                '"mail" is in the header more than once; the other column is read with column = "mail#2", or '
                'left out with ignore = ["mail#2"]'
            ),
        ),
        (
            "id,,x\n",
            ["id", "x"],
            [],
            '"#2": neither declared nor in [source] ignore; to leave out: ignore = ["#2"]',
        ),
        (
            "id,Mail,MAIL\n",
            ["id", "mail"],
            ["Mail", "MAIL"],
            (
                'column "mail" is missing; "Mail", "MAIL" differ from "mail" by case or blanks '
                "alone: name one of them"
            ),
        ),
        ("id,x\n", ["id", "#5"], ["x"], 'column "#5" is missing'),
        ("Ana,Diaz\n", ["id"], [], "none of the declared columns is in the header"),
    ],
)
def test_what_does_not_fit_is_said_with_the_line_that_helps(
    header: str,
    declared: list[str],
    ignore: list[str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "list.csv").write_text(header, "utf-8")
    source = with_names(open_source("list.csv", SourceOptions()), [*declared, *ignore])
    with pytest.raises(SourceError) as caught:
        check_columns([source], declared, ignore)
    assert message in str(caught.value)


@pytest.mark.parametrize("ignore", [["mail", "#2"], ["mail", "mail#2", "#2"]])
def test_an_ignored_name_covers_every_column_of_it(ignore: list[str], tmp_path: Path) -> None:
    check_columns([opened(tmp_path, "id,,mail,mail\n")], ["id"], ignore)
