"""Random lists with random declarations, and whether a check of one says what a run of it does."""

import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl
import pytest
from hypothesis import strategies as st

import importer
from importer.config import parse
from importer.core.models import RunSummary
from importer.sandbox import server as sandbox
from importer.sandbox.options import SandboxOptions

KEYS = {"vevee": "sk_test_agree", "attentive": "agree", "engagelab": "agree:secret"}

BLANKS = ("", " ", "\u00a0", "NULL", "-")
_IDS = st.sampled_from(
    ("u1", "u2", "u3", "007", "7", " u1", "Ä", '"', "null", "N/A", "1.2E+11", "=1", *BLANKS)
)

_CELLS: dict[str, tuple[str, ...]] = {
    "free_text": ("x", " x ", "two\nlines", "seven77", "'+12", "=1+1", "DEL", "ä\u200b"),
    "single_choice": ("pro", "Pro", " pro ", "free", "gold", "platinum", "DEL"),
    "multi_choice": ("a", "a|b", "b; a", "x", "a|x", '["a","b"]', "[]", '["a",null]', "|", "a|a"),
    "number": ("7", "-7.50", "1,5", "1.234,5", "1e3", "12 %", "(3)", "seven", "18446744073709551616", "0"),
    "boolean": ("true", "Yes", "0", "Ja", "nein", "maybe", "DEL"),
    "date": ("2024-12-31", "31/12/2024", "2024-02-30", "45657", "2024-12-31 10:00:00", "soon"),
    "datetime": (
        *("2024-12-31T10:20:30", "2024-12-31 10:20", "2024-12-31T10:20:30+02:00", "31/12/2024 10:20"),
        *("1735669800", "2024-03-31 02:30:00", "9999-12-31T23:59:59-05:00", "soon"),
    ),
    "email": ("a@example.com", "A@EXAMPLE.COM ", "a@x", "a@example.com;b@example.com", "Mia <a@example.com>"),
    "phone": ("+12025550143", "+44 20 7946 0000", "(202) 555-0143", "12", "+1 202 555 0143 / 0144"),
}


def _optional(**keys: "st.SearchStrategy[Any]") -> "st.SearchStrategy[dict[str, Any]]":
    return st.fixed_dictionaries({}, optional=keys)


_MAPS = st.sampled_from(({"Pro": "pro", "gold": "pro"}, {"x": "a"}))
_SETTINGS: dict[str, "st.SearchStrategy[dict[str, Any]]"] = {
    "free_text": _optional(max_length=st.sampled_from((1, 6)), pattern=st.just("[a-z ]+"), map=_MAPS),
    "single_choice": _optional(allow_custom=st.booleans(), max_length=st.just(4), map=_MAPS),
    "multi_choice": _optional(
        separator=st.sampled_from((";", "|")), format=st.just("json"), allow_custom=st.booleans(), map=_MAPS
    ),
    "number": st.one_of(
        _optional(min=st.just(0), max=st.just(100)),
        st.sampled_from(({"decimal": ","}, {"decimal": ",", "thousands": "."}, {"thousands": ","})),
        _optional(units=st.just(["%"]), parentheses=st.booleans()),
    ),
    "boolean": st.one_of(
        _optional(true_values=st.just(["ja", "true"]), false_values=st.just(["nein", "0"])),
        st.just({"map": {"Ja": "true", "nein": "false"}}),
    ),
    "date": _optional(format=st.sampled_from(("%Y-%m-%d", "%d/%m/%Y", "excel"))),
    "datetime": _optional(
        format=st.sampled_from(("%Y-%m-%d %H:%M", "%d/%m/%Y %H:%M", "unix")), zone=st.just("Europe/Berlin")
    ),
    "email": _optional(max_length=st.just(12), pattern=st.just(".*com")),
    "phone": _optional(region=st.just("US")),
}
_BLANKS_OF = st.sampled_from(({}, {}, {"blank": "clear"}, {"blank": "reject"}, {"default": "x"}))
_SOURCE = _optional(
    null_values=st.sampled_from(([""], ["", "NULL", "-"])),
    clear_values=st.just(["DEL"]),
    trim=st.booleans(),
    spreadsheet_text=st.sampled_from(("keep", "unwrap")),
    where=st.just("id IS NULL OR id <> 'u3'"),
)


class RandomImport(NamedTuple):
    """A configuration without its path, and the cells of its list by column."""

    config: dict[str, Any]
    cells: dict[str, list[str]]
    is_table: bool


@st.composite
def imports(draw: st.DrawFn) -> RandomImport:
    """Lists of some rows of few people, with one to four attributes of any type, for any of our vendors."""
    vendor = draw(st.sampled_from(("vevee", "vevee", "engagelab", "attentive")))
    kinds = draw(st.lists(st.sampled_from(sorted(_CELLS)), min_size=1, max_size=4))
    attributes = {f"a{n}": draw(_attribute(kind, vendor)) for n, kind in enumerate(kinds)}
    height = draw(st.integers(1, 15))
    cells = {"id": draw(st.lists(_IDS, min_size=height, max_size=height))}
    for key, kind in zip(attributes, kinds, strict=True):
        texts = st.sampled_from((*_CELLS[kind], *BLANKS))
        cells[key] = draw(st.lists(texts, min_size=height, max_size=height))
    destination: dict[str, Any] = {"type": vendor, "api_key": "env:AGREE_KEY", "requests_per_second": 0}
    if vendor == "attentive":
        destination["user"] = {"email": "mail"}
        cells["mail"] = [f"m{sum(map(ord, text))}@example.com" for text in cells["id"]]
    source = draw(_SOURCE)
    if vendor == "attentive":  # it has no way to clear a value
        source.pop("clear_values", None)
    config = {
        "name": "agree",
        "source": source,
        "identity": {"column": "id", "trim": draw(st.booleans())},
        "destination": destination,
        "attributes": attributes,
    }
    return RandomImport(config, cells, draw(st.booleans()))


@st.composite
def _attribute(draw: st.DrawFn, kind: str, vendor: str) -> dict[str, Any]:
    found: dict[str, Any] = {"type": kind, **draw(_SETTINGS[kind]), **draw(_BLANKS_OF)}
    if kind in ("single_choice", "multi_choice"):
        found["options"] = ["pro", "free"] if kind == "single_choice" else ["a", "b"]
    if vendor == "attentive":
        if kind == "multi_choice":
            found["join"] = ", "
        if found.get("blank") == "clear":
            del found["blank"]
    return found


def assert_check_and_run_agree(one: RandomImport) -> None:
    """What a check counts as good is what the sandbox stores; both reject the same values and rows."""
    with tempfile.TemporaryDirectory() as name, pytest.MonkeyPatch.context() as patch:
        patch.setenv("AGREE_KEY", KEYS[one.config["destination"]["type"]])
        path = _written(one, Path(name))
        one.config["source"]["path"] = str(path)
        config = parse(one.config)
        options = importer.Options(state_dir=Path(name) / "state")
        checked = importer.check(config, None, options)
        with sandbox.running(config, SandboxOptions(), KEYS[config.destination.type]) as server:
            sent = importer.run(
                config, None, importer.Options(state_dir=Path(name) / "state", base_url=server.url)
            )
            stored = server.stored
    assert checked.reject_counts == sent.reject_counts, one
    assert checked.exit_code == sent.exit_code, one
    if sent.state == "finished":
        assert _attempted(checked) == _attempted(sent), one
        assert checked.rows["rejected"] == sent.rows["rejected"], one
        _assert_stored(one, sent, stored)


def _written(one: RandomImport, folder: Path) -> Path:
    frame = pl.DataFrame(one.cells, dict.fromkeys(one.cells, pl.String))
    if one.is_table:
        frame.write_parquet(folder / "list.parquet")
        return folder / "list.parquet"
    frame.write_csv(folder / "list.csv", quote_style="always")
    return folder / "list.csv"


def _attempted(summary: RunSummary) -> dict[str, int]:
    """Values of each attribute that are good: a check does not attempt them, a run applies them."""
    good = ("applied", "not_attempted", "unconfirmed")
    return {str(a["attribute"]): sum(int(str(a[name])) for name in good) for a in summary.attributes}


def _assert_stored(one: RandomImport, sent: RunSummary, stored: dict[str, dict[str, Any]]) -> None:
    """Every applied value is stored, but for those that clear one."""
    clears = "clear_values" in one.config["source"]
    for attribute in sent.attributes:
        key = str(attribute["attribute"])
        if not clears and one.config["attributes"][key].get("blank") != "clear":
            assert sum(key in values for values in stored.values()) == attribute["applied"], (key, one)
