"""Headers against what is declared: one error for all faults, with the line that helps."""

from collections.abc import Sequence

import pytest

from importer.core.errors import SourceError
from importer.source.columns import MOST_NAMES, check_columns
from importer.source.csv_grammar import Dialect, Layout
from importer.source.source import Source


def source(*columns: str, path: str = "a.csv", faults: tuple[str, ...] = ()) -> Source:
    layout = Layout(Dialect(), columns)
    return Source(path, "csv", columns, lambda _: iter(()), layout=layout, faults=faults)


def said(*sources: Source, declared: Sequence[str] = ("id", "plan"), ignore: Sequence[str] = ()) -> str:
    with pytest.raises(SourceError) as caught:
        check_columns(sources, declared, ignore)
    return str(caught.value)


def test_a_header_with_what_is_declared_and_ignored_is_good() -> None:
    check_columns([source("id", "plan"), source("plan", "note", "id")], ["id", "plan", "id"], ["note"])
    check_columns([source("id", "plan", "note", "note#2")], ["id", "plan"], ["note"])


def test_a_missing_column_is_named_with_a_guess() -> None:
    assert said(source("id", "plann")) == (
        'a.csv: column "plan" is missing (did you mean "plann"?); '
        'the header has "id", "plann"; correct the list or the configuration; '
        '"plann": neither declared nor in [source] ignore; to leave out: ignore = ["plann"].'
    )


def test_several_missing_columns_of_several_files_are_one_error() -> None:
    found = said(source("id"), source("id", path="b.csv"), declared=("id", "plan", "city"))
    has = 'the header has "id"; correct the list or the configuration'
    assert found == (
        f'a.csv: columns "plan", "city" are missing; {has}; b.csv: columns "plan", "city" are missing; {has}.'
    )


def test_a_name_that_differs_by_case_alone_is_shown() -> None:
    assert '"Plan" differ from "plan" by case or blanks alone: name one of them' in said(
        source("id", "Plan"), ignore=("Plan",)
    )


def test_more_than_five_undeclared_columns_are_shortened_in_the_line_to_copy() -> None:
    names = [f"x{i}" for i in range(7)]
    assert 'ignore = ["x0", "x1", "x2", "x3", "x4", …]' in said(source("id", "plan", *names))


def test_a_file_of_thousands_of_columns_does_not_fill_the_screen() -> None:
    found = said(source("id", "plan", *(f"x{i}" for i in range(2000))))
    assert f'"x{MOST_NAMES - 1}" and 1,980 more' in found
    assert f'"x{MOST_NAMES}"' not in found


def test_a_repeated_name_is_read_or_left_out_by_its_number() -> None:
    assert said(source("id", "plan", "plan#2")) == (
        'a.csv: "plan" is in the header more than once; the other column is read with '
        'column = "plan#2", or left out with ignore = ["plan#2"].'
    )


def test_a_header_without_any_declared_name_is_not_quoted() -> None:
    found = said(source("ana@example.com", "pro"))
    assert found == (
        "a.csv: none of the declared columns is in the header; "
        "check the file, or declare header = false and columns."
    )
    assert "is the delimiter ',' right?" in said(source("id;plan"))


def test_the_faults_of_a_header_are_said_too() -> None:
    assert said(source("id", "plan", faults=("the header names no column",))) == (
        "a.csv: the header names no column."
    )
