"""Texts that were checked before: what is known of them is what is found where every cell is checked."""

import random
from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl
import pytest

from importer.config import loader as configuration
from importer.config.schema import Config
from importer.source.table_rows import table_batch
from importer.validate import known_texts
from importer.validate.known_texts import KnownTexts
from importer.validate.validator import ValidatedBatch, Validator
from importer.values.column_types import Seen, typed_columns

ROWS = 2_000
ATTRIBUTES: dict[str, dict[str, Any]] = {
    "name": {"type": "free_text", "max_length": 20},
    "note": {"type": "free_text", "trim": True, "map": {"old": "new"}},
    "plan": {"type": "single_choice", "options": ["a", "b"]},
    "other": {"type": "single_choice", "options": ["a", "b"], "allow_custom": True},
    "likes": {"type": "multi_choice", "options": ["x", "y", "z"]},
    "age": {"type": "number", "min": 0, "max": 120},
    "worth": {"type": "number", "decimal": ",", "thousands": "."},
    "born": {"type": "date"},
    "seen": {"type": "datetime"},
    "local": {"type": "datetime", "format": "%d.%m.%Y %H:%M", "zone": "Europe/Berlin"},
    "yes": {"type": "boolean"},
    "mail": {"type": "email"},
    "strict": {"type": "free_text", "blank": "reject"},
    "code": {"type": "free_text"},
    "filled": {"type": "free_text", "default": "none"},
}
GOOD: dict[str, list[str | None]] = {
    "name": ["Anna", "Zoë", "New York", "", None],
    "note": ["old", "x", " padded ", "\u00a0", ""],
    "plan": ["a", "b", "", " "],
    "other": ["a", "c", ""],
    "likes": ["x|y", "z", "x| |y", ""],
    "age": ["0", "120", "7.50", "+5", "", "  "],
    "worth": ["1.234,5", "12", "0,10", ""],
    "born": ["2024-02-29", "1000-01-01", ""],
    "seen": ["2024-02-29T10:00:00", "2024-02-29 10:00", ""],
    "local": ["29.02.2024 10:00", ""],
    "yes": ["true", "YES", "0", ""],
    "mail": ["a@example.com", ""],
    "strict": ["x", "y"],
    "filled": ["x", "", None],
    "code": [f"{n}@example.com" for n in range(ROWS // 2)],
}
ODD = [
    "#N/A", "'0123", '="5"', "=1+1", "1E+5", "4.9E+11", "45123", "45123.0", "MÃ¼ller", "a\x85b", "\ufffd",
    "a\0b", "NULL", "-", "undeclared", "x|undeclared", "121", "-1", "1e400", "2023-02-29", "29.02.2023 10:00",
    "2024-02-29T10:00:00Z", "2024-02-29T10:00:00+02:00", "31.03.2024 02:30", " Anna", "Anna\u200b", "n" * 21,
    "n" * 101, "\uff11", "a@example", "a@b.com;c@d.com", "|",
]  # fmt: skip


def config_of(null_values: Sequence[str] = ("",), **source: Any) -> Config:
    return configuration.parse(
        {
            "name": "known",
            "source": {"path": "none.parquet", "null_values": list(null_values), **source},
            "identity": {"column": "id"},
            "destination": {"type": "vevee", "api_key": "env:NONE"},
            "attributes": ATTRIBUTES,
        }
    )


def table(texts: Mapping[str, Sequence[str | None]], first: int, dice: random.Random) -> pl.DataFrame:
    prefix = dice.choice(["", "person-"])
    ids = pl.Series("id", [f"{prefix}{n}" for n in range(first, first + ROWS)])
    drawn = {key: dice.choices(pool, k=ROWS) for key, pool in texts.items()}
    return pl.DataFrame([ids, *(pl.Series(key, column, pl.String) for key, column in drawn.items())])


def whole(found: ValidatedBatch) -> list[Any]:
    """All that a batch came to, its values included."""
    typed = [
        (
            key,
            cells.to_list(),
            column.value.to_list(),
            column.present.to_list(),
            *(
                [None] * len(cells) if part is None else part.to_list()
                for part in (column.reason, column.dropped, column.utc, column.cleared, column.padded)
            ),
        )
        for key, cells, column in found.typed
    ]
    pieces = [(piece.rejects.rows(), piece.kept.rows()) for piece in found.refused.pieces()]
    return [found.rows.rows(), pieces, typed]


@pytest.fixture(autouse=True)
def few_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(known_texts, "_FEWEST_ROWS", ROWS)


def test_a_column_of_good_texts_is_known_with_those_that_are_blank() -> None:
    known = KnownTexts(config_of()).of(table(GOOD, 0, random.Random(1)))
    assert "name" in known
    assert {key: list(blank) for key, blank in known.items() if key != "note"} == {
        "name": [""],
        "plan": ["", " "],
        "other": [""],
        "likes": [""],
        "age": ["", "  "],
        "worth": [""],
        "born": [""],
        "seen": [""],
        "yes": [""],
        "mail": [""],
    }


@pytest.mark.parametrize("odd", ODD)
def test_an_attribute_is_known_only_where_nothing_is_to_be_said_of_its_texts(odd: str) -> None:
    config = config_of()
    texts = {key: [*pool[:2], odd] for key, pool in GOOD.items()}
    cells = table(texts, 0, random.Random(5))
    known = KnownTexts(config).of(cells)
    for key, _, typed in typed_columns(config, cells):
        remarks = (typed.reason, typed.dropped, typed.utc, typed.cleared, typed.padded)
        if key in known:
            assert remarks == (None,) * 5
            assert typed.present.all() is (not known[key])


@pytest.mark.parametrize("seed", range(4))
def test_a_list_comes_to_the_same_whether_its_texts_are_known_or_not(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    dice = random.Random(seed)
    config = config_of(["", "NULL", "-"][: 1 + seed % 3], spreadsheet_text=["keep", "unwrap"][seed % 2])
    quick, slow = (Validator(config, 200, keeps_rows=False) for _ in range(2))
    asked = 0
    for number in range(3):
        texts = {key: pool + dice.sample(ODD, dice.choice([0, 0, 1, 2])) for key, pool in GOOD.items()}
        batch = table_batch(table(texts, 1 + number * ROWS, dice), 1 + number * ROWS)
        asked += len(quick._known.of(batch.cells))
        found = whole(quick.validate(batch, 0))
        with monkeypatch.context() as patched:
            patched.setattr(known_texts, "_FEWEST_ROWS", ROWS + 1)
            assert found == whole(slow.validate(batch, 0))
    assert asked
    assert quick.counts == slow.counts
    assert quick.data_quality.warnings(["id"]) == slow.data_quality.warnings(["id"])


def test_a_column_of_too_many_or_too_long_texts_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    known = KnownTexts(config_of())
    monkeypatch.setattr(known_texts, "_MOST", ROWS // 2)
    texts = {key: ["x"] for key in ATTRIBUTES} | {"name": [str(n) for n in range(ROWS)], "note": ["n" * 101]}
    for _ in range(2):
        found = known.of(table(texts, 0, random.Random(1)))
        assert "other" in found
        assert not {"name", "note"} & set(found)
    assert not {"name", "note"} & set(
        known.of(table({key: ["x"] for key in ATTRIBUTES}, 0, random.Random(1)))
    )


def test_a_column_of_few_rows_a_text_is_not_known_but_asked_again() -> None:
    known, texts = KnownTexts(config_of()), {key: ["x"] for key in ATTRIBUTES}
    many = texts | {"name": [str(n) for n in range(ROWS // known_texts._ROWS_A_TEXT * 2)]}
    assert "name" not in known.of(table(many, 0, random.Random(1)))
    assert "name" in known.of(table(texts, 0, random.Random(1)))


def test_a_column_with_a_bad_text_is_asked_again_a_few_times() -> None:
    known = KnownTexts(config_of())
    good, bad = (
        {"plan": pool, **{k: ["x"] for k in ATTRIBUTES if k != "plan"}} for pool in (["a"], ["a", "c"])
    )
    for texts in [bad] * (known_texts._MOST_MISSES - 1) + [good] + [bad] * known_texts._MOST_MISSES + [good]:
        found = known.of(table(texts, 0, random.Random(1)))
        assert ("plan" in found) is (texts is good and known._texts["plan"].misses == 0)
    assert known._texts["plan"].misses == known_texts._MOST_MISSES


def test_columns_of_other_types_and_computed_ones_are_left_alone() -> None:
    config = config_of(computed={"plan": "lower(name)"})
    cells = table(GOOD, 0, random.Random(1)).with_columns(age=pl.lit(7))
    found = KnownTexts(config).of(cells)
    assert "yes" in found
    assert not {"plan", "age"} & set(found)


def test_the_values_of_known_texts_are_made_when_they_are_used() -> None:
    config, cells = config_of(), table(GOOD, 0, random.Random(3))
    known = KnownTexts(config).of(cells)
    quick = typed_columns(config, cells, seen=Seen(known))
    for (key, _, one), (_, _, other) in zip(quick, typed_columns(config, cells), strict=True):
        assert callable(one.values) or key not in known
        assert one.value.equals(other.value)
