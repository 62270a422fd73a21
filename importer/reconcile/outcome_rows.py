"""One row for each value of a chunk: how it ended, and what the report says of it.

What stands in `rejects.csv` about a value is taken from its line there, so that the two never differ.
"""

from collections.abc import Mapping

import polars as pl

from importer.chunk.chunk import Chunk
from importer.chunk.fields import CLEAR, Field
from importer.core.models import Outcome
from importer.reconcile.outcomes import Outcomes

_FROM_LINE = ("stage", "reason", "message")
_ANSWER = ("status", "attempts", "at")


def of_chunk(chunk: Chunk, outcomes: Outcomes, codes: pl.DataFrame, lines: pl.DataFrame) -> pl.DataFrame:
    """The values that a chunk had to send or to leave out; those that failed the check are not among them.

    `codes` are the words of ChunkReport for the rows of the chunk, `lines` its lines for `rejects.csv`.
    Columns `order`, `line`, `fingerprint`, `distinct_id`, `attribute`, `outcome`, `stage`, `reason`,
    `message`, `status`, `attempts` and `at`; null where there is nothing to say.
    """
    rows = chunk.rows.select("order", "line", "fingerprint", "person", distinct_id="id")
    answered = {op: outcomes.answered(op, rows["person"]) for op in chunk.operations}
    parts = []
    for field in chunk.fields:
        answers = outcomes.answers(field.key, rows["person"], _answered(chunk, answered, field))
        parts.append(_of_field(rows, codes, field, answers))
    values = pl.concat(parts)
    if not lines.height:  # nearly every chunk
        return values.drop("person").with_columns(pl.lit(None, pl.String).alias(n) for n in _FROM_LINE)
    return _with_lines(values, lines_by_value(lines), lines.filter(pl.col("position") < 0))


def lines_by_value(lines: pl.DataFrame) -> pl.DataFrame:
    """The lines about a value, one a value: `order`, `attribute`, and from `stage` on as in `of_chunk`."""
    of_values = lines.filter(pl.col("position") >= 0).unique(["order", "position"], keep="first")
    return of_values.select("order", "attribute", *_FROM_LINE, "status", "attempts", _moment())


def _moment() -> pl.Expr:
    return pl.col("at").str.to_datetime("%+", time_unit="ms", time_zone="UTC", strict=False)


def _answered(chunk: Chunk, answered: Mapping[str, pl.DataFrame], field: Field) -> pl.DataFrame:
    """Per row the answer to what was sent with this value; `answered` has those to each operation."""
    found, cleared = answered[field.operation], chunk.rows[field.value] == CLEAR
    if "clear" not in answered or not cleared.any():
        return found
    cleared = cleared.fill_null(value=False)
    return found.select(answered["clear"][name].zip_with(cleared, found[name]) for name in found.columns)


def _of_field(rows: pl.DataFrame, codes: pl.DataFrame, field: Field, answers: pl.DataFrame) -> pl.DataFrame:
    ended = codes[f"c{field.index}"].alias("outcome")
    known = pl.col("attempts") > 0
    answers = answers.select(
        pl.when(known).then("status"),
        pl.when(known).then("attempts"),
        pl.when(known).then((pl.col("at") * 1000).round().cast(pl.Int64).cast(pl.Datetime("ms", "UTC"))),
    )
    values = rows.with_columns(ended, *answers, attribute=pl.lit(field.key))
    return values.filter(pl.col("outcome").is_not_null())


def _with_lines(values: pl.DataFrame, lines: pl.DataFrame, of_people: pl.DataFrame) -> pl.DataFrame:
    """The values with what their line says, or the one line about their person where that was refused."""
    found = values.join(lines, on=["order", "attribute"], how="left", suffix="_line")
    people = of_people.unique("distinct_id", keep="first").select(
        "distinct_id", *_FROM_LINE, "status", "attempts", _moment()
    )
    found = found.join(people, on="distinct_id", how="left", suffix="_person")
    of_person = pl.col("stage").is_null() & (pl.col("outcome") == str(Outcome.REJECTED))
    return found.select(
        *("order", "line", "fingerprint", "distinct_id", "attribute", "outcome"),
        *(pl.when(of_person).then(f"{name}_person").otherwise(name).alias(name) for name in _FROM_LINE),
        *(
            pl.coalesce(f"{name}_line", pl.when(of_person).then(f"{name}_person"), name).alias(name)
            for name in _ANSWER
        ),
    )
