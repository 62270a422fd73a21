"""The shell in which the commands of one page run: a folder, an environment, sandboxes that stay open.

`importer sandbox …` stays open until the page ends, on any free port; the page shows 8080.
`export NAME=value` holds for the rest of the page. Files that the page shows name the same sandbox.
Times, run ids and rates are masked before outputs are compared.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from tests.docs.pages import ROOT, Step, blocks, steps

SHOWN_URL = "http://127.0.0.1:8080"
_FETCH = "import sys, urllib.request as r; print(r.urlopen(sys.argv[-1]).read().decode(), end='')"
_PROGRAMS = {"importer": "-m importer", "python": "", "curl": f'-c "{_FETCH}"'}
"""What a page calls by name, each run by the Python of the tests."""

_MASKS: Mapping[str, str] = {
    r"\d{8}T\d{6}-[0-9a-f]{6}": "RUN-ID",
    r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[0-9.:+Z]*": "MOMENT",
    r"after [\d,.]+ s\b": "after N s",
    r"[\d,]+ a second": "N a second",
    r"bash: (line \d+: +)?\d+ Killed +.*\n": "",  # some shells say it, some do not
    r"[ \t]+\n": "\n",
}


def masked(text: str) -> list[str]:
    """The lines of an output without what differs from run to run."""
    text = text.rstrip("\n") + "\n"
    for pattern, instead in _MASKS.items():
        text = re.sub(pattern, instead, text)
    return text.strip("\n").splitlines()


def play(page: Path, folder: Path) -> Iterator[tuple[Step, str]]:
    """Every step of a page with its real output. Named blocks are written to the folder on the way."""
    with Shell(folder) as shell:
        for block in blocks(page):
            if block.language == "console":
                for step in steps(block):
                    yield step, shell.run(step.command)
            elif block.name:
                shell.write(block.name, block.text)


@dataclass
class Shell:
    """One page's shell, in an empty folder."""

    folder: Path
    env: dict[str, str] = field(default_factory=dict)
    code: int = 0
    sandboxes: list["subprocess.Popen[str]"] = field(default_factory=list)
    url: str = SHOWN_URL
    calling: dict[str, str] = field(default_factory=dict)
    """The files that name the sandbox; they are written again when it has got its port."""

    def __enter__(self) -> Self:
        for name in ("config", "samples"):
            shutil.copytree(ROOT / name, self.folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        programs = self.folder / ".programs"
        programs.mkdir()
        for name, words in _PROGRAMS.items():
            (programs / name).write_text(f'#!/bin/sh\nexec "{sys.executable}" {words} "$@"\n')
            (programs / name).chmod(0o755)
        self.env = {k: v for k in ("HOME", "TMPDIR") if (v := os.environ.get(k)) is not None}
        self.env |= {
            "PATH": f"{programs}:{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONUNBUFFERED": "1",
            "PYTHONUTF8": "1",
            "COLUMNS": "80",
            "LC_ALL": "C",
        }
        return self

    def __exit__(self, *_: object) -> None:
        for process in self.sandboxes:
            process.terminate()
            process.communicate()

    def write(self, name: str, text: str) -> None:
        """Writes a file that the page shows."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if SHOWN_URL in text:
            self.calling[name] = text
        path.write_text(text.replace(SHOWN_URL, self.url), "utf-8")

    def run(self, command: str) -> str:
        """Runs one command as shown, and returns what a terminal would show."""
        if command.startswith("export "):
            self.env |= dict(word.split("=", 1) for word in command.split()[1:])
            return ""
        if command.startswith("importer sandbox"):
            return self._serve(command)
        done = subprocess.run(
            ["bash", "-c", f"(exit {self.code}); {command.replace(SHOWN_URL, self.url)}"],
            cwd=self.folder,
            env=self.env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=300,
        )
        self.code = done.returncode % 256 if done.returncode >= 0 else 128 - done.returncode
        return done.stdout.replace(self.url, SHOWN_URL)

    def _serve(self, command: str) -> str:
        process = subprocess.Popen(
            ["bash", "-c", f"exec {command} --port 0"],
            cwd=self.folder,
            env=self.env,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.sandboxes.append(process)
        assert process.stderr is not None
        shown = ""
        while not re.search(r"--base-url http\S+.*\n", shown):
            line = process.stderr.readline()
            assert line, f"{command} ended before it was ready: {shown}"
            shown += line
        self.url = re.findall(r"--base-url (http\S+:\d+)", shown)[-1]
        for name, text in list(self.calling.items()):
            self.write(name, text)
        return shown.replace(self.url, SHOWN_URL)
