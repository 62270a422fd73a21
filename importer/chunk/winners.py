"""Which values of a person's rows go out: for each attribute the last one, chosen before it is checked."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from importer.chunk.fields import Field
from importer.chunk.tally import Tally, by_source
from importer.core.models import Outcome
from importer.core.row_order import TIME

SUPERSEDED, REJECTED = str(Outcome.SUPERSEDED), str(Outcome.REJECTED)


OnSuperseded = Callable[[pl.DataFrame], None]
"""Takes values that later ones replace: `order`, `line`, `id`, `fingerprint` of the row, and `attribute`."""


_NOBODY = pl.Series("id", [], dtype=pl.String)


@dataclass(frozen=True, slots=True)
class Winners:
    """The rows of some people that hold at least one winning value.

    `people` counts the people in all rows, also in those without a winner; `tally` counts what ended already.
    `all_different`: it is certain that no person has two of these rows. `repeated` are the ids that were on
    more than one row, empty where nobody asked for them.
    """

    rows: pl.DataFrame
    people: int
    tally: Tally
    all_different: bool
    repeated: pl.Series


def choose_winners(
    pieces: Iterable[pl.DataFrame],
    fields: Sequence[Field],
    *,
    note_repeated: bool = False,
    on_superseded: OnSuperseded | None = None,
) -> Winners:
    """Folds all rows of some people: pieces in source order, each with the columns of its fields.

    After each piece only the rows that still hold a winner are kept, so memory is that of the people, not of
    their rows. `on_superseded` is called piece by piece; the rows have `line` and `fingerprint` then.
    """
    tally, kept, ids, different, repeated = Tally(), None, None, True, _NOBODY
    for rows in pieces:
        if note_repeated:
            repeated = _with_repeated(repeated, ids, rows["id"])
        ids = rows["id"] if ids is None else pl.concat([ids, rows["id"]]).unique()
        kept = rows if kept is None else pl.concat([kept, rows], how="diagonal")
        different = _all_different(kept["id"])
        kept = kept if different else _keep_last(kept, fields, tally, on_superseded)
        kept = _drop_decided(kept, fields, tally)
    assert kept is not None, "a plan without rows"
    assert ids is not None
    return Winners(kept, len(ids) if different else ids.n_unique(), tally, different, repeated)


def choose_single(rows: pl.DataFrame, fields: Sequence[Field]) -> Winners:
    """As `choose_winners`, where it is known that each person has one row."""
    tally = Tally()
    return Winners(_drop_decided(rows, fields, tally), rows.height, tally, True, _NOBODY)


def _keep_last(
    rows: pl.DataFrame, fields: Sequence[Field], tally: Tally, on_superseded: OnSuperseded | None
) -> pl.DataFrame:
    """Takes from each row the values that a later row of the same person overrides.

    Later in the source, or by its time where the rows have one; a row without a time is the oldest.
    """
    is_repeated = rows["id"].is_duplicated()
    single, several = rows.filter(~is_repeated), rows.filter(is_repeated)
    replaceable = [f for f in fields if not f.takes_all]
    if TIME in several.columns:
        several = several.sort(TIME, "order", nulls_last=False)
    several = several.with_columns(rank=pl.int_range(pl.len()) if TIME in several.columns else "order")
    latest = [
        pl.when(_has_value(several, f)).then("rank").max().over("id").alias(f"last{f.index}")
        for f in replaceable
    ]
    several = several.with_columns(latest)
    tally.count_values(_count_values(several, fields), SUPERSEDED)
    before, several = (
        several,
        several.with_columns(
            pl.when(pl.col("rank") == pl.col(f"last{f.index}")).then(f.value).alias(f.value)
            for f in replaceable
        ),
    )
    tally.count_values(_count_values(several, fields), SUPERSEDED, sign=-1)
    if on_superseded and replaceable:
        on_superseded(_superseded(before, several, replaceable))
    return pl.concat([single, several.drop("rank", *(f"last{f.index}" for f in replaceable))])


def _superseded(before: pl.DataFrame, after: pl.DataFrame, fields: Sequence[Field]) -> pl.DataFrame:
    """The values that are in `before` and no longer in `after`; the two have the same rows."""
    return pl.concat(
        before.filter(before[f.value].is_not_null() & after[f.value].is_null()).select(
            "order", "line", "id", "fingerprint", attribute=pl.lit(f.key)
        )
        for f in fields
    )


def _drop_decided(rows: pl.DataFrame, fields: Sequence[Field], tally: Tally) -> pl.DataFrame:
    """Counts and drops the rows without a winner, and counts the bad values of the others, once each."""
    if bads := {f.key: f.bad for f in fields if f.bad in rows.columns}:
        sums = [pl.col(bad).sum().alias(key) for key, bad in bads.items()]
        tally.count_values(by_source(rows.filter(~_is_counted(rows)), sums), REJECTED)
    counted = rows.drop(bads.values()).with_columns(counted=pl.lit(value=True))
    if any(not rows[f.value].null_count() for f in fields):
        return counted
    some = pl.any_horizontal([pl.col(f.value).is_not_null() for f in fields])
    has_winner = rows.select(some.alias("s"))["s"]
    if has_winner.all():
        return counted
    state = (
        pl.when(pl.col("bads") > 0)
        .then(pl.lit("rejected"))
        .when(pl.col("values") > 0)
        .then(pl.lit("merged"))
        .otherwise(pl.lit("empty"))
    )
    decided = rows.filter(~has_winner)
    tally.count_rows(decided, decided.select(state.alias("s"))["s"])
    return counted.filter(has_winner)


def _with_repeated(repeated: pl.Series, before: pl.Series | None, ids: pl.Series) -> pl.Series:
    """The ids found on more than one row so far, `repeated` included."""
    every = ids if before is None else pl.concat([before, ids])
    if _all_different(every):
        return repeated
    return pl.concat([repeated, every.filter(every.is_duplicated())]).unique()


def _all_different(ids: pl.Series) -> bool:
    """Whether no id is there twice; hashes are compared first, which costs half as much."""
    return ids.hash().n_unique() == len(ids) or not ids.is_duplicated().any()


def _has_value(rows: pl.DataFrame, field: Field) -> pl.Expr:
    """Where the row has a value of this attribute, good or bad."""
    good = pl.col(field.value).is_not_null()
    return good | pl.col(field.bad).fill_null(value=False) if field.bad in rows.columns else good


def _is_counted(rows: pl.DataFrame) -> pl.Series:
    """Rows of an earlier piece, whose bad values are counted."""
    if "counted" not in rows.columns:
        return pl.repeat(False, rows.height, eager=True)
    return rows["counted"].fill_null(value=False)


def _count_values(rows: pl.DataFrame, fields: Sequence[Field]) -> Iterator[tuple[int, Mapping[str, int]]]:
    return by_source(rows, [pl.col(f.value).count().alias(f.key) for f in fields])
