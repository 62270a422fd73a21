"""The pages of the documentation, and what stands in their fenced blocks.

    ```console           each line after `$ ` is run, in order, in a folder with `config/` and `samples/`; the
                         lines below it are its output
    ```sh                a command that is not run here: its syntax is checked, and the flags of `importer`
    ```toml people.toml  a block with a name is a file of that folder, in any language; toml, json and python
                         are parsed, with or without a name

Each page has one folder and one environment (`tests.docs.shell`), shared by all of its blocks.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
README = ROOT / "README.md"
DOCS = ROOT / "docs"
PAGES = [
    README,
    *(ROOT / name for name in ("CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md")),
    *sorted(path for path in DOCS.rglob("*.md") if "_build" not in path.parts),
]


@dataclass(frozen=True)
class Block:
    """One fenced block: its lines are [start, start + len(lines)) of the page, counted from 0."""

    language: str
    name: str
    start: int
    lines: list[str]

    @property
    def text(self) -> str:
        return "\n".join(self.lines) + "\n"


@dataclass(frozen=True)
class Step:
    """One command of a console block, and the output that the page shows from line `start` on."""

    command: str
    start: int
    output: list[str]


def title(page: Path) -> str:
    """The path of a page as the tests name it: `docs/how-to/undo.md`."""
    return page.relative_to(ROOT).as_posix()


def blocks(page: Path, language: str = "") -> list[Block]:
    """The fenced blocks of a page in order, all or those of one language."""
    return [b for b in _blocks(page.read_text("utf-8")) if language in ("", b.language)]


def _blocks(text: str) -> Iterator[Block]:
    opened: Block | None = None
    for number, line in enumerate(text.splitlines()):
        if opened is None and line.startswith("```"):
            language, _, name = line.removeprefix("```").partition(" ")
            opened = Block(language, name, number + 1, [])
        elif opened and line == "```":
            yield opened
            opened = None
        elif opened:
            opened.lines.append(line)
    assert opened is None, f"the block of line {opened.start} is never closed"


def steps(block: Block) -> list[Step]:
    """The commands of a console block with the output shown for each."""
    found: list[Step] = []
    for number, line in enumerate(block.lines, block.start):
        if line.startswith("$ "):
            found.append(Step(line.removeprefix("$ "), number + 1, []))
        else:
            found[-1].output.append(line)
    return found


def executed() -> list[Path]:
    """The pages that show commands with their output."""
    return [page for page in PAGES if blocks(page, "console")]
