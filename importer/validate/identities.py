"""The identity fields of a destination, and the people whom they do not identify.

A destination identifies a person by its own fields. A person is rejected once, before the first call, where
all fields are blank, where a field is not valid, where one field has several values, or where another
distinct id has the same value.

Shared values are found over the whole input: the values go to partitions on disk as rows do (`spool`), so
that all people with one value are examined together, in memory that does not grow with the file. The problems
are partitioned by distinct id, so that a chunk finds the problems of its people in its own partitions.
"""

import re
import shutil
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import polars as pl

from importer.config.schema import Config
from importer.destinations.base import IdentityField
from importer.storage import atomic_files
from importer.storage.spool import ChunkPlan, Spool, SpoolWriter
from importer.values import cell_texts

MISSING = "identity_missing"
INVALID = "identity_invalid"
AMBIGUOUS = "identity_ambiguous"

PROBLEM: dict[str, pl.DataType] = {
    "id": pl.String(),
    "order": pl.Int64(),
    "line": pl.Int64(),
    "field": pl.Int32(),
    "reason": pl.String(),
    "value": pl.String(),
    "shared": pl.Boolean(),
}
"""One problem of one person: the first row that shows it, the index of the field (-1 = none has a value), and
whether it is the value that is shared by several people rather than the person who has several."""


def user(index: int) -> str:
    """The column that holds the text of an identity field, null where blank."""
    return f"who{index}"


_USER = re.compile("who[0-9]+")


def columns(frame: pl.DataFrame) -> list[str]:
    """The columns of a frame that hold identity texts; none where the destination has no such fields."""
    return [name for name in frame.columns if _USER.fullmatch(name)]


def fold_users(users: pl.DataFrame | None, piece: pl.DataFrame) -> pl.DataFrame | None:
    """`id` and the last text of each identity field per person; a blank leaves an earlier one standing."""
    names = columns(piece)
    if not names:
        return None
    rows = piece.select("id", *names)
    both = rows if users is None else pl.concat([users, rows])
    return both.group_by("id", maintain_order=True).agg(pl.col(names).drop_nulls().last())


def read(config: Config, fields: Sequence[IdentityField], cells: pl.DataFrame) -> list[pl.Series]:
    """The texts of the identity fields of some rows, without the characters a field ignores."""
    blank = tuple({"", *config.source.null_values})
    found = []
    for index, field in enumerate(fields):
        text = cell_texts.as_text(cells[field.column])
        if field.ignore:
            text = text.str.replace_many(list(field.ignore), [""])
        found.append(cell_texts.blank_to_null(text, blank).rename(user(index)))
    return found


def examine(spool: Spool, folder: Path, fields: Sequence[IdentityField]) -> int:
    """Finds the people who cannot be told, leaves their problems in `folder`, and counts them."""
    places = {name: folder / name for name in ("holders", "problems")}
    for place in places.values():
        shutil.rmtree(place, ignore_errors=True)
        atomic_files.make_folder(place)
    holders, problems = SpoolWriter(places["holders"]), SpoolWriter(places["problems"])
    wanted = ["id", "order", "line", *(user(i) for i in range(len(fields)))]
    for plan in spool.plan():
        people: pl.DataFrame | None = None
        for _, piece in spool.read(plan, wanted):
            for shown in _holders(piece, fields):
                holders.add(shown, 0)
            people = _fold(people, piece, fields)
        assert people is not None, "a plan without rows"
        for wrong in _own_problems(people, fields):
            problems.add(wrong, 0)
    for wrong in _shared(holders.finish()):
        problems.add(wrong, 0)
    shutil.rmtree(places["holders"])
    found = problems.finish()
    return sum(of_chunk(found, plan).height for plan in found.plan())


def open_problems(folder: Path) -> Spool:
    """What `examine` left, by distinct id."""
    return Spool.open(folder / "problems")


def of_chunk(problems: Spool, plan: ChunkPlan) -> pl.DataFrame:
    """The first problem of each person of a chunk, in the columns of PROBLEM."""
    return _first_of_each([piece for _, piece in problems.read(plan)])


def problems_of(rows: pl.DataFrame, fields: Sequence[IdentityField]) -> pl.DataFrame:
    """The same of the people of some rows; it is not known then what they share with others."""
    return _first_of_each(list(_own_problems(_fold(None, rows, fields), fields)))


def _first_of_each(pieces: Sequence[pl.DataFrame]) -> pl.DataFrame:
    if not pieces:
        return pl.DataFrame(schema=PROBLEM)
    every = pl.concat(pieces).select("id", "order", "line", pl.col("raw").str.splitn(_MARK, 4).alias("raw"))
    every = every.unnest("raw").select(
        "id",
        "order",
        "line",
        pl.col("field_0").cast(pl.Int32).alias("field"),
        pl.col("field_1").alias("reason"),
        pl.col("field_3").alias("value"),
        (pl.col("field_2") == "shared").alias("shared"),
    )
    return every.sort("id", "field", "reason", "order", descending=[False, False, True, False]).unique(
        "id", keep="first", maintain_order=True
    )


def message(field: IdentityField | None, reason: str, *, shared: bool) -> str:
    """What was expected and found, in one clause that quotes no cell."""
    if field is None:
        return "expected a value in one of the columns that name the user, found all of them blank"
    if reason == INVALID:
        return f'expected {field.expected} in column "{field.column}"'
    if shared:
        return f'several distinct ids have this text in column "{field.column}", so it names none of them'
    return f'this distinct id has several texts in column "{field.column}", so it is not one person'


_MARK = "\x1f"


def key(field: IdentityField, text: pl.Expr) -> pl.Expr:
    """What tells two texts of a field apart."""
    return text.str.to_lowercase() if field.fold_case else text


def _fits(field: IdentityField, text: pl.Expr) -> pl.Expr:
    return text.str.contains(field.pattern) & (text.str.len_chars() <= field.max_length)


def _holders(piece: pl.DataFrame, fields: Sequence[IdentityField]) -> Iterator[pl.DataFrame]:
    """Each usable value with one row of each who has it: the value as `id`, text and person in `raw`."""
    for index, field in enumerate(fields):
        text = pl.col(user(index))
        value = pl.concat_str(pl.lit(f"{index}{_MARK}"), key(field, text))
        shown = piece.filter(text.is_not_null() & _fits(field, text)).select(
            value.alias("id"), "order", "line", pl.concat_str(text, pl.lit(_MARK), "id").alias("raw")
        )
        yield shown.unique(["id", "raw"], keep="first", maintain_order=True)


def _shared(holders: Spool) -> Iterator[pl.DataFrame]:
    """The holders of each value that several people have."""
    text, person = (pl.col("raw").str.splitn(_MARK, 2).struct.field(f"field_{n}") for n in range(2))
    field = pl.col("id").str.splitn(_MARK, 2).struct.field("field_0").cast(pl.Int32)
    for plan in holders.plan():
        known: pl.DataFrame | None = None
        for _, piece in holders.read(plan):
            more = piece.select("id", low=person, high=person)
            both = more if known is None else pl.concat([known, more])
            known = both.group_by("id").agg(pl.col("low").min(), pl.col("high").max())
        assert known is not None, "a plan without rows"
        shared = known.filter(pl.col("low") != pl.col("high"))
        for _, piece in holders.read(plan):
            found = piece.join(shared, on="id", how="semi", maintain_order="left")
            if found.height:
                yield _problem(found, field, AMBIGUOUS, "shared", text).with_columns(
                    id=found.select(person).to_series()
                )


def _fold(people: pl.DataFrame | None, piece: pl.DataFrame, fields: Sequence[IdentityField]) -> pl.DataFrame:
    """One line a person: their first row, and per field the least and greatest text and where it first is."""
    rows = piece.select("id", "order", "line", *(e for i, f in enumerate(fields) for e in _evidence(i, f)))
    both = rows if people is None else pl.concat([people, rows])
    every = [e for i in range(len(fields)) for e in _folded(i)]
    return both.group_by("id", maintain_order=True).agg(
        pl.col("order").first(), pl.col("line").first(), *every
    )


def _evidence(index: int, field: IdentityField) -> Iterator[pl.Expr]:
    text = pl.col(user(index))
    yield key(field, text).alias(f"least{index}")
    yield key(field, text).alias(f"greatest{index}")
    yield text.alias(f"text{index}")
    yield pl.when(text.is_not_null()).then("order").alias(f"order{index}")
    yield pl.when(text.is_not_null()).then("line").alias(f"line{index}")


def _folded(index: int) -> Iterable[pl.Expr]:
    yield pl.col(f"least{index}").min()
    yield pl.col(f"greatest{index}").max()
    for name in ("text", "order", "line"):
        yield pl.col(f"{name}{index}").drop_nulls().first()


def _own_problems(people: pl.DataFrame, fields: Sequence[IdentityField]) -> Iterator[pl.DataFrame]:
    nothing = pl.all_horizontal(pl.col(f"text{i}").is_null() for i in range(len(fields)))
    yield _problem(people.filter(nothing), pl.lit(-1), MISSING, "own", pl.lit(""))
    for index, field in enumerate(fields):
        here = people.select(
            "id",
            pl.col(f"order{index}").alias("order"),
            pl.col(f"line{index}").alias("line"),
            text=pl.col(f"text{index}"),
            several=pl.col(f"least{index}") != pl.col(f"greatest{index}"),
        ).filter(pl.col("text").is_not_null())
        yield _problem(here.filter("several"), pl.lit(index), AMBIGUOUS, "own", pl.col("text"))
        bad = here.filter(~pl.col("several") & ~_fits(field, pl.col("text")))
        yield _problem(bad, pl.lit(index), INVALID, "own", pl.col("text"))


def _problem(rows: pl.DataFrame, field: pl.Expr, reason: str, kind: str, value: pl.Expr) -> pl.DataFrame:
    what = pl.concat_str(field.cast(pl.String), pl.lit(f"{_MARK}{reason}{_MARK}{kind}{_MARK}"), value)
    return rows.select("id", "order", "line", what.alias("raw"))
