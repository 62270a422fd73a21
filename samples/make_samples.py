"""Makes the sample list, as CSV and as Parquet, and the README that counts what is in it.

    python samples/make_samples.py

The same files every time: the only chance is `Random.random` with a fixed seed, which Python keeps the same
from version to version. Every person is made up; mail goes to example domains, phone numbers come from the
ranges set aside for films.
"""

import csv
import io
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from random import Random
from string import ascii_letters

import polars as pl

FOLDER = Path(__file__).parent
CSV_NAME, PARQUET_NAME, README_NAME = "customers.csv", "customers.parquet", "README.md"

Row = dict[str, str]

COLUMNS = (
    "customer_id first_name last_name email phone persona topics age newsletter signup_date last_seen "
    "lifetime_value plan city address postal_code referral_source notes legacy_score"
).split()
ID = "customer_id"

PEOPLE = 1_102
TWICE, THRICE = 60, 15  # people on two and on three rows
WITHOUT_ID, ONLY_ID, LEGACY = 8, 5, 24  # rows; LEGACY: with a legacy_score
LONG_IDS = 5
FIRST_PERSON = "000123"  # stands first, in the middle and last
SAME_WITHOUT_ZEROS = "123"  # somebody else

FIRST_NAMES = (
    "Ada Aisha Amélie Ana Anaïs Björn Bruno Carla Chloé Daniel Dagný Elif Emma Ewa Fatima Felix François "
    "Grace Hana Henry Inès Ivan Jana João José Julia Jürgen Kenji Kofi Lars Lena Liam Łukasz Malin Maria "
    "Márta Mia Moira Niamh Noah Nora Olga Øystein Pablo Paweł Priya Quentin Rosa Sam Siobhán Søren Tomás Uma "
    "Vera Will Xenia Yara Yusuf Zoë Мария Νίκος 美咲 נועה"
).split()
LAST_NAMES = (
    "Almeida Andersson Baker Béranger Bianchi Brown Castro Çelik Dubois Eriksen Fischer García Gruber "
    "Håkansson Ivanova Jensen Kovács Kowalczyk Lindqvist Lopes Martin Müller Nagy Ngata Novák O'Brien Okafor "
    "Olsen Peña Petrov Quiroga Rossi Sato Schäfer Silva Smith Šimek Tanaka Taylor Usman Varga Weiß "
    "Wójcik Young Żak"
).split()
CITIES = (
    "Aarhus|Bergen|Bogotá|Boston|Cork|Dresden|Gdańsk|Genève|Göteborg|Kraków|Leeds|Lisboa|Łódź|Málaga|München|"
    "Nairobi|Osaka|Oslo|Paris|Portland, Oregon|Praha|Québec|Rīga|São Paulo|Tampere|Washington, D.C.|"
    "Zürich|東京"
).split("|")
STREETS = "Elm Street|Mill Lane|Rue des Érables|Gartenstraße|Calle Mayor|Ulica Długa|Storgatan".split("|")
NOTES = (
    "VIP",
    "prefers mail",
    'said "call me back", then hung up',
    "moved in May,\nnew address to follow",
    "birthday party 🎂 in June",
    "first line\n\nthird line",
    "café owner, two shops",
)
PERSONAS = "teacher student parent researcher other".split()
TOPICS = "math science history languages art music".split()
PLANS = "free basic plus business".split()
REFERRALS = ("search", "friend", "newsletter", "podcast", "a poster on the bus", 'the "Open Day"')
YES, NO = ("true", "TRUE", "yes", "1", "Y"), ("false", "FALSE", "no", "0", "N")

LONG_TEXT = "Llanfair" + " and many more villages along the very same road" * 2

FAULTS: tuple[tuple[str, str, int, tuple[str, ...]], ...] = (
    ("persona", "not one of the options", 12, ("Teacher", "pupil", "student ")),
    ("plan", "not one of the options", 9, ("gold", "PLUS", "basic?")),
    ("topics", "none of the options is declared", 6, ("chess", "poker|chess")),
    ("age", "out of range", 5, ("187", "-3")),
    ("age", "not a number", 6, ("thirty-four", "42 years", "n/a")),
    ("lifetime_value", "not a number as declared", 4, ("1,234.50", "€99", "12.5.0")),
    ("newsletter", "neither true nor false", 5, ("maybe", "?")),
    ("signup_date", "no such day", 6, ("2023-02-30", "2022-13-01", "2021-02-29")),
    ("signup_date", "another format", 3, ("31/12/2021", "12.03.2020")),
    ("last_seen", "no such moment", 4, ("2024-06-31 10:00:00", "2024-05-01 25:10:00", "yesterday")),
    ("city", "longer than 80 characters", 3, (LONG_TEXT,)),
    ("first_name", "longer than 60 characters", 2, ("Maximilian " * 6 + "🌻",)),
)
"""Column, what is wrong, in how many values, the texts that take turns. Each costs only itself."""

ADJUSTED: tuple[str, int, tuple[str, ...]] = (
    "topics",
    14,
    ("math|chess", "history|astrology|art", "poker|music"),
)
"""Lists with a declared option and another: what is declared is sent, the rest is reported."""


class Dice:
    """Chance that is the same on every Python: everything comes from `Random.random`."""

    def __init__(self, seed: int) -> None:
        self._random = Random(seed).random

    def below(self, bound: int) -> int:
        """A number from 0 to bound - 1."""
        return int(self._random() * bound)

    def pick(self, items: Sequence[str]) -> str:
        """One of the items."""
        return items[self.below(len(items))]

    def chance(self, share: float) -> bool:
        """True in `share` of the cases."""
        return self._random() < share

    def shuffled(self, rows: Sequence[Row]) -> list[Row]:
        """The rows in another order."""
        return [row for _, row in sorted(((self._random(), row) for row in rows), key=lambda pair: pair[0])]


def make_rows() -> list[Row]:
    """The list: everybody once, some again, faults planted, in an order of its own."""
    dice = Dice(20)
    people = [_person(dice, i, distinct_id) for i, distinct_id in enumerate(_ids())]
    again = people[1 : TWICE + THRICE]  # with the first person, TWICE + THRICE people
    repeated = [_changed(dice, row) for row in (*again, *again[: THRICE - 1])]
    nameless = [_person(dice, PEOPLE + i, "") for i in range(WITHOUT_ID)]
    single = people[TWICE + THRICE :]
    for row in single[-ONLY_ID:]:
        row.update(dict.fromkeys(COLUMNS[1:], ""))
    _plant(single[:-ONLY_ID])
    rows = dice.shuffled([*people[1:], *repeated, *nameless])
    first, middle, last = (_changed(dice, people[0]) for _ in range(3))
    # The last plan is a bad one: it is refused, and the good one of the first row does not return.
    first["plan"], middle["plan"], last["plan"] = "basic", "", FAULTS[1][3][0]
    first["city"], middle["city"], last["city"] = "Leeds", "Praha", "Łódź"
    return [first, *rows[: len(rows) // 2], middle, *rows[len(rows) // 2 :], last]


def _ids() -> list[str]:
    short = [f"{123 + 7 * i:06d}" for i in range(PEOPLE - LONG_IDS - 1)]
    long = [str(9_007_199_254_740_993_000 + i) for i in range(LONG_IDS)]
    return [*short[:200], *long, SAME_WITHOUT_ZEROS, *short[200:]]


def _person(dice: Dice, number: int, distinct_id: str) -> Row:
    first, last = dice.pick(FIRST_NAMES), dice.pick(LAST_NAMES)
    row = {
        ID: distinct_id,
        "first_name": first + dice.pick(("",) * 30 + (" 🌻", " Ann", ' "Ace"')),
        "last_name": last,
        "email": f"{_plain(first)}.{_plain(last)}.{number}@example.{dice.pick(('com', 'org', 'net'))}",
        "phone": _phone(dice),
        "persona": dice.pick(PERSONAS),
        "topics": "|".join(t for t in TOPICS if dice.chance(0.35)),
        "age": str(16 + dice.below(70)),
        "newsletter": dice.pick(YES if dice.chance(0.6) else NO),
        "signup_date": f"20{15 + dice.below(9)}-{1 + dice.below(12):02d}-{1 + dice.below(28):02d}",
        "last_seen": _moment(dice),
        "lifetime_value": f"{dice.below(5_000)}.{dice.below(100):02d}",
        "plan": dice.pick(PLANS),
        "city": dice.pick(CITIES),
        "address": _address(dice),
        "postal_code": f"{dice.below(100_000):05d}",
        "referral_source": dice.pick(REFERRALS),
        "notes": dice.pick(NOTES) if dice.chance(0.2) else "",
        "legacy_score": "",
    }
    for column in COLUMNS[1:]:
        if dice.chance(0.06):
            row[column] = ""
    return row


def _changed(dice: Dice, row: Row) -> Row:
    """The same person on another row: some values newer, some blank."""
    newer = {"last_seen": _moment(dice), "plan": dice.pick(PLANS), "city": dice.pick(CITIES), "notes": ""}
    blank = dict.fromkeys((c for c in ("phone", "age", "address") if dice.chance(0.4)), "")
    return row | newer | blank


def _plain(name: str) -> str:
    """A name's letters as a mail address writes them; `customer` where none is left."""
    letters = unicodedata.normalize("NFKD", name)
    return "".join(c for c in letters if c in ascii_letters).lower() or "customer"


def _phone(dice: Dice) -> str:
    area, tail = dice.pick(("202", "312", "415")), dice.below(100)
    return dice.pick((f"+1 {area} 555 01{tail:02d}", f"+44 7700 900{dice.below(1000):03d}"))


def _moment(dice: Dice) -> str:
    day = f"2024-{1 + dice.below(12):02d}-{1 + dice.below(28):02d}"
    return f"{day} {dice.below(24):02d}:{dice.below(60):02d}:{dice.below(60):02d}"


def _address(dice: Dice) -> str:
    street = f"{1 + dice.below(180)} {dice.pick(STREETS)}"
    return dice.pick(
        (street, street, street, f"{street}\nFlat {1 + dice.below(9)}", f'"Rose House", {street}')
    )


def _plant(rows: list[Row]) -> None:
    """Puts every fault into rows of its own, evenly over `rows`; the last row has one already."""
    column, count, texts = ADJUSTED
    wanted = [(column, texts[i % len(texts)]) for i in range(count)]
    for column, _, count, texts in FAULTS:
        planted = count - 1 if column == "plan" else count
        wanted += [(column, texts[i % len(texts)]) for i in range(planted)]
    wanted += [("legacy_score", str(400 + 17 * i)) for i in range(LEGACY)]
    step = len(rows) // len(wanted)
    for i, (column, text) in enumerate(wanted):
        rows[i * step][column] = text


def csv_bytes(rows: Sequence[Row]) -> bytes:
    """UTF-8, commas, lines ended by a line feed, quotes only where they are needed."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def parquet_frame(rows: Sequence[Row]) -> pl.DataFrame:
    """The same text columns; a blank is a null, as Parquet files have it."""
    return pl.DataFrame(
        [[row[c] or None for row in rows] for c in COLUMNS], dict.fromkeys(COLUMNS, pl.String)
    )


def readme(rows: Sequence[Row]) -> str:
    """What is in the list, in numbers."""
    ids = Counter(row[ID] for row in rows if row[ID])
    cells = [cell for row in rows for cell in row.values()]
    facts = {
        "data rows": len(rows),
        "people": len(ids),
        "people on two rows": sum(n == 2 for n in ids.values()),
        "people on three rows": sum(n == 3 for n in ids.values()),
        "rows without an id": sum(not row[ID] for row in rows),
        "rows with an id and nothing else": sum(
            bool(r[ID]) and not any(r[c] for c in COLUMNS[1:]) for r in rows
        ),
        "ids with leading zeros": sum(i.startswith("0") for i in ids),
        "ids of 19 digits": sum(len(i) == 19 for i in ids),
        "blank cells": sum(not cell for cell in cells),
        "cells with a line break": sum("\n" in cell for cell in cells),
        "cells with a comma": sum("," in cell for cell in cells),
        "cells with quotes": sum('"' in cell for cell in cells),
        "cells with letters or signs beyond ASCII": sum(not cell.isascii() for cell in cells),
        "cells with an emoji": sum(any(sign > "\U0001f000" for sign in cell) for cell in cells),
    }
    wrong = [(column, what, count) for column, what, count, _ in FAULTS]
    refused = sum(count for *_, count in wrong)
    lines = refused + LEGACY + WITHOUT_ID + ADJUSTED[1]
    return f"""\
# The sample list

`{CSV_NAME}` and `{PARQUET_NAME}` hold the same {len(rows):,} rows of made-up customers, with everything real
lists have. `config/vevee.toml` is the configuration for them. All three files here, this one too, are written
by `python samples/make_samples.py`; a test counts again.

| in the list | count |
|---|---:|
{_table((what, f"{count:,}") for what, count in facts.items())}

Customer `{FIRST_PERSON}` stands on the first row, in the middle and on the last one; its last plan is none of
the options, and the good one of the first row does not come back. `{SAME_WITHOUT_ZEROS}` is somebody else.
`notes` is left alone on purpose (`ignore`).

| attribute | what is wrong | values |
|---|---|---:|
{_table((column, what, str(count)) for column, what, count in wrong)}
| | refused by the importer's own check | {refused} |
| legacy_score | not known to the demo's destination | {LEGACY} |
| topics | adjusted: an option nobody declared beside one that is | {ADJUSTED[1]} |

With the {WITHOUT_ID} rows without an id, `rejects.csv` of the demo has {lines} lines below its header.
"""


def _table(rows: Iterable[tuple[str, ...]]) -> str:
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def main() -> None:
    """Writes the three files beside this script."""
    rows = make_rows()
    (FOLDER / CSV_NAME).write_bytes(csv_bytes(rows))
    parquet_frame(rows).write_parquet(FOLDER / PARQUET_NAME, compression="zstd")
    (FOLDER / README_NAME).write_text(readme(rows), "utf-8")


if __name__ == "__main__":
    main()
