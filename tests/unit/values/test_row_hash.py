"""A row's hash changes with everything that decides what is sent, and with nothing else."""

from typing import Any

import polars as pl
import pytest

from importer.config import loader
from importer.config.attribute import Attribute
from importer.config.schema import Config
from importer.core.models import Encoding
from importer.destinations.base import IdentityField
from importer.source.csv_grammar import Dialect, Layout
from importer.values.row_hash import RowHasher, decides, declaration

FIELD = IdentityField("email", "plan", ".*", 100, "an address")
PLAN = {"type": "free_text"}
CELLS = pl.DataFrame({"id": ["1", "2"], "plan": ["pro", "free"], "other": ["x", "y"]})
ROWS = pl.DataFrame({"raw": ["1,pro,x", "2,free,y"]})
OTHERS = Layout(Dialect(), ("id", "plan", "other"))


def config(plan: dict[str, Any] = PLAN, **source: Any) -> Config:
    return loader.parse(
        {
            "name": "hash",
            "source": {"path": "x.csv", **source},
            "identity": {"column": "id"},
            "destination": {"type": "vevee", "api_key": "env:NONE"},
            "attributes": {"plan": plan},
        }
    )


def hashes(
    config: Config, cells: pl.DataFrame = CELLS, layout: Layout | None = OTHERS, **encoding: Any
) -> list[int | None]:
    found = RowHasher(config, Encoding(**encoding)).of(layout, ROWS, cells)
    assert found.dtype == pl.UInt64
    return found.to_list()


def test_equal_rows_have_equal_hashes_and_others_have_not() -> None:
    cells = pl.concat([CELLS, CELLS])
    rows = RowHasher(config(), Encoding()).of(None, cells, cells).to_list()
    assert rows[:2] == rows[2:]
    assert rows[0] != rows[1]


def test_a_column_that_is_not_mapped_changes_no_hash() -> None:
    changed = CELLS.with_columns(other=pl.lit("changed"))
    assert hashes(config(), changed) == hashes(config())
    assert hashes(config(), CELLS.with_columns(plan=pl.lit("pro")))[0] == hashes(config())[0]
    assert hashes(config(), CELLS.with_columns(plan=pl.lit("pro")))[1] != hashes(config())[1]


def test_where_columns_name_people_no_fingerprint_of_version_0_1_0_is_taken(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """That version did not keep what named a person. Everywhere else its fingerprints are still known."""
    plain, naming = config(), config()
    monkeypatch.setattr(type(naming), "identity_fields", property(lambda c: (FIELD,) if c is naming else ()))
    naming_before = config()
    assert hashes(naming, layout=None) != hashes(naming_before, layout=None)
    assert hashes(plain, layout=None) == hashes(naming_before, layout=None)


def test_a_blank_cell_is_not_an_empty_text_of_another_column() -> None:
    cells = pl.DataFrame({"id": ["1", "1"], "plan": [None, ""]}, schema={"id": pl.String, "plan": pl.String})
    first, second = hashes(config(), cells)
    assert first != second


@pytest.mark.parametrize(
    "changed",
    [
        {"plan": {"type": "free_text", "max_length": 9}},
        {"plan": {"type": "email"}},
        {"plan": {"type": "free_text", "blank": "clear"}},
        {"null_values": ["", "NA"]},
        {"trim": False},
        {"spreadsheet_text": "unwrap"},
    ],
)
def test_a_changed_declaration_changes_every_hash(changed: dict[str, Any]) -> None:
    before, after = hashes(config()), hashes(config(**changed))
    assert all(a != b for a, b in zip(before, after, strict=True))


def test_a_changed_encoding_of_the_destination_changes_every_hash() -> None:
    assert set(hashes(config())).isdisjoint(hashes(config(), date="%d.%m.%Y"))


def test_a_changed_path_changes_no_hash() -> None:
    assert hashes(config(path="y.csv")) == hashes(config())


def test_the_text_of_the_row_is_taken_where_every_column_is_mapped() -> None:
    layout = Layout(Dialect(), ("id", "plan"))
    cells = CELLS.drop("other")
    whole = hashes(config(), cells, layout)
    assert whole == hashes(config(), cells.with_columns(plan=pl.lit("not looked at")), layout)
    assert set(whole).isdisjoint(hashes(config(), cells, Layout(Dialect(";"), ("id", "plan"))))


def test_a_cell_with_the_sign_between_cells_has_no_hash() -> None:
    cells = pl.DataFrame({"id": ["1", "2"], "plan": ["a\x1fb", "c"]})
    first, second = hashes(config(), cells)
    assert first is None
    assert second is not None


def test_the_columns_that_decide_are_the_id_and_those_that_are_mapped() -> None:
    assert decides(config()) == {"id", "plan"}
    computed = config({"type": "free_text"}, computed={"plan": "first || last"})
    assert {"id", "plan", "first", "last"} <= decides(computed)


def test_a_declaration_changes_with_column_type_operation_and_field_alone() -> None:
    before = declaration(Attribute(type="free_text"), "plan")
    assert declaration(Attribute(type="free_text", max_length=9), "plan") == before
    assert declaration(Attribute(type="free_text"), "tariff") != before
    assert declaration(Attribute(type="email"), "plan") != before
    assert declaration(Attribute(type="free_text", field="email"), "plan") != before
