"""Text stays text: every string the format can carry arrives as it stands, as a value and as an id."""

import csv
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import importer
from importer.config import loader as configuration
from importer.sandbox import server as sandbox
from importer.sandbox.options import SandboxOptions

KEY = "sk_test_nasty"
NASTY = [
    "007",
    "0000000000000000000000001",
    "9007199254740993",
    "1234567890123456789",
    "18446744073709551616",
    "1E5",
    "1e309",
    "1.2E+17",
    "0x1F",
    "1_000",
    "+4917612345678",
    "-1",
    "-",
    "--",
    "NULL",
    "null",
    "None",
    "NA",
    "N/A",
    "nan",
    "inf",
    "undefined",
    "true",
    "False",
    "=1+1",
    "@SUM(A1)",
    "#N/A",
    "'",
    "''",
    '"',
    '""',
    '"quoted"',
    'a "b" c',
    'ends with "',
    "\\",
    "\\\\",
    '\\"',
    "\\n",
    "\\N",
    "a,b",
    ",",
    ",,,",
    ";",
    "|",
    "a\tb",
    "line\nbreak",
    "line\r\nbreak",
    "carriage\rreturn",
    "\n",
    "\n\nx",
    "x\n",
    " leading",
    "trailing ",
    "  ",
    "\u00a0",
    "\u2028line\u2029para\u0085next",
    "\x0b\x0c\x1c\x1d\x1e\x1f",
    "\x01\x02\x07\x08\x1b[31mred\x7f",
    "\u200b\u200c\u200d\ufeff",
    "e\u0301 \u0065\u0301\u0327",
    "Z͑ͫ̓ͪ̂ͫ̽͏̴̙̤̞͉͚̯̞̠͍A̴̵̜̰͔ͫ͗͢",
    "مرحبا بالعالم",
    "שָׁלוֹם",
    "\u202eabc\u202c",
    "田中さん ㌔ ｶﾀｶﾅ",
    "Ελληνικά Кириллица հայերեն",
    "🙂👩‍👩‍👧‍👦🏳️‍🌈🇩🇪",
    "𝕿𝖍𝖊 𐍈 \U0010ffff",
    "\ufffd",
    "\ufdd0\uffff",
    "Ã¼ is not mojibake here",
    "<script>alert(1)</script>",
    "'; DROP TABLE people; --",
    "${jndi:ldap://x}",
    "{{7*7}}",
    "%s%n%00",
    "../../etc/passwd",
    '{"json": [1, 2.50]}',
    "x" * 5000,
]


BLANK = ("\n", "  ", "\u00a0", "\x0b\x0c\x1c\x1d\x1e\x1f", "\u200b\u200c\u200d\ufeff")
ROUNDED = "1.2E+17"


def is_id(text: str) -> bool:
    """Whether a text names a person, where no word is refused."""
    return len(text) <= 200 and text not in (*BLANK, ROUNDED)


def write_csv(path: Path, line_end: str) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator=line_end, quoting=csv.QUOTE_ALL)
        writer.writerow(["id", "value", "number"])
        writer.writerows([f"id-{n}", text, n] for n, text in enumerate(NASTY))
        writer.writerows([text, f"of {n}", n] for n, text in enumerate(NASTY) if len(text) <= 200)


def write_parquet(path: Path) -> None:
    rows = [(f"id-{n}", text, str(n)) for n, text in enumerate(NASTY)]
    rows += [(text, f"of {n}", str(n)) for n, text in enumerate(NASTY) if len(text) <= 200]
    pl.DataFrame(rows, schema=["id", "value", "number"], orient="row").write_parquet(path)


def expected() -> dict[str, dict[str, Any]]:
    people: dict[str, dict[str, Any]] = {f"id-{n}": {"value": t, "number": n} for n, t in enumerate(NASTY)}
    for n in map(NASTY.index, BLANK):
        del people[f"id-{n}"]["value"]
    people |= {t: {"value": f"of {n}", "number": n} for n, t in enumerate(NASTY) if is_id(t)}
    return people


@pytest.mark.parametrize("kind", ["lf", "crlf", "parquet"])
def test_nasty_text_arrives_as_it_stands(
    kind: str, tmp_path: Path, state_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / ("list.parquet" if kind == "parquet" else "list.csv")
    if kind == "parquet":
        write_parquet(source)
    else:
        write_csv(source, "\r\n" if kind == "crlf" else "\n")
    monkeypatch.setenv("NASTY_KEY", KEY)
    config = configuration.parse(
        {
            "name": "nasty",
            "source": {"path": str(source)},
            "identity": {"column": "id", "reject": []},
            "destination": {"type": "vevee", "api_key": "env:NASTY_KEY", "requests_per_second": 0},
            "attributes": {"value": {"type": "free_text"}, "number": {"type": "number"}},
        }
    )
    with sandbox.running(config, SandboxOptions(), KEY) as server:
        summary = importer.run(config, (), importer.Options(state_dir=state_dir, base_url=server.url))
        assert server.stored == expected()
    assert (summary.exit_code, summary.values["rejected"]) == (1, 0)
    assert {(r.reason, r.count) for r in summary.reject_counts} == {
        ("distinct_id_missing", len(BLANK)),
        ("distinct_id_inexact", 1),
    }


def test_a_field_of_a_megabyte_arrives(
    tmp_path: Path, state_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    long = "äb,\n" * 250_000
    source = tmp_path / "list.csv"
    with source.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([["id", "value"], ["1", "x"], ["2", long], ["3", "y"]])
    monkeypatch.setenv("NASTY_KEY", KEY)
    config = configuration.parse(
        {
            "name": "long",
            "source": {"path": str(source)},
            "identity": {"column": "id"},
            "destination": {"type": "vevee", "api_key": "env:NASTY_KEY", "requests_per_second": 0},
            "attributes": {"value": {"type": "free_text"}},
        }
    )
    with sandbox.running(config, SandboxOptions(), KEY) as server:
        importer.run(config, (), importer.Options(state_dir=state_dir, base_url=server.url))
        assert server.stored == {"1": {"value": "x"}, "2": {"value": long}, "3": {"value": "y"}}
