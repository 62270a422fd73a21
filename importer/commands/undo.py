"""`importer undo`: a source file with the values that the snapshot had before a run, ready to import.

What the run recorded of the values before it (`RunFolder.previous_values`) is written as text of the source:
a value as the configuration reads it, a clear where there was none. Left out, and counted, is what a later
run has written, what was not known (sent, and never acknowledged), and what this configuration would not
read back as the same value.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import polars as pl

from importer.config import loader as configuration
from importer.config.attribute import Attribute
from importer.config.schema import Config, SourceConfig
from importer.core.errors import ConfigError, StateError
from importer.core.models import Encoding
from importer.reconcile.diff import NONE, SAME
from importer.storage import atomic_files, checked_files, state_folder
from importer.storage.checked_files import DamagedError
from importer.storage.partitions import PARTITIONS
from importer.storage.run_folder import RunFolder
from importer.storage.snapshot import Snapshot
from importer.storage.snapshot_frames import CLEARED, STALE, UNKNOWN, column
from importer.values import json_text
from importer.values.column_types import typed_columns


@dataclass(frozen=True, slots=True)
class Undone:
    """What an undo would do.

    `file` is None where there is nothing to write. `values` of `people` go back, `cleared` of them as a
    clear; `later`, `unknown` and `unreadable` count the values left out, as said above.
    """

    file: Path | None
    config: str
    people: int = 0
    values: int = 0
    cleared: int = 0
    later: int = 0
    unknown: int = 0
    unreadable: int = 0


def undo(state_dir: Path, run_id: str | None) -> Undone:
    """Writes the file of one run, the newest by default.

    ConfigError where the run sent nothing, or where the configuration has no way to write a clear.
    """
    folder = state_folder.find(state_dir, run_id, wanted=lambda f: f.previous_values.exists())
    meta = folder.read_meta()
    if not folder.previous_values.exists():
        raise ConfigError(f"Run {folder.run_id} has sent nothing that could be undone.")
    path = Path(meta["config_path"]) if meta["config_path"] else None
    config = configuration.load(path) if path and path.exists() else configuration.parse(meta["config"], path)
    destination = config.model_copy(
        update={"destination": config.destination.model_copy(update=_place(meta["config"]))}
    )
    writer = _Writer(
        destination, folder, Snapshot(state_dir, destination, lambda _: ()), _later(state_dir, folder)
    )
    return writer.write()


def _place(config: dict[str, dict[str, str]]) -> dict[str, str]:
    """Where the run has written, also where the command line said so."""
    section = config["destination"]
    return {key: section[key] for key in ("base_url", "account") if key in section}


def _later(state_dir: Path, folder: RunFolder) -> list[Path]:
    """What later runs of the same import have written."""
    meta = folder.read_meta()
    return [
        path
        for run in state_folder.all_runs(state_dir)
        if (other := run.read_meta())["identity"] == meta["identity"]
        and (other["started_at"], run.run_id) > (meta["started_at"], folder.run_id)
        for path in sorted(run.previous_values.glob("*.arrow"))
    ]


class _Writer:
    """Writes the values back, chunk by chunk of the run, so that memory holds one."""

    def __init__(self, config: Config, folder: RunFolder, snapshot: Snapshot, later: Sequence[Path]) -> None:
        self._config = config
        self._encoding = config.build_destination().encoding
        self._folder = folder
        self._snapshot = snapshot
        self._later = later
        self._counts = dict.fromkeys(("people", "values", "cleared", "later", "unknown", "unreadable"), 0)
        if config.source.computed:
            raise ConfigError(
                "undo: the values of [source.computed] cannot be written back as cells; take it out of a "
                "copy of the configuration, then again with that."
            )
        columns = list(config.columns.values())
        if len(set(columns)) < len(columns):
            raise ConfigError(
                "undo: two attributes are read from one column, so they cannot be written apart."
            )

    def write(self) -> Undone:
        """The whole file, or nothing where nothing goes back."""
        file, name = self._file(), str(self._config.path or "CONFIG")
        every = (self._part(_read(p)) for p in sorted(self._folder.previous_values.glob("*.arrow")))
        parts = (part for part in every if part.height)
        first = next(parts, None)
        if first is None:
            return Undone(None, name, **self._counts)
        with atomic_files.replacing(file) as out:
            out.writelines(_lines(self._config, chain([first], parts)))
        return Undone(file, name, **self._counts)

    def _file(self) -> Path:
        kind = "tsv" if self._config.source.format == "tsv" else "csv"
        declared = self._config.source.format
        if declared not in (None, "csv", "tsv"):
            raise ConfigError(
                f'undo: writes CSV, and [source] says format = "{declared}"; take that line out (the '
                "extension tells as well), then again."
            )
        return self._folder.path / f"undo.{kind}"

    def _part(self, before: pl.DataFrame) -> pl.DataFrame:
        """One chunk's people with something to write back: the text of every column, null = blank."""
        keys = [k for k in self._config.attributes if column(k) in before.columns]
        before = self._without_later(before, keys)
        for k in keys:
            value = pl.col(column(k))
            self._counts["unknown"] += before.filter(value == UNKNOWN).height
            plain = pl.when(~value.is_in([UNKNOWN, SAME])).then(value.str.strip_prefix(STALE))
            before = before.with_columns(plain.replace({NONE: CLEARED}).alias(column(k)))
        some = pl.any_horizontal(pl.lit(value=False), *(pl.col(column(k)).is_not_null() for k in keys))
        rows = self._as_text(before.filter(some), keys)
        self._counts["people"] += rows.height
        return rows

    def _without_later(self, before: pl.DataFrame, keys: Sequence[str]) -> pl.DataFrame:
        for path in self._later:
            later = _read(path).join(before, on="id", how="semi")
            for k in keys:
                if later.height and column(k) in later.columns:
                    newer = later.filter(pl.col(column(k)).is_not_null())["id"]
                    hit = pl.col("id").is_in(newer.implode()) & (pl.col(column(k)) != SAME)
                    self._counts["later"] += before.filter(hit).height
                    before = before.with_columns(pl.when(~hit).then(column(k)).alias(column(k)))
        return before

    def _as_text(self, before: pl.DataFrame, keys: Sequence[str]) -> pl.DataFrame:
        rows = before.select(pl.col("id").alias(self._config.identity.column))
        needs = [k for k, a in self._config.attributes.items() if a.blank != "skip"]
        now = self._now(before.select("id"), needs)
        good = pl.repeat(True, before.height, eager=True)
        nothing = pl.repeat(None, before.height, dtype=pl.String, eager=True)
        for k, attribute in self._config.attributes.items():
            back = before[column(k)] if k in keys else nothing
            value = back.zip_with(back.is_not_null(), now[k]) if k in needs else back
            text = self._text(attribute, value)
            lost = value.is_not_null() & text.is_null()
            good &= ~lost & (value.is_not_null() if k in needs else True)
            rows = rows.with_columns(text.alias(self._config.column_of(k)))
            self._count(back, good=good, lost=lost)
        return rows.filter(good)

    def _count(self, back: pl.Series, *, good: pl.Series, lost: pl.Series) -> None:
        self._counts["values"] += int((back.is_not_null() & good).sum())
        self._counts["cleared"] += int(((back == CLEARED) & good).sum())
        self._counts["unreadable"] += int((back.is_not_null() & lost).sum())

    def _now(self, people: pl.DataFrame, keys: Sequence[str]) -> pl.DataFrame:
        """What is known now of attributes for which a blank cell would mean something."""
        known_values = self._snapshot.read(0, PARTITIONS, people) if keys else people
        known_values = people.join(known_values, on="id", how="left", maintain_order="left")
        known = [
            pl.when(~pl.col(column(k)).str.starts_with(STALE) & (pl.col(column(k)) != UNKNOWN))
            .then(column(k))
            .alias(k)
            for k in keys
        ]
        return known_values.select(known)

    def _text(self, attribute: Attribute, value: pl.Series) -> pl.Series:
        """The cells that this configuration reads as `value`; null where it would not, or where it is."""
        text = decode(attribute, value.set(value == CLEARED, None), self._encoding)
        name = next(iter(self._config.attributes))
        one = self._config.model_copy(
            update={"attributes": {name: attribute.model_copy(update={"column": "cell"})}}
        )
        ((_, _, typed),) = typed_columns(one, pl.DataFrame({"cell": text}))
        again = json_text.encode(typed, attribute, self._encoding)
        text = text.set((again != value).fill_null(value=True) | (again.is_null()), None)
        cleared = value == CLEARED
        if not cleared.any():
            return text
        clears = self._config.source.clear_values
        if not clears:
            raise ConfigError(
                f"{self._config.path or 'configuration'}: an undo has to clear values, and nothing says how "
                'a cell asks for that; add clear_values = ["\\\\N"] under [source], then again.'
            )
        return text.set(cleared.fill_null(value=False), clears[0])


def _read(path: Path) -> pl.DataFrame:
    try:
        return checked_files.read_frame(path)
    except (OSError, DamagedError):
        raise StateError(
            f"{path}: damaged or not readable, so it is not known what the values were before the run."
        ) from None


def decode(attribute: Attribute, value: pl.Series, encoding: Encoding) -> pl.Series:
    """JSON text as it was sent → the text of a cell, as far as that is possible."""
    text = _decoded(attribute, value, encoding)
    if not attribute.map:
        return text
    words = {meaning: word for word, meaning in reversed(attribute.map.items())}
    return text.replace(list(words), list(words.values()))


def _decoded(attribute: Attribute, value: pl.Series, encoding: Encoding) -> pl.Series:
    json = value.rename("j").to_frame()
    string = pl.when(pl.col("j").str.starts_with('"')).then(pl.col("j"))
    text = json.select(string.str.json_decode(pl.String)).to_series()
    plain = text.zip_with(text.is_not_null(), value)
    if attribute.type == "number":
        return plain.str.replace(".", attribute.decimal, literal=True)
    if attribute.type == "boolean":
        words = {encoding.true: attribute.true_values[0], encoding.false: attribute.false_values[0]}
        return value.replace_strict(words, default=None, return_dtype=pl.String)
    if attribute.type == "multi_choice":
        lists = json.select(
            pl.when(pl.col("j").str.starts_with("[")).then("j").str.json_decode(pl.List(pl.String))
        ).to_series()
        return (
            value
            if attribute.format == "json"
            else lists.list.join(attribute.separator).zip_with(lists.is_not_null(), text)
        )
    if attribute.type == "date":
        return text.str.to_date(encoding.date, strict=False).dt.strftime(attribute.format or "%Y-%m-%d")
    if attribute.type == "datetime" and attribute.format:
        return text.str.to_datetime(encoding.datetime, strict=False).dt.strftime(attribute.format)
    return text


def _lines(config: Config, parts: Iterable[pl.DataFrame]) -> Iterator[bytes]:
    """The file in the dialect of the configuration; each part has `id` and the column of every attribute."""
    source = config.source
    delimiter = source.delimiter or ("\t" if source.format == "tsv" else ",")
    columns = list(source.columns or [config.identity.column, *config.columns.values()])

    def line(cells: Iterable[str | None]) -> bytes:
        return (delimiter.join(_cell(source, delimiter, text) for text in cells) + "\n").encode(
            source.encoding
        )

    yield ("\n" * source.skip_lines).encode(source.encoding)
    if source.header:
        yield line(columns)
    for rows in parts:
        lacking = [pl.lit(None, pl.String).alias(c) for c in columns if c not in rows.columns]
        yield from map(line, rows.with_columns(lacking).select(columns).iter_rows())


def _cell(source: SourceConfig, delimiter: str, text: str | None) -> str:
    """A text as a cell, in quotes where it has a sign of the dialect in it; null = blank."""
    if text is None:
        return ""
    if not source.quote or not any(
        sign in text for sign in (delimiter, source.quote, source.escape, "\r", "\n")
    ):
        return text
    inside = text.replace(source.escape, source.escape * 2)
    if source.escape != source.quote:
        inside = inside.replace(source.quote, source.escape + source.quote)
    return source.quote + inside + source.quote
