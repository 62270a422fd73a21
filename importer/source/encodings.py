"""Which encodings a file may be written in: those that give plausible text for the whole of it."""

import codecs
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from itertools import pairwise

from importer.source.errors import read_errors
from importer.source.streams import open_stream

_LIKELY = (
    "utf-8",
    "cp1252",
    "cp1250",
    "cp1251",
    "cp932",
    "gb18030",
    "big5",
    "cp949",
    "mac-roman",
    "koi8-r",
    "cp1253",
)
"""The encodings that lists come in, the usual ones first."""

_WESTERN = (
    "àâæçèéêëîïôœùûüÿ",  # French
    "äöüß",  # German
    "áéíóúüñ",  # Spanish
    "áâãàçéêíóôúü",  # Portuguese
    "àèéìíîòóùú",  # Italian
    "åäöæøéü",  # Danish, Norwegian, Swedish
    "áéíóúýþæöð",  # Icelandic
    "áàäéèëíïóöúü",  # Dutch, Catalan
)
_CENTRAL = (
    "ąćęłńóśźż",  # Polish
    "áčďéěíňóřšťúůýž",  # Czech
    "áäčďéíĺľňóôŕšťúýž",  # Slovak
    "áéíóöőúüű",  # Hungarian
    "čćđšž",  # Croatian, Slovene
    "ăâîşţ",  # Romanian
)
"""The letters with marks of each language, in lower case."""

UTF_16_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)

_SAMPLE_BYTES = 256 << 10
_LINE_BYTES = 64 << 10
"""Longer lines are left out: they may be cut in the middle of a character."""

_SYMBOLS = frozenset(
    "\u20ac\u00a3\u00a5\u00a9\u00ae\u00b0\u00b7\u2013\u2014\u2018\u2019\u201a\u201c\u201d\u201e"
    "\u2026\u00ab\u00bb\u00bf\u00a1\u00ba\u00aa\u2116\u00a7\u00d7\u00bd\u00bc\u00be\u00a0"
    "\u3001\u3002\u30fb\u30fc\u3005"
)
"""Currency, quotation, dashes, ordinals, fractions, Japanese signs: what stands in names and notes."""

_STRANGE = frozenset("\u0192\u02c6\u02dc\u00b8\u00a8\u00b4")
"""Letters and marks that stand alone in no name, but in UTF-8 and Japanese that were read as cp1252."""

_SIGN_IN_WORD = re.compile(
    "[^\\W\\d_][\u20ac\u00a3\u00a5\u00a9\u00ae\u00b0\u00ab\u00bf\u00a1\u2116\u00a7\u00d7\u2014"
    "\u201e\u201a\u201c\u00bc\u00bd\u00be]"
    "|[\u20ac\u00a3\u00a9\u00ae\u2116\u00a7][^\\W\\d_]"
)
_MARKED = 0.75
"""Of the letters of a Latin word: the share that may have marks."""

_WORD = re.compile(r"[^\W\d_]+")


def _of_one(languages: Iterable[str]) -> re.Pattern[str]:
    """A word in lower case with the marks of one language; õ stands before e alone, as in Simões."""
    return re.compile("|".join(f"(?:[a-z{letters}]|õe)*" for letters in languages))


_ALIKE: Mapping[str, re.Pattern[str]] = {"cp1252": _of_one(_WESTERN), "cp1250": _of_one(_CENTRAL)}
"""Encodings in which most letters of one make plausible words of the other."""


def plausible_encodings(path: str) -> list[str]:
    """The encodings that fit, the likeliest first; of several that give the same text only one.

    A byte order mark says it. Else the lines of the whole file that are not ASCII are looked at, up to
    256 KiB of them. SourceError where the file cannot be read.
    """
    if _begins_with(path, UTF_16_MARKS):
        return ["utf-16"]
    sample = b"".join(_odd_lines(path))
    if not sample:
        return []
    found: dict[str, str] = {}
    for name in _LIKELY:
        text = _decoded(sample, name)
        if text is not None and is_plausible(text) and text not in found.values():
            found[name] = text
    first = _detected(sample)
    if first in _ALIKE and found.keys() >= set(_ALIKE):
        first = _western_or_central(found)
    return sorted(found, key=lambda name: name != first)


def _begins_with(path: str, marks: tuple[bytes, ...]) -> bool:
    with read_errors(path), open_stream(path) as stream:
        return stream.read(max(map(len, marks))).startswith(marks)


def _western_or_central(found: Mapping[str, str]) -> str:
    """cp1252, but for a text of which cp1250 makes more words with letters of one language."""
    western, central = (_known_words(found[name], pattern) for name, pattern in _ALIKE.items())
    return "cp1250" if central > western else "cp1252"


def _known_words(text: str, pattern: re.Pattern[str]) -> int:
    """How many different words that are not ASCII the pattern fits."""
    return sum(pattern.fullmatch(word) is not None for word in _odd_words(text.lower()))


def _odd_words(text: str) -> Iterator[str]:
    return (word for word in set(_WORD.findall(text)) if not word.isascii())


def _odd_lines(path: str) -> Iterator[bytes]:
    size = 0
    with read_errors(path), open_stream(path) as stream:
        for line in iter(lambda: stream.readline(_LINE_BYTES), b""):
            if size < _SAMPLE_BYTES and len(line) < _LINE_BYTES and not line.isascii():
                size += len(line)
                yield line


def _detected(sample: bytes) -> str:
    """What charset-normalizer takes it for."""
    from charset_normalizer import from_bytes

    best = from_bytes(sample[: 32 << 10]).best()
    return best.encoding.replace("_", "-") if best else ""


def _decoded(sample: bytes, encoding: str) -> str | None:
    try:
        return sample.decode(encoding)
    except UnicodeDecodeError:
        return None


def is_plausible(text: str) -> bool:
    """Whether text that is not ASCII may be what people wrote.

    Its words are in one script each, with capitals in front or throughout; few of the letters of a Latin word
    have marks; and there are no controls, and no signs in the middle of a word.
    """
    others = {c for c in text if c > "\x7f"}
    if any(c in _STRANGE or not (c.isalpha() or c in _SYMBOLS or unicodedata.combining(c)) for c in others):
        return False
    if _SIGN_IN_WORD.search(text):
        return False
    return all(map(_is_word, _odd_words(text)))


def _is_word(word: str) -> bool:
    scripts = {_script(c) for c in word}
    if len(scripts) > 1 or "HALFWIDTH" in scripts:
        return False
    if any(a.islower() and b.isupper() and b > "\x7f" for a, b in pairwise(word)):
        return False
    marked = sum(c > "\x7f" for c in word)
    return scripts != {"LATIN"} or len(word) < 4 or marked <= _MARKED * len(word)


@lru_cache(maxsize=4096)
def _script(character: str) -> str:
    """The first word of its name in Unicode; what Japanese mixes is one script."""
    first = unicodedata.name(character, "?").split()[0]
    return "CJK" if first in ("CJK", "HIRAGANA", "KATAKANA", "IDEOGRAPHIC", "KATAKANA-HIRAGANA") else first
