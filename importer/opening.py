"""Read: the books of a run opened, by reading its sources or from what an earlier life has read.

The snapshot is looked at first, since it says which rows may be due. Then the sources go through the gate
into the spool, and what they came to is set down in the journal: last, since a later life that finds it there
relies on the whole spool.
"""

import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import NamedTuple

import polars as pl

from importer import guards, identities, runs
from importer.addresses import Addresses
from importer.changes import Changes, open_changes
from importer.checking import Marks
from importer.fingerprint import Fingerprints
from importer.intake import Gate, Taken
from importer.journal import Journal
from importer.life import Life
from importer.memory import Memory
from importer.reading import Reading, Sifting, SourceReader, open_sources, rows_of
from importer.reconciler import OpenChunk
from importer.reports import Reports
from importer.retrying import Withheld, WithheldSums, other_runs, places_in, seen_by, withholding
from importer.sending import Books
from importer.sieve import Sieve
from importer.spool import Spool, SpoolWriter


class _Read(NamedTuple):
    """What was read; `places` is where the rows of a corrected file stood in the run it corrects."""

    reading: Reading
    spool: Spool
    places: dict[int, int]


def open_books(life: Life, journal: Journal) -> Books:
    """What the chunks share: everything read, in this life or by an earlier one."""
    reports = Reports(life.folder)
    changes = open_changes(life, journal)
    read = _taken_up(life, journal) or _read_sources(life, journal, reports, _sifting(life, changes))
    withheld, sums = _withholding(life, read.places)
    dead = journal.fact("dead")
    books = Books(
        life.config,
        life.destination,
        read.reading,
        read.spool,
        journal,
        reports,
        _marks(life),
        withheld.prepare if withheld else _nothing,
        sums.withhold if sums else None,
        _addresses(life),
        dead if isinstance(dead, dict) else {},
        identities.open_problems(_identity_folder(life)) if life.config.identity_fields else None,
        sends=life.sends,
        changes=changes,
        release=withheld.close if withheld else lambda: None,
    )
    books.take_up()
    return books


def _taken_up(life: Life, journal: Journal) -> _Read | None:
    """What an earlier life has read; None where nothing was read to its end."""
    known = journal.fact("reading")
    if not isinstance(known, dict):
        return None
    places = {int(k): int(str(v)) for k, v in dict(known.get("places", {})).items()}
    return _Read(Reading.load(known), Spool.open(life.folder.spool), places)


def _read_sources(life: Life, journal: Journal, reports: Reports, sifting: Sifting | None) -> _Read:
    """Every row of every source, through the gate into the spool."""
    began = time.monotonic()
    writer, seen = SpoolWriter(life.folder.spool), list[pl.DataFrame]()
    look: Callable[[Taken], None] = seen_by(seen) if life.corrected else partial(_stop_in_time, life)
    source_reader = _source_reader(life, reports, writer, look, sifting)
    reading = source_reader.read(open_sources(life.config, life.arguments))
    reading.warnings = [*reading.warnings, *life.destination.warnings()]
    if life.mode == "run" and not life.options.again:
        life.counted.refuse_again(reading.contents, life.folder.run_id)
    places = places_in(life.corrected, seen) if life.corrected else {}
    reading.guards = _judged(life, reading)
    # First: who finds the reading remembered relies on the whole spool.
    with runs.state_errors(life.folder.spool):
        spool = _finish_spool(life, writer, reading)
    journal.remember("reading", {**reading.dump(), "places": places})
    life.spent.seconds["reading"] += time.monotonic() - began
    return _Read(reading, spool, places)


def _source_reader(
    life: Life, reports: Reports, writer: SpoolWriter, look: Callable[[Taken], None], sifting: Sifting | None
) -> SourceReader:
    marks = _marks(life)
    gate = Gate(life.config, life.destination.distinct_id_max, keeps_rows=marks is None)
    spooled = marks.of if marks else rows_of
    return SourceReader(gate, reports, writer, life.observer, life.options.limit, look, spooled, sifting)


def _stop_in_time(life: Life, _: Taken) -> None:
    """Between two batches: OutOfTimeError where nothing would be sent any more anyway."""
    if error := life.out_of_time():
        raise error


def _judged(life: Life, reading: Reading) -> guards.Tripped:
    """What the guards say of the list; a corrected one is no night's list."""
    if life.mode == "retry":
        return {}
    good = Memory.load(life.state_dir, life.config).good
    return guards.judge(life.config, reading, good, time.time(), whole=life.options.limit is None)


def _finish_spool(life: Life, writer: SpoolWriter, reading: Reading) -> Spool:
    spool = writer.finish()
    if fields := life.config.identity_fields:
        reading.intake.people_rejected = identities.examine(spool, _identity_folder(life), fields)
    return spool


def _sifting(life: Life, changes: Changes | None) -> Sifting | None:
    """Rows are kept back by their fingerprint where no word of the whole list is needed of them."""
    if changes is None or not changes.compares or changes.snapshot.is_empty or life.mode == "retry":
        return None
    guarded = life.config.guards.max_unknown_options is not None
    if life.config.identity_fields or life.destination.fixes_types or guarded:
        return None
    sieve = Sieve(changes.snapshot, life.folder.work / "sieve")
    prints, why_not = Fingerprints(life.config, life.destination.encoding), ""
    if life.arguments:
        why_not = "another source was named"
    elif changes.snapshot.where not in (None, life.config.source.where):
        why_not = "where has changed"
    return Sifting(sieve, prints, why_not)


def _marks(life: Life) -> Marks | None:
    """What a check spools in place of rows. Where people can be mixed up, it takes rows to show them.

    So it does for values that are compared with the snapshot.
    """
    config = life.config
    checks = not life.sends and not config.identity_fields and not config.run.changed_only
    return Marks(config) if checks else None


def _withholding(life: Life, places: Mapping[int, int]) -> tuple[Withheld | None, WithheldSums | None]:
    """What a retry does not send again, of values and of sums; any other run sends all that is due."""
    if not life.corrected:
        return None, None
    every = other_runs(life.state_dir, life.config, but=life.folder)
    by_time = life.config.source.latest_by is not None
    return withholding(life.corrected, places, every, by_time=by_time)


def _addresses(life: Life) -> Addresses | None:
    """What ids resolve to, kept between runs; `check` needs none, for it resolves nobody."""
    if not life.sends or not life.destination.resolves:
        return None
    return Addresses(life.state_dir, life.config, life.destination.address_scope(life.key))


def _identity_folder(life: Life) -> Path:
    return life.folder.spool / "identity"


def _nothing(_: OpenChunk) -> None:
    """The default of a hook."""
