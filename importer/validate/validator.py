"""From a batch of the reader to rows that can be trusted: `where`, the distinct id, the check of every value.

Everything here happens before the first call (promise 2) and is judged row by row, so the rejects of the
stages `read` and `check` are final here and already in file order.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import polars as pl

from importer.config.attribute import Attribute
from importer.config.schema import Config
from importer.core import rejects
from importer.core.errors import SourceError
from importer.core.rejects import REJECTS, SET_ASIDE_FREE, TIME_INVALID, rejects_frame
from importer.core.row_order import ORDER_SHIFT, ROW_OF, TIME
from importer.source.batch import Batch
from importer.validate import identities
from importer.validate.data_quality import DataQuality
from importer.values import column_types, messages
from importer.values.column_types import TypedColumn
from importer.values.expressions import compile_where
from importer.values.inference import TypeInference


@dataclass(slots=True)
class ValidatedBatch:
    """What one batch came to. `rows` go to the spool, `rejects` to the report, `kept` to rejected_rows/.

    `typed` holds each attribute's key, its column as it stands and the column typed, for the same rows.
    """

    rows: pl.DataFrame
    rejects: pl.DataFrame
    kept: pl.DataFrame
    typed: Sequence[tuple[str, pl.Series, TypedColumn]]


@dataclass(slots=True)
class ReadCounts:
    """Counts of everything read so far; the other half of the books that the chunks must match.

    `unchanged_rows` are those that a sieve kept back, each of a person of its own; `gone` counts the people
    who are known and no longer in the list, of `known`. By attribute: `blanks`,
    the blank cells of well-formed rows with an id, and `undeclared`, the values of a choice that name an
    option nobody declared.
    """

    rows_read: int = 0
    filtered: int = 0
    set_aside: int = 0
    set_aside_free: int = 0
    values_read: int = 0
    values_rejected: int = 0
    people_rejected: int = 0
    unchanged_rows: int = 0
    unchanged_values: int = 0
    gone: int = 0
    known: int = 0
    reasons: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    blanks: Counter[str] = field(default_factory=Counter)
    undeclared: Counter[str] = field(default_factory=Counter)

    @property
    def rows(self) -> int:
        """Well-formed, chosen rows with an id."""
        return self.rows_read - self.filtered - self.set_aside

    @property
    def rejected(self) -> int:
        """What the reject limit counts: values refused by the check, people, and rows set aside."""
        return self.values_rejected + self.people_rejected + self.set_aside - self.set_aside_free


class Validator:
    """Judges batches by one configuration. `distinct_id_max` is the destination's, in characters.

    `keeps_rows`: the rows taken hold what stood in the source, `raw` or `cells`; else `at`, their place in
    the batch, by which it is looked up where a row is refused.
    """

    def __init__(self, config: Config, distinct_id_max: int, *, keeps_rows: bool = True) -> None:
        self.config = config
        self._keeps_rows = keeps_rows
        self._id_max = distinct_id_max
        self._identity_fields = config.identity_fields
        self.kinds = TypeInference(config) if config.build_destination().fixes_types else None
        self._where = compile_where(config.source.where)
        self.intake = ReadCounts()
        self.watch = DataQuality(config)

    def take(self, batch: Batch, source: int) -> ValidatedBatch:
        """Filters, identifies and checks one batch; SourceError where `where` cannot be evaluated."""
        admitted = self.admit(batch, source)
        typed, bad = self._judge(admitted.rows, admitted.cells)
        rejects = _in_order([part.rejects for part in (bad, *admitted.refused)], "order", "position")
        kept = _in_order([_kept(part.rows, batch) for part in (bad, *admitted.refused)], "order")
        return ValidatedBatch(admitted.rows, rejects, kept, typed)

    def admit(self, batch: Batch, source: int) -> "IdentifiedBatch":
        """Filters and identifies one batch, and checks none of its values."""
        rows = _numbered(batch, source)
        rows = _with_original(rows, batch) if self._keeps_rows else rows.with_row_index("at")
        self.intake.rows_read += rows.height + batch.set_aside.height
        rows, cells = self._filtered(rows, batch.cells, source)
        malformed = _set_aside(batch, source)
        rows, cells, without_id = self._with_id(rows, cells)
        untimed = _none(rows)
        if self.config.source.latest_by:
            rows, cells, untimed = self._timed(rows, cells, self.config.source.latest_by)
        if self._identity_fields:
            rows = rows.with_columns(identities.read(self.config, self._identity_fields, cells))
        numbers = rows.select(ROW_OF).to_series()
        self.watch.look(cells, numbers, rows["id"], batch.text)
        self._count_rows(malformed.rejects, without_id.rejects, untimed.rejects)
        return IdentifiedBatch(rows, cells, (without_id, untimed, malformed))

    def reports_of(self, admitted: "IdentifiedBatch", batch: Batch) -> tuple[pl.DataFrame, pl.DataFrame]:
        """What was refused of a batch without a look at its values: lines for the report, rows to keep."""
        rejects = _in_order([part.rejects for part in admitted.refused], "order", "position")
        return rejects, _in_order([_kept(part.rows, batch) for part in admitted.refused], "order")

    def take_admitted(self, rows: pl.DataFrame, cells: pl.DataFrame) -> ValidatedBatch:
        """Checks rows that were admitted before; `rows` hold what stood in the source."""
        typed, bad = self._judge(rows, cells)
        original = pl.col("raw" if "raw" in rows.columns else "cells").alias("original")
        return ValidatedBatch(rows, bad.rejects, bad.rows.select("order", "id", original), typed)

    def blanks(self, cells: pl.DataFrame) -> Counter[str]:
        """Blank cells by attribute."""
        nulls, columns = self.config.source.null_values, self.config.columns
        return Counter(
            {k: column_types.blank_to_null(cells[c], nulls).null_count() for k, c in columns.items()}
        )

    def _judge(
        self, rows: pl.DataFrame, cells: pl.DataFrame
    ) -> tuple[list[tuple[str, pl.Series, TypedColumn]], "_Refused"]:
        numbers = rows.select(ROW_OF).to_series()
        typed = list(typed_columns(self.config, cells))
        self.watch.look_at_zones(((column, t) for _, column, t in typed), numbers)
        if self.kinds:
            self.kinds.look(typed, numbers)
        return typed, self._check(rows, typed)

    def _filtered(
        self, rows: pl.DataFrame, cells: pl.DataFrame, source: int
    ) -> tuple[pl.DataFrame, pl.DataFrame]:
        """What `where` leaves."""
        if self._where is None:
            return rows, cells
        chosen = self._chosen(cells, source)
        self.intake.filtered += rows.height - int(chosen.sum())
        return rows.filter(chosen), cells.filter(chosen)

    def _with_id(
        self, rows: pl.DataFrame, cells: pl.DataFrame
    ) -> tuple[pl.DataFrame, pl.DataFrame, "_Refused"]:
        """The rows that have an id, with it, and those that have none."""
        ids = self._identify(cells)
        problem = self._problem(ids)
        if problem is None:
            rows = rows.with_columns(id=ids)
            return rows, cells, _none(rows)
        refused = self._refused_rows(rows, ids, problem)
        good = problem.is_null()
        without = rows.filter(~good).with_columns(id=pl.lit(None, pl.String))
        rows = rows.filter(good).with_columns(id=ids.filter(good))
        return rows, cells.filter(good), _Refused(refused, without)

    def _timed(
        self, rows: pl.DataFrame, cells: pl.DataFrame, column: str
    ) -> tuple[pl.DataFrame, pl.DataFrame, "_Refused"]:
        """The rows with their time, null where it is blank; a row whose time cannot be read is set aside."""
        source, text = self.config.source, cells[column]
        pattern = {"format": source.latest_format} if source.latest_format else {}
        declared = Attribute.model_validate({"type": source.latest_type, **pattern})
        typed = column_types.type_column(declared, column_types.blank_to_null(text, source.null_values))
        kind = pl.Float64 if source.latest_type == "number" else pl.Datetime("us")
        rows = rows.with_columns(typed.value.cast(kind).alias(TIME))
        if typed.reason is None:
            return rows, cells, _none(rows)
        bad = typed.reason.is_not_null()
        refused = rows.filter(bad).with_columns(
            distinct_id="id",
            value=column_types.display(text).filter(bad),
            reason=pl.lit(TIME_INVALID),
            stage=pl.lit("read"),
            message=pl.lit(
                f'expected a {source.latest_type} in column "{column}", by which the newest row is told'
            ),
        )
        return rows.filter(~bad), cells.filter(~bad), _Refused(rejects_frame(refused), rows.filter(bad))

    def _chosen(self, cells: pl.DataFrame, source: int) -> pl.Series:
        text = texts(cells, self.config.source.null_values)
        try:
            chosen = text.with_columns(_chosen=self._where)["_chosen"]
        except pl.exceptions.ColumnNotFoundError:
            raise SourceError("source.where: names a column that the source does not have.") from None
        except pl.exceptions.PolarsError:
            raise SourceError(
                f"source.where: cannot be evaluated on every row of source {source + 1}; where a CAST may "
                "fail, use TRY_CAST, which makes such a row not match."
            ) from None
        return chosen.fill_null(value=False)

    def _identify(self, cells: pl.DataFrame) -> pl.Series:
        """The distinct ids as text, null where there is none."""
        identity = self.config.identity
        ids = column_types.as_text(cells[identity.column])
        if identity.trim:
            ids = ids.str.strip_chars()
        return column_types.blank_to_null(ids, tuple({"", *self.config.source.null_values})).rename("id")

    def _problem(self, ids: pl.Series) -> pl.Series | None:
        """Per row why it has no id that can be used (null = it has); None = all have."""
        if not ids.null_count() and not (ids.str.len_bytes() > self._id_max).any():
            return None
        reason = (
            pl.when(pl.col("id").is_null())
            .then(pl.lit("distinct_id_missing"))
            .when(pl.col("id").str.len_chars() > self._id_max)
            .then(pl.lit("distinct_id_too_long"))
        )
        return ids.to_frame().select(reason.alias("reason")).to_series()

    def _refused_rows(self, rows: pl.DataFrame, ids: pl.Series, problem: pl.Series) -> pl.DataFrame:
        column = self.config.identity.column
        frame = rows.select("order", "line").with_columns(
            distinct_id=ids, value=ids, reason=problem, stage=pl.lit("read")
        )
        message = (
            pl.when(pl.col("reason") == "distinct_id_missing")
            .then(pl.lit(f'expected an id in column "{column}", found it blank'))
            .otherwise(pl.lit(f'expected at most {self._id_max} characters in column "{column}"'))
        )
        bad = frame.filter(pl.col("reason").is_not_null()).with_columns(message=message)
        return rejects_frame(bad)

    def _check(self, rows: pl.DataFrame, columns: Sequence[tuple[str, pl.Series, TypedColumn]]) -> "_Refused":
        found = []
        for position, (key, column, typed) in enumerate(columns):
            self.intake.values_read += int(typed.present.sum())
            self._count_column(key, column, typed)
            if typed.reason is None or typed.reason.null_count() == rows.height:
                continue
            attribute = self.config.attributes[key]
            bad = rows.select("order", "line", distinct_id="id").with_columns(
                position=pl.lit(position),
                attribute=pl.lit(key),
                value=column_types.display(column),
                reason=typed.reason,
                stage=pl.lit("check"),
            )
            bad = bad.filter(pl.col("reason").is_not_null())
            found.append(rejects_frame(bad.with_columns(message=_messages(attribute, bad["reason"]))))
            self.intake.values_rejected += bad.height
            for reason, count in bad.group_by("reason").len().iter_rows():
                self.intake.reasons["check", reason, key] += count
        if not found:
            return _none(rows)
        rejects = pl.concat(found)
        return _Refused(rejects, rows.join(rejects, on="order", how="semi"))

    def _count_column(self, key: str, column: pl.Series, typed: TypedColumn) -> None:
        attribute = self.config.attributes[key]
        if attribute.blank == "skip":
            self.intake.blanks[key] += int((~typed.present).sum())
        else:
            text = column_types.blank_to_null(column, self.config.source.null_values)
            self.intake.blanks[key] += text.null_count()
        if attribute.options:
            self.intake.undeclared[key] += _undeclared(attribute, typed)

    def _count_rows(self, *frames: pl.DataFrame) -> None:
        for frame in filter(len, frames):
            self.intake.set_aside += frame.height
            for reason, count in frame.group_by("reason").len().iter_rows():
                self.intake.reasons["read", reason, ""] += count
                self.intake.set_aside_free += count if reason == SET_ASIDE_FREE else 0


def _undeclared(attribute: Attribute, typed: TypedColumn) -> int:
    """How many values of a choice name an option that is not declared."""
    count = 0
    if attribute.type == "single_choice" and attribute.allow_custom:
        count += int((~typed.value.is_in(attribute.options)).sum())
    elif typed.reason is not None:
        word = rejects.INVALID if attribute.type == "single_choice" else rejects.NOT_DECLARED
        count += int((typed.reason == word).sum())
    if typed.dropped is not None:
        count += int(typed.dropped.is_not_null().sum())
    return count


def typed_columns(config: Config, cells: pl.DataFrame) -> Iterable[tuple[str, pl.Series, TypedColumn]]:
    """Each attribute's key, its column as it stands, and the column typed, in declared order."""
    nulls = config.source.null_values
    for key, attribute in config.attributes.items():
        column = cells[config.columns[key]]
        cleared = _cleared(attribute, column, config.clearing_cells)
        text = column if cleared is None else column.set(cleared, None)
        typed = column_types.type_column(attribute, column_types.blank_to_null(text, nulls))
        yield key, column, typed if cleared is None else typed.clearing(cleared)


def _cleared(attribute: Attribute, column: pl.Series, marks: tuple[str, ...]) -> pl.Series | None:
    """Where a cell says that the stored value is to be removed; None = nowhere."""
    if not marks or column.dtype != pl.String or attribute.operation != "set":
        return None
    cleared = column.is_in(marks).fill_null(value=False)
    return cleared if cleared.any() else None


def texts(cells: pl.DataFrame, null_values: tuple[str, ...]) -> pl.DataFrame:
    """Every column that can be as text, blanks as null: what `where` sees."""
    columns = (column_types.blank_to_null(c, null_values) for c in cells.get_columns())
    return pl.DataFrame([column_types.display(c) for c in columns])


def _messages(attribute: Attribute, reasons: pl.Series) -> pl.Series:
    distinct = reasons.unique().to_list()
    return reasons.replace_strict(distinct, [messages.message(attribute, r) for r in distinct])


def _numbered(batch: Batch, source: int) -> pl.DataFrame:
    return pl.DataFrame({"order": batch.row + (source << ORDER_SHIFT), "line": batch.line})


def _with_original(rows: pl.DataFrame, batch: Batch) -> pl.DataFrame:
    """Rows as they stood: their text, or their columns where the source has no text.

    `rows` are all of the batch, or some with `at`, their place in it.
    """
    records = batch.records
    if "at" not in rows.columns:
        if records is not None:
            return rows.with_columns(raw=records)
        return rows.with_columns(cells=batch.cells.to_struct())
    at = rows["at"]
    if records is not None:
        return rows.with_columns(raw=records.gather(at))
    return rows.with_columns(cells=batch.cells[at].to_struct())


@dataclass(frozen=True, slots=True)
class _Refused:
    """Lines for the report, and the rows they are about."""

    rejects: pl.DataFrame
    rows: pl.DataFrame


@dataclass(frozen=True, slots=True)
class IdentifiedBatch:
    """The chosen rows of a batch that have an id, their cells, and what was refused."""

    rows: pl.DataFrame
    cells: pl.DataFrame
    refused: tuple[_Refused, ...]


def _none(rows: pl.DataFrame) -> _Refused:
    return _Refused(_NO_REJECTS, rows.clear())


def _kept(rows: pl.DataFrame, batch: Batch) -> pl.DataFrame:
    """Refused rows for rejected_rows/: `original` of healthy ones, `bytes` of damaged ones."""
    if "bytes" in rows.columns:
        return rows
    if not rows.height:
        return _NOTHING_KEPT
    if "at" in rows.columns:
        rows = _with_original(rows, batch)
    original = pl.col("raw" if "raw" in rows.columns else "cells").alias("original")
    return rows.select("order", "id", original)


def _set_aside(batch: Batch, source: int) -> _Refused:
    """The damaged rows; of these the bytes are kept."""
    if not batch.set_aside.height:
        return _NO_DAMAGE
    frame = batch.set_aside.with_columns(order=pl.col("row") + (source << ORDER_SHIFT), stage=pl.lit("read"))
    return _Refused(rejects_frame(frame), frame.select("order", bytes="raw"))


_NO_REJECTS = pl.DataFrame(schema=dict(REJECTS))
_NOTHING_KEPT = pl.DataFrame(schema={"order": pl.Int64, "id": pl.String})
_NO_DAMAGE = _Refused(_NO_REJECTS, pl.DataFrame(schema={"order": pl.Int64, "bytes": pl.Binary}))


def _in_order(frames: Sequence[pl.DataFrame], *by: str) -> pl.DataFrame:
    """The rows of all frames by source order; damaged rows have other columns than healthy ones."""
    if not any(frame.height for frame in frames):
        return frames[0]
    return pl.concat(frames, how="diagonal").sort(by)
