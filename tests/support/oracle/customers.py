"""A made-up customer list of 21 columns with everything real lists have, the same on every machine."""

import csv
import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

from tests.support.oracle.reading import Attribute, Declared

PERSONAS = ("teacher", "student", "parent", "Schüler:in")
TOPICS = ("history", "math", "science", "art", "música")

DECLARED = Declared(
    id_column="customer_id",
    attributes=(
        Attribute("email", "free_text"),
        Attribute("given_name", "free_text", column="First Name"),
        Attribute("last_name", "free_text"),
        Attribute("phone", "free_text"),
        Attribute("zip", "free_text", max_length=10),
        Attribute("city", "free_text"),
        Attribute("country", "single_choice", options=("DE", "FR", "ES", "PL", "EG"), allow_custom=True),
        Attribute("persona", "single_choice", options=PERSONAS),
        Attribute("topics", "multi_choice", options=TOPICS),
        Attribute("lang", "multi_choice", column="languages", separator="; ", allow_custom=True),
        Attribute("age", "number", min=0, max=120),
        Attribute("revenue", "number"),
        Attribute("account_no", "number"),
        Attribute("newsletter", "boolean"),
        Attribute("active", "boolean"),
        Attribute("birthday", "date", format="%d/%m/%Y"),
        Attribute("signup", "date"),
        Attribute("last_seen", "datetime", format="%Y-%m-%d %H:%M:%S"),
        Attribute("notes", "free_text", max_length=400),
    ),
    null_values=("", "\\N"),
    ignore=("internal",),
)

HEADER = (
    "customer_id",
    "email",
    "First Name",
    "last_name",
    "phone",
    "zip",
    "city",
    "country",
    "persona",
    "topics",
    "languages",
    "age",
    "revenue",
    "account_no",
    "newsletter",
    "active",
    "birthday",
    "signup",
    "last_seen",
    "notes",
    "internal",
)
assert len(HEADER) == 21

FIRST = (
    "Zoë",
    "José",
    "Łukasz",
    "Anna",
    "Mohammed",
    "فاطمة",
    "Noe\u0301mie",
    "李雷",
    "O'Brien",
    "Björk",
    "NULL",
    "nan",
)
LAST = (
    "Müller",
    "García",
    "Nowak",
    "van der Berg",
    "שלום",
    "Smith, Jr.",
    'Lee "the bee"',
    "D’Arcy",
    "-",
    "None",
)
CITIES = ("Köln", "Paris", "A Coruña", "Łódź", "القاهرة", "São Paulo", "Saint-Étienne", "  Bern ", "NA")
NOTES = (
    "likes 🍕 and 👩‍👩‍👧",
    "line one\nline two",
    "line one\r\nline two\r\n",
    'she said "no"',
    "a,b;c|d\te",
    "=1+1",
    "+49",
    "1E5",
    "zero\u200bwidth",
    "right \u202eto left",
    "C:\\temp\\new",
    "{'json': \"no\"}",
    "<b>&amp;</b>",
    "'single'",
    "null",
    "\u00a0",
    "True",
)


@dataclass(frozen=True)
class Damage:
    """How dirty a list is: the share of cells and rows of each kind."""

    blank: float = 0.15
    bad_value: float = 0.02
    duplicates: float = 0.05
    malformed: int = 12
    without_id: int = 8
    long_ids: int = 3
    blank_lines: int = 5


CLEAN = Damage(bad_value=0.0, malformed=0, without_id=0, long_ids=0, blank_lines=0)


def rows(count: int, damage: Damage, seed: int = 2) -> list[list[str]]:
    """The cells of `count` customers and some later rows of the same people, in file order."""
    rng = random.Random(seed)
    ids = [_identifier(rng, n) for n in range(count)]
    found = [[person, *_cells(rng, n, damage)] for n, person in enumerate(ids)]
    again = [*rng.sample(ids, int(count * damage.duplicates)), ids[0], ids[0]]
    for person in again:
        place = rng.randrange(len(found) + 1)
        found.insert(place, [person, *_cells(rng, rng.randrange(10**6), damage)])
    found.append([ids[0], *_cells(rng, 7, damage)])
    for number in range(damage.without_id):
        found[rng.randrange(len(found))][0] = ("", "\\N")[number % 2]
    for number in range(damage.long_ids):
        found[rng.randrange(1, len(found))][0] = f"{number}" + "x" * 200
    return found


def _identifier(rng: random.Random, n: int) -> str:
    kinds = (
        f"{n:08d}",
        f"{9_000_000_000_000_000_000 + n}",
        f"cust-{n}",
        f"Ünï-{n}",
        f"{rng.getrandbits(64):016x}-{n}",
        f" {n} ",
        f'"{n}",',
        f"{n}\t🙂",
        f"{n}" + "y" * (200 - len(str(n))),
    )
    return kinds[rng.randrange(len(kinds))]


def _cells(rng: random.Random, n: int, damage: Damage) -> list[str]:
    good = _good(rng, n)
    for column, bad in _BAD.items():
        if rng.random() < damage.bad_value:
            good[column] = bad[rng.randrange(len(bad))]
    for column in good:
        if rng.random() < damage.blank:
            good[column] = rng.choice(("", "", "\\N"))
    return [good[column] for column in HEADER[1:]]


def _good(rng: random.Random, n: int) -> dict[str, str]:
    year, month, day = rng.randrange(1930, 2012), rng.randrange(1, 13), rng.randrange(1, 29)
    spoken = rng.sample(["de", "fr", "es", "pl", "ar", "中文"], rng.randrange(1, 4))
    return {
        "email": f"person{n}@example.org",
        "First Name": rng.choice(FIRST),
        "last_name": rng.choice(LAST),
        "phone": f"+49{rng.randrange(10**9, 10**10)}" if n % 3 else f"00{rng.randrange(10**8)}",
        "zip": f"{rng.randrange(100_000):05d}",
        "city": rng.choice(CITIES),
        "country": rng.choice(("DE", "FR", "ES", "PL", "EG", "XK")),
        "persona": rng.choice(PERSONAS),
        "topics": "|".join(rng.choices(TOPICS, k=rng.randrange(1, 4))) + ("|" if n % 5 == 0 else ""),
        "languages": "; ".join(spoken),
        "age": str(rng.randrange(0, 121)),
        "revenue": rng.choice(
            (f"{rng.randrange(10**7) / 100:.2f}", "0.1", "-3.25", "1e5", "123456.789", "0")
        ),
        "account_no": str(
            rng.choice((rng.randrange(-(2**63), 2**63), 2**63 - 1, 2**64 - 1, -(2**63), 2**53 + 1))
        ),
        "newsletter": rng.choice(("true", "FALSE", "1", "0", "Yes", "no", "True")),
        "active": rng.choice(("yes", "NO", "0", "1")),
        "birthday": f"{day:02d}/{month:02d}/{year}",
        "signup": f"20{rng.randrange(10, 26)}-{month:02d}-{day:02d}",
        "last_seen": f"2026-{month:02d}-{day:02d} {rng.randrange(24):02d}:{rng.randrange(60):02d}:07",
        "notes": rng.choice(NOTES),
        "internal": f"never sent {n}",
    }


_BAD = {
    "zip": ("12345678901", "🙂" * 11),
    "persona": ("Teacher", "teacher ", "principal"),
    "topics": ("history|cooking", "cooking", "knitting|math|knitting"),
    "age": ("121", "-1", "twelve", "12,5", "1 2"),
    "revenue": ("NaN", "inf", "1e999", "1.2.3", "€5"),
    "account_no": (str(2**64), str(-(2**63) - 1), "0x10", "12abc"),
    "newsletter": ("maybe", "2", "wahr", " true"),
    "active": ("y", "on"),
    "birthday": ("31/02/2020", "2020-02-01", "12/31/1999", "00/00/0000"),
    "signup": ("2020-13-01", "01/02/2020", "20200101x", "2019-02-29"),
    "last_seen": ("2026-01-01", "2026-01-01 25:00:00", "yesterday"),
    "notes": ("long " * 81, 'said "so", and\nbroke a line ' * 20),
}


def text(cells: Iterable[Sequence[str]], line_end: str = "\n", delimiter: str = ",") -> Iterator[str]:
    """The lines of a healthy CSV file, header first; a record with a line break in it is one of them."""
    for row in (HEADER, *cells):
        buffer = StringIO()
        csv.writer(buffer, lineterminator=line_end, delimiter=delimiter).writerow(row)
        yield buffer.getvalue()


def write(
    path: Path, cells: Sequence[Sequence[str]], damage: Damage, line_end: str = "\n", seed: int = 3
) -> None:
    """The file, with malformed rows and blank lines put between the good ones."""
    rng = random.Random(seed)
    lines = list(text(cells, line_end))
    for number in range(damage.malformed):
        lines.insert(rng.randrange(1, len(lines) + 1), _malformed(number) + line_end)
    for _ in range(damage.blank_lines):
        lines.insert(rng.randrange(1, len(lines) + 1), line_end)
    path.write_bytes("".join(lines).encode())


def _malformed(number: int) -> str:
    kinds = (
        f"broken-{number}," + ",".join("few" for _ in range(12)),
        f"broken-{number}," + ",".join("many" for _ in range(21)),
        f'broken-{number},6" pipe,' + ",".join("stray" for _ in range(19)),
        f'broken-{number},"closed"too soon,' + ",".join("stray" for _ in range(19)),
    )
    return kinds[number % len(kinds)]
