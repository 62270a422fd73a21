"""What `check` foresees is what a run comes to where the destination takes everything: for any list."""

import csv
import io
import random
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import importer
from importer.config import loader as configuration
from importer.config.schema import Config
from importer.reconcile.check_counts import CheckCounts
from importer.sandbox import server as sandbox
from importer.sandbox.options import SandboxOptions
from importer.source.batch import SET_ASIDE, Batch
from importer.storage import flag_spool, spool
from importer.validate.validator import Validator

KEY = "sk_test_checking"
ATTRIBUTES: dict[str, dict[str, Any]] = {
    "plan": {"type": "single_choice", "options": ["free", "pro"]},
    "tags": {"type": "multi_choice", "options": ["a", "b", "c"]},
    "topics": {"type": "multi_choice", "options": ["a"], "blank": "clear"},
    "size": {"type": "number", "min": -5, "max": 99},
    "note": {"type": "free_text", "max_length": 6, "blank": "clear"},
    "ok": {"type": "boolean", "blank": "reject"},
    "day": {"type": "date"},
}
CONFIG = configuration.parse(
    {
        "name": "checking",
        "source": {"path": "none.csv", "null_values": ["", "NULL"]},
        "identity": {"column": "who"},
        "destination": {"type": "vevee", "api_key": "env:CHECKING_KEY", "requests_per_second": 0},
        "attributes": ATTRIBUTES,
    }
)
BLANK = st.sampled_from(("", "NULL"))
CELLS = st.tuples(
    st.sampled_from(("1", "2", "3", "4", "Ä")) | BLANK,
    st.sampled_from(("free", "pro", "Pro")) | BLANK,
    st.sampled_from(("a", "b|a", "x|c", "x", "|b", "|")) | BLANK,
    st.sampled_from(("a", "a|x", "x", "|")) | BLANK,
    st.sampled_from(("0", "7", "1.50", "+3", "-5", "100", "many")) | BLANK,
    st.sampled_from(("ä", "l\n2", 'q"q', "seven77", "null")) | BLANK,
    st.sampled_from(("yes", "NO", "1", "perhaps")) | BLANK,
    st.sampled_from(("2024-02-29", "2023-02-29", " 2024-01-01")) | BLANK,
)
LISTS = st.lists(st.lists(CELLS, min_size=1, max_size=6), min_size=1, max_size=30)
MALFORMED = ("1,few\n", '2,free,a,a,1,st"ray,yes,2024-01-01\n')


def batch(*lines: str) -> Batch:
    """Rows as the reader would hand them on."""
    table = [line.split(",") for line in lines]
    cells = pl.DataFrame(table, schema=dict.fromkeys(("who", *ATTRIBUTES), pl.String), orient="row")
    numbers = pl.Series(range(1, len(lines) + 1), dtype=pl.Int64)
    return Batch(cells, numbers, numbers + 1, pl.Series(lines), pl.DataFrame(schema=SET_ASIDE))


def text_of(lists: list[list[tuple[str, ...]]], seed: int) -> str:
    """One file of many small lists: people are told apart by a prefix, rows keep their order in a list."""
    rng, buffer = random.Random(seed), io.StringIO()
    write = csv.writer(buffer, lineterminator="\n").writerow
    write(("who", *ATTRIBUTES))
    turns = [n for n, rows in enumerate(lists) for _ in rows]
    rng.shuffle(turns)
    queues = [iter(rows) for rows in lists]
    for n in turns:
        who, *rest = next(queues[n])
        write((who if who in ("", "NULL") else f"{n}:{who}", *rest))
        if rng.random() < 0.05:
            buffer.write(rng.choice(MALFORMED))
    return buffer.getvalue()


def reported(folder: Path) -> tuple[list[list[str]], dict[str, bytes]]:
    """rejects.csv without what only a run can know, and the files of rejected_rows/."""
    with (folder / "rejects.csv").open(encoding="utf-8", newline="") as file:
        lines = [line[:9] for line in csv.reader(file)]
    return lines, {p.name: p.read_bytes() for p in sorted((folder / "rejected_rows").glob("*"))}


def foreseen(counts: Any, *done: str) -> dict[str, int]:
    """A run's counts with everything that was done as `not_attempted`."""
    found = {name: n for name, n in counts.items() if name not in done}
    return found | {"not_attempted": sum(counts[name] for name in done)} | dict.fromkeys(done, 0)


BOUNDS = st.sampled_from((1, 2000, 8 << 20))
"""Bytes of a chunk and a segment: a partition, in pieces of one batch; some people; everything at once."""


def test_check_foresees_a_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHECKING_KEY", KEY)

    @settings(max_examples=10)
    @given(lists=LISTS, seed=st.integers(0, 2**32), bound=BOUNDS)
    def holds(lists: list[list[tuple[str, ...]]], seed: int, bound: int) -> None:
        monkeypatch.setattr(spool, "CHUNK_BYTES", bound)
        monkeypatch.setattr(spool, "SEGMENT_BYTES", bound)
        monkeypatch.setattr(flag_spool, "MANY_REPEATED", 0 if bound == 1 else 1 << 18)
        monkeypatch.setattr(flag_spool, "MOST_EXTRA", 1 / 4 if bound == 2000 else 1)
        with tempfile.TemporaryDirectory() as name:
            source = Path(name, "list.csv")
            source.write_text(text_of(lists, seed), "utf-8", newline="")
            _assert_foreseen(CONFIG, source)

    holds()


def _assert_foreseen(config: Config, source: Path) -> None:
    state = source.parent / "state"
    with sandbox.running(config, SandboxOptions(), KEY) as server:
        options = importer.Options(state_dir=state, base_url=server.url, run_id="run")
        ran = importer.run(config, [str(source)], options)
    checked = importer.check(config, [str(source)], importer.Options(state_dir=state, run_id="check"))
    assert checked.rows == foreseen(ran.rows, "applied", "partly_applied")
    assert checked.values == foreseen(ran.values, "applied")
    assert checked.people == foreseen(ran.people, "called")
    assert checked.adjusted == ran.adjusted
    assert checked.reject_counts == ran.reject_counts
    assert checked.warnings == ran.warnings
    assert checked.exit_code == ran.exit_code
    assert reported(state / "runs" / "check") == reported(state / "runs" / "run")


def test_flags_take_the_place_of_texts() -> None:
    counts, validator = CheckCounts(CONFIG), Validator(CONFIG, 200, keeps_rows=False)
    flags = counts.flags_of(validator.validate(batch("1,free,b|a,,7,x,yes,", "2,off,x|c,,many,,,"), 0))
    assert flags["id"].to_list() == ["1", "2"]
    assert flags.select("no0", "b0").rows() == [(None, False), (True, True)]
    assert flags.select("d1", "t1").rows() == [(None, None), ("x", "x|c")]
    assert flags.select("no3", "b3").rows() == [(None, False), (True, True)]
    texts = {name for name, kind in flags.schema.items() if kind == pl.String}
    assert texts == {"id", "d1", "t1"}, "nothing else of a cell is spooled"


def test_healthy_rows_have_no_flags_and_every_value_counts() -> None:
    counts, validator = CheckCounts(CONFIG), Validator(CONFIG, 200, keeps_rows=False)
    rows = ("1,free,a,a,7,x,yes,2024-02-29", "2,pro,b,a,8,y,no,2024-03-01")
    flags = counts.flags_of(validator.validate(batch(*rows), 0))
    assert flags.columns == ["order", "id", "values", "bads", "b5"], "a blank one of `ok` would be bad"
    assert counts.report(iter([flags])).tally.values == Counter(not_attempted=14)


def test_no_line_is_kept_where_nothing_is_trimmed() -> None:
    counts, validator = CheckCounts(CONFIG), Validator(CONFIG, 200, keeps_rows=False)
    flags = counts.flags_of(validator.validate(batch("1,free,a,,7,x,yes,"), 0))
    assert "line" not in flags.columns
    assert counts.report(iter([flags])).rejects.height == 0


def test_a_trimmed_value_that_wins_has_its_line() -> None:
    counts, validator = CheckCounts(CONFIG), Validator(CONFIG, 200, keeps_rows=False)
    rows = ("1,,x|a,,,,yes,", "1,,y|b,,,,yes,", "2,,z|a,,,,yes,", "2,,a,,,,yes,")
    found = counts.report(iter([counts.flags_of(validator.validate(batch(*rows), 0))]))
    [line] = found.rejects.rows(named=True)
    assert (line["order"], line["line"], line["distinct_id"], line["value"]) == (2, 3, "1", "y|b")
    assert (line["stage"], line["reason"]) == ("adjust", "option_not_declared")
    assert line["message"] == "sent without the options that are not declared: y"
    assert found.tally.adjusted == 1
    assert found.tally.people == Counter(not_attempted=2)
