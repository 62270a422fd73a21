"""A value as it was sent becomes the text that the configuration reads back as the same value."""

import polars as pl
import pytest

from importer.commands.undo import _lines, decode
from importer.config.attribute import Attribute
from importer.config.schema import Config
from tests.support.mappings import config_of

ENCODING = config_of().build_destination().encoding


@pytest.mark.parametrize(
    ("attribute", "sent", "text"),
    [
        ({"type": "free_text"}, '"say \\"x\\", y"', 'say "x", y'),
        ({"type": "number"}, "12.5", "12.5"),
        ({"type": "number", "decimal": ","}, "12.5", "12,5"),
        ({"type": "boolean", "true_values": ("ja",), "false_values": ("nein",)}, ENCODING.true, "ja"),
        ({"type": "multi_choice", "options": ("a", "b")}, '["a","b"]', "a|b"),
        ({"type": "date", "format": "%d.%m.%Y"}, '"2024-02-29"', "29.02.2024"),
    ],
)
def test_each_type_goes_back_to_text(attribute: dict[str, object], sent: str, text: str) -> None:
    declared = Attribute.model_validate(attribute)
    assert decode(declared, pl.Series([sent]), ENCODING).to_list() == [text]


def written(config: Config, *parts: pl.DataFrame) -> str:
    return b"".join(_lines(config, parts)).decode(config.source.encoding)


def part(*rows: tuple[str | None, ...]) -> pl.DataFrame:
    return pl.DataFrame(rows, ["id", "plan", "city", "note"], orient="row")


def test_the_file_is_written_part_by_part_under_one_header() -> None:
    text = written(config_of(), part(("a", "1", None, "x")), part(("b", None, "y, z", 'q"\n')))
    assert text == 'id,plan,city,note\na,1,,x\nb,,"y, z","q""\n"\n'


def test_the_dialect_is_that_of_the_source() -> None:
    source = {
        "path": "people.csv",
        "delimiter": ";",
        "escape": "\\",
        "encoding": "latin-1",
        "header": False,
        "columns": ["note", "id", "plan", "city", "more"],
    }
    assert written(config_of(source=source), part(("a", "1", "Köln;", 'q"'))) == '"q\\"";a;1;"Köln;";\n'
