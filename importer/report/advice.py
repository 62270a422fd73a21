"""What a reject or a warning means and what to do about it, in words for the person who owns the list."""

import re
from collections.abc import Mapping
from itertools import groupby
from operator import itemgetter
from typing import Any

from importer.core.rejects import BLANK, INVALID, NOT_DECLARED, TOO_LONG
from importer.validate.value_shapes import ROUNDED, SAMPLE

_FIXES: Mapping[str, str] = {
    INVALID: "Correct the cells, or declare type, format, decimal or options as the list has them.",
    NOT_DECLARED: (
        'Correct the cells, or declare which option each word means, such as map = { "word of the list" = '
        '"option" }. New options belong under options and to the destination.'
    ),
    TOO_LONG: "Shorten the texts, or raise max_length as far as the destination allows.",
    BLANK: 'Fill the cells, or declare blank = "skip" if a blank cell may stay without effect.',
    "distinct_id_missing": "Give each row an id in the column of [identity], or take the row out.",
    "distinct_id_placeholder": (
        "Give each row its own id, or take the row out. A word that is an id after all: leave it out of "
        "reject under [identity]."
    ),
    "distinct_id_inexact": "Export the list again with the column of ids formatted as text: digits are lost.",
    "distinct_id_formula": "Export the list again with the column of ids formatted as text.",
    "distinct_id_too_long": "Shorten the ids; check that the column of [identity] is the right one.",
    "distinct_id_invalid": "Correct the ids; check that the column of [identity] is the right one.",
    "header_repeated": "Nothing: a header in the middle is left out. Join files without their headers.",
    "row_malformed": (
        "A text that has the delimiter in it needs quotes around it: export the list so, or check delimiter "
        "and quote under [source]."
    ),
    "row_time_invalid": "Correct the time, or declare latest_format as the list writes it.",
    "unconfirmed": "It is not known whether the destination stored it. Send it again: importer retry.",
    "normalized": "The destination stored another form of the value. Write that form in the list.",
    "attribute_not_defined": "Create the attribute at the destination, or take it out of the configuration.",
    "attribute_archived": "Restore the attribute at the destination, or take it out of the configuration.",
    "person_not_found": "The destination knows nobody by this id. Create them there, or correct the ids.",
}

_BY_TYPE: Mapping[str, str] = {
    "number": (
        'Correct the cells, or declare the marks of the list: thousands = ",", decimal = ",", units = ["€"]. '
        "A number outside of min and max needs another range."
    ),
    "boolean": "Correct the cells, or add the words of the list to true_values and false_values.",
    "date": 'Correct the cells, or declare format as the list writes dates, such as format = "%d.%m.%Y".',
    "datetime": (
        "Correct the cells, or declare format as the list writes times, such as "
        'format = "%d.%m.%Y %H:%M", and zone.'
    ),
    "single_choice": (
        "Correct the cells, or declare which option each word means, such as "
        'map = { "word of the list" = "option" }. New options belong under options and to the destination.'
    ),
    "multi_choice": "Correct the cells, or declare separator, the mark that the list has between options.",
    "email": "Correct the cells: one address in each.",
    "phone": "Correct the cells, or declare region, the country of the numbers that name none.",
}
"""What to do about an invalid value of each type that has more than its text."""

_ROUNDED = (
    "Export the list again with the column formatted as text: a spreadsheet has rounded these numbers, "
    "and their last digits are lost."
)

_STAGES: Mapping[str, str] = {
    "read": "Correct the row in the list; rejected_rows/ holds it with its header.",
    "check": "Correct the cells in rejected_rows/, then send them again: importer retry.",
    "send": "The destination refused the value. Look the reason up there, correct it, then: importer retry.",
    "adjust": "Nothing has to be done; the value was sent in part or is stored in another form.",
}

_WARNINGS: Mapping[str, tuple[str, str]] = {
    "distinct_id_scientific": (
        "Ids like 1.2E+17: a spreadsheet has rounded them, the last digits are lost",
        "Export again with the column formatted as text.",
    ),
    "distinct_id_lost_zeros": (
        "Most ids have one length and some are shorter: a spreadsheet may have cut zeros in front",
        "Export again with the column formatted as text.",
    ),
    "distinct_id_looks_like_email": ("Ids with an @", "Use an id that tells nothing about the person."),
    "distinct_id_has_surrounding_blanks": (
        "Ids with blanks around them",
        "Declare trim = true under [identity], or correct the list.",
    ),
    "distinct_id_from_float": (
        "Ids that are floats: they were written as digits, without .0",
        "Export the ids as text or as integers.",
    ),
    "surrounding_blanks": (
        "Texts with blanks around them",
        "Declare trim = true for the attribute, or correct the list.",
    ),
    "spreadsheet_text": (
        "Cells that a spreadsheet marked as text or would calculate, such as '+1202 or =1+1",
        'Declare spreadsheet_text = "unwrap" under [source], or export again without formulas.',
    ),
    "number_rounded": (
        "Texts like 4.47912E+11: a spreadsheet has rounded them, the last digits are lost",
        "Export again with the column formatted as text.",
    ),
    "float_as_text": (
        "Floats that are sent as text: zeros in front are lost, and digits may be",
        "Write the column as text, or declare it as a number.",
    ),
    "edge_rows_differ": (
        "First or last rows that would be sent as people look like a header, a total or a note",
        "Declare skip_after_header or skip_footer under [source], or take the rows out.",
    ),
    "control_characters": (
        "Characters that no text should hold: the list was read in a wrong encoding",
        "Ask who sent the list for its encoding, and declare it under [source].",
    ),
    "files_passed_over": (
        "Files or subfolders of a folder that were not read: their names say that they are no lists",
        "Nothing has to be done if no list is among them; else rename it, or name it as a source.",
    ),
    "source_without_rows": (
        "A list that is a header alone",
        "Nothing has to be done where an empty list is normal; min_rows under [guards] makes it a stop.",
    ),
    "spreadsheet_error": ("Cells such as #N/A", "Correct the formulas in the sheet, then export again."),
    "date_serial_number": (
        "Numbers such as 45123 in a column of dates",
        "Format the column as a date in the sheet, then export again.",
    ),
    "mojibake": (
        "Letters such as Ã©: UTF-8 that another program has read in a wrong encoding",
        "Export again as UTF-8, or declare [source] encoding.",
    ),
    "trailing_column_empty": (
        "The last columns are blank in every row",
        "Check that the export is complete.",
    ),
    "day_and_month_ambiguous": (
        "Every date is also valid with day and month exchanged",
        "Check the declared format against a date that you know.",
    ),
    "gone_not_known": (
        "The whole configured source was not read, so nobody counts as having left the list",
        "Run without other sources, and with a list without damaged rows.",
    ),
    "increase_not_whole": (
        "Decimal numbers are added, and the destination documents whole numbers only",
        "Look at one person at the destination after the run.",
    ),
    "datetime_offset_dropped": ("Times with an offset are sent in UTC", "Nothing, if UTC is what you want."),
    "encoding_differs": (
        "Rows that cannot be read in the declared encoding",
        "Ask who sent the list for its encoding, and declare it under [source].",
    ),
    "dialect_differs": (
        "The source reads better with another line under [source]",
        "Put the line in and check again.",
    ),
    "blank_clears": (
        "Blank cells remove stored values",
        'Check that this is meant; else declare blank = "skip".',
    ),
    "kinds_mixed": (
        "Some texts of the column look like numbers, dates or booleans",
        "Declare send_as for the attribute.",
    ),
    "text_looks_like_number": (
        "Every text of the column looks like a number, and zeros in front may be lost",
        "Declare send_as for the attribute.",
    ),
    "text_looks_like_date": (
        "Every text of the column looks like a date",
        "Declare send_as for the attribute.",
    ),
    "text_looks_like_boolean": (
        "Every text of the column looks like true or false",
        "Declare send_as for the attribute.",
    ),
    "attribute_name_unusual": ("The destination may refuse this name", "Check the name at the destination."),
}


def places(found: Mapping[str, Any]) -> str:
    """The first rows of a warning of `summary.json`, such as `3, 7 of a.csv, 2 of b.csv`; "" for none."""
    rows, files = found["rows"], found.get("files") or [""] * len(found["rows"])
    by_file = groupby(zip(files, rows, strict=True), key=itemgetter(0))
    return ", ".join(
        ", ".join(str(row) for _, row in group) + (f" of {file}" if file else "") for file, group in by_file
    )


def fix(
    stage: str,
    reason: str,
    attribute: Mapping[str, Any] | None = None,
    values: Mapping[str, int] | None = None,
) -> str:
    """What to do about rejects: of the attribute with this table of the configuration, and of these values.

    `values` are the rejected ones with their counts; none of them is named.
    """
    if stage == "check" and attribute is not None:
        if _are_rounded(values or {}):
            return _ROUNDED
        if reason == INVALID and (by_type := _BY_TYPE.get(str(attribute["type"]))):
            return by_type
    return _FIXES.get(reason) or _STAGES.get(stage, "")


def _are_rounded(values: Mapping[str, int]) -> bool:
    """Whether most are like 4.91512E+11."""
    rounded = sum(count for value, count in values.items() if re.search(ROUNDED, value))
    return 2 * rounded > sum(values.values())


def known_fix(reason: str) -> str:
    """What to do about a reason of the destination's that is known; "" for any other."""
    return _FIXES.get(reason, "")


def warning(code: str) -> tuple[str, str]:
    """What a warning has seen, and what to do."""
    return _WARNINGS.get(code, (code.replace("_", " "), "Look at the column in the list."))


def hint(found: Mapping[str, Any]) -> str:
    """A hint of `summary.json` as a sentence."""
    first = "the first " if found["of"] == SAMPLE else ""
    what = f"would be read with {found['line']}" if found["line"] else found["note"]
    return f"{found['fits']:,} of {first}{found['of']:,} rejected values of {found['attribute']} {what}"


def fix_of_hint(found: Mapping[str, Any]) -> str:
    """What to do about the values of a hint: it knows more than their reason does."""
    if not found["line"]:
        return "Correct the cells as the hint says."
    if found["line"].endswith("under [source]"):
        return f"Declare {found['line']}, or correct the cells."
    return f"Declare {found['line']} under [attributes.{found['attribute']}], or correct the cells."


def accepted(attribute: Mapping[str, Any] | None) -> str:
    """What an attribute accepts; `attribute` is its table of the configuration, None for a whole row."""
    if attribute is None:
        return ""
    kind = str(attribute["type"])
    if options := attribute.get("options"):
        shown = ", ".join(options[:12]) + (f" and {len(options) - 12} more" if len(options) > 12 else "")
        return f"{'one' if kind == 'single_choice' else 'any'} of: {shown}"
    if kind in ("date", "datetime"):
        return f"a {kind} written as {attribute.get('format') or 'in ISO 8601, like 2026-03-31'}"
    if kind == "boolean":
        texts = (
            *attribute.get("true_values", ("true", "1", "yes")),
            *attribute.get("false_values", ("false", "0", "no")),
        )
        return f"one of: {', '.join(texts)}"
    return _RANGES.get(kind, kind.replace("_", " ")) + _bounds(attribute)


_RANGES: Mapping[str, str] = {
    "number": "a number",
    "free_text": "a text",
    "email": "one e-mail address",
    "phone": "one phone number with its country, such as +12025550143",
}


def _bounds(attribute: Mapping[str, Any]) -> str:
    found = [
        f"{name} {attribute[name]:,.15g}"  # the configuration stores 0 as 0.0
        for name in ("min", "max", "max_length")
        if attribute.get(name) is not None
    ]
    return f" ({', '.join(found)})" if found else ""
