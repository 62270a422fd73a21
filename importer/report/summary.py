"""The counts of a run, and whether they add up."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, fields
from datetime import UTC, datetime
from typing import Any

from importer.chunk.tally import Tally
from importer.config.attribute import Attribute
from importer.core.errors import InternalError
from importer.core.models import RejectCount, RunSummary
from importer.core.rejects import NOT_DECLARED, SET_ASIDE_FREE
from importer.destinations.base import NORMALIZED
from importer.validate.read_result import ReadResult, ReadSource

ROWS = (
    "read",
    "filtered",
    "applied",
    "partly_applied",
    "rejected",
    "merged",
    "unchanged",
    "empty",
    "unconfirmed",
    "not_attempted",
)
VALUES = ("read", "applied", "rejected", "superseded", "unchanged", "unconfirmed", "not_attempted")
PEOPLE = ("read", "called", "unchanged", "nothing_to_send", "not_attempted")


def balanced_counts(reading: ReadResult, tally: Tally) -> dict[str, dict[str, int]]:
    """`rows`, `values` and `people` of the summary, from both halves of the run.

    InternalError where a chunk's count is not what reading saw: a row or a value went astray.
    """
    intake = reading.counts
    rows = Counter(tally.rows) + Counter(
        filtered=intake.filtered, empty=intake.empty_rows, rejected=intake.set_aside
    )
    rows += Counter(unchanged=intake.unchanged_rows)
    values = tally.values + Counter(unchanged=intake.unchanged_values)
    people = tally.people + Counter(unchanged=intake.unchanged_rows)
    found = {
        "rows": _line(ROWS, rows, intake.rows_read),
        "values": _line(VALUES, values, intake.values_read),
        "people": _line(PEOPLE, people, people.total()),
    }
    for name, line in found.items():
        parts = sum(count for state, count in line.items() if state != "read")
        if parts != line["read"]:
            raise _unbalanced(name, line["read"], parts)
    return found


def _line(names: Iterable[str], counts: Mapping[str, int], read: int) -> dict[str, int]:
    return {name: read if name == "read" else counts.get(name, 0) for name in names}


def attribute_counts(
    attributes: Mapping[str, Attribute], reading: ReadResult, tally: Tally
) -> list[dict[str, object]]:
    """One object an attribute, in declared order: `read`, its outcomes as in `values`, `blank`, and more.

    `rejected_by` splits `rejected`: by the check, or by the destination (with its person, perhaps).
    `changed_by_destination` counts the adjusted values that it stored otherwise than sent. InternalError
    where the attributes do not add up to what was read.
    """
    found = [_attribute(key, attribute, reading, tally) for key, attribute in attributes.items()]
    unchanged = sum(int(str(one["unchanged"])) for one in found)
    expected = tally.values["unchanged"] + reading.counts.unchanged_values
    if unchanged != expected and reading.sources:
        raise _unbalanced("unchanged values", expected, unchanged)
    return found


def _attribute(key: str, attribute: Attribute, reading: ReadResult, tally: Tally) -> dict[str, object]:
    counts, reasons = reading.counts, reading.counts.reasons + tally.reasons
    ended = Counter[str]()
    for (_, name, outcome), count in tally.values_by.items():
        ended[outcome] += count if name == key else 0
    read = counts.values_of(key, attribute)
    ended["unchanged"] += read - ended.total()  # what the change filter left out never came to a chunk
    check = sum(n for (stage, _, name), n in reasons.items() if (stage, name) == ("check", key))
    return {
        "attribute": key,
        **_line(VALUES, ended, read),
        "blank": counts.blanks[key],
        "rejected_by": {"check": check, "send": ended["rejected"] - check},
        "adjusted": reasons["adjust", NOT_DECLARED, key] + reasons["adjust", NORMALIZED, key],
        "changed_by_destination": reasons["adjust", NORMALIZED, key],
    }


def source_counts(reading: ReadResult, tally: Tally) -> list[dict[str, object]]:
    """One object a source, in the order read: its rows and values by state, its size and age.

    `rows` is what was read; `modified` (ISO 8601) and `size` (bytes) are null where they are not known.
    """
    return [_source(number, source, reading, tally) for number, source in enumerate(reading.sources)]


def _source(number: int, source: ReadSource, reading: ReadResult, tally: Tally) -> dict[str, object]:
    outside = {name: n for (at, name), n in reading.counts.by_source.items() if at == number}
    rows = Counter({state: n for (at, state), n in tally.rows_by.items() if at == number})
    rows.update(unchanged=outside.get("unchanged_rows", 0))
    rows.update({name: outside.get(name, 0) for name in ("filtered", "empty", "rejected")})
    values = Counter[str]()
    for (at, _, outcome), count in tally.values_by.items():
        values[outcome] += count if at == number else 0
    values["unchanged"] += outside.get("unchanged_values", 0)
    if rows.total() != source.rows:
        raise _unbalanced(f"rows of {source.path}", source.rows, rows.total())
    mark = source.mark
    return {
        "path": source.path,
        "rows": source.rows,
        "row_states": _line(ROWS, rows, source.rows),
        "values": _line(VALUES, values, values.total()),
        "modified": datetime.fromtimestamp(mark.modified, UTC).isoformat() if mark else None,
        "size": mark.size if mark else None,
    }


def _unbalanced(what: str, read: int, accounted: int) -> InternalError:
    return InternalError(
        f"The counts do not add up: {read} {what} read, {accounted} accounted for. What was sent "
        "is in the journal; please report this with the run's summary.json."
    )


def reject_counts(reading: ReadResult, tally: Tally) -> list[RejectCount]:
    """By stage, reason and attribute, the most frequent first."""
    counts = reading.counts.reasons + tally.reasons
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return [RejectCount(*key, count) for key, count in ordered]


def diff(reading: ReadResult, tally: Tally) -> dict[str, object]:
    """What changed since the snapshot: people, and changed values of known people by attribute."""
    people = {name: tally.diff[name] for name in ("new", "changed", "unchanged")}
    people["unchanged"] += reading.counts.unchanged_rows
    people["gone"] = reading.counts.gone
    changed = {k.removeprefix("attribute:"): n for k, n in tally.diff.items() if k.startswith("attribute:")}
    return {**people, "attributes": dict(sorted(changed.items(), key=lambda item: -item[1]))}


def has_rejects(reading: ReadResult, tally: Tally) -> bool:
    """Whether anything was rejected, adjusted or unconfirmed; a repeated header alone does not count."""
    free = Counter({key: n for key, n in reading.counts.reasons.items() if key[1] == SET_ASIDE_FREE})
    return bool(reading.counts.reasons + tally.reasons - free)


def as_json(summary: RunSummary) -> dict[str, Any]:
    """The summary as `summary.json` holds it."""
    data = asdict(summary)
    return {_FILE_NAMES.get(name, name): data[name] for name in data if name != "folder"}


_FILE_NAMES = {"reject_counts": "rejects"}
"""Fields of RunSummary that have another name in `summary.json`; `folder` is where the file itself is."""

SUMMARY_KEYS = tuple(_FILE_NAMES.get(f.name, f.name) for f in fields(RunSummary) if f.name != "folder")
"""The keys of `summary.json` in their order."""
