"""The identity texts of a chunk's people, and the original rows that hold them."""

from collections.abc import Sequence

import polars as pl
import polars_hash as plh

from importer.core.models import SEPARATOR
from importer.core.row_order import original_columns
from importer.validate import identities


class IdentityRows:
    """Collects, piece by piece, what names a chunk's people to a destination with identity fields.

    `problem_orders` are the source orders of the rows that show a problem with a person's identity.
    """

    def __init__(self, problem_orders: Sequence[int]) -> None:
        self._problem_orders = problem_orders
        self._users: pl.DataFrame | None = None
        self._problems: list[pl.DataFrame] = []
        self._naming: list[pl.DataFrame] = []

    def collect(self, piece: pl.DataFrame) -> pl.DataFrame:
        """Takes note of the piece and returns it."""
        self._users = identities.fold_users(self._users, piece)
        self._problems.append(_originals(piece.filter(pl.col("order").is_in(self._problem_orders))))
        names = identities.columns(piece)
        several = piece.filter(pl.col("id").is_duplicated()) if names else piece.clear()
        last = [several.filter(pl.col(name).is_not_null()).unique("id", keep="last") for name in names]
        self._naming += [_originals(rows) for rows in last]
        return piece

    def join(self, people: pl.DataFrame) -> pl.DataFrame:
        """The people with their identity texts, where the destination has identity fields."""
        if self._users is None:
            return people
        return people.join(self._users, on="id", how="left", maintain_order="left")

    def with_hashes(self, rows: pl.DataFrame) -> pl.DataFrame:
        """The rows with a hash of all that names their person (`identity`), where there are such columns."""
        names = identities.columns(self._users) if self._users is not None else []
        if self._users is None or not names:
            return rows
        texts = pl.concat_str([pl.col(name).fill_null("") for name in names], separator=SEPARATOR)
        hashes = self._users.select("id", texts=texts)
        hashes = hashes.select("id", plh.col("texts").nchash.xxhash64().alias("identity"))
        return rows.join(hashes, on="id", how="left", maintain_order="left")

    def problem_rows(self) -> pl.DataFrame:
        """The rows that show a problem, as `rejected_rows/` keeps rows."""
        return pl.concat(self._problems, how="diagonal")

    def naming_rows(self) -> pl.DataFrame:
        """Of each person with several rows, those that hold the last text of an identity field."""
        return pl.concat([*self._naming, self._problems[0].clear()], how="diagonal").unique("order")


def _originals(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.select("order", "id", *original_columns(rows))
