"""What is wrong in a configuration, in words of the file: no name of Python's, no value that was typed."""

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from importer.config.attribute import Attribute
from importer.config.schema import Config
from importer.core.text import did_you_mean, printable

_EXPECTED: Mapping[str, str] = {
    "string_type": 'expected a text in quotes, like "text"',
    "int_type": "expected a whole number",
    "int_from_float": "expected a whole number",
    "int_parsing_size": "expected a smaller number",
    "float_type": "expected a number",
    "finite_number": "expected a number",
    "bool_type": "expected true or false",
    "tuple_type": 'expected a list, like ["a", "b"]',
    "dict_type": "expected a table: a section with keys of its own",
    "model_type": "expected a table: a section with keys of its own",
    "model_attributes_type": "expected a table: a section with keys of its own",
    "greater_than": "expected more than {gt}",
    "greater_than_equal": "expected at least {ge}",
    "less_than": "expected less than {lt}",
    "less_than_equal": "expected at most {le}",
    "string_too_short": "expected a text, found none",
    "string_too_long": "expected at most {max_length} character(s)",
    "too_short": "expected at least {min_length} entry",
}
"""pydantic's kind of error → what we say; the names in braces come from the error's own facts."""

_MISSING: Mapping[str, str] = {
    "name": 'missing; add name = "customers", say',
    "source": 'missing; add a section [source] with path = "customers.csv"',
    "identity": 'missing; add a section [identity] with column = "customer_id"',
    "destination": 'missing; add a section [destination] with type = "vevee"',
    "attributes": 'missing; add a section [attributes.NAME] with type = "free_text" for each attribute',
}


_MISSING_KEYS: Mapping[tuple[str, str], str] = {
    ("identity", "column"): 'column = "customer_id"',
    ("destination", "type"): 'type = "vevee"',
    ("destination", "api_key"): 'api_key = "env:NAME", the variable that holds the key',
    ("attributes", "type"): 'type = "free_text"',
}

_FEW_KEYS = 12
"""So many keys of a section are listed where an unknown one is like none of them."""

_TYPE_WORDS: Mapping[str, str] = {
    **dict.fromkeys(("string", "str", "text", "varchar", "char"), "free_text"),
    **dict.fromkeys(("integer", "int", "float", "double", "decimal", "numeric"), "number"),
    **dict.fromkeys(("enum", "choice", "select", "category"), "single_choice"),
    **dict.fromkeys(("list", "array", "set", "tags"), "multi_choice"),
    **dict.fromkeys(("timestamp", "time"), "datetime"),
    "mail": "email",
    "telephone": "phone",
}
"""What other programs call our types."""


def sentences(error: ValidationError, vendor_keys: Iterable[str] = ()) -> list[str]:
    """Each mistake as `place: what is expected`; `vendor_keys` are known keys of `[destination]` besides."""
    found = error.errors(include_url=False)  # what was typed is compared with known words, and never said
    return [_sentence(one, vendor_keys) for one in found]


def unknown_key(place: Sequence[object], vendor_keys: Iterable[str] = ()) -> str:
    """An unknown key, and the known one that was probably meant."""
    known = _known(place, vendor_keys)
    guess = did_you_mean(str(place[-1]), known)
    few = f" There are: {', '.join(known)}" if 0 < len(known) <= _FEW_KEYS else ""
    return f"{_dotted(place)}: unknown key.{guess or few}".removesuffix(".")


def listing(path: Path | None, mistakes: Sequence[str]) -> str:
    """All mistakes of a file as one message."""
    where = str(path) if path else "configuration"
    if len(mistakes) == 1:
        end = "" if mistakes[0].endswith(("?", ".")) else "."
        return f"{where}: {mistakes[0]}{end}"
    return "\n".join([f"{where}: {len(mistakes)} mistakes:", *(f"  {m}" for m in mistakes)])


def _sentence(error: ErrorDetails, vendor_keys: Iterable[str]) -> str:
    place = [part for part in error["loc"] if part != "[key]"]
    kind, message = error["type"], error["msg"]
    if kind == "extra_forbidden":
        return unknown_key(place, vendor_keys)
    if kind == "missing":
        return f"{_dotted(place)}: {_missing(place)}"
    if kind == "literal_error":
        choices = _choices(error.get("ctx", {}))
        return f"{_dotted(place)}: expected {choices}{_meant(error['input'], choices)}"
    if kind in _EXPECTED:
        return f"{_dotted(place)}: {_EXPECTED[kind].format(**error.get('ctx', {}))}"
    text = message.removeprefix("Value error, ")
    if kind == "value_error" and re.match(r"[a-z_]+: ", text):
        return f"{_dotted(place)}.{text}"
    return f"{_dotted(place)}: {text[0].lower()}{text[1:]}"


def _missing(place: Sequence[object]) -> str:
    if len(place) == 1:
        return _MISSING.get(str(place[0]), "missing")
    line = _MISSING_KEYS.get((str(place[0]), str(place[-1])))
    return f"missing; add {line}" if line else "missing"


def _meant(typed: object, choices: str) -> str:
    """`. Did you mean "number"?`: one of the choices, that which other programs call by the word typed."""
    word = str(typed).lower()
    guess = did_you_mean(_TYPE_WORDS.get(word, word), re.findall(r'"([^"]*)"', choices))
    return f".{guess}" if guess else ""


def _dotted(place: Sequence[object]) -> str:
    return ".".join(printable(part) for part in place)


def _choices(facts: Mapping[str, Any]) -> str:
    """`"a", "b" or "c"` of pydantic's `'a', 'b' or 'c'`."""
    return str(facts.get("expected", "another value")).replace("'", '"')


def _known(place: Sequence[object], vendor_keys: Iterable[str]) -> list[str]:
    """The keys that may stand at a place."""
    top = [name for name in Config.model_fields if name not in ("vendor", "path")]
    if len(place) == 1:
        return [*top, "extends"]
    section = str(place[0])
    if section == "attributes":
        return list(Attribute.model_fields)
    model = Config.model_fields[section].annotation if section in top else None
    return [*getattr(model, "model_fields", ()), *(vendor_keys if section == "destination" else ())]
