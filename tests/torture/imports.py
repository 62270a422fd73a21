"""A made-up import, from a seed: a case of `tests.support.trouble`, one list, or two nights of one import."""

import csv
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import cached_property
from pathlib import Path
from typing import Any

from importer.testing.values import bad, good, plain
from tests.support.examples import HEADER, as_oracle
from tests.support.oracle.reading import Declared, Expected, classify, expect, read
from tests.support.trouble import BEFORE, CASES, PEOPLE, Case, World, world

Row = Mapping[str, str]

NASTY = ("a,b", 'say "no"', "line one\nline two", " blank ", "🍕 \u202e", "=1+1", "NULL", "-", "\u00a0x")
"""Texts that lists hold and programs stumble over; all short enough for any free text."""

_ADDS_UP = ("increase", "add")


@dataclass(frozen=True)
class Import:
    """`lists` has one list, or two where the import is changed-only: the second night is disturbed."""

    name: str
    lists: tuple[tuple[Row, ...], ...]

    @property
    def is_changed_only(self) -> bool:
        return len(self.lists) == 2

    @cached_property
    def case(self) -> Case:
        case = CASES[self.name]
        if not self.is_changed_only:
            return case
        more = {**case.destination, "account": "torture"}
        return replace(case, destination=more, run={"changed_only": True})

    @property
    def sums(self) -> frozenset[str]:
        """The attributes that must not be sent twice."""
        return frozenset(k for k, a in self.case.declared.items() if a.get("operation") == "increase")

    @property
    def declared(self) -> Declared:
        """What the configuration says of the list, for the oracle."""
        attributes = tuple(as_oracle(key, a) for key, a in self.case.declared.items())
        return Declared("customer_id", attributes)

    def __str__(self) -> str:
        return f"{self.name}{', changed only' * self.is_changed_only}, {len(self.lists[-1])} rows"


def generate(chance: random.Random, names: Sequence[str] = tuple(CASES)) -> Import:
    """An import of one of these cases."""
    name = chance.choice(names)
    compared = all(a.get("operation") not in _ADDS_UP for a in CASES[name].declared.values())
    people = chance.randint(3, PEOPLE)
    first = list(_list(chance, name, people))
    if not compared or chance.random() < 0.5:
        return Import(name, (tuple(first),))
    return Import(name, (tuple(first), tuple(_next_night(chance, name, first))))


def _list(chance: random.Random, name: str, people: int) -> Iterator[Row]:
    for n in range(people):
        for _ in range(chance.choice((1, 1, 1, 2, 3))):
            yield _row(chance, name, n)


def _row(chance: random.Random, name: str, n: int) -> Row:
    row = dict.fromkeys(HEADER, "") | {"customer_id": f"p{n}", "legacy_score": str(7_000 + n)}
    row |= {"email": f"p{n}@example.com", "phone": f"+1202555{n:04}"}
    cells = {a.get("column", key): _cell(chance, a) for key, a in CASES[name].declared.items()}
    return {**row, **cells}


def _cell(chance: random.Random, attribute: Mapping[str, Any]) -> str:
    draw = chance.random()
    if draw < 0.08:
        return ""
    if draw < 0.11:
        return bad(attribute) or ""
    if draw < 0.25 and attribute["type"] == "free_text":
        return chance.choice(NASTY)
    return good(attribute, chance.randrange(1_000))


def _next_night(chance: random.Random, name: str, rows: Sequence[Row]) -> Iterator[Row]:
    """Most rows stay, some change, some are gone, some are of new people."""
    for row in rows:
        draw = chance.random()
        if draw < 0.3:
            yield _row(chance, name, int(row["customer_id"][1:]))
        elif draw < 0.95:
            yield row
    for n in range(PEOPLE, PEOPLE + chance.randint(1, 4)):
        yield _row(chance, name, n)


Through = Callable[[str], AbstractContextManager[str]]
"""What stands in front of the sandbox: given its URL, the URL to send to."""


@contextmanager
def prepared(
    what: Import, folder: Path, *, through: Through = nullcontext, **destination: Any
) -> Iterator[World]:
    """A sandbox and the list of the last night; the night before is over."""
    folder.mkdir()
    with world(folder, what.case, listed=what.lists[0]) as here, through(here.server.url) as url:
        config = what.case.config(folder / "list.csv", url, max_in_flight=1, **destination)
        (folder / "import.toml").write_text(config, "utf-8")
        if what.is_changed_only:
            code, err = here.attempt("run", "import.toml", "--run-id", "first")
            assert code in (0, 1), err
            write_list(folder / "list.csv", what.lists[1])
        yield here


def write_list(path: Path, rows: Sequence[Row]) -> None:
    """The list as `world` writes it."""
    with path.open("w", encoding="utf-8", newline="") as file:
        lines = csv.DictWriter(file, HEADER)
        lines.writeheader()
        lines.writerows(rows)


def expected(what: Import, folder: Path) -> tuple[dict[str, dict[str, object]], Expected]:
    """What the destination holds after all nights by a plain reading, and what the last list comes to."""
    stored: dict[str, dict[str, Any]] = {f"p{n}": {"city": BEFORE} for n in range(0, PEOPLE, 4)}
    for rows in what.lists:
        path = folder / "oracle.csv"
        write_list(path, rows)
        found = expect(read(path)[1], what.declared)
        _fold(what, found, rows, stored)
    return comparable(what, stored), found


def _fold(what: Import, found: Expected, rows: Sequence[Row], stored: dict[str, dict[str, Any]]) -> None:
    for person, keys in found.cleared.items():
        for key in keys:
            stored.get(person, {}).pop(key, None)
    for person, values in found.stored.items():
        absolute = {k: v for k, v in values.items() if what.case.declared[k].get("operation") not in _ADDS_UP}
        stored.setdefault(person, {}).update(absolute)
    for row in rows:
        for key, raw in _adding(what, row):
            _add(what, stored.setdefault(row["customer_id"], {}), key, raw)


def _adding(what: Import, row: Row) -> Iterator[tuple[str, str]]:
    """The cells of a row that add to what is stored."""
    for key, a in what.case.declared.items():
        raw = row[a.get("column", key)]
        if a.get("operation") in _ADDS_UP and raw:
            yield key, raw


def _add(what: Import, values: dict[str, Any], key: str, raw: str) -> None:
    typed, problem, _ = classify(as_oracle(key, what.case.declared[key]), raw)
    if not problem and isinstance(typed, list):
        values[key] = list(dict.fromkeys([*values.get(key, []), *typed]))
    elif not problem:
        values[key] = values.get(key, Decimal(0)) + Decimal(typed)


def comparable(what: Import, stored: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, object]]:
    """The declared attributes of a store in one form for all vendors, without people who have none."""
    types = what.case.declared
    found = {p: {k: plain(types[k], v) for k, v in own.items() if k in types} for p, own in stored.items()}
    return {p: values for p, values in found.items() if values}
