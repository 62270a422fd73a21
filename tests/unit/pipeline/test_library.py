"""The commands as functions and coroutines of a Python program."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from importer.config import loader
from importer.config.options import Options
from importer.core.errors import ConfigError, SourceError
from importer.pipeline import library
from importer.pipeline.library import Progress
from importer.sandbox import server as sandbox
from importer.sandbox.options import SandboxOptions
from importer.sandbox.server import SandboxServer
from importer.send.shutdown import StopRequest
from tests.support.stages import LIST, Listening, mapping

KEY = "sk_test_library"
STORED = {"p1": {"plan": "a", "age": 1}, "p2": {"plan": "b", "age": 2}}


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    monkeypatch.setenv("STAGES_KEY", KEY)
    (tmp_path / "list.csv").write_text(LIST)
    return mapping(tmp_path / "list.csv")


@pytest.fixture
def server(config: dict[str, Any]) -> Iterator[SandboxServer]:
    with sandbox.running(loader.parse(config), SandboxOptions(), KEY) as server:
        yield server


def options(folder: Path, server: SandboxServer | None = None) -> Options:
    return Options(state_dir=folder / "state", base_url=server.url if server else None)


def test_a_list_is_imported(config: dict[str, Any], server: SandboxServer, tmp_path: Path) -> None:
    observer, seen = Listening(), list[Progress]()
    summary = library.run(config, options=options(tmp_path, server), observer=observer, progress=seen.append)
    assert (summary.state, summary.exit_code, summary.values["applied"]) == ("finished", 1, 4)
    assert server.stored == STORED
    assert seen[0] == Progress("reading", 3)
    assert (seen[-1].stage, seen[-1].rows, seen[-1].total) == ("sending", 3, 3)
    assert [event.kind for event in observer.events if event.kind in ("began", "ended")] == ["began", "ended"]


def test_a_table_takes_the_place_of_the_configured_source(
    config: dict[str, Any], server: SandboxServer, tmp_path: Path
) -> None:
    table = pl.DataFrame({"id": ["q1"], "plan": ["a"], "age": [5]})
    summary = library.run(config, table, options(tmp_path, server))
    assert (summary.exit_code, server.stored) == (0, {"q1": {"plan": "a", "age": 5}})


def test_a_check_needs_no_key_and_sends_nothing(
    config: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("STAGES_KEY")
    summary = library.check(config, options=options(tmp_path))
    assert (summary.exit_code, summary.calls["sent"], summary.values["not_attempted"]) == (1, 0, 4)
    again = asyncio.run(library.acheck(loader.parse(config), options=options(tmp_path)))
    assert (again.rows, again.values) == (summary.rows, summary.values)


def test_what_was_rejected_is_sent_again_from_a_corrected_file(
    config: dict[str, Any], server: SandboxServer, tmp_path: Path
) -> None:
    library.run(config, options=options(tmp_path, server))
    corrected = tmp_path / "corrected.csv"
    corrected.write_text("id,plan,age\np3,b,3\n")
    summary = library.retry(tmp_path / "state", file=corrected, options=options(tmp_path, server))
    assert (summary.exit_code, server.stored) == (0, {**STORED, "p3": {"plan": "b", "age": 3}})
    with pytest.raises(ConfigError, match="no run of this kind here"):
        library.resume(tmp_path / "state")


def test_a_program_may_ask_for_a_stop(config: dict[str, Any], server: SandboxServer, tmp_path: Path) -> None:
    request = StopRequest()
    request.ask()
    with pytest.raises(KeyboardInterrupt):
        library.run(config, options=options(tmp_path, server), request=request)
    assert server.stored == {}
    summary = library.resume(tmp_path / "state", name="stages")
    assert (summary.state, server.stored) == ("finished", STORED)


def test_a_coroutine_imports_while_the_loop_goes_on(
    config: dict[str, Any], server: SandboxServer, tmp_path: Path
) -> None:
    async def both() -> tuple[int, bool]:
        turned = asyncio.Event()
        asyncio.get_running_loop().call_soon(turned.set)
        summary = await library.arun(config, options=options(tmp_path, server))
        return summary.values["applied"], turned.is_set()

    assert asyncio.run(both()) == (4, True)
    assert server.stored == STORED


def test_a_path_is_a_file_of_the_configuration(tmp_path: Path) -> None:
    (tmp_path / "import.toml").write_text("name = 3\n")
    for path in (tmp_path / "import.toml", str(tmp_path / "import.toml")):
        with pytest.raises(ConfigError, match=r"import\.toml"):
            library.check(path)


def test_a_source_that_is_not_there_is_refused(config: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"none\.csv.*no such file"):
        library.check(config, tmp_path / "none.csv", options(tmp_path))
