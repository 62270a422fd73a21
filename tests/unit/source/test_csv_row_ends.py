"""Where a damaged row may end, with one repair."""

import pytest

from importer.source.csv_grammar import Dialect, Layout, grammar_of
from importer.source.csv_row_ends import End, RowEnds, States, row_ends_for


def repair(fields: int = 3, **dialect: str) -> RowEnds:
    columns = tuple(f"c{i}" for i in range(fields))
    return RowEnds(grammar_of(Layout(Dialect(**dialect), columns), b""))


@pytest.mark.parametrize(
    "line",
    [
        '1,"a,3',  # a quote is missing
        '1,a",3',
        '1,"a"",3',  # a quote is too many
        '1,""a",3',
        "1,2",  # a delimiter is missing
        "1,2,3,4",  # a delimiter is too many
        "1;2,3",  # another character stands for a delimiter
        "1,2,3",  # nothing is damaged
    ],
)
def test_one_damage_can_be_repaired(line: str) -> None:
    assert repair().can_repair(line)


@pytest.mark.parametrize("line", ['1,"a,"b', '"a""b"c"d"'])
def test_more_damage_than_one_cannot(line: str) -> None:
    assert not repair(5).can_repair(line)


def test_a_row_may_go_on_in_the_next_lines_inside_quotes() -> None:
    ends = list(repair().ends(['1,"a', 'b",3']))
    assert End(1, goes_on=True) in ends
    assert End(2) in ends


def test_without_repair_of_quotes_an_open_field_ends_only_where_it_is_closed() -> None:
    ends = [end for end in repair().ends(['1,"a', "b", 'c",3'], quotes=False) if not end.goes_on]
    assert ends == [End(3)]


def test_a_line_without_quotes_cannot_go_on_where_only_delimiters_are_repaired() -> None:
    assert list(repair().ends(["1,2", "3"], quotes=False)) == [End(1)]


def test_a_quoted_field_that_the_source_cuts_off_is_said() -> None:
    assert any(end.cut for end in repair(2).ends(['1,2,3,"a']))


def test_states_are_joined_place_by_place() -> None:
    joined = States(start=1, text=2) | States(start=4, quoted=8)
    assert joined == States(start=5, text=2, quoted=8)
    assert States(start=1, text=2, quoted=4, closed=8).outside == 11


def test_a_grammar_has_one_repair() -> None:
    grammar = grammar_of(Layout(Dialect(), ("a", "b")), b"")
    assert row_ends_for(grammar) is row_ends_for(grammar)
