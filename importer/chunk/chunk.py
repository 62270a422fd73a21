"""A chunk ready to send, and the updates of its people."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from importer.chunk.fields import CLEAR, Field
from importer.chunk.tally import Tally
from importer.core.models import SEPARATOR, Part, Update
from importer.storage.spool import ChunkPlan
from importer.validate import identities
from importer.values import inference

_AT_ONCE = 2048
"""People whose updates are made at once: the texts of a whole chunk take some 20 MiB more."""


@dataclass(slots=True)
class Chunk:
    """A chunk ready to send. `rows` hold at least one winner each, with `person` an index into `people`.

    `people` has one line for each person with something to send: `id`, `rows` (how many of their rows hold a
    winner), `adjusted` (of their winners), `order` (of the first of these rows), their winners that are due,
    and for each operation the pattern of attributes in it; with a snapshot also what it knows, and the
    `print` of the only row of a person, null where any value of it is bad or adjusted.

    `tally` counts what ended before: rows and values that will not be sent, people with nothing to send.
    `problems` are the people with something to send whose identity the destination cannot use
    (`identities.PROBLEM`, with `person`); `problem_rows` are the original rows that show it, `naming_rows`
    those of people with several rows that hold an identity text.
    """

    plan: ChunkPlan
    rows: pl.DataFrame
    people: pl.DataFrame
    operations: Sequence[str]
    fields: Sequence[Field]
    tally: Tally
    problems: pl.DataFrame
    problem_rows: pl.DataFrame
    naming_rows: pl.DataFrame

    def updates(self) -> Iterator[Update]:
        """One update per person, in the order of their first rows in the source."""
        keys, users = _KeysOfPattern(self.fields), self._users()
        some = pl.any_horizontal(pl.col(f"keys_{op}").str.len_bytes() > 0 for op in self.operations)
        for people in self.people.filter(some).iter_slices(_AT_ONCE):
            ids = people["person"].to_list(), people["id"].to_list()
            for person, distinct_id, parts in zip(*ids, self._parts(people, keys), strict=True):
                yield Update(person, distinct_id, parts, users[person] if users else ())

    def _parts(self, people: pl.DataFrame, keys: Mapping[str, tuple[str, ...]]) -> Iterator[tuple[Part, ...]]:
        """The parts of each of these people, who have one at least."""
        members = people.select(_members(self.fields, op, self.operations) for op in self.operations)
        columns = [_parts(op, people[f"keys_{op}"], members[op], keys) for op in self.operations]
        if len(columns) == 1:
            return zip(*columns, strict=True)  # nobody here has none
        return (tuple(filter(None, found)) for found in zip(*columns, strict=True))

    def general(self, keys: Iterable[str]) -> Iterator[tuple[str, Update]]:
        """For each of these attributes that has one, an update of one person with one general text of it."""
        bad, ids, users = set(self.problems["person"]), self.people["id"], self._users()
        for field in self.fields:
            if field.key not in keys:
                continue
            text = pl.col(field.value)
            general = inference.kind_of(text.str.strip_chars('"')) == inference.GENERAL
            found = self.people.with_row_index("at").filter((text != CLEAR) & general)
            at = next((at for at in found["at"] if at not in bad), None)
            if at is not None:
                member = f"{json.dumps(field.key, ensure_ascii=False)}:{self.people[field.value][at]}"
                part = Part(field.operation, (field.key,), member)
                yield field.key, Update(at, ids[at], (part,), users[at] if users else ())

    def _users(self) -> Sequence[tuple[str, ...]]:
        """The texts of the identity fields of each person; empty where the destination has none."""
        names = identities.columns(self.people)
        return self.people.select(pl.col(names).fill_null("")).rows() if names else ()


def _parts(
    operation: str, patterns: pl.Series, members: pl.Series, keys: Mapping[str, tuple[str, ...]]
) -> Sequence[Part | None]:
    """The part of each person under one operation, None where they have none."""
    found = zip(patterns.to_list(), members.to_list(), strict=True)
    return [Part(operation, keys[pattern], text or "") if pattern else None for pattern, text in found]


class _KeysOfPattern(dict[str, tuple[str, ...]]):
    """A pattern of attributes (one character each) → their keys; there are few patterns in a list."""

    def __init__(self, fields: Sequence[Field]) -> None:
        super().__init__()
        self._keys = {_character(f): f.key for f in fields}

    def __missing__(self, pattern: str) -> tuple[str, ...]:
        keys = self[pattern] = tuple(self._keys[c] for c in pattern)
        return keys


def _character(field: Field) -> str:
    """The character that means this attribute in a pattern: one of CJK, where 20,000 are in a row."""
    return chr(0x4E00 + field.index)


def pattern_of(fields: Sequence[Field], operation: str, operations: Sequence[str]) -> pl.Expr:
    """One character for each attribute that takes part in the operation."""
    characters = [
        pl.when(mine).then(pl.lit(_character(f)))
        for f in fields
        if (mine := _takes_part(f, operation, operations)) is not None
    ]
    return pl.concat_str(characters, ignore_nulls=True).alias(f"keys_{operation}")


def _members(fields: Sequence[Field], operation: str, operations: Sequence[str]) -> pl.Expr:
    """The JSON members of one operation, joined; a clear carries no value."""
    if operation == "clear":
        return pl.lit("").alias(operation)
    members = []
    for f in fields:
        mine = _takes_part(f, operation, operations)
        if mine is not None:
            name = json.dumps(f.key, ensure_ascii=False) + ":"
            members.append(pl.when(mine).then(pl.concat_str(pl.lit(name), f.value)))
    return pl.concat_str(members, separator=SEPARATOR, ignore_nulls=True).alias(operation)


def _takes_part(field: Field, operation: str, operations: Sequence[str]) -> pl.Expr | None:
    """Where this attribute takes part in the operation; None = never."""
    value = pl.col(field.value)
    if operation == "clear":
        return value == CLEAR
    if field.operation != operation:
        return None
    return value.is_not_null() & (value != CLEAR) if "clear" in operations else value.is_not_null()
