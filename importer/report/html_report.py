"""`report.html`: the report of a run as one file for a browser, without anything that is fetched.

Everything from data is text: the template escapes it, and the page's policy runs the one script whose hash it
names and nothing else.
"""

import json
import platform
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from importlib import metadata
from itertools import zip_longest
from pathlib import Path
from typing import Any

from importer.core.durations import spoken
from importer.core.rejects import SET_ASIDE_FREE
from importer.report import advice
from importer.report.call_timeline import CallsPart, read_timeline
from importer.report.damaged_texts import add_texts
from importer.report.next_step import next_step
from importer.report.reject_groups import (
    EXAMPLES,
    VALUES_SHOWN,
    RejectGroup,
    examples_of,
    read_groups,
)
from importer.report.trends import previous_summary
from importer.storage import atomic_files
from importer.storage.run_folder import RunFolder
from importer.validate.data_quality import DAMAGE

VALUES_IN_ALL = 12_000
"""So many frequent values are shown over all groups, so that the file stays under 5 MB."""

VALUES_IN_LINE = 3
"""So many stand in the line of a group; a table has those of a group with more."""

OPEN_GROUPS = 5
"""Up to so many groups are shown open."""

_BARS: Mapping[str, tuple[tuple[str, str], ...]] = {
    "rows": (
        ("applied", "good"),
        ("unchanged", "same"),
        ("merged", "same"),
        ("empty", "idle"),
        ("filtered", "idle"),
        ("partly_applied", "part"),
        ("rejected", "bad"),
        ("unconfirmed", "open"),
        ("not_attempted", "wait"),
    ),
    "values": (
        ("applied", "good"),
        ("unchanged", "same"),
        ("superseded", "idle"),
        ("rejected", "bad"),
        ("unconfirmed", "open"),
        ("not_attempted", "wait"),
    ),
    "people": (
        ("called", "good"),
        ("unchanged", "same"),
        ("nothing_to_send", "idle"),
        ("not_attempted", "wait"),
    ),
}
"""The states of a bar from left to right, each with the class of its colour."""

_IN_CHECK: Mapping[str, tuple[str, str]] = {"not_attempted": ("would_be_sent", "due")}
"""Name and colour of a state in the report of a check, where they are others: a check sends nothing."""


_SHARES = ("applied", "rejected", "blank")
"""Shares of an attribute's values; a check applies none, so it shows the others alone."""


def write(folder: RunFolder, summary: Mapping[str, Any], *, values: bool = True) -> Path:
    """Writes `report.html`, or without values of people `report-no-values.html`; returns its path."""
    path = folder.html_report if values else folder.html_report.with_name("report-no-values.html")
    content = _page(folder, summary, values=values).encode("utf-8", "backslashreplace")
    atomic_files.write_bytes(path, content)
    return path


def _page(folder: RunFolder, summary: Mapping[str, Any], *, values: bool) -> str:
    from importer.report.page import render  # loads Jinja, which no other part of a run needs

    meta, groups = folder.read_meta(), read_groups(folder.rejects)
    source = meta["config"].get("source", {})
    paths = [one["path"] for one in summary["sources"]]
    add_texts(groups, folder.kept, paths, source.get("encoding", "utf-8"))
    is_check = meta["mode"] == "check"
    attributes = _attributes(summary, previous_summary(folder, meta), is_check=is_check)
    shares = _SHARES[is_check:]
    return render(
        "report.html.j2",
        run=summary,
        mode=meta["mode"],
        title=f"{summary['name']} → {summary['destination']}: {summary['state']}",
        headline=headline(summary, meta["mode"]),
        next=next_step(summary, folder, folder.path.parent.parent),
        bars=[_bar(name, summary[name], is_check=is_check) for name in _BARS],
        steps=_steps(summary, has_where=bool(source.get("where")), is_check=is_check),
        calls=_calls([] if is_check else read_timeline(folder.journal)),
        attributes=attributes,
        shares=shares,
        has_arrows=any(one["arrows"].get(name) for one in attributes for name in shares),
        groups=[_group(group, meta["config"], len(groups), summary, values=values) for group in groups],
        open_groups=OPEN_GROUPS,
        examples=[_example(row, values=values) for row in examples_of(groups)],
        most_examples=EXAMPLES,
        rejects_file=folder.rejects,
        warnings=[_warning(one) for one in summary["warnings"]],
        config=json.dumps(meta["config"], indent=2, ensure_ascii=False),
        config_path=meta["config_path"],
        sources=[_source(source, summary) for source in summary["sources"]],
        versions=_versions(),
        values=values,
    )


def headline(summary: Mapping[str, Any], mode: str) -> str:
    """What happened, in one sentence."""
    values, rows = summary["values"], summary["rows"]
    if mode == "check":
        return f"Nothing was sent: this was a check. {_checked(summary)}."
    if summary["state"] != "finished":
        what = {"stopped": "stopped", "interrupted": "interrupted"}.get(summary["state"], summary["state"])
        left = f"{values['not_attempted']:,} are not sent"
        return f"The run was {what}: {values['applied']:,} values are applied, {left}."
    lost = [f"{values[name]:,} {name}" for name in ("rejected", "unconfirmed") if values[name]]
    unusable = _unusable(summary)
    bad_rows = f", {_counted(unusable, 'row')} could not be used" if unusable else ""
    if not lost and not bad_rows:
        what = f"{values['applied']:,} values of {_counted(rows['read'], 'row')} are applied"
        return f"All is well: {what}, none was rejected."
    return f"{values['applied']:,} values are applied, {' and '.join(lost) or 'none rejected'}{bad_rows}."


def _checked(summary: Mapping[str, Any]) -> str:
    """What a check has found. A row whose values are all rejected was used, one that is set aside was not."""
    values, rows = summary["values"], summary["rows"]["read"]
    found = f"{values['not_attempted']:,} values would be sent, {values['rejected']:,} are rejected"
    if unusable := _unusable(summary):
        return f"{unusable:,} of {_counted(rows, 'row')} cannot be used; of the others {found}"
    return f"{found} in {_counted(rows, 'row')}"


def _unusable(summary: Mapping[str, Any]) -> int:
    """The rows that were set aside while reading; a header in the middle of a list is no such row."""
    return sum(one["count"] for one in _of_reader(summary) if one["reason"] != SET_ASIDE_FREE)


def _repeated_headers(summary: Mapping[str, Any]) -> int:
    return sum(one["count"] for one in _of_reader(summary) if one["reason"] == SET_ASIDE_FREE)


def _of_reader(summary: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [one for one in summary["rejects"] if one["stage"] == "read"]


def _counted(number: int, one: str) -> str:
    return f"{number:,} {one if number == 1 else one + 's'}"


def _bar(name: str, counts: Mapping[str, int], *, is_check: bool) -> dict[str, Any]:
    total, at, parts = max(1, counts["read"]), 0.0, []
    for state, colour in _BARS[name]:
        if count := counts[state]:
            shown, fill = _IN_CHECK.get(state, (state, colour)) if is_check else (state, colour)
            width = count * 1000 / total
            parts.append({"state": shown, "count": count, "x": at, "width": width, "colour": fill})
            at += width
    return {"name": name, "read": counts["read"], "parts": parts, "share": lambda n: f"{n / total:.1%}"}


def _steps(summary: Mapping[str, Any], *, has_where: bool, is_check: bool) -> list[dict[str, Any]]:
    """The way of the rows: how many are left after each step that the run has."""
    rows, headers, unusable = summary["rows"], _repeated_headers(summary), _unusable(summary)
    chosen = rows["read"] - rows["filtered"]
    usable = chosen - headers - unusable
    good = chosen - rows["rejected"]
    winning = good - rows["merged"] - rows["empty"]
    due = winning - rows["unchanged"]
    steps = (
        ("read", rows["read"], True),
        ("chosen by where", chosen, has_where),
        ("no repeated header", chosen - headers, headers > 0),
        ("usable", usable, True),
        ("not all values rejected", good, good < usable),
        ("with a value that counts", winning, True),
        ("with a value to send", due, True),
        ("applied, whole or in part", rows["applied"] + rows["partly_applied"], not is_check),
    )
    most = max(1, rows["read"])
    return [{"name": name, "count": n, "width": n * 1000 / most} for name, n, is_shown in steps if is_shown]


def _calls(parts: list[CallsPart]) -> dict[str, Any]:
    most = max((part.calls + part.repeated for part in parts), default=1)
    width = 1000 / max(1, len(parts))
    bars = [
        {
            "x": n * width,
            "width": max(0.5, width - 1),
            "calls": part.calls,
            "repeated": part.repeated,
            "height": part.calls * 100 / most,
            "extra": part.repeated * 100 / most,
            "at": _iso(part.at),
        }
        for n, part in enumerate(parts)
    ]
    seconds = parts[0].seconds if parts else 0
    return {"parts": bars, "seconds": spoken(seconds) if parts else "", "most": most}


def _iso(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds")


def _attributes(
    summary: Mapping[str, Any], before: Mapping[str, Any] | None, *, is_check: bool
) -> list[dict[str, Any]]:
    known = {a["attribute"]: a for a in (before or {}).get("attributes", ())}
    return [
        _attribute(one, known.get(one["attribute"]), is_check=is_check)
        for one in summary.get("attributes", ())
    ]


def _attribute(one: Mapping[str, Any], before: Mapping[str, Any] | None, *, is_check: bool) -> dict[str, Any]:
    shares, arrows = _shares(one), {}
    for name, share in _shares(before).items() if before else ():
        change = shares[name] - share
        arrows[name] = f"{'▲' if change > 0 else '▼'} {abs(change):.1%}" if abs(change) >= 0.0005 else ""
    bar = _bar("values", one, is_check=is_check)
    return {**one, "shares": shares, "arrows": arrows, "bar": bar}


def _shares(one: Mapping[str, Any]) -> dict[str, float]:
    """Applied and rejected as shares of the values, blank as a share of the cells."""
    read, cells = max(1, one["read"]), max(1, one["read"] + one["blank"])
    good = one["applied"] + one["unchanged"]
    return {"applied": good / read, "rejected": one["rejected"] / read, "blank": one["blank"] / cells}


def _group(
    group: RejectGroup,
    config: Mapping[str, Any],
    groups: int,
    summary: Mapping[str, Any],
    *,
    values: bool,
) -> dict[str, Any]:
    shown = max(1, min(VALUES_SHOWN, VALUES_IN_ALL // groups))
    attribute = config["attributes"].get(group.attribute)
    whole = "whole row" if group.stage == "read" else "whole person"
    hints = [
        hint
        for hint in (summary.get("hints", ()) if group.stage == "check" else ())
        if hint["attribute"] == group.attribute
    ]
    has_values = values and (group.attribute or any(group.values))
    has_more = has_values and len(group.values) > VALUES_IN_LINE
    return {
        "attribute": group.attribute or whole,
        "subject": group.attribute or _subject(group),
        "stage": group.stage,
        "reason": group.reason,
        "count": group.count,
        "message": group.message,
        "accepted": advice.accepted(attribute),
        "fix": advice.fix_of_hint(hints[0])
        if hints
        else advice.fix(group.stage, group.reason, attribute, group.values),
        "hints": [advice.hint(hint) for hint in hints],
        "values": group.top(shown) if has_more else [],
        "first_values": group.top(VALUES_IN_LINE) if has_values else [],
        "first_row": _first_row(group) if values and not has_values else None,
        "distinct": len(group.values),
        "approximate": group.approximate,
    }


def _subject(group: RejectGroup) -> str:
    """What the count of a group without an attribute is of."""
    one, several = ("row", "rows") if group.stage == "read" else ("person", "people")
    return one if group.count == 1 else several


def _first_row(group: RejectGroup) -> Mapping[str, str] | None:
    """The first row of a group of damaged ones, where its text is known."""
    return next((row for row in group.examples if row["value"]), None)


def _warning(one: Mapping[str, Any]) -> dict[str, Any]:
    seen, to_do = advice.warning(one["code"])
    more = {"seen": seen, "to_do": to_do, "is_damage": one["code"] in DAMAGE, "places": advice.places(one)}
    return {**one, **more}


def _example(row: Mapping[str, str], *, values: bool) -> dict[str, str]:
    whole = "whole row" if row["stage"] == "read" else "whole person"
    hidden = {} if values else {"distinct_id": "", "value": ""}
    return {**row, "attribute": row["attribute"] or whole, "file": Path(row["file"]).name, **hidden}


def _source(source: Mapping[str, Any], summary: Mapping[str, Any]) -> dict[str, Any]:
    modified, age = source.get("modified"), ""
    if modified:
        began = datetime.fromisoformat(summary["started_at"]) - datetime.fromisoformat(modified)
        age = spoken(max(0.0, began.total_seconds()))
    return {
        "path": source["path"],
        "rows": source["rows"],
        "size": source.get("size"),
        "modified": modified,
        "age": age,
    }


@cache
def _versions() -> Mapping[str, str]:
    names = ("customer-importer", "polars", "pydantic")
    found = dict(zip_longest(names, (metadata.version(name) for name in names)))
    return {**found, "Python": platform.python_version(), "system": platform.system()}
