"""Date patterns of other tools (DD/MM/YYYY) and what they are here (%d/%m/%Y)."""

import re

_PARTS = {
    "YYYY": "%Y",
    "YY": "%y",
    "MMMM": "%B",
    "MMM": "%b",
    "MM": "%m",
    "DD": "%d",
    "HH": "%H",
    "SS": "%S",
}
_TOKEN = re.compile(r"Y{4}|Y{2}|M{2,4}|D{2}|H{2}|S{2}", re.IGNORECASE)
_YEAR = re.compile("%[-_0]?[YyFDcxGgCsv+]", re.ASCII)
_FOREIGN = re.compile(r"Y{2}|D{2}", re.IGNORECASE)


def format_problem(pattern: str) -> str | None:
    """Why a declared `format` matches no date, with the pattern probably meant; None where it may match."""
    if "%" in pattern:
        return None if _YEAR.search(pattern) else 'no year in it; a date is written as in "%d/%m/%Y"'
    if not _FOREIGN.search(pattern):
        return 'expected a pattern with %-signs, like "%d/%m/%Y"'
    return f'expected a pattern with %-signs; for {pattern} write "{_translated(pattern)}"'


def _translated(pattern: str) -> str:
    """MM is the month before the hours, and the minutes after them."""
    hours = pattern.upper().find("HH")

    def part(found: "re.Match[str]") -> str:
        letters = found[0].upper()
        if letters == "MM" and -1 < hours < found.start():
            return "%M"
        return _PARTS[letters]

    return _TOKEN.sub(part, pattern)
