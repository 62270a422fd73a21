"""Imports as processes of their own, from one state folder into one account."""

import subprocess
import sys
from pathlib import Path

KEY = "sk_test_shared"
CEILING = 20

DECLARED = {
    "name": "x",
    "source": {"path": "x.csv"},
    "identity": {"column": "id"},
    "destination": {"type": "vevee", "api_key": "env:NONE"},
    "attributes": {"name": {"type": "free_text"}},
}


def started(
    folder: Path, name: str, people: int, url: str, ceiling: int = CEILING
) -> "subprocess.Popen[bytes]":
    """An import of its own, of so many people, in a process."""
    (folder / f"{name}.csv").write_text("id,name\n" + "".join(f"{name}{n},x\n" for n in range(people)))
    path = folder / f"{name}.toml"
    path.write_text(
        f'name = "{name}"\n[source]\npath = "{name}.csv"\n[identity]\ncolumn = "id"\n'
        f'[destination]\ntype = "vevee"\nbase_url = "{url}"\napi_key = "file:key"\n'
        f'requests_per_second = {ceiling}\n[attributes.name]\ntype = "free_text"\n'
    )
    return subprocess.Popen(
        [sys.executable, "-m", "importer", "run", str(path), "--quiet", "--run-id", name], cwd=folder
    )
