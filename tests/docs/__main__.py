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
    """Runs the commands of a page, and replaces each output that is not the one shown."""
    with tempfile.TemporaryDirectory() as folder:
        found = list(play(page, Path(folder)))
    lines = page.read_text("utf-8").splitlines()
    for step, shown in reversed(found):
        if masked(shown) != masked("\n".join(step.output)):
            lines[step.start : step.start + len(step.output)] = shown.strip("\n").splitlines()
    page.write_text("\n".join(lines) + "\n", "utf-8")


def main(names: list[str]) -> None:
    generate.write()
    for page in [ROOT / name for name in names] or executed():
        print(page.relative_to(ROOT))  # noqa: T201 - a command for developers, which takes a minute
        write_outputs(page)


if __name__ == "__main__":
    main(sys.argv[1:])
