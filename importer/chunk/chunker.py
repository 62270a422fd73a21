"""Chunk by chunk: one update per person from all of their rows, wherever those stand in the input.

A chunk is read back from the spool in pieces that fit in memory and folded: for each attribute of a person
the last value in source order wins, before it is judged. A row whose every value has lost, or was bad from
the start, is settled and let go; what remains are the rows that hold something to send.

Under an operation that takes all values of a person (`increase`, `add`, `remove`) none of them loses: each
goes into one sum or union, and ends as the call that carries it.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from importer.chunk import aggregation
from importer.config.schema import Config
from importer.core.models import SEPARATOR, Encoding, Part, Update
from importer.core.row_order import TIME
from importer.storage.spool import ChunkPlan
from importer.validate import identities
from importer.validate.validator import typed_columns
from importer.values import column_types, inference
from importer.values.column_types import TypedColumn

CLEAR = ""
"""Stands for a value to be cleared; JSON text is never empty."""

OPERATIONS = ("set", "increase", "add", "remove", "delete", "clear")

Parse = Callable[[int, pl.DataFrame], pl.DataFrame]
"""(layout, spooled rows) → their cells under the source's own column names."""

Print = Callable[[int, pl.DataFrame, pl.DataFrame], pl.Series]
"""(layout, spooled rows, their cells) → the rows' fingerprints."""

Compare = Callable[[ChunkPlan, pl.DataFrame, "Sequence[Field]"], pl.DataFrame]
"""(plan, rows, fields) → the rows with what the snapshot holds, and which values are unchanged."""


@dataclass(slots=True)
class Tally:
    """How rows and values ended, by the words of `summary.json`; adds up over chunks."""

    rows: Counter[str] = field(default_factory=Counter)
    values: Counter[str] = field(default_factory=Counter)
    people: Counter[str] = field(default_factory=Counter)
    trimmed: int = 0
    reasons: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    diff: Counter[str] = field(default_factory=Counter)

    def add(self, other: "Tally") -> None:
        """Adds another chunk's counts to these."""
        self.rows += other.rows
        self.values += other.values
        self.people += other.people
        self.trimmed += other.trimmed
        self.reasons += other.reasons
        self.diff += other.diff

    def dump(self) -> dict[str, object]:
        """As JSON, for the journal."""
        reasons = [[*key, count] for key, count in self.reasons.items()]
        return {
            "rows": self.rows,
            "values": self.values,
            "people": self.people,
            "trimmed": self.trimmed,
            "reasons": reasons,
            "diff": self.diff,
        }

    @classmethod
    def load(cls, data: dict[str, Any]) -> "Tally":
        """What `dump` wrote."""
        reasons = Counter({(stage, reason, key): n for stage, reason, key, n in data["reasons"]})
        rows, values, people = (Counter(data[name]) for name in ("rows", "values", "people"))
        return cls(rows, values, people, data["trimmed"], reasons, Counter(data["diff"]))


@dataclass(frozen=True, slots=True)
class Field:
    """One attribute inside a chunk: column names of its winner (`v3`) and its dropped options (`d3`)."""

    index: int
    key: str
    operation: str

    @property
    def takes_all(self) -> bool:
        """Whether all values of a person go out as one, instead of the last."""
        return self.operation in aggregation.TAKES_ALL

    @property
    def value(self) -> str:
        """JSON text to send, CLEAR, or null where the row has no winning value of this attribute."""
        return f"v{self.index}"

    @property
    def bad(self) -> str:
        """True where the row has a value of this attribute that failed its check."""
        return f"b{self.index}"

    @property
    def dropped(self) -> str:
        """The undeclared options left out of the winning value, joined by ", "; null where none."""
        return f"d{self.index}"

    @property
    def withheld(self) -> str:
        """The Outcome of a value that an earlier run has sent and this one withholds; null elsewhere."""
        return f"w{self.index}"

    @property
    def held(self) -> str:
        """What the snapshot holds of this attribute of the person."""
        return f"h{self.index}"

    @property
    def unchanged(self) -> str:
        """True where the snapshot knows that the destination has this value."""
        return f"same{self.index}"


def fields(config: Config) -> list[Field]:
    """The attributes in declared order."""
    return [Field(i, key, a.operation) for i, (key, a) in enumerate(config.attributes.items())]


Withhold = Callable[[pl.DataFrame, Sequence[Field]], pl.DataFrame]
"""(a chunk's rows, its fields) → the rows without the values that must not go out again."""


@dataclass(slots=True)
class Chunk:
    """A chunk ready to send. `rows` hold at least one winner each, with `person` an index into `people`.

    `people` has a line a person with something to send: `id`, `rows` (how many of theirs hold a winner),
    `trims` (of their winners), `order` (of the first of them), their winners that are due, and per operation
    the pattern of attributes in it; with a snapshot also what it holds, and the `print` of the only row of a
    person, null where any value of it is bad or trimmed. `tally` counts what is settled already: rows and
    values that will not be sent, people with nothing to send. `problems` are the people with something to
    send whom the destination could not tell (`identities.PROBLEM`, with `person`), `named` the original rows
    that show it, `naming` those of people with several rows that hold an identity text.
    """

    plan: ChunkPlan
    rows: pl.DataFrame
    people: pl.DataFrame
    operations: Sequence[str]
    fields: Sequence[Field]
    tally: Tally
    problems: pl.DataFrame
    named: pl.DataFrame
    naming: pl.DataFrame

    def updates(self) -> Iterator[Update]:
        """One update per person, in the order in which they first stand in the source."""
        keys = _Patterns(self.fields)
        some = pl.any_horizontal(pl.col(f"keys_{op}").str.len_bytes() > 0 for op in self.operations)
        people = self.people.filter(some)
        members = people.select(_members(self.fields, op, self.operations) for op in self.operations)
        columns = [
            zip(people[f"keys_{op}"].to_list(), members[op].to_list(), strict=True) for op in self.operations
        ]
        users = self._users()
        names = zip(people["person"].to_list(), people["id"].to_list(), strict=True)
        for (person, distinct_id), *found in zip(names, *columns, strict=True):
            parts = [
                Part(operation, keys[pattern], members or "")
                for operation, (pattern, members) in zip(self.operations, found, strict=True)
                if pattern
            ]
            yield Update(person, distinct_id, tuple(parts), users[person] if users else ())

    def general(self, keys: Iterable[str]) -> Iterator[tuple[str, Update]]:
        """For each of these attributes that has one, an update of one person with one general text of it."""
        bad, ids, users = set(self.problems["person"]), self.people["id"], self._users()
        for field_ in self.fields:
            if field_.key not in keys:
                continue
            text = pl.col(field_.value)
            general = inference.kind_of(text.str.strip_chars('"')) == inference.GENERAL
            found = self.people.with_row_index("at").filter((text != CLEAR) & general)
            at = next((at for at in found["at"] if at not in bad), None)
            if at is not None:
                member = f"{json.dumps(field_.key, ensure_ascii=False)}:{self.people[field_.value][at]}"
                part = Part(field_.operation, (field_.key,), member)
                yield field_.key, Update(at, ids[at], (part,), users[at] if users else ())

    def _users(self) -> Sequence[tuple[str, ...]]:
        """The texts of the identity fields of each person; empty where the destination has none."""
        names = identities.columns(self.people)
        return self.people.select(pl.col(names).fill_null("")).rows() if names else ()


@dataclass(frozen=True, slots=True)
class Folded:
    """Rows that hold at least one winner; how many people stood in all rows; what is settled already.

    `alone`: no person has two of these rows. `several` are the ids that stood in more than one row.
    """

    rows: pl.DataFrame
    people: int
    tally: Tally
    alone: bool
    several: pl.Series


class _Patterns(dict[str, tuple[str, ...]]):
    """A pattern of attributes (one character each) → their keys; there are few patterns in a list."""

    def __init__(self, fields: Sequence[Field]) -> None:
        super().__init__()
        self._keys = {_mark(f): f.key for f in fields}

    def __missing__(self, pattern: str) -> tuple[str, ...]:
        keys = self[pattern] = tuple(self._keys[c] for c in pattern)
        return keys


def _mark(field: Field) -> str:
    return chr(0x4E00 + field.index)


class Chunker:
    """Builds chunks by one configuration and one destination's encoding.

    `withhold` may take values out of rows that hold a sum or union, before it is made (see Field.withheld).
    `prints` and `compare` are there where the chunk is held against a snapshot.
    """

    def __init__(
        self,
        config: Config,
        encoding: Encoding,
        parse: Parse,
        withhold: Withhold | None = None,
        prints: Print | None = None,
        compare: Compare | None = None,
    ) -> None:
        self._withhold = withhold
        self._prints = prints
        self._compare = compare
        self._config = config
        self._encoding = encoding
        self._parse = parse
        self.fields = fields(config)
        by_blank = any(a.blank == "clear" for a in config.attributes.values())
        self._clears = by_blank or bool(config.clear_marks)

    def build(
        self,
        plan: ChunkPlan,
        pieces: Iterator[tuple[int, pl.DataFrame]],
        problems: pl.DataFrame | None = None,
    ) -> Chunk:
        """Folds the chunk's rows, piece by piece, into one update per person.

        `problems` are those of its people whom the destination could not tell (`identities.PROBLEM`).
        """
        problems = pl.DataFrame(schema=identities.PROBLEM) if problems is None else problems
        users = _Users(problems["order"].to_list())
        folded = self.fold(self._derive(layout, users.seen(piece)) for layout, piece in pieces)
        kept = folded.rows
        if self._withhold and any(f.takes_all for f in self.fields):
            kept = self._withhold(kept, self.fields)
        if self._compare:
            alone = pl.when(~pl.col("id").is_in(folded.several.implode())).then("print")
            kept = self._compare(plan, kept.with_columns(alone), self.fields)
        rows, people = self._people(kept)
        folded.tally.people["nothing_to_send"] += folded.people - people.height
        people = users.join(people)
        problems = problems.join(people.select("id", "person"), on="id")
        named = users.originals().join(problems, on="id", how="semi")
        return Chunk(
            plan, rows, people, self._operations(), self.fields, folded.tally, problems, named, users.naming()
        )

    def fold(self, pieces: Iterable[pl.DataFrame]) -> Folded:
        """All rows of some people, in pieces in source order, each with the columns of its fields."""
        tally, pending, ids, alone = Tally(), None, None, True
        several = pl.Series("id", [], dtype=pl.String)
        for rows in pieces:
            if self._prints:
                several = _with_repeated(several, ids, rows["id"])
            ids = rows["id"] if ids is None else pl.concat([ids, rows["id"]]).unique()
            pending = rows if pending is None else pl.concat([pending, rows], how="diagonal")
            alone = _all_different(pending["id"])
            pending = self._settle(pending if alone else self._fold(pending, tally), tally)
        assert pending is not None, "a plan without rows"
        assert ids is not None
        return Folded(pending, len(ids) if alone else ids.n_unique(), tally, alone, several)

    def _operations(self) -> list[str]:
        """In the order in which a person's calls go out: what is set first, what is cleared last."""
        found = {f.operation for f in self.fields} | ({"clear"} if self._clears else set())
        return [operation for operation in OPERATIONS if operation in found]

    def _derive(self, layout: int, piece: pl.DataFrame) -> pl.DataFrame:
        """The piece's rows with, per attribute, its JSON text, whether it is bad, and what was dropped."""
        cells = self._parse(layout, piece)
        columns: dict[str, pl.Series] = {}
        typed_all = list(typed_columns(self._config, cells))
        for field_, (key, _, typed) in zip(self.fields, typed_all, strict=True):
            attribute = self._config.attributes[key]
            value = column_types.encode(typed, attribute, self._encoding)
            if attribute.blank == "clear":
                clear = typed.present & value.is_null()
                value = value.set(clear if typed.reason is None else clear & typed.reason.is_null(), CLEAR)
            columns[field_.value] = value if typed.cleared is None else value.set(typed.cleared, CLEAR)
            if typed.reason is not None:
                columns[field_.bad] = typed.reason.is_not_null()
            if typed.dropped is not None:
                columns[field_.dropped] = typed.dropped
        columns |= counts([typed for _, _, typed in typed_all])
        if self._prints:
            columns["print"] = self._whole(self._prints(layout, piece, cells), columns)
        return piece.with_columns(pl.lit(layout, pl.Int32).alias("layout"), **columns)

    def _whole(self, prints: pl.Series, columns: Mapping[str, pl.Series]) -> pl.Series:
        """The fingerprints of the rows in which every value is good and goes out as it stands."""
        prints = prints.set(columns["bads"] > 0, None)
        for f in self.fields:
            if f.dropped in columns:
                prints = prints.set(columns[f.dropped].is_not_null(), None)
        return prints

    def _fold(self, rows: pl.DataFrame, tally: Tally) -> pl.DataFrame:
        """Takes from each row the values that a later row of the same person overrides.

        Later in the source, or by its time where the rows have one; a row without a time is the oldest.
        """
        repeated = rows["id"].is_duplicated()
        alone, several = rows.filter(~repeated), rows.filter(repeated)
        compete = [f for f in self.fields if not f.takes_all]
        if TIME in several.columns:
            several = several.sort(TIME, "order", nulls_last=False)
        several = several.with_columns(rank=pl.int_range(pl.len()) if TIME in several.columns else "order")
        latest = [
            pl.col("rank").filter(_present(several, f)).max().over("id").alias(f"last{f.index}")
            for f in compete
        ]
        several = several.with_columns(latest)
        before = _count_values(several, self.fields)
        several = several.with_columns(
            pl.when(pl.col("rank") == pl.col(f"last{f.index}")).then(f.value).alias(f.value) for f in compete
        )
        tally.values["superseded"] += before - _count_values(several, self.fields)
        several = several.drop("rank", *(f"last{f.index}" for f in compete))
        return pl.concat([alone, several])

    def _settle(self, rows: pl.DataFrame, tally: Tally) -> pl.DataFrame:
        """Lets go of the rows without a winner, and of the bad values of the others, once each."""
        tally.values["rejected"] += int(rows.filter(~_already(rows))["bads"].sum())
        some = pl.any_horizontal([pl.col(f.value).is_not_null() for f in self.fields])
        holds = rows.select(some.alias("s"))["s"]
        gone = [f.bad for f in self.fields if f.bad in rows.columns]
        held = rows.drop(gone).with_columns(counted=pl.lit(value=True))
        if holds.all():
            return held
        state = (
            pl.when(pl.col("bads") > 0)
            .then(pl.lit("rejected"))
            .when(pl.col("values") > 0)
            .then(pl.lit("merged"))
            .otherwise(pl.lit("empty"))
        )
        for name, count in rows.filter(~holds).select(state.alias("s"))["s"].value_counts().iter_rows():
            tally.rows[name] += count
        return held.filter(holds)

    def _people(self, rows: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
        """The rows with their person's index, and one line a person: id, row count, members by operation."""
        due, held = _due(rows, self.fields), _held_columns(rows, self.fields)
        if due["id"].is_duplicated().any():
            merged = due.group_by("id", maintain_order=True).agg(
                pl.col("order").min(),
                pl.len().alias("rows"),
                _trims(due, self.fields).sum().alias("trims"),
                *(pl.col(name).first() for name in held),
                *(_winner(f) for f in self.fields),
            )
            merged = self._with_folded(merged, due)
        else:
            merged = due.with_columns(rows=pl.lit(1), trims=_trims(due, self.fields))
        merged = merged.sort("order").with_row_index("person")
        operations = self._operations()
        patterns = [_pattern(self.fields, op, operations) for op in operations]
        values = [f.value for f in self.fields]
        people = merged.select("person", "id", "rows", "trims", "order", *held, *values, *patterns)
        return rows.join(people.select("id", "person"), on="id", how="left", maintain_order="left"), people

    def _with_folded(self, merged: pl.DataFrame, rows: pl.DataFrame) -> pl.DataFrame:
        """The sums and unions of the people with several rows, in place of their first values."""
        for f in self.fields:
            if not f.takes_all:
                continue
            held = rows.select("id", "order", value=f.value).filter(pl.col("value").is_not_null())
            several = held.filter(pl.col("id").is_duplicated()).sort("order")
            if several.height:
                folded = aggregation.fold(f.operation, several).rename({"value": "folded"})
                merged = merged.join(folded, on="id", how="left", maintain_order="left")
                merged = merged.with_columns(pl.coalesce("folded", f.value).alias(f.value)).drop("folded")
        return merged


class _Users:
    """The identity texts of a chunk's people, and the original rows that show a problem with them."""

    def __init__(self, orders: Sequence[int]) -> None:
        self._orders = orders
        self._users: pl.DataFrame | None = None
        self._named: list[pl.DataFrame] = []
        self._naming: list[pl.DataFrame] = []

    def seen(self, piece: pl.DataFrame) -> pl.DataFrame:
        """The piece again, once looked at."""
        self._users = identities.fold_users(self._users, piece)
        self._named.append(_originals(piece.filter(pl.col("order").is_in(self._orders))))
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

    def originals(self) -> pl.DataFrame:
        """The rows that show a problem, as `rejected_rows/` keeps rows."""
        return pl.concat(self._named, how="diagonal")

    def naming(self) -> pl.DataFrame:
        """Of each person with several rows, those that hold the last text of an identity field."""
        return pl.concat([*self._naming, self._named[0].clear()], how="diagonal").unique("order")


def _originals(rows: pl.DataFrame) -> pl.DataFrame:
    original = "raw" if "raw" in rows.columns else "cells"
    return rows.select("order", "id", pl.col(original).alias("original"))


def _with_repeated(several: pl.Series, before: pl.Series | None, ids: pl.Series) -> pl.Series:
    """The ids that have stood twice, those of `several` included."""
    every = ids if before is None else pl.concat([before, ids])
    if _all_different(every):
        return several
    return pl.concat([several, every.filter(every.is_duplicated())]).unique()


def _due(rows: pl.DataFrame, fields: Sequence[Field]) -> pl.DataFrame:
    """The rows without the values that the destination is known to hold."""
    same = [f for f in fields if f.unchanged in rows.columns]
    return rows.with_columns(pl.when(~pl.col(f.unchanged)).then(f.value).alias(f.value) for f in same)


def _held_columns(rows: pl.DataFrame, fields: Sequence[Field]) -> list[str]:
    """What stands on each row of a person alike, where the chunk is held against a snapshot."""
    wanted = ["print", "values", "print_held", "is_known", *(f.held for f in fields)]
    return [name for name in wanted if name in rows.columns] if "print_held" in rows.columns else []


def _pattern(fields: Sequence[Field], operation: str, operations: Sequence[str]) -> pl.Expr:
    """One character for each attribute that takes part in the operation."""
    marks = [
        pl.when(mine).then(pl.lit(_mark(f)))
        for f in fields
        if (mine := _wanted(f, operation, operations)) is not None
    ]
    return pl.concat_str(marks, ignore_nulls=True).alias(f"keys_{operation}")


def _members(fields: Sequence[Field], operation: str, operations: Sequence[str]) -> pl.Expr:
    """The JSON members of one operation, joined; a clear carries no value."""
    if operation == "clear":
        return pl.lit("").alias(operation)
    members = []
    for f in fields:
        mine = _wanted(f, operation, operations)
        if mine is not None:
            name = json.dumps(f.key, ensure_ascii=False) + ":"
            members.append(pl.when(mine).then(pl.concat_str(pl.lit(name), f.value)))
    return pl.concat_str(members, separator=SEPARATOR, ignore_nulls=True).alias(operation)


def _wanted(field_: Field, operation: str, operations: Sequence[str]) -> pl.Expr | None:
    """Where this attribute takes part in the operation; None = never."""
    value = pl.col(field_.value)
    if operation == "clear":
        return value == CLEAR
    if field_.operation != operation:
        return None
    return value.is_not_null() & (value != CLEAR) if "clear" in operations else value.is_not_null()


def _all_different(ids: pl.Series) -> bool:
    """Whether no id stands twice; hashes are compared first, which costs half as much."""
    return ids.hash().n_unique() == len(ids) or not ids.is_duplicated().any()


def _present(rows: pl.DataFrame, field_: Field) -> pl.Expr:
    held = pl.col(field_.value).is_not_null()
    return held | pl.col(field_.bad).fill_null(value=False) if field_.bad in rows.columns else held


def _already(rows: pl.DataFrame) -> pl.Series:
    """Rows of an earlier piece, whose bad values are counted."""
    if "counted" not in rows.columns:
        return pl.repeat(False, rows.height, eager=True)
    return rows["counted"].fill_null(value=False)


def _trims(rows: pl.DataFrame, fields: Sequence[Field]) -> pl.Expr:
    """How many of a row's winning values go out without an option that nobody declared."""
    trimmed = [
        pl.col(f.dropped).is_not_null() & pl.col(f.value).is_not_null()
        for f in fields
        if f.dropped in rows.columns
    ]
    return pl.sum_horizontal(trimmed) if trimmed else pl.lit(0)


def _winner(field_: Field) -> pl.Expr:
    return pl.col(field_.value).drop_nulls().first()


def _count_values(rows: pl.DataFrame, fields: Sequence[Field]) -> int:
    counts: Mapping[str, int] = rows.select(pl.col(f.value).count() for f in fields).row(0, named=True)
    return sum(counts.values())


def counts(typed: Sequence[TypedColumn]) -> dict[str, pl.Series]:
    """How many `values` each row has, and how many of them are bad (`bads`)."""
    bads = [t.reason.is_not_null() for t in typed if t.reason is not None]
    height = len(typed[0].present)
    return {"values": _sum([t.present for t in typed], height), "bads": _sum(bads, height)}


def _sum(masks: Sequence[pl.Series], height: int) -> pl.Series:
    """How many of the masks are true in each row; most are true in every one."""
    some = [mask for mask in masks if not mask.all()]
    total = pl.repeat(len(masks) - len(some), height, dtype=pl.UInt32, eager=True)
    for mask in some:
        total += mask.cast(pl.UInt32)
    return total
