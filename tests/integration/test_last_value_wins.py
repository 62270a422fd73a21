"""For any list, what the server holds is a plain dictionary fold, and the counts are the oracle's.

A run costs a process, so each one imports some dozens of small lists at once: their people are told apart by
a prefix, their rows are shuffled into one file (or three) without changing the order within a list.
"""

import csv
import io
import random
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.oracle.program import assert_as_expected, config_text, importer
from tests.support.oracle.reading import Attribute, Declared, Row, comparable, expect, read
from tests.support.oracle.replies import ReplyServer

DECLARED = Declared(
    "who",
    (
        Attribute("plan", "single_choice", options=("free", "pro")),
        Attribute("tags", "multi_choice", options=("a", "b", "c")),
        Attribute("size", "number", min=-5, max=99),
        Attribute("note", "free_text", max_length=6, blank="clear"),
        Attribute("ok", "boolean", blank="reject"),
    ),
    null_values=("", "NULL"),
)
HEADER = ("who", "plan", "tags", "size", "note", "ok")

Line = tuple[str, str, str, str, str, str]

BLANKS = ("", "NULL")
WHO = st.sampled_from(("1", "2", "3", "01", " 1", "Ä", "🙂", '"', ",", *BLANKS))
CELLS = st.tuples(
    WHO,
    st.sampled_from(("free", "pro", "Pro", *BLANKS)),
    st.sampled_from(("a", "b|a", "a|a|", "x|c", "x", "|b", *BLANKS)),
    st.sampled_from(("0", "7", "13", "-5", "99", "100", "1.5", "many", *BLANKS)),
    st.sampled_from(("ä", "l\n2", "l\r\n2", 'q"q', "a,b", "no", "seven77", "null", *BLANKS)),
    st.sampled_from(("yes", "NO", "1", "perhaps", *BLANKS)),
)
LISTS = st.lists(st.lists(CELLS, min_size=1, max_size=8), min_size=1, max_size=60)

MALFORMED = ("{who},few", "{who},free,a,1,n,yes,many", '{who},free,a,1,st"ray,yes')


def refuse(_: str, key: str, value: Any) -> str | None:
    """Refusals a server makes by value, one of them in a word of its own."""
    if key == "size" and value == 13:
        return "unlucky"
    return "attribute_value_invalid" if key == "note" and value == "no" else None


def record(cells: Line) -> str:
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerow(cells)
    return buffer.getvalue()


def bundled(lists: list[list[Line]], rng: random.Random) -> list[str]:
    """All rows in one order that keeps each list's own, some malformed ones between them."""
    turns = [n for n, rows in enumerate(lists) for _ in rows]
    rng.shuffle(turns)
    queues = [iter(rows) for rows in lists]
    records = []
    for n in turns:
        who, *rest = next(queues[n])
        named = who if who in BLANKS else f"{n}:{who}"
        records.append(record((named, *rest)))  # type: ignore[arg-type]  # five texts follow the first
        if rng.random() < 0.05:
            records.append(rng.choice(MALFORMED).format(who=f"{n}:1") + "\n")
    return records


@settings(
    max_examples=8,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(lists=LISTS, seed=st.integers(0, 2**32), files=st.sampled_from((1, 1, 3)))
def test_what_is_stored_is_a_plain_fold(lists: list[list[Line]], seed: int, files: int) -> None:
    rng = random.Random(seed)
    records = bundled(lists, rng)
    with tempfile.TemporaryDirectory() as name, ReplyServer(refuse) as server:
        folder = Path(name)
        rows: list[Row] = []
        for part in range(files):
            share = records[part * len(records) // files : (part + 1) * len(records) // files]
            path = folder / f"{part}.csv"
            path.write_text(",".join(HEADER) + "\n" + "".join(share), "utf-8", newline="")
            rows += read(path)[1]
        expected = expect(rows, DECLARED, refuse=refuse)
        config = folder / "import.toml"
        config.write_text(config_text(DECLARED, folder / "*.csv", server.url), "utf-8")
        result = importer("run", config, "--run-id", "r", cwd=folder)
        anything_wrong = expected.values["rejected"] or expected.rows["rejected"] or expected.adjusted
        assert result.code == int(anything_wrong > 0), result.err
        assert comparable(server.stored) == comparable(expected.stored)
        calls = Counter(c.distinct_id for c in server.writes())
        assert set(calls.values()) <= {1}
        assert calls.keys() == expected.sent.keys()
        cleared = Counter((c.distinct_id, c.cleared) for c in server.calls if c.method == "DELETE")
        assert cleared == Counter((p, k) for p, keys in expected.cleared.items() for k in keys)
        assert not server.overlaps
        assert_as_expected(result, "r", expected)


PLAIN = Declared("who", (Attribute("a", "free_text"), Attribute("b", "free_text")))


TEXTS = st.sampled_from(("", "1", "2"))


@settings(deadline=None, derandomize=True, database=None)
@given(st.lists(st.fixed_dictionaries({"who": st.sampled_from("xyz"), "a": TEXTS, "b": TEXTS})))
def test_the_oracle_itself_is_one(cells: list[dict[str, str]]) -> None:
    folded: dict[str, dict[str, str]] = {}
    for line in cells:
        filled = {k: v for k, v in line.items() if v and k != "who"}
        folded[line["who"]] = folded.get(line["who"], {}) | filled
    rows = [Row("f", n + 1, n + 2, line, b"") for n, line in enumerate(cells)]
    found = expect(rows, PLAIN)
    assert found.stored == {who: current for who, current in folded.items() if current}
    assert found.people["read"] == len(folded)
    assert found.rows["read"] == sum(found.rows.values()) - found.rows["read"] == len(cells)
