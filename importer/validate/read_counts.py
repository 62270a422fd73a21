"""Counts of what was read, by state, reason and attribute."""

from collections import Counter
from dataclasses import dataclass, field, fields

from importer.config.attribute import Attribute
from importer.core import rejects
from importer.values.typed_column import TypedColumn


@dataclass(slots=True)
class ReadCounts:
    """Counts of everything read so far; the counts of the chunks must add up to them.

    `filtered` rows do not match `where`, or stand in the declared footer. `empty_rows` have nothing in any
    cell, or are the mark at the end of a file. `unchanged_rows` are those that the change filter left out,
    each of another person. `nobody` counts the rows set aside whose id is blank or a placeholder: they hide
    no person of the list. `known` counts the people of the snapshot, `gone` those of them who are no longer
    in the list. By attribute: `blanks` counts the blank cells of well-formed rows with an id, `undeclared`
    the values of a choice that name an option that is not declared, `gone_values` the values to clear of
    people who have left the list; `gone_rows` their rows, which are no rows of the list. `kept` rows were
    refused and are kept for `rejected_rows`. `by_source` counts
    by (source, name) what never comes to a chunk: rows `filtered` and `rejected`, `unchanged_rows` and
    `unchanged_values`.
    """

    rows_read: int = 0
    filtered: int = 0
    empty_rows: int = 0
    set_aside: int = 0
    set_aside_free: int = 0
    nobody: int = 0
    values_read: int = 0
    values_rejected: int = 0
    people_rejected: int = 0
    unchanged_rows: int = 0
    unchanged_values: int = 0
    gone: int = 0
    known: int = 0
    gone_rows: int = 0
    kept: int = 0
    reasons: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    blanks: Counter[str] = field(default_factory=Counter)
    undeclared: Counter[str] = field(default_factory=Counter)
    by_source: Counter[tuple[int, str]] = field(default_factory=Counter)
    gone_values: Counter[str] = field(default_factory=Counter)

    def add(self, other: "ReadCounts") -> None:
        """Adds what was counted of other rows."""
        for name in (f.name for f in fields(self)):
            setattr(self, name, getattr(self, name) + getattr(other, name))

    def values_of(self, key: str, attribute: Attribute) -> int:
        """How many values of an attribute were read; a blank cell is one where it is not skipped."""
        skipped = self.blanks[key] if attribute.blank == "skip" else 0
        return self.rows_of_list - skipped + self.gone_values[key]

    @property
    def rows(self) -> int:
        """Well-formed, chosen rows with an id."""
        return self.rows_read - self.filtered - self.empty_rows - self.set_aside

    @property
    def rows_of_list(self) -> int:
        """The same without our own rows, which clear the people who have left the list."""
        return self.rows - self.gone_rows

    @property
    def rejected(self) -> int:
        """What the reject limit counts: values refused by the check, people, and rows set aside."""
        return self.values_rejected + self.people_rejected + self.set_aside - self.set_aside_free


def count_undeclared(attribute: Attribute, typed: TypedColumn) -> int:
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
