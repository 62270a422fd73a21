"""Names from outside (files, columns, configuration keys) made safe to print, and guesses at mistyped ones.

A header may hold anything: an escape sequence that renames the terminal, a character that turns the direction
of the line, a megabyte of text. What we quote of it passes through here.
"""

import json
import re
from collections.abc import Iterable

LONGEST_NAME = 80
"""So many characters of a name are quoted; a longer one is cut and says how long it is."""

LONGEST_MESSAGE = 8_000
"""The same for a whole message: a name may itself hold quotes."""

# C0 and C1 controls (escape sequences begin with one), direction marks and overrides, line separators,
# lone surrogates (a path that is not UTF-8), and characters without a width but those that join letters.
_UNPRINTABLE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u00ad\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ud800-\udfff\ufeff\ufff9-\ufffb]"
)
_QUOTED = re.compile(r'"([^"\n]*)"')
_UNSAFE_IN_TEXT = re.compile(_UNPRINTABLE.pattern.replace("\x00-\x1f", "\x00-\x08\x0b-\x1f"))


def printable(name: object, longest: int = LONGEST_NAME) -> str:
    """A name on one line, without characters that move the cursor, and at most `longest` characters long."""
    text = str(name)
    if len(text) > longest:
        text = f"{text[:longest]}… ({len(text):,} characters)"
    return _UNPRINTABLE.sub(_escaped, text)


def without_controls(text: str) -> str:
    """Text of ours, line ends and tabs kept, with every other control character written as an escape."""
    return _UNSAFE_IN_TEXT.sub(_escaped, text)


def is_not_utf8(text: str) -> bool:
    """Whether a path or argument holds bytes that are not UTF-8 (Python gives them as lone surrogates)."""
    return any("\ud800" <= letter <= "\udfff" for letter in text)


def message_text(text: str) -> str:
    """The text of a message: names in double quotes are shortened, and no control character is left."""
    short = _QUOTED.sub(lambda found: f'"{printable(found[1])}"', text)
    if len(short) > LONGEST_MESSAGE:
        short = f"{short[:LONGEST_MESSAGE]}… ({len(short):,} characters)"
    return without_controls(short)


def json_text(value: object, indent: int | None = None) -> str:
    """JSON for files and terminals: readable letters, and an escape for what no terminal should obey.

    A lone surrogate (a path that is not UTF-8) becomes an escape too, which `json.loads` gives back.
    """
    text = json.dumps(value, indent=indent, ensure_ascii=False, default=str)
    return _UNSAFE_IN_TEXT.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def _escaped(found: "re.Match[str]") -> str:
    code = ord(found[0])
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


_ALIKE, _ALIKE_IF_SHORT, _SHORT = 0.7, 0.6, 4
"""So alike two words are (difflib's ratio) where one may be meant by the other; one of few letters less."""


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """` Did you mean "x"?` where a known word is close, else "". Case is no difference."""
    import difflib

    by_lower = {name.lower(): name for name in known}
    asked = word.lower()[:LONGEST_NAME]
    longer = [name for name in by_lower if len(asked) > 2 and name.startswith(asked)]
    ratio = _ALIKE if len(asked) > _SHORT else _ALIKE_IF_SHORT
    found = [*difflib.get_close_matches(asked, by_lower, 1, ratio), *longer]
    return f' Did you mean "{printable(by_lower[found[0]])}"?' if found else ""
