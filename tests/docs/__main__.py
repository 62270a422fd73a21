"""`python -m tests.docs [PAGE …]` writes every output and every generated table again.

PAGE is a path such as `docs/how-to/undo.md`; without one, all pages are run.
"""

import sys
import tempfile
from pathlib import Path

from docs import generate
from tests.docs.pages import ROOT, executed
from tests.docs.shell import masked, play


def write_outputs(page: Path) -> None:
    """Runs the commands of a page, and replaces the lines of output that are not the ones shown."""
    with tempfile.TemporaryDirectory() as folder:
        found = list(play(page, Path(folder)))
    lines = page.read_text("utf-8").splitlines()
    for step, shown in reversed(found):
        lines[step.start : step.start + len(step.output)] = _renewed(step.output, shown)
    page.write_text("\n".join(lines) + "\n", "utf-8")


def _renewed(before: list[str], shown: str) -> list[str]:
    """The lines that are shown now; one that differs by a time or an id alone stays as it was."""
    known = {"\n".join(masked(line)): line for line in before}
    return [known.get("\n".join(masked(line)), line) for line in shown.strip("\n").splitlines()]


def main(names: list[str]) -> None:
    generate.write()
    for page in [ROOT / name for name in names] or executed():
        print(page.relative_to(ROOT))  # noqa: T201 - a command for developers, which takes a minute
        write_outputs(page)


if __name__ == "__main__":
    main(sys.argv[1:])
