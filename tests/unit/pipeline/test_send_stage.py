"""What is open is sent; the canary first, where there is one."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from importer.config import loader
from importer.core.errors import GuardError
from importer.pipeline import send_stage
from importer.sandbox import server as sandbox
from importer.sandbox.options import SandboxOptions
from importer.sandbox.server import SandboxServer
from tests.support.stages import Staged, attempt_of, mapping, staged

KEY = "sk_test_stages"
STORED = {"p1": {"plan": "a", "age": 1}, "p2": {"plan": "b", "age": 2}}
"""What a sandbox holds in the end: both values of the third person are bad."""


@contextmanager
def sending(
    folder: Path, faulty: SandboxOptions | None = None, **more: Any
) -> Iterator[tuple[Staged, SandboxServer]]:
    config = loader.parse(mapping(folder / "list.csv"))
    with sandbox.running(config, faulty or SandboxOptions(), KEY) as server:
        options = {"base_url": server.url, **more.pop("options", {})}
        with staged(folder, options=options, **more) as it:
            yield it, server


def send(it: Staged) -> None:
    with it.ledger() as ledger:
        send_stage.send(it.spec, it.attempt, KEY, ledger)


def test_what_is_open_is_sent(tmp_path: Path) -> None:
    with sending(tmp_path) as (it, server):
        with it.ledger() as ledger:
            send_stage.send(it.spec, it.attempt, KEY, ledger)
            assert (ledger.tally.rows["applied"], ledger.tally.values["applied"]) == (2, 4)
            assert it.journal.closed_chunks().keys() == {0}
        assert server.stored == STORED
        assert it.attempt.stats.seconds["sending"] > 0
        requests = server.stats.requests
        with attempt_of(it.spec) as again:
            send(again)
        assert server.stats.requests == requests, "a later attempt has nothing to send"


@pytest.mark.parametrize(("allow", "stopped"), [((), True), (("canary",), False)])
def test_a_canary_that_is_refused_stops_the_rest(
    allow: tuple[str, ...], stopped: bool, tmp_path: Path
) -> None:
    refusing = SandboxOptions(archived=frozenset({"plan", "age"}))
    options = {"allow": allow}
    with sending(tmp_path, refusing, guards={"canary": 1}, options=options) as (it, server):
        send(it)
        error = it.attempt.stop.error
        assert isinstance(error, GuardError) == stopped
        assert bool(it.journal.fact("canary")) == stopped
        assert server.stored == {}


def test_a_canary_is_sent_once_in_a_run(tmp_path: Path) -> None:
    with sending(tmp_path, guards={"canary": 1}) as (it, server):
        send(it)
        assert (it.journal.fact("canary"), it.attempt.stop.error) == ("", None)
        assert server.stored == STORED
