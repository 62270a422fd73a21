"""Chunk by chunk: one update per person from all of their rows, wherever those are in the input.

A chunk is read back from the spool in pieces that fit in memory and folded: for each attribute of a person
the last value in source order wins, before it is checked. A row whose every value was replaced by a later
one, or was bad from the start, is counted and dropped; the rows that remain hold something to send.

Under an operation that takes all values of a person (`increase`, `add`, `remove`) no value replaces another:
each goes into one sum or union, and ends as the call that carries it.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence

import polars as pl

from importer.chunk import aggregation
from importer.chunk.chunk import Chunk, pattern_of
from importer.chunk.fields import CLEAR, Field, fields
from importer.chunk.identity_rows import IdentityRows
from importer.chunk.winners import OnSuperseded, choose_winners
from importer.config.schema import Config
from importer.core.models import Encoding
from importer.storage.spool import ChunkPlan
from importer.validate import identities
from importer.values import json_text
from importer.values.column_types import typed_columns
from importer.values.typed_column import TypedColumn

OPERATIONS = ("set", "increase", "add", "remove", "delete", "clear")
"""In the order in which a person's calls go out: what is set first, what is cleared last."""

Parse = Callable[[int, pl.DataFrame], pl.DataFrame]
"""(layout, spooled rows) → their cells under the source's own column names."""

Print = Callable[[int, pl.DataFrame, pl.DataFrame], pl.Series]
"""(layout, spooled rows, their cells) → the rows' fingerprints."""

Compare = Callable[[ChunkPlan, pl.DataFrame, "Sequence[Field]"], pl.DataFrame]
"""(plan, rows, fields) → the rows with what the snapshot knows, and which values are unchanged."""

LeaveOut = Callable[[pl.DataFrame, Sequence[Field]], pl.DataFrame]
"""(a chunk's rows, its fields) → the rows without the values that must not go out again."""


Superseded = Callable[[ChunkPlan], OnSuperseded]
"""plan → what takes the values of this chunk that later ones replace."""


class Chunker:
    """Builds chunks by one configuration and one destination's encoding.

    `leave_out` may take values out of rows that hold a sum or union, before it is made (see Field.left_out).
    `compare` is there where the chunk is compared with a snapshot, `superseded` where the outcome of every
    value is wanted: then the rows have their `fingerprint`. Both need `prints`.
    """

    def __init__(
        self,
        config: Config,
        encoding: Encoding,
        parse: Parse,
        leave_out: LeaveOut | None = None,
        prints: Print | None = None,
        compare: Compare | None = None,
        superseded: Superseded | None = None,
    ) -> None:
        self._leave_out = leave_out
        self._prints = prints
        self._compare = compare
        self._superseded = superseded
        self._config = config
        self._encoding = encoding
        self._parse = parse
        self.fields = fields(config)
        self._operations = _operations(config, self.fields)

    def build(
        self,
        plan: ChunkPlan,
        pieces: Iterator[tuple[int, pl.DataFrame]],
        problems: pl.DataFrame | None = None,
    ) -> Chunk:
        """Folds the chunk's rows, piece by piece, into one update per person.

        `problems` are those of its people whose identity the destination cannot use (`identities.PROBLEM`).
        """
        problems = pl.DataFrame(schema=identities.PROBLEM) if problems is None else problems
        identity_rows = IdentityRows(problems["order"].to_list())
        derived = (self._derive(layout, identity_rows.collect(piece)) for layout, piece in pieces)
        winners = choose_winners(
            derived,
            self.fields,
            note_repeated=self._compare is not None,
            on_superseded=self._superseded(plan) if self._superseded else None,
        )
        rows = winners.rows
        if self._leave_out and any(f.takes_all for f in self.fields):
            rows = self._leave_out(rows, self.fields)
        if self._compare:
            only_row = pl.when(~pl.col("id").is_in(winners.repeated.implode())).then("print")
            rows = self._compare(plan, identity_rows.with_hashes(rows.with_columns(only_row)), self.fields)
        rows, people = self._people(rows)
        winners.tally.people["nothing_to_send"] += winners.people - people.height
        people = identity_rows.join(people)
        problems = problems.join(people.select("id", "person"), on="id")
        problem_rows = identity_rows.problem_rows().join(problems, on="id", how="semi")
        return Chunk(
            plan,
            rows,
            people,
            self._operations,
            self.fields,
            winners.tally,
            problems,
            problem_rows,
            identity_rows.naming_rows(),
        )

    def _derive(self, layout: int, piece: pl.DataFrame) -> pl.DataFrame:
        """The piece's rows with, per attribute, its JSON text, whether it is bad, and what was dropped."""
        cells = self._parse(layout, piece)
        columns: dict[str, pl.Series] = {}
        typed_all = list(typed_columns(self._config, cells))
        for field, (key, _, typed) in zip(self.fields, typed_all, strict=True):
            attribute = self._config.attributes[key]
            value = json_text.encode(typed, attribute, self._encoding)
            if attribute.blank == "clear":
                clear = typed.present & value.is_null()
                value = value.set(clear if typed.reason is None else clear & typed.reason.is_null(), CLEAR)
            columns[field.value] = value if typed.cleared is None else value.set(typed.cleared, CLEAR)
            if typed.reason is not None:
                columns[field.bad] = typed.reason.is_not_null()
            if typed.dropped is not None:
                columns[field.dropped] = typed.dropped
        columns |= counts([typed for _, _, typed in typed_all])
        if self._prints:
            prints = self._prints(layout, piece, cells)
            columns |= {"fingerprint": prints} if self._superseded else {}
            columns |= {"print": self._whole_rows(prints, columns)} if self._compare else {}
        return piece.with_columns(pl.lit(layout, pl.Int32).alias("layout"), **columns)

    def _whole_rows(self, prints: pl.Series, columns: Mapping[str, pl.Series]) -> pl.Series:
        """The fingerprints of the rows in which every value is good and goes out unchanged, else null."""
        prints = prints.set(columns["bads"] > 0, None)
        for f in self.fields:
            if f.dropped in columns:
                prints = prints.set(columns[f.dropped].is_not_null(), None)
        return prints

    def _people(self, rows: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
        """The rows with their person's index, and one line a person: id, row count, members by operation."""
        due, of_person = _due(rows, self.fields), _columns_of_person(rows, self.fields)
        if due["id"].is_duplicated().any():
            merged = due.group_by("id", maintain_order=True).agg(
                pl.col("order").min(),
                pl.len().alias("rows"),
                _adjusted(due, self.fields).sum().alias("adjusted"),
                *(pl.col(name).first() for name in of_person),
                *(pl.col(f.value).drop_nulls().first() for f in self.fields),
            )
            merged = self._with_aggregates(merged, due)
        else:
            merged = due.with_columns(rows=pl.lit(1), adjusted=_adjusted(due, self.fields))
        merged = merged.sort("order").with_row_index("person")
        patterns = [pattern_of(self.fields, op, self._operations) for op in self._operations]
        values = [f.value for f in self.fields]
        people = merged.select("person", "id", "rows", "adjusted", "order", *of_person, *values, *patterns)
        return rows.join(people.select("id", "person"), on="id", how="left", maintain_order="left"), people

    def _with_aggregates(self, merged: pl.DataFrame, rows: pl.DataFrame) -> pl.DataFrame:
        """The sums and unions of the people with several rows, in place of their first values."""
        for f in self.fields:
            if not f.takes_all:
                continue
            values = rows.select("id", "order", value=f.value).filter(pl.col("value").is_not_null())
            several = values.filter(pl.col("id").is_duplicated()).sort("order")
            if several.height:
                total = aggregation.fold(f.operation, several).rename({"value": "total"})
                merged = merged.join(total, on="id", how="left", maintain_order="left")
                merged = merged.with_columns(pl.coalesce("total", f.value).alias(f.value)).drop("total")
        return merged


def _operations(config: Config, fields_: Sequence[Field]) -> list[str]:
    clears = bool(config.clearing_cells) or any(a.blank == "clear" for a in config.attributes.values())
    found = {f.operation for f in fields_} | ({"clear"} if clears else set())
    return [operation for operation in OPERATIONS if operation in found]


def _due(rows: pl.DataFrame, fields_: Sequence[Field]) -> pl.DataFrame:
    """The rows without the values that the snapshot knows at the destination."""
    same = [f for f in fields_ if f.unchanged in rows.columns]
    return rows.with_columns(pl.when(~pl.col(f.unchanged)).then(f.value).alias(f.value) for f in same)


_IDENTITY = ("identity", "identity_known")


def _columns_of_person(rows: pl.DataFrame, fields_: Sequence[Field]) -> list[str]:
    """The columns that are the same on each row of a person, where the chunk is compared with a snapshot."""
    wanted = ["print", "values", "print_known", "is_known", *_IDENTITY, *(f.known for f in fields_)]
    return [name for name in wanted if name in rows.columns] if "print_known" in rows.columns else []


def _adjusted(rows: pl.DataFrame, fields_: Sequence[Field]) -> pl.Expr:
    """How many of a row's winning values go out without an option that nobody declared."""
    adjusted = [
        pl.col(f.dropped).is_not_null() & pl.col(f.value).is_not_null()
        for f in fields_
        if f.dropped in rows.columns
    ]
    return pl.sum_horizontal(adjusted) if adjusted else pl.lit(0)


def counts(typed: Sequence[TypedColumn]) -> dict[str, pl.Series]:
    """How many `values` each row has, and how many of them are bad (`bads`)."""
    bads = [t.reason.is_not_null() for t in typed if t.reason is not None]
    height = len(typed[0].present)
    return {"values": _sum([t.present for t in typed], height), "bads": _sum(bads, height)}


def _sum(masks: Sequence[pl.Series], height: int) -> pl.Series:
    """How many of the masks are true in each row; most are true in every one."""
    some = [mask for mask in masks if not mask.all()]
    total = pl.Series([len(masks) - len(some)], dtype=pl.UInt32).new_from_index(0, height)
    for mask in some:
        total += mask.cast(pl.UInt32)
    return total
