"""From a batch of the reader to rows that may be sent, and lines about those that may not."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import polars as pl
import pytest

from importer.config import loader as configuration
from importer.config.schema import Config
from importer.core.errors import ConfigError, SourceError
from importer.core.row_order import ORDER_SHIFT, TIME
from importer.source.batch import HEADER_REPEATED, ROW_EMPTY, ROW_MALFORMED, ROW_OF_FOOTER, SET_ASIDE, Batch
from importer.source.table_rows import table_batch
from importer.validate.validator import ValidatedBatch, Validator
from importer.values.row_hash import RowHasher

COLUMNS = ("id", "plan", "age", "seen")
Row = tuple[str, str, str, str]


def config_of(**source: Any) -> Config:
    return configuration.parse(
        {
            "name": "validator",
            "source": {"path": "none.csv", **source},
            "identity": {"column": "id"},
            "destination": {"type": "vevee", "api_key": "env:NONE"},
            "attributes": {
                "plan": {"type": "single_choice", "options": ["a", "b"]},
                "age": {"type": "number", "blank": "reject"},
            },
        }
    )


def batch(*table: Row, aside: Sequence[str] = ()) -> Batch:
    """These rows, and after them rows set aside for these reasons."""
    cells = pl.DataFrame(table, schema=dict.fromkeys(COLUMNS, pl.String), orient="row")
    numbers = pl.Series(range(1, len(table) + 1), dtype=pl.Int64)
    records = pl.Series([",".join(row) for row in table], dtype=pl.String)
    after = len(table) + 1
    rest = [(after + n, after + n + 1, b"x", reason, "why") for n, reason in enumerate(aside)]
    return Batch(cells, numbers, numbers + 1, records, pl.DataFrame(rest, SET_ASIDE, orient="row"))


def rejects(found: ValidatedBatch) -> pl.DataFrame:
    return pl.concat(piece.rejects for piece in found.refused.pieces())


def lines(found: ValidatedBatch) -> list[tuple[Any, ...]]:
    return rejects(found).select("order", "distinct_id", "attribute", "stage", "reason").rows()


def test_a_good_row_goes_on_as_it_stood() -> None:
    found = Validator(config_of(), 200).validate(batch(("p1", "a", "7", "")), 2)
    assert found.rows.rows(named=True) == [
        {"order": (2 << ORDER_SHIFT) + 1, "line": 2, "raw": "p1,a,7,", "id": "p1"}
    ]
    assert (rejects(found).height, found.refused.kept.height) == (0, 0)
    assert [(key, typed.value.to_list()) for key, _, typed in found.typed] == [
        ("plan", ["a"]),
        ("age", ["7"]),
    ]


def test_a_check_looks_a_refused_row_up_by_its_place() -> None:
    validator = Validator(config_of(), 200, keeps_rows=False)
    found = validator.validate(batch(("p1", "a", "7", ""), ("p2", "off", "8", "")), 0)
    assert found.rows.columns == ["at", "order", "line", "id"]
    assert found.refused.kept.select("order", "id", "original").rows() == [(2, "p2", "p2,off,8,")]


def test_each_bad_value_has_a_line_and_its_row_is_kept_once() -> None:
    validator = Validator(config_of(), 200)
    found = validator.validate(batch(("p1", "off", "many", ""), ("p2", "a", "", "")), 0)
    assert lines(found) == [
        (1, "p1", "plan", "check", "attribute_value_invalid"),
        (1, "p1", "age", "check", "attribute_value_invalid"),
        (2, "p2", "age", "check", "attribute_value_blank"),
    ]
    assert rejects(found)["value"].to_list() == ["off", "many", ""]
    assert found.refused.kept["original"].to_list() == ["p1,off,many,", "p2,a,,"]
    assert found.rows["id"].to_list() == ["p1", "p2"], "their other values may be sent"
    counts = validator.counts
    assert (counts.values_read, counts.values_rejected, counts.rejected) == (4, 3, 3)
    assert counts.undeclared == Counter(plan=1)


def test_bad_values_of_several_attributes_come_in_the_order_of_the_rows() -> None:
    table = (("p1", "a", "old", ""), ("p2", "z", "1", ""), ("p3", "a", "old", ""))
    validator = Validator(config_of(), 200)
    identified = validator.identify(batch(*table), 0)
    at_once = Validator(config_of(), 200).validate(batch(*table), 0)
    for found in (at_once, validator.validate_identified(identified.rows, identified.cells)):
        assert rejects(found)["attribute"].to_list() == ["age", "plan", "age"]
        assert rejects(found)["order"].is_sorted()


def test_a_row_without_a_usable_id_is_set_aside() -> None:
    validator = Validator(config_of(), 4)
    table = (("", "a", "1", ""), ("null", "a", "2", ""), ("p1234", "a", "3", ""), ("p1", "a", "4", ""))
    found = validator.validate(batch(*table), 0)
    assert lines(found) == [
        (1, None, None, "read", "distinct_id_missing"),
        (2, "null", None, "read", "distinct_id_placeholder"),
        (3, "p1234", None, "read", "distinct_id_too_long"),
    ]
    assert found.refused.kept["id"].to_list() == [None] * 3
    assert found.rows["id"].to_list() == ["p1"]
    counts = validator.counts
    assert (counts.rows_read, counts.rows, counts.set_aside, counts.nobody) == (4, 1, 3, 2)
    assert counts.by_source == Counter({(0, "rejected"): 3})
    assert counts.values_read == 2, "of the one row that has an id"


def test_rows_set_aside_by_the_reader_are_told_apart() -> None:
    validator = Validator(config_of(), 200)
    reasons = (ROW_MALFORMED, HEADER_REPEATED, ROW_EMPTY)
    found = validator.validate(batch(("p1", "a", "1", ""), ("", "", " ", ""), aside=reasons), 1)
    assert rejects(found)["reason"].to_list() == [ROW_MALFORMED, HEADER_REPEATED]
    assert found.refused.kept["bytes"].to_list() == [b"x", b"x"]
    counts = validator.counts
    assert (counts.rows_read, counts.empty_rows, counts.set_aside, counts.set_aside_free) == (5, 2, 2, 1)
    assert (counts.rows, counts.rejected) == (1, 1)
    assert counts.by_source == Counter({(1, "empty"): 2, (1, "rejected"): 2})


def test_what_where_leaves_out_is_neither_checked_nor_reported() -> None:
    validator = Validator(config_of(where="plan = 'a'"), 200)
    found = validator.validate(batch(("p1", "a", "1", ""), ("p2", "off", "x", ""), ("", "", "1", "")), 0)
    assert found.rows["id"].to_list() == ["p1"]
    assert rejects(found).height == 0
    assert (validator.counts.filtered, validator.counts.by_source) == (2, Counter({(0, "filtered"): 2}))


@pytest.mark.parametrize(
    ("where", "sentence"),
    [
        (
            "plam = 'a'",
            (
                'source.where: the source has no column "plam". Did you mean "plan"? A text stands in single '
                "quotes: column = 'text'."
            ),
        ),
        (
            "CAST(age AS INT) > 3",
            (
                "source.where: cannot be evaluated on every row; where a CAST may fail, use TRY_CAST, which "
                "makes such a row not match."
            ),
        ),
    ],
)
def test_a_where_that_cannot_be_evaluated_is_refused(where: str, sentence: str) -> None:
    with pytest.raises(SourceError) as caught:
        Validator(config_of(where=where), 200).validate(batch(("p1", "a", "many", "")), 2)
    assert str(caught.value) == sentence


def test_what_is_wrong_with_where_is_said_before_anything_is_read() -> None:
    with pytest.raises(ConfigError, match=r"source\.where"):
        Validator(config_of(where="plan ="), 200)


def test_a_row_whose_time_cannot_be_read_is_set_aside() -> None:
    validator = Validator(config_of(latest_by="seen", latest_type="number"), 200)
    table = (("p1", "a", "1", "7"), ("p1", "b", "2", ""), ("p1", "b", "3", "late"))
    found = validator.validate(batch(*table), 0)
    assert found.rows[TIME].to_list() == [7.0, None]
    assert lines(found) == [(3, "p1", None, "read", "row_time_invalid")]
    assert rejects(found)["message"].to_list() == [
        'expected a number in column "seen", by which the newest row is told'
    ]
    assert rejects(found)["value"].to_list() == ["late"]


def test_rows_that_waited_are_checked_as_at_once() -> None:
    table = (("p1", "off", "1", ""), ("", "a", "2", ""), ("p2", "a", "3", ""))
    at_once, later = Validator(config_of(), 200), Validator(config_of(), 200)
    whole = at_once.validate(batch(*table), 0)
    identified = later.identify(batch(*table), 0)
    assert (later.counts.values_read, later.counts.set_aside) == (0, 1)
    [piece] = later.refused_of(identified, batch(*table)).pieces()
    assert piece.rejects["reason"].to_list() == ["distinct_id_missing"]
    assert piece.kept["original"].to_list() == [",a,2,"]
    checked = later.validate_identified(identified.rows, identified.cells)
    assert checked.rows.equals(whole.rows)
    assert pl.concat([piece.rejects, rejects(checked)]).sort("order").equals(rejects(whole))
    assert later.counts == at_once.counts


def test_blank_cells_are_counted_by_attribute() -> None:
    cells = batch(("p1", "", "1", ""), ("p2", "", " ", ""), ("p3", "a", "x", "")).cells
    assert Validator(config_of(), 200).blanks(cells) == Counter(plan=2, age=1)


def custom(**guards: str) -> Config:
    """A choice that takes any option, at a destination where the first value decides a type."""
    return configuration.parse(
        {
            "name": "validator",
            "source": {"path": "none.csv", "ignore": ["age", "seen"]},
            "identity": {"column": "id"},
            "destination": {"type": "attentive", "api_key": "env:NONE", "user": {"client_user_id": "id"}},
            "guards": guards,
            "attributes": {"plan": {"type": "single_choice", "options": ["a"], "allow_custom": True}},
        }
    )


@pytest.mark.parametrize("table", [(("p1", "a", "", ""),), (("p1", "own", "", ""), ("p2", "12", "", ""))])
def test_what_the_whole_list_has_to_show_is_counted_of_rows_that_wait_as_of_others(
    table: tuple[Row, ...],
) -> None:
    at_once, later = (Validator(custom(max_unknown_options="1%"), 200) for _ in range(2))
    at_once.validate(batch(*table), 0)
    identified = later.identify(batch(*table), 0)
    later.look_at_texts(identified)
    assert later.undeclared(identified.cells) == at_once.counts.undeclared
    assert later.inference is not None
    assert at_once.inference is not None
    assert later.inference.state() == at_once.inference.state()
    before = later.inference.state()
    later.validate_identified(identified.rows, identified.cells)
    assert later.inference.state() == before, "no text is counted twice"


def test_options_of_a_whole_list_are_counted_for_a_guard_alone() -> None:
    cells = batch(("p1", "own", "", "")).cells
    assert Validator(custom(), 200).undeclared(cells) == Counter()


def test_a_row_of_a_table_with_a_cell_that_is_no_text_is_refused_alone() -> None:
    validator = Validator(config_of(), 200)
    cells = pl.DataFrame({"id": [b"p1", b"\xff", b"p3"], "plan": ["a", "b", "a\0"], "age": [1, 2, 3]})
    found = validator.validate(table_batch(cells, 1), 0)
    assert found.rows["id"].to_list() == ["p1"]
    assert lines(found) == [(2, None, None, "read", ROW_MALFORMED), (3, None, None, "read", ROW_MALFORMED)]
    assert found.refused.kept["original_cells"].struct.unnest().equals(cells[1:]), (
        "as it stood, bytes as bytes"
    )
    assert (validator.counts.rows_read, validator.counts.rows, validator.counts.set_aside) == (3, 1, 2)


def test_rows_of_the_footer_count_as_left_out() -> None:
    validator = Validator(config_of(), 200)
    found = validator.validate(batch(("p1", "a", "1", ""), aside=(ROW_OF_FOOTER, ROW_MALFORMED)), 0)
    assert rejects(found)["reason"].to_list() == [ROW_MALFORMED]
    counts = validator.counts
    assert (counts.rows_read, counts.rows, counts.filtered, counts.set_aside) == (3, 1, 1, 1)
    assert counts.by_source == Counter({(0, "filtered"): 1, (0, "rejected"): 1})


@pytest.mark.parametrize("text", [None, b"p1,a,7,x"])
def test_a_sign_of_damage_in_a_computed_column_is_seen_though_no_cell_has_it(text: bytes | None) -> None:
    config = config_of(computed={"plan": "'#N/' || upper(plan)"})
    validator, one = Validator(config, 200), replace(batch(("p1", "a", "7", "x")), text=text)
    validator.validate(one if text else table_batch(one.cells, 1), 0)
    assert [(w.code, w.column) for w in validator.data_quality.warnings(COLUMNS)] == [
        ("spreadsheet_error", "plan")
    ]


def test_the_cost_of_a_configuration_grows_with_its_attributes_and_not_with_their_square(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Of 3,000 attributes, a check of a few rows took minutes."""
    data = config_of().as_mapping()
    data["attributes"] = {f"a{n}": {"type": "free_text"} for n in range(100)}
    config, made = configuration.parse(data), Counter[str]()
    for name in ("columns", "definitions"):
        monkeypatch.setattr(Config, name, property(partial(_counted, made, name, getattr(Config, name).fget)))
    Validator(config, 200)
    RowHasher(config, config.build_destination().encoding)
    assert 0 < made.total() < 30, made


def _counted(made: Counter[str], name: str, read: Callable[[Config], Any], config: Config) -> Any:
    made[name] += 1
    return read(config)
