"""All checks of the project by one command: `python -m tests.checks`.

`python -m tests.checks lint types` runs these two, `python -m tests.checks quick` all but the tests.
Each check prints one line with its time. All of them run, also after one has failed; the output of a failed
check follows its line. Exit codes: 0 all passed, 1 at least one failed, 2 there is no check of that name.
"""

import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PROGRAMS = Path(sys.executable).parent

CHECKS: Mapping[str, str] = {
    "lint": "ruff check",
    "format": "ruff format --check",
    "types": "mypy",
    "imports": "lint-imports --no-logo --no-cache",
    "words": "python -m tests.checks.words",
    "docs": "sphinx-build -q -E -W --keep-going -n docs docs/_build/html",
    "workflow": "check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/checks.yml",
    "compose": "check-jsonschema --builtin-schema vendor.compose-spec compose.yaml",
    "dockerfile": "hadolint Dockerfile",
    "tests": "pytest -q -n auto --cov",
}
"""Name → a program of this virtual environment and its arguments. The tests come last: they take minutes."""

QUICK = "quick"
"""Stands for all checks but the tests."""


def run(name: str) -> bool:
    """True where the check passed. The tests show their output as it comes, the others where they fail."""
    program, *arguments = CHECKS[name].split()
    shown = None if name == "tests" else subprocess.PIPE
    began = time.monotonic()
    try:
        done = subprocess.run(
            [PROGRAMS / program, *arguments],
            cwd=ROOT,
            stdout=shown,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        passed, output = done.returncode == 0, done.stdout
    except FileNotFoundError:
        passed, output = False, f"{PROGRAMS}: there is no {program}; set up everything as README.md says\n"
    print(f"{'ok' if passed else 'FAILED':<7} {name:<10} {time.monotonic() - began:6.1f} s", flush=True)
    if output and not passed:
        print(output, flush=True)
    return passed


def main(names: Sequence[str]) -> int:
    """The exit code after the named checks, or after all where none is named."""
    if unknown := [name for name in names if name not in {*CHECKS, QUICK}]:
        print(
            f"no such check: {', '.join(unknown)}; there are: {', '.join([*CHECKS, QUICK])}", file=sys.stderr
        )
        return 2
    wanted = [name for name in CHECKS if not names or name in names or (QUICK in names and name != "tests")]
    passed = [run(name) for name in wanted]
    return 0 if all(passed) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
