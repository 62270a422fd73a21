"""Finds words that the project has given up, in code, messages, docs, tests and file names.

The words stand in `words.toml` beside this file, each with what is said instead and where it may still
stand. Prints `file:line: found; say …` for each place. Exit codes: 0 none found, 1 some found.
"""

import re
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
WORDS = Path(__file__).with_name("words.toml")
SEARCHED = ("importer", "tests", "docs", "config", "samples", "benchmarks", "*.md", "*.toml")
SUFFIXES = {".py", ".md", ".toml", ".yaml", ".yml", ".html", ".j2", ""}
NOT_SEARCHED = {"docs/_build", "tests/data", "tests/checks/words.toml", "CHANGELOG.md"}
"""Built pages, the state of an earlier version, the list itself, and the table of old and new names."""


@dataclass(frozen=True)
class Word:
    """One word that is no longer used."""

    pattern: re.Pattern[str]
    instead: str
    allowed: frozenset[str]
    """Files, relative to the project, in which it may stand."""


def load(text: str) -> list[Word]:
    """The words of a `words.toml`."""
    return [
        Word(re.compile(entry["find"]), entry["instead"], frozenset(entry.get("allowed", {})))
        for entry in tomllib.loads(text)["word"]
    ]


def search(name: str, text: str, words: list[Word]) -> Iterator[str]:
    """A sentence for each place of a file where a word stands; the file's name counts as its line 0."""
    lines = f"{name}\n{text}"
    for word in words:
        if name not in word.allowed:
            for found in word.pattern.finditer(lines):
                number = lines.count("\n", 0, found.start())
                yield f"{name}:{number}: {found.group()!r}; say {word.instead}"


def files(root: Path) -> Iterator[Path]:
    """All files in which words are looked for, in order of their names."""
    for place in SEARCHED:
        for top in sorted(root.glob(place)):
            for path in sorted(top.rglob("*")) if top.is_dir() else [top]:
                name = path.relative_to(root).as_posix()
                hidden = any(name == skip or name.startswith(f"{skip}/") for skip in NOT_SEARCHED)
                if path.is_file() and path.suffix in SUFFIXES and not hidden:
                    yield path


def main() -> int:
    """Searches the whole project."""
    words = load(WORDS.read_text("utf-8"))
    found = [
        place
        for path in files(ROOT)
        for place in search(path.relative_to(ROOT).as_posix(), path.read_text("utf-8"), words)
    ]
    print("\n".join([*found, f"{len(found)} places with words that are no longer used"]))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
