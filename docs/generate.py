"""Writes the tables of the reference from the code: `python -m docs.generate`.

A page marks the place of a table:

    <!-- generated: exit_codes -->
    …
    <!-- end -->

Names, types and defaults come from the package, meanings from `docs/meanings.toml`. A name without a meaning,
and a meaning without a name, is an error. Measured ratios and their charts: `benchmarks/results.json`.
`tests/docs/test_tables.py` fails where a table or a chart is out of date.
"""

import argparse
import json
import re
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache, partial
from pathlib import Path

from pydantic import BaseModel

import importer
from docs.pictures import measured, pictures
from importer import destinations
from importer.cli import arguments
from importer.config import attribute, json_schema, schema
from importer.core import errors
from importer.core.outcome_table import OUTCOME_COLUMNS
from importer.core.rejects import REPORT_COLUMNS
from importer.destinations.attentive.settings import User
from importer.destinations.base import Destination
from importer.destinations.http.settings import AnswerRule, RefusedList
from importer.report import summary
from importer.sandbox import faults
from importer.storage.run_folder import RunFolder
from importer.testing.tables import default_of, table, type_of
from importer.validate import data_quality
from importer.values import inference

DOCS = Path(__file__).resolve().parent
_MARKS = re.compile(r"(<!-- generated: (\S+) -->\n).*?(<!-- end -->)", re.DOTALL)


# ------------------------------------------------------------------- Markdown


@cache
def _meanings() -> Mapping[str, Mapping[str, str]]:
    return tomllib.loads((DOCS / "meanings.toml").read_text("utf-8"))


def _described(section: str, names: Iterable[str]) -> dict[str, str]:
    """Name → meaning in the order of the code; LookupError where the two do not hold the same names."""
    names, meanings = list(names), _meanings()[section]
    if set(names) != meanings.keys():
        raise LookupError(
            f"docs/meanings.toml [{section}]: {sorted(meanings.keys() ^ set(names))} do not match"
        )
    return {name: meanings[name] for name in names}


def _words(section: str, head: str, names: Iterable[str]) -> str:
    return table(
        (head, "meaning"), ((f"`{name}`", text) for name, text in _described(section, names).items())
    )


# ------------------------------------------------------------------- configuration


def _configuration(model: type[BaseModel], section: str) -> str:
    meanings = _described(section, model.model_fields)
    rows = (
        (f"`{key}`", type_of(info), default_of(info), meanings[key])
        for key, info in model.model_fields.items()
    )
    return table(("key", "type", "default", "meaning"), rows)


# ------------------------------------------------------------------- commands


def _commands() -> dict[str, argparse.ArgumentParser]:
    for action in arguments.parser()._actions:  # noqa: SLF001 - argparse has no public list of them
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001
            shown = {choice.dest for choice in action._choices_actions}  # noqa: SLF001 - hidden ones are old names
            return {name: parser for name, parser in action.choices.items() if name in shown}
    raise LookupError("the parser has no commands")


def _actions(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    """The arguments and flags of a command; old names of flags are hidden, and `--help` is known."""
    for action in parser._actions:  # noqa: SLF001
        if action.help != argparse.SUPPRESS and action.dest != "help":
            yield action


def _argument(action: argparse.Action) -> str:
    name = str(action.metavar or action.dest).replace("%%", "%")
    return {"?": f"[{name}]", "*": f"[{name} …]"}.get(str(action.nargs), name)


def _commands_table() -> str:
    rows = []
    for name, parser in _commands().items():
        given = [action for action in _actions(parser) if not action.option_strings]
        usage = " ".join(["importer", name, *map(_argument, given)])
        notes = [f"{action.metavar}: {action.help}" for action in given if action.help]
        rows.append((f"`{usage}`", ". ".join([str(parser.description), *notes])))
    return table(("command", "does"), rows)


def _flags_table() -> str:
    found: dict[tuple[str, str], list[str]] = {}
    for name, parser in _commands().items():
        for action in _actions(parser):
            if action.option_strings:
                value = "" if action.nargs == 0 else f" {_argument(action)}"
                flag = f"`{', '.join(action.option_strings)}{value}`"
                found.setdefault((flag, str(action.help).replace("%%", "%")), []).append(name)
    rows = ((flag, ", ".join(names), text) for (flag, text), names in found.items())
    return table(("flag", "of", "meaning"), rows)


# ------------------------------------------------------------------- what a run leaves and says


def _exit_codes() -> str:
    raised = {kind.exit_code for kind in _subclasses(errors.ImporterError)}
    return _words("exit_codes", "code", map(str, sorted(raised | {0, 1, 130, 143})))


def _subclasses(kind: type[errors.ImporterError]) -> Iterator[type[errors.ImporterError]]:
    for sub in kind.__subclasses__():
        yield sub
        yield from _subclasses(sub)


def _files() -> str:
    folder = RunFolder(Path("RUN"))
    meanings = _meanings()["files"]
    properties = (name for name, value in vars(RunFolder).items() if isinstance(value, property))
    paths = {name: path for name in properties if isinstance(path := getattr(folder, name), Path)}
    _described("files", paths)
    return table(
        ("file or folder", "holds"),
        (
            (f"`{paths[name].name}{'' if paths[name].suffix else '/'}`", text)
            for name, text in meanings.items()
        ),
    )


def _warnings() -> str:
    """Signs of a damaged list first; `--strict` refuses them."""
    meanings = _described("warnings", sorted(_codes(), key=list(_meanings()["warnings"]).index))
    rows = (
        (f"`{code}`", "yes" if code in data_quality.DAMAGE else "", text) for code, text in meanings.items()
    )
    return table(("code", "stops `--strict`", "what was seen"), rows)


def _codes() -> set[str]:
    """The codes of all warnings, as they stand in the source."""
    package = Path(importer.__file__).parent
    source = "".join(path.read_text("utf-8") for path in package.rglob("*.py"))
    found = set(re.findall(r'(?:self\._add|RunWarning|Sign)\(\s*"([a-z_]+)"', source))
    return found | {inference.MIXED, *inference.LOOKS_LIKE.values()} | data_quality.DAMAGE


# ------------------------------------------------------------------- destinations


def _vendors() -> str:
    kinds = [destinations.load(name) for name in destinations.own_names()]
    rows = (
        ("longest distinct id, in characters", *(str(kind.distinct_id_max) for kind in kinds)),
        ("ceiling in requests/s, by default", *(f"{kind.requests_per_second:g}" for kind in kinds)),
        ('can clear a value (`blank = "clear"`)', *map(_clears, kinds)),
    )
    return table(("", *destinations.own_names()), rows)


def _clears(kind: type[Destination]) -> str:
    """Whether a destination can clear a value, or by which of its settings."""
    if "clear_as" in kind.settings_type.model_fields:
        return "with `clear_as`"
    return "yes" if kind.clears else "no"


# ------------------------------------------------------------------- all of them

TABLES: Mapping[str, Callable[[], str]] = {
    "source": partial(_configuration, schema.SourceConfig, "source"),
    "identity": partial(_configuration, schema.IdentityConfig, "identity"),
    "destination": partial(_configuration, schema.DestinationConfig, "destination"),
    "attribute": partial(_configuration, attribute.Attribute, "attribute"),
    "run": partial(_configuration, schema.RunConfig, "run"),
    "guards": partial(_configuration, schema.GuardsConfig, "guards"),
    "notify": partial(_configuration, schema.NotifyConfig, "notify"),
    **{
        f"destination-{name}": partial(
            _configuration, destinations.load(name).settings_type, f"destination-{name}"
        )
        for name in destinations.own_names()
        if destinations.load(name).settings_type.model_fields
    },
    "destination-attentive-user": partial(_configuration, User, "destination-attentive-user"),
    "destination-http-answers": partial(_configuration, AnswerRule, "destination-http-answers"),
    "destination-http-refused": partial(_configuration, RefusedList, "destination-http-refused"),
    "commands": _commands_table,
    "flags": _flags_table,
    "exit_codes": _exit_codes,
    "files": _files,
    "rejects": partial(_words, "rejects", "column", REPORT_COLUMNS),
    "outcomes": partial(_words, "outcomes", "column", OUTCOME_COLUMNS),
    "summary": partial(_words, "summary", "key", summary.SUMMARY_KEYS),
    "warnings": _warnings,
    "faults": partial(_words, "faults", "kind", ["429", *faults.kinds()]),
    "vendors": _vendors,
    "measured": measured,
}
"""Name of a table → what makes its lines."""


def pages() -> list[Path]:
    """The pages that hold generated tables."""
    return [path for path in sorted(DOCS.rglob("*.md")) if _MARKS.search(path.read_text("utf-8"))]


def rendered(text: str) -> str:
    """The text of a page with every marked table as the code has it now."""
    return _MARKS.sub(lambda found: f"{found[1]}\n{TABLES[found[2]]()}\n\n{found[3]}", text)


def names(text: str) -> list[str]:
    """The names of the tables that a page marks."""
    return [found[1] for found in _MARKS.findall(text)]


SCHEMA = DOCS.parent / "config" / "importer.schema.json"
"""What `importer schema` prints; the examples beside it name it for editors."""


def schema_text() -> str:
    """The JSON Schema of the configuration, with the meanings of the reference."""
    return json.dumps(json_schema.json_schema(_meanings()), indent=2, ensure_ascii=False) + "\n"


def write() -> None:
    """Writes all tables of all pages, the charts, and the schema of the configuration."""
    files = {SCHEMA: schema_text(), **pictures()}
    files |= {page: rendered(page.read_text("utf-8")) for page in pages()}
    for path, text in files.items():
        if not path.exists() or path.read_text("utf-8") != text:
            path.write_text(text, "utf-8")


if __name__ == "__main__":
    write()
