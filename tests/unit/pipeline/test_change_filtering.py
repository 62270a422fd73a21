"""Rows that may be due, and the rows of our own that clear people who have left the list."""

from collections import Counter
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from importer.config import loader as configuration
from importer.config.schema import GONE, Config
from importer.core.models import RunWarning
from importer.core.row_order import ORDER_SHIFT
from importer.pipeline.change_filtering import ChangeFiltering, gone_rows, gone_source, gone_values
from importer.storage.snapshot import Snapshot
from importer.validate.change_filter import ChangeFilter
from importer.validate.read_counts import ReadCounts
from importer.validate.read_result import ReadSource
from importer.values.row_hash import RowHasher


def config_of(on_gone: str = "clear", **attributes: dict[str, Any]) -> Config:
    return configuration.parse(
        {
            "name": "changes",
            "source": {"path": "none.csv"},
            "identity": {"column": "who"},
            "destination": {"type": "vevee", "api_key": "env:NONE", "account": "test"},
            "run": {"changed_only": True, "on_gone": on_gone},
            "attributes": {"plan": {"type": "free_text", "column": "Plan"}, **attributes},
        }
    )


def filtering(folder: Path, gone_unknown: str = "") -> ChangeFiltering:
    config = config_of()
    kept = ChangeFilter(Snapshot(folder, config, lambda _: []), folder / "filter")
    return ChangeFiltering(kept, RowHasher(config, config.build_destination().encoding), gone_unknown)


GONE_PEOPLE = pl.DataFrame(
    {"id": ["a", "b", "c"], "v:plan": ['"x"', "", None], "v:age": [None, "7", "8"]}, strict=False
)


def test_what_is_known_of_a_person_who_is_gone_is_cleared() -> None:
    config = config_of(age={"type": "number"})
    rows, cells = gone_rows(config, GONE_PEOPLE, 2)
    assert cells.columns == ["who", "Plan", "age"]
    assert cells.rows() == [("a", GONE, ""), ("b", "", GONE), ("c", "", GONE)]
    assert rows["order"].to_list() == [(2 << ORDER_SHIFT) + n for n in (1, 2, 3)]
    assert rows["line"].null_count() == 3
    assert rows["cells"].struct.unnest().equals(cells)
    assert gone_values(config, cells) == Counter(plan=1, age=2)


@pytest.mark.parametrize("always", [{"blank": "reject"}, {"default": "none"}])
def test_an_attribute_that_no_blank_cell_leaves_alone_is_always_cleared(always: dict[str, Any]) -> None:
    """A blank cell would be refused, or would stand for the default."""
    _, cells = gone_rows(config_of(note={"type": "free_text", **always}), GONE_PEOPLE, 0)
    assert cells["note"].to_list() == [GONE] * 3


def test_each_row_has_a_value_of_an_attribute_that_blank_cells_clear() -> None:
    config = config_of(note={"type": "free_text", "blank": "clear"})
    _, cells = gone_rows(config, GONE_PEOPLE, 0)
    assert cells["note"].to_list() == ["", "", ""]
    assert gone_values(config, cells) == Counter(plan=1, note=3)


def test_rows_of_our_own_belong_to_a_source_of_their_own() -> None:
    assert gone_source(3) == ReadSource("gone.parquet", "parquet", 3, None, b"", b"\n")


def test_what_is_unchanged_is_added_to_the_counts(tmp_path: Path) -> None:
    found = filtering(tmp_path)
    found.change_filter.rows, found.change_filter.values = 3, 6
    found.change_filter.by_source[0, "unchanged_rows"] = 3
    counts = ReadCounts(values_read=4)
    counts.by_source[0, "filtered"] = 1
    found.count(counts)
    assert (counts.unchanged_rows, counts.unchanged_values, counts.values_read) == (3, 6, 10)
    assert counts.by_source == Counter({(0, "filtered"): 1, (0, "unchanged_rows"): 3})


@pytest.mark.parametrize(
    ("counts", "unknown"),
    [
        (ReadCounts(), ""),
        (ReadCounts(set_aside=3, set_aside_free=1, nobody=2), ""),
        (ReadCounts(set_aside=4, set_aside_free=1, nobody=2), "rows were set aside"),
    ],
)
def test_a_row_set_aside_may_be_of_anybody(counts: ReadCounts, unknown: str, tmp_path: Path) -> None:
    found = filtering(tmp_path)
    found.count(counts)
    assert found.gone_unknown == unknown


def test_the_first_reason_why_nobody_is_cleared_is_said_where_it_was_asked_for(tmp_path: Path) -> None:
    found = filtering(tmp_path, "where has changed")
    found.count(ReadCounts(set_aside=1))
    assert found.warnings(config_of()) == [RunWarning("gone_not_known", "where has changed", 0)]
    assert found.warnings(config_of("ignore")) == []
    assert filtering(tmp_path).warnings(config_of()) == []


def test_who_is_gone_is_added_up_over_the_groups_of_people(tmp_path: Path) -> None:
    found = filtering(tmp_path)
    assert found.gone().height == 0
    found.change_filter.gone = [GONE_PEOPLE.head(1), GONE_PEOPLE.tail(1).drop("v:age")]
    assert found.gone().rows() == [("a", '"x"', None), ("c", None, None)]
