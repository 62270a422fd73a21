"""Streams and limits: a process of its own, with closed streams, or with few files or bytes allowed."""

import random
import shlex
import subprocess
import sys
from pathlib import Path

from tests.support.examples import KEY, KEY_NAME
from tests.support.oracle.program import environment
from tests.support.streams import STREAMS
from tests.support.trouble import World
from tests.torture.attempts import Attempt, go_on
from tests.torture.figures import Figures
from tests.torture.holding import assert_as_undisturbed, assert_in_words, assert_nothing_doubled, undisturbed
from tests.torture.imports import generate, prepared
from tests.torture.kills import assert_finished


def limits(chance: random.Random, folder: Path, figures: Figures) -> None:
    """One run with other streams, or within a limit and then without."""
    what = generate(chance)
    base, _ = undisturbed(what, folder / "base")
    is_limit = chance.random() < 0.6
    with prepared(what, folder / "hit") as here:
        if is_limit:
            limit = chance.choice(
                (f"ulimit -n {chance.randint(18, 60)}", f"ulimit -f {chance.randint(0, 300)}")
            )
            done = _shell(here, f"{limit}; ", "", {})
        else:
            limit = chance.choice(list(STREAMS))
            done = _shell(here, "", *STREAMS[limit])
        figures.count("limits" if is_limit else "streams")
        figures.note(f"{what}; {limit}: exit {done.code} {done.err.strip()[-160:]}")
        if is_limit:
            assert_in_words(done, (0, 1, 2, 3, 5, 7))
            assert_nothing_doubled(here, base, what)
            done = go_on(here)
            assert_finished(done)
        else:
            assert done.code == base.exit_code, f"exit {done.code}, expected {base.exit_code}: {done.err}"
            assert "Traceback" not in done.err, done.err
        assert_as_undisturbed(here, base, what)


def _shell(here: World, before: str, after: str, variables: dict[str, str]) -> Attempt:
    """The run, started by a shell. Its coverage is not measured: the file for it would meet the limit."""
    variables = {**environment(variables), KEY_NAME: KEY}
    variables.pop("COVERAGE_PROCESS_CONFIG", None)
    program = f"{shlex.quote(sys.executable)} -m importer run import.toml --run-id r --quiet"
    done = subprocess.run(
        ["bash", "-c", f"{before}{program} {after}; exit ${{PIPESTATUS[0]}}"],
        cwd=here.folder,
        env=variables,
        capture_output=True,
        timeout=120,
        check=False,
    )
    return Attempt(done.returncode, done.stderr.decode(errors="replace"), 0, 0)
