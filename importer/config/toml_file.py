"""Reading configuration files: TOML with mistakes in words, `extends`, and `${VAR}` where it is allowed."""

import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from importer.core.errors import ConfigError, command
from importer.core.text import did_you_mean

MOST_BYTES = 4 << 20
"""A configuration of 10,000 attributes is smaller."""

MOST_LEVELS = 8
"""Tables and lists in each other; a configuration needs four levels."""

MOST_BASES = 5
"""So many files may extend one another in a row."""

VARIABLE_KEYS = (("source", "path"), ("destination", "base_url"), ("destination", "account"))
"""The keys in which `${VAR}` stands for an environment variable: what differs between two workplaces."""

_LISTS = (".csv", ".tsv", ".txt", ".parquet", ".xlsx", ".xls", ".gz", ".zst", ".zip")

_OTHER_KINDS = (".yaml", ".yml", ".json", ".ini", ".xml")

_ADVICE = (
    (r"Invalid value", 'expected a value: "text", a number, true or [a list]; texts stand in quotes'),
    (r"Expected '=' after a key", 'expected "=" after the key; write key = "value"'),
    (
        r"twice|overwrite|redefine|[Dd]uplicate|mutate",
        "the key or section is there twice; leave one of them out",
    ),
    (r"Unclosed array", 'a list is not closed; add "]"'),
    (r"Unclosed inline table", 'a table in braces is not closed; add "}"'),
    (r"Unterminated|Illegal character", "a text is not closed on its line; add the closing quote"),
    (r"Unescaped|escape", "a backslash has a meaning in double quotes; write the text in single quotes"),
    (
        r"Expected newline",
        "something stands after the value; put it on a line of its own, or check the quotes",
    ),
    (r"Expected '\]+'", 'the name of a section is not closed; add "]"'),
    (r"Invalid initial character|Invalid statement", 'expected key = "value" or [section]'),
)


_TYPOGRAPHIC = re.compile("[\u201c\u201d\u201e\u2018\u2019\u00ab\u00bb]")


def read(path: Path) -> dict[str, Any]:
    """The tables of a file, those of the files it extends below them, `${VAR}` replaced.

    ConfigError names the file, and line and column where it is not TOML.
    """
    data = _layered(path, MOST_BASES)
    return _with_variables(path, data)


def _layered(path: Path, bases: int) -> dict[str, Any]:
    data = _parsed(path)
    base = data.pop("extends", None)
    if base is None:
        return data
    if not isinstance(base, str) or not base:
        raise ConfigError(f'{path}: extends: expected the path of a file, like extends = "base.toml".')
    if not bases:
        raise ConfigError(
            f"{path}: extends: more than {MOST_BASES} files extend one another, or in a circle; "
            "take one extends out."
        )
    return _merged(_layered(path.parent / base, bases - 1), data)


def _merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Tables are joined key by key; of two values, and of two lists, the one of `above` stays."""
    found = dict(below)
    for key, value in above.items():
        old = found.get(key)
        if isinstance(old, Mapping) and isinstance(value, Mapping):
            found[key] = _merged(old, value)
        else:
            found[key] = value
    return found


def _parsed(path: Path) -> dict[str, Any]:
    text = _text(path)
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: {_toml_mistake(path, text, str(error))}.") from None
    except RecursionError:
        raise _too_deep(path) from None
    except ValueError:  # Python's bound on the digits of an integer
        raise ConfigError(f"{path}: a number has too many digits.") from None
    if _levels(data) > MOST_LEVELS:
        raise _too_deep(path)
    return data


def _text(path: Path) -> str:
    try:
        if path.stat().st_size > MOST_BYTES:
            size = path.stat().st_size / (1 << 20)
            raise ConfigError(f"{path}: {size:,.0f} MiB is no configuration file. {_arguments_swapped(path)}")
        return path.read_text("utf-8")
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such configuration file.{_neighbour(path)}") from None
    except IsADirectoryError:
        raise ConfigError(f"{path}: is a folder; expected a configuration file (.toml).") from None
    except UnicodeDecodeError:
        hint = f" {_arguments_swapped(path)}" if path.suffix.lower() in _LISTS else ""
        raise ConfigError(f"{path}: is not UTF-8 text.{hint or ' Save it as UTF-8.'}") from None
    except (OSError, ValueError):
        raise ConfigError(
            f"{path}: cannot be read as a UTF-8 text file; check name and permissions."
        ) from None


def _neighbour(path: Path) -> str:
    try:
        names = [one.name for one in path.parent.glob("*.toml")]
    except OSError:
        return ""
    return did_you_mean(path.name, names) or f" One is drafted by: {command('init', 'LIST', '-o', str(path))}"


def _arguments_swapped(path: Path) -> str:
    run, init = command("run", "CONFIG.toml", str(path)), command("init", str(path))
    return f"If it is the list: {run}; a configuration for it is drafted by: {init}"


def _toml_mistake(path: Path, text: str, message: str) -> str:
    if path.suffix.lower() in _OTHER_KINDS or text.lstrip().startswith("{"):
        return f"not TOML, and a configuration is a TOML file; one is drafted by: {command('init', 'LIST')}"
    if path.suffix.lower() in _LISTS or not re.search(r"^\s*(\[|[^,;\t]*=)", text, re.MULTILINE):
        return f"not valid TOML, it looks like a list. {_arguments_swapped(path)}"
    place = re.search(r"\(at (line (\d+), column (\d+)|[^)]*)\)", message)
    line = text.split("\n")[int(place[2]) - 1] if place and place[2] else ""
    advice = next(
        (say for pattern, say in _ADVICE if re.search(pattern, message)), "check quotes and brackets"
    )
    if _TYPOGRAPHIC.search(line):
        advice = "quotation marks of a word processor; write straight ones, \" or '"
    return f"not valid TOML{f', {place[1]}' if place else ''}: {advice}"


def _levels(value: Any) -> int:
    """How deep tables and lists stand in each other, without recursion."""
    deepest, layer = 0, [value]
    while layer and deepest <= MOST_LEVELS:
        deepest += 1
        inner = (
            one.values() if isinstance(one, dict) else one for one in layer if isinstance(one, dict | list)
        )
        layer = [item for items in inner for item in items if isinstance(item, dict | list)]
    return deepest


def _too_deep(path: Path) -> ConfigError:
    return ConfigError(
        f"{path}: tables or lists are nested more than {MOST_LEVELS} levels deep; check brackets."
    )


def _with_variables(path: Path, data: dict[str, Any]) -> dict[str, Any]:
    mistakes: list[str] = []
    for section, key in VARIABLE_KEYS:
        table = data.get(section)
        if isinstance(table, dict) and isinstance(table.get(key), str):
            place = f"{section}.{key}"
            mistakes += [f"{place}: the variable {name} is not set; set it" for name in _unset(table[key])]
            value = re.sub(r"\$\{(\w+)\}", lambda m: os.environ.get(m[1], ""), table[key], flags=re.ASCII)
            data[section] = {**table, key: value}
    if mistakes:
        raise ConfigError(f"{path}: {', '.join(mistakes)}.")
    return data


def _unset(text: str) -> Iterator[str]:
    for name in re.findall(r"\$\{(\w+)\}", text, re.ASCII):
        if name not in os.environ:
            yield name
