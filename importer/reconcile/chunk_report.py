"""How every row and value of a finished chunk ended: its counts, its lines for rejects.csv, its kept rows."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import polars as pl

from importer.chunk.chunk import Chunk
from importer.chunk.chunker import Parse
from importer.chunk.fields import CLEAR, Field
from importer.chunk.tally import Tally, by_source
from importer.config.schema import Config
from importer.core import rejects
from importer.core.models import Outcome
from importer.core.rejects import REJECTS, rejects_frame
from importer.core.row_order import original_columns
from importer.destinations.base import NORMALIZED
from importer.reconcile.outcomes import CODE, MAY_BE_COUNTED, Outcomes, accepted_details
from importer.validate import identities
from importer.values import cell_texts
from importer.values.column_types import with_computed
from importer.values.expressions import as_in_source

_WORDS = {code: str(outcome) for outcome, code in CODE.items()}


@dataclass(frozen=True, slots=True)
class ChunkReport:
    """What a finished chunk comes to: its counts, its lines for rejects.csv, its rows to keep.

    `codes` has the outcome of each winner by row (`id`, and `c0`, `c1`, ... as words of Outcome).
    """

    tally: Tally
    rejects: pl.DataFrame
    kept: pl.DataFrame
    codes: pl.DataFrame | None = None


def report_chunk(
    chunk: Chunk, outcomes: Outcomes, config: Config, parse: Parse, *, check: bool = False
) -> ChunkReport:
    """Goes through every row of the chunk once more. `check`: nothing was meant to be sent."""
    rows, tally = chunk.rows, chunk.tally
    codes = rows.select("person").with_columns(
        _codes(outcomes, rows, f).alias(f"c{f.index}") for f in chunk.fields
    )
    names = [f"c{f.index}" for f in chunk.fields]
    _count_values(rows, codes, chunk.fields, tally)
    _count_rows(rows, codes, names, tally)
    _count_people(outcomes, codes, names, tally)
    rejects, kept = _Report(chunk, outcomes, codes, config, parse).of(check=check)
    tally.adjusted += rejects.filter(pl.col("stage") == "adjust").height
    tally.kept += kept.height
    for stage, reason, key, count in rejects.group_by("stage", "reason", "attribute").len().iter_rows():
        tally.reasons[stage, reason, key] += count
    ends = [pl.col(n).replace_strict(_WORDS, default=None, return_dtype=pl.String) for n in names]
    return ChunkReport(tally, rejects, kept, codes.select(rows["id"], *ends))


def _codes(outcomes: Outcomes, rows: pl.DataFrame, field: Field) -> pl.Series:
    """Per row how this attribute's value ended, as a code of OUTCOMES; 0 = no winning value here."""
    value = rows[field.value]
    ended = outcomes.codes(field.key, rows["person"], field.operation, value == CLEAR)
    frame = pl.DataFrame({"has_value": value.is_not_null(), "ended": ended})
    code = pl.when("has_value").then("ended").otherwise(0)
    if field.unchanged in rows.columns:
        frame = frame.with_columns(same=rows[field.unchanged])
        code = pl.when("same").then(CODE[Outcome.UNCHANGED]).otherwise(code)
    if field.left_out in rows.columns:
        left_out = rows[field.left_out].replace_strict(CODE, return_dtype=pl.Int32)
        frame = frame.with_columns(left_out=left_out)
        code = pl.coalesce("left_out", code)
    return frame.select(code.cast(pl.UInt8)).to_series()


# ---------------------------------------------------------------- counts


def _count_values(rows: pl.DataFrame, codes: pl.DataFrame, fields: Sequence[Field], tally: Tally) -> None:
    frame = codes.with_columns(rows["order"])
    for outcome, code in CODE.items():
        counts = [(pl.col(f"c{f.index}") == code).sum().alias(f.key) for f in fields]
        tally.count_values(by_source(frame, counts), str(outcome))


def _count_rows(rows: pl.DataFrame, codes: pl.DataFrame, names: Sequence[str], tally: Tally) -> None:
    """A row's state is the first of these that fits."""

    def any_of(*outcomes: Outcome) -> pl.Expr:
        return pl.any_horizontal(pl.col(names).is_in([CODE[o] for o in outcomes]))

    rejected = any_of(Outcome.REJECTED) | (pl.col("bads") > 0)
    state = (
        pl.when(any_of(Outcome.UNCONFIRMED))
        .then(pl.lit("unconfirmed"))
        .when(any_of(Outcome.NOT_ATTEMPTED))
        .then(pl.lit("not_attempted"))
        .when(rejected & any_of(Outcome.APPLIED, Outcome.UNCHANGED))
        .then(pl.lit("partly_applied"))
        .when(rejected)
        .then(pl.lit("rejected"))
        .when(any_of(Outcome.APPLIED))
        .then(pl.lit("applied"))
        .when(any_of(Outcome.UNCHANGED))
        .then(pl.lit("unchanged"))
        .otherwise(pl.lit("merged"))
    )
    tally.count_rows(rows, codes.with_columns(rows["bads"]).select(state.alias("s"))["s"])


def _count_people(outcomes: Outcomes, codes: pl.DataFrame, names: Sequence[str], tally: Tally) -> None:
    waiting = pl.any_horizontal(pl.col(names) == CODE[Outcome.NOT_ATTEMPTED]).any()
    unchanged = pl.any_horizontal(pl.col(names) == CODE[Outcome.UNCHANGED]).any()
    people = codes.group_by("person").agg(waiting=waiting, unchanged=unchanged)
    people = people.with_columns(called=outcomes.were_called(people["person"]))
    state = (
        pl.when("called")
        .then(pl.lit("called"))
        .when("waiting")
        .then(pl.lit("not_attempted"))
        .when("unchanged")
        .then(pl.lit("unchanged"))
        .otherwise(pl.lit("nothing_to_send"))
    )
    _add(tally.people, people.select(state.alias("s")))


def _add(counter: "dict[str, int]", states: pl.DataFrame) -> None:
    for name, count in states["s"].value_counts().iter_rows():
        counter[name] = counter.get(name, 0) + count


# ---------------------------------------------------------------- lines, and rows to keep


@dataclass(frozen=True, slots=True)
class _Shown:
    """One attribute with something to show: per row whether its value is bad, adjusted, stored differently.

    `details`: what was answered about its values, person by person.
    """

    field: Field
    details: pl.DataFrame
    bad: pl.Series
    adjusted: pl.Series
    normalized: pl.Series

    def any(self) -> bool:
        """Whether there is such a row."""
        return bool(self.bad.any() or self.adjusted.any() or self.normalized.any())


@dataclass(frozen=True, slots=True)
class _Report:
    """`codes`: per row of the chunk how its values ended."""

    chunk: Chunk
    outcomes: Outcomes
    codes: pl.DataFrame
    config: Config
    parse: Parse

    def of(self, *, check: bool) -> tuple[pl.DataFrame, pl.DataFrame]:
        """The lines for rejects.csv and the rows to keep of this chunk."""
        rows, sent = self.chunk.rows, Outcome.NOT_ATTEMPTED if check else Outcome.APPLIED
        shown = [found for f in self.chunk.fields if (found := self._shown(f, CODE[sent])).any()]
        if not shown:
            return pl.DataFrame(schema=dict(REJECTS)), pl.DataFrame()
        keep = show = pl.repeat(False, rows.height, eager=True)
        for one in shown:
            keep, show = keep | one.bad, show | one.bad | one.adjusted | one.normalized
        texts = _texts(rows.filter(show), self.config, self.parse)
        lines = [line for one in shown for line in self._lines(one, texts)]
        lines += [self._person_lines(), self._problem_lines()]
        return pl.concat(lines).sort("order", "position"), self._kept(rows.filter(keep))

    def _shown(self, field: Field, sent: int) -> _Shown:
        rows, code, details = self.chunk.rows, self.codes[f"c{field.index}"], self.outcomes.details(field.key)
        adjusted = pl.repeat(False, rows.height, eager=True)
        if field.dropped in rows.columns:
            adjusted = (code == sent) & rows[field.dropped].is_not_null()
        normalized = details.filter(pl.col("reason") == NORMALIZED)["person"]
        return _Shown(
            field,
            details,
            code.is_in([CODE[Outcome.REJECTED], CODE[Outcome.UNCONFIRMED]]),
            adjusted,
            (code == sent) & rows["person"].is_in(normalized.implode()),
        )

    def _lines(self, shown: _Shown, texts: pl.DataFrame) -> Iterator[pl.DataFrame]:
        """The lines of one attribute's values."""
        rows, field = self.chunk.rows, shown.field
        mine, left_out = _split_left_out(rows.with_columns(self.codes), shown.bad, field)
        unconfirmed = mine.filter(pl.col(f"c{field.index}") == CODE[Outcome.UNCONFIRMED])
        unanswered = unconfirmed.join(shown.details, on="person", how="anti")
        yield _lines(_places(mine).join(shown.details, on="person"), field, texts, "send")
        yield _lines(accepted_details(_places(unanswered)), field, texts, "send")
        yield _left_out_lines(left_out, field, texts)
        normalized = _places(rows.filter(shown.normalized))
        yield _lines(normalized.join(shown.details, on="person"), field, texts, "adjust")
        yield _adjusted_lines(rows.filter(shown.adjusted), field, texts)

    def _person_lines(self) -> pl.DataFrame:
        """One line for each person whom the destination refused as a whole, at the first of their rows."""
        found = _places(self.chunk.rows).join(self.outcomes.refused_people(), on="person")
        first = found.sort("order").unique("person", keep="first", maintain_order=True)
        return rejects_frame(first.with_columns(stage=pl.lit("send"), attribute=pl.lit("")))

    def _problem_lines(self) -> pl.DataFrame:
        """One line for each person whose identity the destination cannot use, at the row that shows it."""
        problems, fields = self.chunk.problems, self.config.identity_fields
        texts = [
            identities.message(fields[field] if field >= 0 else None, reason, shared=shared)
            for field, reason, shared in problems.select("field", "reason", "shared").iter_rows()
        ]
        names = [fields[field].name if field >= 0 else "" for field in problems["field"]]
        lines = problems.with_columns(
            distinct_id="id",
            stage=pl.lit("check"),
            attribute=pl.Series(names, dtype=pl.String),
            message=pl.Series(texts, dtype=pl.String),
        )
        return rejects_frame(lines)

    def _kept(self, rows: pl.DataFrame) -> pl.DataFrame:
        """These rows as they are in the source, and those that a retry of them needs."""
        kept = rows.select("order", "id", *original_columns(rows))
        kept = pl.concat([kept, self.chunk.problem_rows, self._naming(rows)], how="diagonal")
        return kept.unique("order", keep="first").sort("order")

    def _naming(self, kept: pl.DataFrame) -> pl.DataFrame:
        """The rows that name a person whom no kept row names: a retry of the kept ones needs them."""
        names = identities.columns(kept)
        shown = kept.group_by("id").agg(pl.col(name).count().alias(f"n_{name}") for name in names)
        both = self.chunk.people.select("id", *names).join(shown, on="id")
        lacking = (pl.col(name).is_not_null() & (pl.col(f"n_{name}") == 0) for name in names)
        nameless = both.filter(pl.any_horizontal(lacking)) if names else both.clear()
        return self.chunk.naming_rows.join(nameless, on="id", how="semi")


def _places(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.select("order", "line", "person", distinct_id="id")


def _texts(rows: pl.DataFrame, config: Config, parse: Parse) -> pl.DataFrame:
    """`order` and, per attribute key, the cell as it is in the source."""
    found = [pl.DataFrame(schema={"order": pl.Int64, **dict.fromkeys(config.attributes, pl.String)})]
    for layout, part in rows.group_by("layout"):
        cells = with_computed(config, parse(int(str(layout[0])), part))
        columns = {k: cell_texts.display(as_in_source(cells, c)) for k, c in config.columns.items()}
        found.append(part.select("order").with_columns(**columns))
    return pl.concat(found)


def _split_left_out(rows: pl.DataFrame, mask: pl.Series, field: Field) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The rows whose value this run was to send, and those whose value it left out."""
    chosen = rows.filter(mask)
    if field.left_out not in rows.columns:
        return chosen, chosen.clear()
    mine = pl.col(field.left_out).is_null()
    return chosen.filter(mine), chosen.filter(~mine)


def _left_out_lines(rows: pl.DataFrame, field: Field, texts: pl.DataFrame) -> pl.DataFrame:
    found = rows.select(
        "order", "line", distinct_id="id", reason=pl.lit("unconfirmed"), message=pl.lit(MAY_BE_COUNTED)
    )
    return _lines(found, field, texts, "send")


def _adjusted_lines(rows: pl.DataFrame, field: Field, texts: pl.DataFrame) -> pl.DataFrame:
    found = rows.select(
        "order",
        "line",
        distinct_id="id",
        reason=pl.lit(rejects.NOT_DECLARED),
        message=adjusted_message(field) if field.dropped in rows.columns else pl.lit(""),
    )
    return _lines(found, field, texts, "adjust")


def adjusted_message(field: Field) -> pl.Expr:
    """The message of a adjusted value."""
    return pl.lit("sent without the options that are not declared: ") + pl.col(field.dropped)


def _lines(found: pl.DataFrame, field: Field, texts: pl.DataFrame, stage: str) -> pl.DataFrame:
    values = texts.select("order", value=field.key)
    lines = found.join(values, on="order", how="left").with_columns(
        position=pl.lit(field.index), attribute=pl.lit(field.key), stage=pl.lit(stage)
    )
    return rejects_frame(lines)
