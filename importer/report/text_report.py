"""Text reports: the summary of a run, the table of runs, the next command to type.

Lines of text only; `cli` prints them. No line holds a value of a person, but for `frequent_lines`.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from importer.core.errors import command
from importer.core.text import printable
from importer.report import advice
from importer.report.reject_groups import RejectGroup
from importer.storage.run_folder import RunFolder

_MOST = 10
_FREQUENT = 5
_LONGEST = 30
"""So many bad values of an attribute are shown, and so many characters of each."""

_CONFIRMS = {
    "value": "the destination confirmed each value by name",
    "call": "the destination confirmed the call, not each value",
    "job": "the destination confirmed the job that carried the value",
}


def summary_lines(summary: Mapping[str, Any], mode: str) -> Iterator[str]:
    """How a run ended, the most important first."""
    name = f"check of {summary['name']}" if mode == "check" else summary["name"]
    yield (
        f"{name} → {summary['destination']}: {summary['state']} after {summary['seconds']['total']:.1f} s, "
        f"exit {summary['exit_code']}"
    )
    yield ""
    for counted in ("rows", "values", "people"):
        yield f"  {counted:<8}{_counts(summary[counted])}"
    yield from _diff_lines(summary["diff"])
    calls = summary["calls"]
    if calls["sent"]:
        pace = f"{summary['requests_per_second']:,.0f} a second"
        yield f"  {'calls':<8}{calls['sent']:,} sent, {calls['retried']:,} of them repeated, {pace}"
    if summary["values"]["applied"]:
        yield ""
        yield f"  applied means: {_CONFIRMS[summary['confirms']]}"
    yield from _reject_lines(summary["rejects"])
    yield from _hint_lines(summary.get("hints", ()))
    yield from _warning_lines(summary["warnings"])


def undone_lines(found: Any, state_dir: Path) -> Iterator[str]:
    """What an undo would write back, and the command that does."""
    yield (
        f"{found.values:,} values of {found.people:,} people can go back to what they were before, "
        f"{found.cleared:,} of them are cleared"
    )
    left_out = {
        "written by a later run": found.later,
        "not known before": found.unknown,
        "no text of this source says it": found.unreadable,
    }
    for why, count in left_out.items():
        if count:
            yield f"  left out: {count:,} {why}"
    if found.file:
        yield f"  file     {found.file}"
        yield f"  next     {command('run', found.config, str(found.file), state_dir=state_dir)}"


def _diff_lines(diff: Mapping[str, Any] | None) -> Iterator[str]:
    """What a run with `changed_only` found changed."""
    if diff:
        people = (f"{diff[name]:,} {name}" for name in ("new", "changed", "unchanged", "gone"))
        yield f"  {'diff':<8}{', '.join(people)} people"
        for key, count in diff["attributes"].items():
            yield f"  {count:>14,}  {key}"


def _counts(counts: Mapping[str, int]) -> str:
    shown = [
        f"{n:,} {name.replace('_', ' ')}" for name, n in counts.items() if n or name in ("read", "applied")
    ]
    return ", ".join(shown)


def _reject_lines(rejects: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    if rejects:
        yield ""
        yield "  rejected or adjusted, by stage, reason and attribute:"
    for reject in rejects[:_MOST]:
        what = reject["attribute"] or ("whole row" if reject["stage"] == "read" else "whole person")
        yield f"    {reject['count']:>9,}  {reject['stage']:<6} {reject['reason']:<26} {what}"
    if len(rejects) > _MOST:
        yield f"    and more in summary.json: {len(rejects) - _MOST}"
    for reason in dict.fromkeys(r["reason"] for r in rejects if r["stage"] == "send"):
        if to_do := advice.known_fix(reason):
            yield f"    {reason}: {to_do}"


def _hint_lines(hints: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """The lines of configuration that would read what the check refused."""
    if hints:
        yield ""
    for hint in hints:
        yield f"  hint: {advice.hint(hint)}"


def _warning_lines(warnings: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    for warning in warnings:
        yield ""
        if warning["code"] == "dialect_differs":
            yield f"  warning: the source reads better with another dialect: {warning['column']}"
            continue
        if warning["code"] == "gone_not_known":
            yield f"  warning: nobody is treated as removed from the list: {warning['column']}"
            continue
        seen, to_do = advice.warning(warning["code"])
        rows = f", rows {advice.places(warning)}" if warning["rows"] else ""
        count = f", {warning['count']:,} in all" if warning["count"] > len(warning["rows"]) else ""
        yield f"  warning: {warning['column']}{rows}{count}: {seen}. ({warning['code']})"
        yield f"           {to_do}"


def frequent_lines(groups: Sequence[RejectGroup]) -> Iterator[str]:
    """The most frequent bad values of each attribute: for a terminal, as these are values of people."""
    counts: dict[str, Counter[str]] = {}
    for group in groups:
        if group.attribute and group.stage == "check":
            counts.setdefault(group.attribute, Counter()).update(group.values)
    if counts:
        yield ""
        yield "  most frequent bad values:"
    for key, values in list(counts.items())[:_MOST]:
        shown = (
            f'"{printable(value, _LONGEST)}" {count:,}' for value, count in values.most_common(_FREQUENT)
        )
        yield f"    {key:<20} {', '.join(shown)}"


def next_lines(summary: Mapping[str, Any], folder: RunFolder, step: str) -> Iterator[str]:
    """Where the reports are, and the next step, where `step` is one."""
    files = folder.rejected_files()
    yield ""
    if folder.html_report.exists():
        yield f"  report   {folder.html_report}"
    if summary["rejects"]:
        yield f"  rejects  {folder.rejects}"
    if files:
        yield f"  rows     {files[0]}{f' and {len(files) - 1} more' if len(files) > 1 else ''}"
    if step:
        yield f"  next     {step}"


def verified_lines(found: Mapping[str, Any], report: Path) -> Iterator[str]:
    """What `verify` has found, differences by attribute."""
    yield f"verify of {found['run_id']}: {found['people']:,} people read back, exit {found['exit_code']}"
    yield ""
    yield f"  {'values':<8}{found['values']:,} compared, {found['same']:,} stored as they were sent"
    if found["unread"]:
        yield f"  {'unread':<8}{found['unread']:,} people could not be read"
    if found["differences"]:
        yield ""
        yield "  stored values that differ from what was sent, by kind and attribute:"
    for one in found["differences"]:
        yield f"    {one['count']:>9,}  {one['what']:<12} {one['attribute']}"
    if found["differences"]:
        yield ""
        yield f"  report   {report}"
