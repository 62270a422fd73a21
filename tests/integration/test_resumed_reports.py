"""A run that was killed and resumed reports what one reports that was never killed."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from importer.sandbox.server import SandboxServer
from tests.support.oracle.program import Result, importer, killed
from tests.support.vevee import declared, playing

PEOPLE = 120
OWN_OF_EACH_RUN = ("attempts", "at")


@pytest.fixture(params=["batch", "single"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Path, SandboxServer]]:
    """A destination that knows fewer tags than we declare."""
    options = {"latency": 0.02}
    ours, theirs = declared(), declared(tags=("a", "b"))
    with playing(tmp_path, ours, theirs, options, mode=request.param, max_in_flight=2) as found:
        rows = [f"p{n},{'abc'[n % 3]},{n if n % 4 else 'old'},name {n}" for n in range(PEOPLE)]
        (tmp_path / "list.csv").write_text("\n".join(["id,tags,age,name", *rows]) + "\n")
        yield found


def killed_and_resumed(config: Path, server: SandboxServer) -> Result:
    """Kills the run three times, each after a few more requests."""
    words: tuple[object, ...] = ("run", config, "--run-id", "killed")
    for _ in range(3):
        killed(*words, cwd=config.parent, end=partial(_has_been_asked, server, server.stats.requests + 4))
        if (config.parent / ".importer/runs/killed/run.json").exists():
            words = ("resume", "killed")
    return importer("resume", "killed", cwd=config.parent)


def _has_been_asked(server: SandboxServer, requests: int) -> bool:
    return server.stats.requests >= requests


def reported(result: Result, run: str) -> tuple[list[dict[str, str]], dict[str, Any]]:
    lines = [{k: v for k, v in r.items() if k not in OWN_OF_EACH_RUN} for r in result.reject_lines(run)]
    summary = result.summary(run)
    kept = ("state", "exit_code", "rows", "values", "people", "adjusted", "rejects", "warnings", "message")
    return lines, {name: summary[name] for name in kept}


def test_the_same_lines_and_counts(place: tuple[Path, SandboxServer]) -> None:
    config, server = place
    whole = importer("run", config, "--run-id", "whole", cwd=config.parent)
    assert whole.code == 1, whole.err
    resumed = killed_and_resumed(config, server)
    assert resumed.code == 1, resumed.err
    lines, counts = reported(resumed, "killed")
    expected_lines, expected_counts = reported(whole, "whole")
    assert any(line["message"] and line["stage"] == "send" for line in expected_lines)
    assert counts == expected_counts
    assert lines == expected_lines
