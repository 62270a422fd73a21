"""From a batch of the reader to rows that may be sent: `where`, the distinct id, the check of every value.

Everything here happens before the first call, row by row. So the rejects of the stages `read` and `check` are
final here and already in file order.
"""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

import polars as pl

from importer.config.attribute import Attribute
from importer.config.schema import Config
from importer.core.errors import SourceError
from importer.core.rejects import SET_ASIDE_FREE, TIME_INVALID, rejects_frame
from importer.core.row_order import ORDER_SHIFT, ROW_OF, TIME
from importer.source.batch import ROW_MALFORMED, Batch
from importer.validate import identities, unreadable_cells
from importer.validate.batch_refusals import BatchRefusals, WrongValues
from importer.validate.data_quality import DataQuality
from importer.validate.empty_rows import empty_rows, split_counted
from importer.validate.known_texts import KnownTexts
from importer.validate.read_counts import ReadCounts, count_undeclared
from importer.validate.refused_rows import (
    RefusedRows,
    damaged_rows,
    nothing_refused,
    untyped_apart,
    with_original,
)
from importer.validate.text_quality import NO_SIGN, Contents
from importer.values import cell_texts, column_types
from importer.values.cell_texts import all_texts
from importer.values.column_types import (
    NOTHING_SEEN,
    Seen,
    cell_rules,
    count_blanks,
    typed_columns,
    with_computed,
)
from importer.values.distinct_ids import NAMES_NOBODY, DistinctIds, IdReader
from importer.values.expressions import compile_computed, compile_where, unknown_column
from importer.values.inference import TypeInference, is_watched
from importer.values.typed_column import TypedColumn


@dataclass(slots=True)
class ValidatedBatch:
    """What one batch came to. `rows` go to the spool, `refused` to the report and to rejected_rows/.

    `typed` holds each attribute's key, its column as it stands and the column typed, for the same rows.
    """

    rows: pl.DataFrame
    refused: BatchRefusals
    typed: Sequence[tuple[str, pl.Series, TypedColumn]]


class Validator:
    """Checks batches by one configuration. `distinct_id_max` is the destination's, in characters.

    With `keeps_rows` the good rows contain the row as it stood in the source, `raw` or `cells`. Without it
    they contain `at`, their position in the batch, by which the row is looked up where it is refused.
    """

    def __init__(self, config: Config, distinct_id_max: int, *, keeps_rows: bool = True) -> None:
        self.config = config
        self._keeps_rows = keeps_rows
        self._ids = IdReader(config, distinct_id_max)
        self._identity_fields = config.identity_fields
        self.inference = TypeInference(config) if config.build_destination().fixes_types else None
        self._where = compile_where(config.source.where)
        compile_computed(config)  # what is wrong with it is said before anything is read
        self.counts = ReadCounts()
        self.data_quality = DataQuality(config)
        self._known = KnownTexts(config)

    def validate(self, batch: Batch, source: int) -> ValidatedBatch:
        """Filters, identifies and checks one batch; SourceError where `where` cannot be evaluated."""
        known = self._known.of(batch.cells)
        identified = self._identify(batch, source, {self.config.column_of(key) for key in known})
        rows = identified.rows
        typed, wrong = self._type_and_check(rows, identified.cells, Seen(known, identified.without_blanks))
        if self.inference:
            self.inference.look(typed, rows["order"])
        return ValidatedBatch(rows, BatchRefusals.of(rows, wrong, identified.refused, batch), typed)

    def identify(self, batch: Batch, source: int) -> "IdentifiedBatch":
        """Filters and identifies one batch, and checks none of its values."""
        return self._identify(batch, source, known=())

    def _identify(self, batch: Batch, source: int, known: Collection[str]) -> "IdentifiedBatch":
        """The same; `known` are columns that show no sign of damage."""
        rows = _numbered(batch, source)
        rows = with_original(rows, batch) if self._keeps_rows else rows.with_row_index("at")
        self.counts.rows_read += rows.height + batch.set_aside.height
        digits = self._ids.are_digits(batch.cells)
        rows, cells = (rows, batch.cells) if digits else self._not_empty(rows, batch.cells, source)
        contents, unreadable = self._contents(cells, batch.text, known, digits), nothing_refused(rows)
        if batch.raw is None:
            rows, cells, unreadable = self._readable(rows, cells, contents)
        cells = with_computed(self.config, cells)
        rows, cells = self._filtered(rows, cells, source)
        set_aside, end_marks, footer = split_counted(batch)
        self._count_empty(end_marks, source)
        self._count_filtered(footer, source)
        batch = replace(batch, set_aside=set_aside)
        malformed = damaged_rows(batch, source)
        untyped = self._untyped(rows, batch)
        ids = self._ids.read(cells[self.config.identity.column], untyped, digits=digits)
        rows, cells, without_id = self._with_id(rows, cells, ids)
        untimed = nothing_refused(rows)
        if self.config.source.latest_by:
            rows, cells, untimed = self._timed(rows, cells, self.config.source.latest_by)
        if self._identity_fields:
            rows = rows.with_columns(identities.read(self.config, self._identity_fields, cells))
        self.data_quality.look(cells, rows["order"], rows["id"], contents, ids)
        nameless = untyped_apart(without_id, batch, batch.untyped.get(self.config.identity.column, ()))
        refused = (unreadable, *nameless, untimed, malformed)
        self._count_rows(*(part.rejects for part in refused))
        without_blanks = {name for name, may_have in contents.items() if not may_have.blank}
        return IdentifiedBatch(rows, cells, refused, without_blanks)

    def refused_of(self, identified: "IdentifiedBatch", batch: Batch) -> BatchRefusals:
        """What was refused of a batch whose values were not checked."""
        return BatchRefusals.of(identified.rows, [], identified.refused, batch)

    def validate_identified(self, rows: pl.DataFrame, cells: pl.DataFrame) -> ValidatedBatch:
        """Checks rows that `identify` returned earlier; `rows` have the row as it stood in the source.

        What is to be known of the texts of all rows, is counted by `look_at_texts`.
        """
        typed, wrong = self._type_and_check(rows, cells)
        return ValidatedBatch(rows, BatchRefusals.of(rows, wrong), typed)

    def blanks(self, cells: pl.DataFrame) -> Counter[str]:
        """Blank cells by attribute."""
        columns, cells = self.config.columns, with_computed(self.config, cells)
        return Counter(
            {
                key: count_blanks(attribute, cell_rules(self.config, attribute), cells[columns[key]])
                for key, attribute in self.config.attributes.items()
            }
        )

    def look_at_texts(self, identified: "IdentifiedBatch") -> None:
        """Counts the kinds of texts in the rows that `identify` returned, as `validate` does."""
        if self.inference:
            watched = [key for key, a in self.config.attributes.items() if is_watched(a)]
            typed = typed_columns(self.config, identified.cells, watched)
            self.inference.look(typed, identified.rows["order"])

    def undeclared(self, cells: pl.DataFrame) -> Counter[str]:
        """By attribute, the values whose option is not declared, where one is allowed and a guard counts."""
        if self.config.guards.max_unknown_options is None:
            return Counter()
        custom = [key for key, a in self.config.attributes.items() if a.allow_custom]
        typed = typed_columns(self.config, cells, custom)
        return Counter({key: count_undeclared(self.config.attributes[key], t) for key, _, t in typed})

    def _type_and_check(
        self, rows: pl.DataFrame, cells: pl.DataFrame, seen: Seen = NOTHING_SEEN
    ) -> tuple[list[tuple[str, pl.Series, TypedColumn]], list[WrongValues]]:
        orders = rows["order"]
        typed = list(typed_columns(self.config, cells, seen=seen))
        self.data_quality.look_at_typed(((column, t) for _, column, t in typed), orders)
        return typed, self._check(typed)

    def _not_empty(
        self, rows: pl.DataFrame, cells: pl.DataFrame, source: int
    ) -> tuple[pl.DataFrame, pl.DataFrame]:
        """The rows with something in any cell; the others are counted."""
        empty = empty_rows(cells, self.config.identity.column)
        if empty is None:
            return rows, cells
        self._count_empty(int(empty.sum()), source)
        return rows.filter(~empty), cells.filter(~empty)

    def _readable(
        self, rows: pl.DataFrame, cells: pl.DataFrame, contents: Mapping[str, Contents]
    ) -> tuple[pl.DataFrame, pl.DataFrame, RefusedRows]:
        """The rows of a table whose declared columns are text where they are bytes, and the others."""
        columns = self.config.declared_columns
        found = unreadable_cells.faults(cells, columns, contents)
        cells = unreadable_cells.with_text(cells, columns)
        if found is None:
            return rows, cells, nothing_refused(rows)
        bad = found.is_not_null()
        refused = rows.filter(bad).with_columns(id=pl.lit(None, pl.String))
        lines = refused.with_columns(
            stage=pl.lit("read"), reason=pl.lit(ROW_MALFORMED), message=found.filter(bad)
        )
        return rows.filter(~bad), cells.filter(~bad), RefusedRows(rejects_frame(lines), refused)

    def _contents(
        self, cells: pl.DataFrame, text: bytes | None, known: Collection[str], digits: bool
    ) -> Mapping[str, Contents]:
        """What the columns of the source contain at most, by the text they were read from, or by their own.

        `digits`: the ids are nothing else.
        """
        simple = {self.config.identity.column: Contents(b"0")} if digits else {}
        simple |= dict.fromkeys(known, NO_SIGN)
        if text is None:
            others = [name for name in self.config.declared_columns if name not in simple]
            found = dict(unreadable_cells.contents_of(cells, others))
        else:
            found = dict.fromkeys(cells.columns, Contents(text))
        computed = self.config.source.computed
        return {name: may_have for name, may_have in {**found, **simple}.items() if name not in computed}

    def _count_empty(self, count: int, source: int) -> None:
        if count:
            self.counts.empty_rows += count
            self.counts.by_source[source, "empty"] += count

    def _filtered(
        self, rows: pl.DataFrame, cells: pl.DataFrame, source: int
    ) -> tuple[pl.DataFrame, pl.DataFrame]:
        """What `where` leaves."""
        if self._where is None:
            return rows, cells
        chosen = self._chosen(cells)
        self._count_filtered(rows.height - int(chosen.sum()), source)
        return rows.filter(chosen), cells.filter(chosen)

    def _count_filtered(self, count: int, source: int) -> None:
        if count:
            self.counts.filtered += count
            self.counts.by_source[source, "filtered"] += count

    def _untyped(self, rows: pl.DataFrame, batch: Batch) -> pl.Series | None:
        """Where the id of a row was no text and no whole number in the source; None where in none."""
        found = batch.untyped.get(self.config.identity.column)
        return rows.select(ROW_OF.is_in(list(found))).to_series() if found else None

    def _with_id(
        self, rows: pl.DataFrame, cells: pl.DataFrame, ids: DistinctIds
    ) -> tuple[pl.DataFrame, pl.DataFrame, RefusedRows]:
        """The rows that have a usable id, with it, and the others."""
        if ids.reason is None:
            rows = rows.hstack([ids.text.alias("id")])
            return rows, cells, nothing_refused(rows)
        refused = self._refused_ids(rows, ids.text, ids.reason)
        good = ids.reason.is_null()
        without = rows.filter(~good).with_columns(id=pl.lit(None, pl.String))
        rows = rows.filter(good).with_columns(id=ids.text.filter(good))
        return rows, cells.filter(good), RefusedRows(refused, without)

    def _timed(
        self, rows: pl.DataFrame, cells: pl.DataFrame, column: str
    ) -> tuple[pl.DataFrame, pl.DataFrame, RefusedRows]:
        """The rows with their time, null where it is blank; a row whose time cannot be read is set aside."""
        source, text = self.config.source, cells[column]
        pattern = {"format": source.latest_format} if source.latest_format else {}
        declared = Attribute.model_validate({"type": source.latest_type, **pattern})
        typed = column_types.type_column(declared, cell_texts.blank_to_null(text, source.null_values))
        kind = pl.Float64 if source.latest_type == "number" else pl.Datetime("us")
        rows = rows.with_columns(typed.value.cast(kind).alias(TIME))
        if typed.reason is None:
            return rows, cells, nothing_refused(rows)
        bad = typed.reason.is_not_null()
        refused = rows.filter(bad).with_columns(
            distinct_id="id",
            value=cell_texts.display(text).filter(bad),
            reason=pl.lit(TIME_INVALID),
            stage=pl.lit("read"),
            message=pl.lit(
                f'expected a {source.latest_type} in column "{column}", by which the newest row is told'
            ),
        )
        return rows.filter(~bad), cells.filter(~bad), RefusedRows(rejects_frame(refused), rows.filter(bad))

    def _chosen(self, cells: pl.DataFrame) -> pl.Series:
        assert self._where is not None
        wanted = set(self._where.meta.root_names())
        text = all_texts(cells.select(c for c in cells.columns if c in wanted), self.config.source)
        try:
            chosen = text.with_columns(_chosen=self._where)["_chosen"]
        except pl.exceptions.ColumnNotFoundError:
            raise unknown_column("source.where", self._where, cells.columns) from None
        except pl.exceptions.PolarsError:
            raise SourceError(
                "source.where: cannot be evaluated on every row; where a CAST may fail, use TRY_CAST, which "
                "makes such a row not match."
            ) from None
        return chosen.fill_null(value=False)

    def _refused_ids(self, rows: pl.DataFrame, ids: pl.Series, reasons: pl.Series) -> pl.DataFrame:
        frame = rows.select("order", "line").with_columns(
            distinct_id=ids, value=ids, reason=reasons, stage=pl.lit("read")
        )
        bad = frame.filter(pl.col("reason").is_not_null())
        words = {reason: self._ids.message(reason) for reason in bad["reason"].unique()}
        return rejects_frame(bad.with_columns(message=pl.col("reason").replace_strict(words)))

    def _check(self, columns: Sequence[tuple[str, pl.Series, TypedColumn]]) -> list[WrongValues]:
        """Counts the values of each attribute; the columns in which any is refused."""
        wrong = []
        for position, (key, column, typed) in enumerate(columns):
            self.counts.values_read += int(typed.present.sum())
            self._count_column(key, column, typed)
            if typed.reason is None or typed.reason.null_count() == len(column):
                continue
            wrong.append(WrongValues(position, key, self.config.attributes[key], column, typed.reason))
            for reason, count in typed.reason.drop_nulls().value_counts().iter_rows():
                self.counts.values_rejected += count
                self.counts.reasons["check", reason, key] += count
        return wrong

    def _count_column(self, key: str, column: pl.Series, typed: TypedColumn) -> None:
        attribute = self.config.attributes[key]
        if attribute.blank == "skip":
            self.counts.blanks[key] += int((~typed.present).sum())
        else:
            self.counts.blanks[key] += typed.blank_count()
        if attribute.options:
            self.counts.undeclared[key] += count_undeclared(attribute, typed)

    def _count_rows(self, *frames: pl.DataFrame) -> None:
        for frame in filter(len, frames):
            self.counts.set_aside += frame.height
            source = int(frame["order"][0]) >> ORDER_SHIFT
            self.counts.by_source[source, "rejected"] += frame.height
            for reason, count in frame.group_by("reason").len().iter_rows():
                self.counts.reasons["read", reason, ""] += count
                self.counts.set_aside_free += count if reason == SET_ASIDE_FREE else 0
                self.counts.nobody += count if reason in NAMES_NOBODY else 0


def _numbered(batch: Batch, source: int) -> pl.DataFrame:
    return pl.DataFrame({"order": batch.row + (source << ORDER_SHIFT), "line": batch.line})


@dataclass(frozen=True, slots=True)
class IdentifiedBatch:
    """The chosen rows of a batch that have an id, their cells, and what was refused.

    `without_blanks` are columns of which it is known that no text has a blank.
    """

    rows: pl.DataFrame
    cells: pl.DataFrame
    refused: tuple[RefusedRows, ...]
    without_blanks: Collection[str]
