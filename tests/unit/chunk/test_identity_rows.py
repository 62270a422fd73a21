"""What names a chunk's people is collected piece by piece."""

import polars as pl

from importer.chunk.identity_rows import IdentityRows
from importer.validate.identities import user


def _piece(*rows: tuple[int, str, str | None]) -> pl.DataFrame:
    frame = pl.DataFrame(rows, schema=["order", "id", user(0)], orient="row")
    return frame.with_columns(pl.col(user(0)).cast(pl.String), raw=pl.col("id") + "!")


def test_the_last_text_of_a_person_stays() -> None:
    found = IdentityRows([3])
    for piece in (_piece((1, "a", "x"), (2, "a", "y")), _piece((3, "b", None), (4, "a", None))):
        assert found.collect(piece) is piece
    people = found.join(pl.DataFrame({"id": ["b", "a"]}))
    assert people[user(0)].to_list() == [None, "y"]
    assert found.problem_rows().rows() == [(3, "b", "b!")]
    assert found.naming_rows()["order"].to_list() == [2]


def test_without_identity_fields_nothing_is_added() -> None:
    found = IdentityRows([])
    found.collect(pl.DataFrame({"order": [1], "id": ["a"], "raw": ["a"]}))
    assert found.join(pl.DataFrame({"id": ["a"]})).columns == ["id"]
