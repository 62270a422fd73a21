"""The main job without the modules that only some systems have: Windows, as far as it can be played here.

What it does not show: locks by `msvcrt`, paths with a drive letter, a console that is not UTF-8.
"""

import subprocess
import sys
from pathlib import Path

from tests.support.oracle.program import environment

ONLY_UNIX = ("fcntl", "grp", "pwd", "resource", "termios", "uvloop")
WITHOUT = f"""
import sys
sys.modules.update(dict.fromkeys({ONLY_UNIX}))  # an import of one of them is an ImportError
from importer.cli.main import main
sys.exit(main(sys.argv[1:]))
"""


def test_an_import_runs_without_the_modules_of_unix(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT, "demo"],
        cwd=tmp_path,
        env=environment({}),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "values" in done.stdout
    [run] = (tmp_path / ".importer/runs").iterdir()
    assert (run / "summary.json").exists()
