"""The pages build into a site, and a warning of the builder is an error."""

import subprocess
import sys
from pathlib import Path

from tests.docs.pages import DOCS, ROOT


def test_the_site_builds_without_a_warning(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-n", "-q", "-b", "html"]
    places = ["-d", str(tmp_path / "cache"), str(DOCS), str(tmp_path / "site")]
    done = subprocess.run(
        [*command, *places], cwd=ROOT, capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "site" / "index.html").is_file()
