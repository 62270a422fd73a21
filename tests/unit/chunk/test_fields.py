"""The attributes of an import as columns of a chunk."""

from importer.chunk.fields import Field, fields
from tests.support.chunks import CONFIG


def test_attributes_are_numbered_in_declared_order() -> None:
    assert [(f.index, f.key, f.operation) for f in fields(CONFIG)] == [
        (0, "plan", "set"),
        (1, "age", "set"),
        (2, "note", "set"),
    ]


def test_every_column_of_a_field_has_a_name_of_its_own() -> None:
    one, other = Field(1, "a", "increase"), Field(11, "b", "set")
    names = [[f.value, f.bad, f.dropped, f.left_out, f.known, f.unchanged] for f in (one, other)]
    assert len({*names[0], *names[1]}) == 12
    assert (one.takes_all, other.takes_all) == (True, False)
