"""`--workers N`: several processes are one run to the destination, the books, and whoever stops them."""

import asyncio
import os
import signal
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from importer import config as configuration
from importer import sandbox
from importer.crew import Line, Member, SharedPacer, divided, striped
from importer.destinations.base import PaceHint
from importer.models import ALL_APPLIED, Answer, Call, Judgement
from importer.sandbox import SandboxOptions, SandboxServer, parse_fault
from importer.sender import Stop
from importer.spool import ChunkPlan
from tests.oracle.program import Result, config_text
from tests.oracle.replies import KEY
from tests.test_faults import DECLARED, QUICK, Setting, assert_whole, live, people, started, until

PEOPLE = 400
PADDING = "x" * 20_000
"""Long texts, so that few people make several chunks."""


def prepared(folder: Path, url: str, **destination: Any) -> Setting:
    source, config = folder / "list.csv", folder / "import.toml"
    expected = people(PEOPLE)
    for person in expected.values():
        person["name"] += PADDING
    lines = (f"{id_},pro,a|b,{p['age']},{p['name']}\n" for id_, p in expected.items())
    source.write_text("id,plan,tags,age,name\n" + "".join(lines), "utf-8")
    config.write_text(
        config_text(DECLARED, source, url, destination=QUICK | {"read_timeout": 10.0} | destination), "utf-8"
    )
    return Setting(folder, config, expected)


@contextmanager
def playing(
    folder: Path, options: Mapping[str, Any], **destination: Any
) -> Iterator[tuple[Setting, SandboxServer]]:
    setting = prepared(folder, "http://127.0.0.1:1")
    with sandbox.running(configuration.load(setting.config), SandboxOptions(**options), KEY) as server:
        yield prepared(folder, server.url, **destination), server


def children(pid: int) -> list[int]:
    return [int(c) for c in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def test_the_last_word_of_a_worker_is_heard_whatever_it_has_not_read() -> None:
    async def talk() -> dict[str, Any] | None:
        ours, theirs = socket.socketpair()
        parent, worker = await Line.on(ours), await Line.on(theirs)
        for _ in range(400):  # more than a reader takes in by itself
            parent.tell(refused="x" * 1000)
        await asyncio.sleep(0.05)
        worker.tell(done=True)
        ending = asyncio.create_task(worker.close_last())
        await asyncio.sleep(0.05)
        said, end = await parent.hear(), await parent.hear()
        await parent.close()
        await asyncio.wait_for(ending, 5)
        return said if end is None else end

    assert asyncio.run(talk()) == {"done": True}


def test_together_they_send_everybody_once(tmp_path: Path) -> None:
    with playing(tmp_path, {}) as (setting, server):
        summary = assert_whole(setting.run("--workers", 2), setting, server)
        assert server.stats.requests == server.stats.writes == PEOPLE
        assert summary["calls"] == {"sent": PEOPLE, "retried": 0, "throttled": 0}


def test_a_wrong_key_costs_one_call(tmp_path: Path) -> None:
    with playing(tmp_path, {"faults": (parse_fault("401:times=0"),), "latency": 0.05}) as (setting, server):
        result = setting.run("--workers", 3)
        assert (result.code, server.stats.requests) == (4, 1), result.err
        assert "invalid_key" in result.err
        summary = result.summary("r")
        assert summary["people"]["not_attempted"] == PEOPLE
        server.change(SandboxOptions())
        assert_whole(setting.resume("--workers", 2), setting, server)


def test_one_stop_stops_all_and_another_number_resumes(tmp_path: Path) -> None:
    with playing(tmp_path, {"quota": 100, "latency": 0.005}) as (setting, server):
        result = setting.run("--workers", 2)
        assert result.code == 4, result.err
        assert "workspace_limit_reached" in result.err
        assert 100 <= server.stats.requests <= 100 + 2 * 16, "what was in flight, and on its way"
        summary = result.summary("r")
        assert summary["values"]["applied"] == 4 * len(server.stored)
        server.change(SandboxOptions())
        assert_whole(setting.resume("--workers", 3), setting, server)
        assert server.stats.writes == PEOPLE, "nobody twice"


def test_a_signal_drains_all(tmp_path: Path) -> None:
    with playing(tmp_path, {"latency": 0.02}) as (setting, server):
        command = ("run", setting.config, "--run-id", "r", "--workers", 2)
        life = live(setting, *command, end=lambda: server.stats.people > 50, number=signal.SIGTERM)
        assert life.code == 128 + signal.SIGTERM, life.err
        assert 50 < server.stats.people < PEOPLE
        assert_whole(setting.resume(), setting, server)
        assert server.stats.requests == server.stats.writes == PEOPLE


@pytest.mark.parametrize("whose", ["the parent's", "a worker's"])
def test_a_kill_of_one_is_a_kill_like_any_other(whose: str, tmp_path: Path) -> None:
    with playing(tmp_path, {"latency": 0.02}) as (setting, server):
        with started("run", setting.config, "--run-id", "r", "--workers", 2, cwd=tmp_path) as process:
            until(lambda: server.stats.people > 50)
            workers = children(process.pid)
            os.kill(process.pid if whose == "the parent's" else workers[0], signal.SIGKILL)
            _, err = process.communicate(timeout=60)
            until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in workers), 10)
        if whose == "a worker's":
            result = Result(process.returncode, "", err.decode(), tmp_path / ".importer")
            assert result.code == 9
            assert "importer resume r" in result.err
            summary = result.summary("r")
            assert summary["values"]["applied"] >= 4 * (len(server.stored) - 16 - 32)
        assert_whole(setting.resume("--workers", 2), setting, server)
        assert server.stats.requests - PEOPLE <= 16 + 32, "in flight, and one group commit"


def test_the_reject_limit_counts_over_all(tmp_path: Path) -> None:
    lies = {"faults": (parse_fault("applied_too_high/1:times=0"),), "latency": 0.01}
    with playing(tmp_path, lies, retry_attempts=1) as (setting, server):
        result = setting.run("--workers", 2, "--max-rejects", "40")
        assert result.code == 6, result.err
        summary = result.summary("r")
        assert 40 < summary["values"]["unconfirmed"] == 4 * server.stats.requests
        assert server.stats.requests <= 11 + 2 * 16, "what was in flight, and on its way"
        assert len(result.rejects("r")) == summary["values"]["unconfirmed"]


def test_what_one_learns_of_an_attribute_all_know(tmp_path: Path) -> None:
    with playing(tmp_path, {"undefined": frozenset({"age"}), "latency": 0.01}) as (setting, _):
        result = setting.run("--workers", 2)
        assert result.code == 1, result.err
        assert result.summary("r")["values"]["rejected"] == PEOPLE
        refused = [line for line in result.reject_lines("r") if line["attempts"] == "1"]
        assert len(refused) <= 2 * 16, "and it is not sent again by anybody"


def test_what_is_divided_comes_to_the_whole() -> None:
    assert [divided(n, 10, 4) for n in range(4)] == [3, 3, 2, 2]
    assert [divided(n, 2, 3) for n in range(3)] == [1, 1, 1]


class _Line:
    def __init__(self) -> None:
        self.told: list[dict[str, Any]] = []

    def tell(self, **what: Any) -> None:
        self.told.append(what)


class _Judge:
    def judge(self, call: Call, answer: Answer) -> Judgement:
        return ALL_APPLIED

    def pace(self, answer: Answer) -> PaceHint | None:
        return PaceHint(150, 50, 1.0)


def test_a_ceiling_a_hint_and_a_refusal_are_shared() -> None:
    line = _Line()
    pacer = SharedPacer(100, 4, line.tell)
    assert pacer.rate == 25
    member = Member(line, _Judge(), Stop(), 4, pacer, {})  # type: ignore[arg-type]
    assert member.pace(Answer(200, {}, b"")) == PaceHint(37.5, 12, 1.0)
    pacer.take_share(2)
    pacer.refused_elsewhere(0.5)
    assert pacer.rate < 50
    assert line.told == [], "a refusal is told once, by whom it met"


def test_a_worker_that_starts_late_leaves_no_chunk_to_nobody() -> None:
    plans = [ChunkPlan(number, number, number + 1, 1) for number in range(7)]
    early = striped(plans, 0, 3)
    late = [striped([p for p in plans if p.number not in (0, 3)], number, 3) for number in (1, 2)]
    assert sorted(p.number for p in [*early, *late[0], *late[1]]) == list(range(7))
