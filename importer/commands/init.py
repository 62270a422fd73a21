"""`importer init`: drafts a configuration from a list, for a person to read and correct.

Types come from the majority of the first rows. What does not fit is counted in a comment, and what else a
column could be stands there as lines to switch on. An id is always text.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from importer import destinations
from importer.commands import draft_attribute, draft_source
from importer.commands.draft_attribute import DraftedAttribute, simple_name
from importer.commands.draft_source import LookedAt
from importer.config import toml_file, toml_text
from importer.core.text import printable
from importer.source.locate import expand

_DECLARED: Mapping[str, Any] = {
    "base_url": "https://api.example.com",
    "path": "/people",
    "people_per_call": 100,
    "body": {"people": "{people}"},
    "person": {"id": "{distinct_id}", "attributes": "{attributes}"},
    "answers": [{"status": ["200"], "means": "done"}],
}
"""What `type = "http"` asks for besides, of an API that is made up."""

_WHY: Mapping[str, str] = {
    "encoding": "guessed: check the letters with accents, for example with importer check --preview 20",
    "skip_footer": "so many rows at the end look like a total or a note, not like people",
}
"""Why a key stands under [source] that a person has to check."""

_PROPERTIES = (
    "At Vevee plan, email, phone and names may be properties of a person, which `identify` sets, and no",
    "attributes. Look them up in the dashboard under Attributes; what is not there belongs into ignore.",
)


@dataclass(frozen=True, slots=True)
class Wishes:
    """What a person already knows: the destination, the column of the id, a configuration to be like."""

    destination: str = "vevee"
    id_column: str | None = None
    like: Path | None = None


def draft(path: str, wishes: Wishes | None = None) -> Iterator[str]:
    """The lines of a TOML file that reads the list at `path`.

    SourceError where the list cannot be read, also not in another dialect; ConfigError for a wish that cannot
    be met.
    """
    wishes = wishes or Wishes()
    found = expand([path], base=Path())
    looked = draft_source.look_at(found)
    model = toml_file.read(wishes.like) if wishes.like else {}
    identity = _identity(looked, wishes, model)
    attributes = dict(_attributes(looked, identity, model))
    kind = model.get("destination", {}).get("type", wishes.destination)
    destinations.load(kind)
    source = found[0] if len(found) == 1 else path
    yield f"# Drafted from {printable(Path(source).name)}: read it, correct it, then: importer check FILE"
    yield ""
    yield toml_text.line("name", model.get("name", _import_name(source)))
    yield from _apart(_source(source, looked, identity, model))
    yield from _apart(_identity_lines(looked, identity, model))
    yield from _apart(_destination(kind, identity, attributes, model))
    for title in ("run", "guards", "notify"):
        if title in model:
            yield from _apart(toml_text.table(title, model[title]))
    yield from _apart(_attribute_lines(kind, attributes))
    yield from _lacking(attributes, model)


def _apart(lines: Iterable[str]) -> Iterator[str]:
    yield ""
    yield from lines


def _import_name(source: str) -> str:
    """The name of the file, as far as it may name a folder."""
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", Path(source).name.split(".")[0])
    return name.strip("-._")[:64] or "customers"


def _attribute_lines(kind: str, attributes: Mapping[str, DraftedAttribute]) -> Iterator[str]:
    yield "# One table for each attribute, under its key at the destination; column is its name in the list."
    yield from (f"# {sentence}" for sentence in _PROPERTIES if kind == "vevee")
    for key, drafted in attributes.items():
        yield ""
        yield f"[attributes.{toml_text.key(key)}]"
        yield from draft_attribute.lines(_fitting(kind, drafted), toml_text.line)


def _identity(looked: LookedAt, wishes: Wishes, model: Mapping[str, Any]) -> str:
    columns = looked.cells.columns
    if wishes.id_column is not None:
        return draft_source.id_of(wishes.id_column, columns)
    wanted = model.get("identity", {}).get("column")
    return _alike(wanted, columns) or draft_source.choose_id(looked.cells)


def _alike(wanted: object, columns: Sequence[str]) -> str | None:
    """The column of this name, or of one that differs by case, blanks and signs alone."""
    if wanted in columns:
        return str(wanted)
    return next((c for c in columns if simple_name(c) == simple_name(str(wanted))), None)


def _attributes(
    looked: LookedAt, identity: str, model: Mapping[str, Any]
) -> Iterator[tuple[str, DraftedAttribute]]:
    """The key and the draft of every column but the id: as in the model, where that has the column."""
    taken: dict[str, str] = {}
    for key, table in model.get("attributes", {}).items():
        column = _alike(table.get("column", key), looked.cells.columns)
        if column and column != identity:
            taken[column] = key
    keys = set(taken.values())
    ignored = {*looked.ignored, *model.get("source", {}).get("ignore", ())}
    for column in looked.cells.columns:
        if column == identity or column in ignored:
            continue
        if column in taken:
            key = taken[column]
            drafted = DraftedAttribute(model["attributes"][key])
        else:
            key = _free_key(column, keys)
            drafted = draft_attribute.draft_attribute(column, looked.cells[column])
        yield key, _with_column(drafted, key, column)


def _free_key(column: str, taken: set[str]) -> str:
    """The column's own name where TOML takes it as a key, else a simple one."""
    if toml_text.key(column) != column:
        column = simple_name(column) or "column"
        column = f"column_{column}" if column.isdigit() else column
    key, number = column, 2
    while key in taken:
        key, number = f"{column}_{number}", number + 1
    taken.add(key)
    return key


def _with_column(drafted: DraftedAttribute, key: str, column: str) -> DraftedAttribute:
    keys = {k: v for k, v in drafted.keys.items() if k != "column"}
    named = {"column": column} if column != key else {}
    return DraftedAttribute({**named, **keys}, drafted.remarks, drafted.others)


def _fitting(kind: str, drafted: DraftedAttribute) -> DraftedAttribute:
    """With what stands between options, for a destination that takes no lists."""
    is_list = drafted.keys["type"] == "multi_choice" and "join" not in drafted.keys
    if kind != "attentive" or not is_list:
        return drafted
    return DraftedAttribute({**drafted.keys, "join": ", "}, drafted.remarks, drafted.others)


def _source(path: str, looked: LookedAt, identity: str, model: Mapping[str, Any]) -> Iterator[str]:
    kept = {k: v for k, v in model.get("source", {}).items() if k not in ("path", "ignore")}
    known = [c for c in model.get("source", {}).get("ignore", ()) if c in looked.cells.columns]
    ignore = [c for c in dict.fromkeys([*looked.ignored, *known]) if c != identity]
    for line in toml_text.table("source", {"path": path, **kept, **looked.keys}):
        name = line.partition(" = ")[0]
        is_doubtful = name in _WHY and looked.keys.get(name) not in (None, "utf-16")  # its mark says it
        yield f"{line}  # {_WHY[name]}" if is_doubtful else line
    yield f"{toml_text.line('ignore', ignore)}  # columns to leave alone"


def _identity_lines(looked: LookedAt, identity: str, model: Mapping[str, Any]) -> Iterator[str]:
    sure = draft_source.is_sure(identity, looked.cells)
    if not sure:
        yield "# No column is named like an id and different in each row. Is this the one?"
    yield from toml_text.table("identity", {**model.get("identity", {}), "column": identity})


def _destination(
    kind: str, identity: str, attributes: Mapping[str, DraftedAttribute], model: Mapping[str, Any]
) -> Iterator[str]:
    drafted = {"type": kind, "api_key": f"env:{re.sub('[^A-Z0-9]', '_', kind.upper())}_API_KEY"}
    if kind == "http":
        drafted |= _DECLARED
    section = dict(model.get("destination", drafted))
    if kind == "http" and not model:
        yield "# An API that is made up: say here where yours is, how a call looks and what its answers mean."
    user = section.pop("user", _user(identity, attributes))
    yield from toml_text.table("destination", section)
    if not model:
        yield '# account = "production"'
    if kind == "attentive":
        yield ""
        yield "# How a person is named to Attentive: by one of these at least."
        yield from toml_text.table("destination.user", user)


def _user(identity: str, attributes: Mapping[str, DraftedAttribute]) -> dict[str, str]:
    """The columns of an address and of a phone number, and the id."""
    found = {"client_user_id": identity}
    for key, drafted in attributes.items():
        kind = drafted.keys["type"]
        if kind in ("email", "phone"):
            found.setdefault(kind, drafted.keys.get("column", key))
    return found


def _lacking(attributes: Mapping[str, DraftedAttribute], model: Mapping[str, Any]) -> Iterator[str]:
    """What the model has and this list has not."""
    lacking = [key for key in model.get("attributes", {}) if key not in attributes]
    if lacking:
        yield ""
        yield f"# Not in this list: {', '.join(map(printable, lacking))}"
