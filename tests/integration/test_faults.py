"""Every fault of the sandbox met by the real program: what can be repeated is applied, what stops resumes."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from importer.sandbox.faults import parse_fault
from importer.sandbox.options import SandboxOptions
from tests.support.disturbed_runs import PATIENT, QUICK, assert_whole, faults, playing, started, until
from tests.support.oracle.program import Result

TRANSIENT = (
    "429/7",
    "429/37:retry_after=0.2",
    "429@13,60:retry_after=date:1",
    "500",
    "502",
    "503",
    "503@13,60:retry_after=1",
    "504",
    "408",
    "425",
    "reset_before",
    "reset_after",
    "truncate",
    "wrong_json",
    "wrong_shape",
    "html",
    "huge@13,60",
    "slow/13:seconds=0.2",
    "hang/19",
    "applied_too_high",
    "foreign_key",
)


@pytest.fixture(autouse=True, params=["httpx", "fast"], scope="module")
def _each_client(request: pytest.FixtureRequest) -> Iterator[None]:
    """Every test of this module runs on both HTTP clients."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(QUICK, "http_client", request.param)
        yield


# --- transient


@pytest.mark.parametrize("fault", TRANSIENT)
def test_every_transient_fault_is_overcome(fault: str, tmp_path: Path) -> None:
    text = fault if "/" in fault or "@" in fault else f"{fault}/11"
    hangs = fault.startswith("hang")
    with playing(tmp_path, 120, faults(text), **({} if hangs else PATIENT)) as (setting, server):
        summary = assert_whole(setting.run(), setting, server)
        met = sum(server.stats.faults.values())
        assert met >= 2
        assert summary["calls"]["sent"] == server.stats.requests
        if hangs:  # and what a busy machine answers late is repeated, too
            assert summary["calls"]["retried"] >= met
        elif not fault.startswith("slow"):
            assert summary["calls"]["retried"] == met == server.stats.requests - 120
        assert summary["calls"]["throttled"] == server.stats.by_status.get(429, 0)


def test_all_of_them_at_once(tmp_path: Path) -> None:
    everys = (7, 11, 13, 17, 19, 23, 29, 31, 37, 40)
    kinds = [text.partition("@")[0].partition("/")[0] for text in TRANSIENT]
    texts = [f"{kind}/{everys[n % len(everys)]}" for n, kind in enumerate(dict.fromkeys(kinds))]
    texts = [f"{t}:seconds=0.2" if t.startswith("slow") else t for t in texts if not t.startswith("huge")]
    with playing(tmp_path, 400, faults(*texts, "huge@50")) as (setting, server):
        summary = assert_whole(setting.run(), setting, server)
        assert summary["calls"]["retried"] >= 100
        assert summary["calls"]["sent"] == server.stats.requests


@pytest.mark.parametrize("status", [400, 404, 413, 301])
def test_refusals_that_begin_in_mid_run_stop_it_and_cost_nobody(status: int, tmp_path: Path) -> None:
    with playing(tmp_path, 100, faults(f"{status}@40-:times=0"), **PATIENT) as (setting, server):
        result = setting.run()
        assert result.code == 4, result.err
        assert "10 calls in a row" in result.err
        values = result.summary("r")["values"]
        assert (values["applied"], values["rejected"]) == (4 * 39, 0)
        assert server.stats.requests <= 39 + 10 + QUICK["max_in_flight"]
        server.change(SandboxOptions())
        assert_whole(setting.resume(), setting, server)


@pytest.mark.parametrize(
    ("fault", "people"), [("applied_too_high", 4), ("foreign_key", 4), ("wrong_shape", 1), ("truncate", 1)]
)
def test_what_contradicts_to_the_end_is_unconfirmed(fault: str, people: int, tmp_path: Path) -> None:
    """Of what makes no sense at all, one person's: several people's would be a destination that is down."""
    wrong_answers = faults(f"{fault}@2-:times=0")
    with playing(tmp_path, 1 + people, wrong_answers, retry_attempts=3) as (setting, server):
        result = setting.run()
        requests = server.stats.requests
    assert result.code == 1, result.err
    summary = result.summary("r")
    assert summary["values"]["unconfirmed"] == 4 * people
    assert summary["calls"] == {"sent": requests, "retried": requests - 1 - people, "throttled": 0}
    assert requests == 1 + people * 3 or fault == "truncate"
    assert {(line["reason"], line["stage"]) for line in result.reject_lines("r")} == {("unconfirmed", "send")}


# --- stops


@pytest.mark.parametrize(
    ("options", "code", "word"),
    [
        ({"quota": 100}, 4, "workspace_limit_reached"),
        (faults("401@100-:times=0"), 4, "invalid_key"),
        (faults("403@100-:times=0"), 4, "client_attribute_writes_disabled"),
        (faults("429@100-:times=0:retry_after=3600"), 5, "60 minutes"),
    ],
    ids=["quota", "401", "403", "retry_after"],
)
def test_a_stop_lets_out_no_more_than_was_in_flight(
    options: Mapping[str, Any], code: int, word: str, tmp_path: Path
) -> None:
    with playing(tmp_path, 200, {**options, "latency": 0.005}, **PATIENT) as (setting, server):
        result = setting.run()
        assert result.code == code, result.err
        assert word in result.err
        assert "importer resume r" in result.err
        assert 100 <= server.stats.requests <= 100 + 16
        summary = result.summary("r")
        assert summary["values"]["applied"] == 4 * len(server.stored)
        assert summary["values"]["applied"] + summary["values"]["not_attempted"] == 4 * 200
        server.change(SandboxOptions())
        summary = assert_whole(setting.resume(), setting, server)
        assert server.stats.writes == 200, "nobody twice"
        assert summary["calls"]["sent"] == server.stats.requests, "the refused ones count too"


def test_a_destination_that_goes_down_and_comes_back(tmp_path: Path) -> None:
    with playing(tmp_path, 600, {"latency": 0.005}, **PATIENT) as (setting, server):
        with started("run", setting.config, "--run-id", "r", cwd=tmp_path) as process:
            until(lambda: server.stats.requests > 100)
            server.change(SandboxOptions(faults=(parse_fault("reset_before/1:times=0"),)))
            until(lambda: server.stats.faults.get("reset_before", 0) >= 8)
            server.change(SandboxOptions())
            _, err = process.communicate(timeout=60)
        result = Result(process.returncode, "", err.decode(), tmp_path / ".importer")
        summary = assert_whole(result, setting, server)
        assert server.stats.by_status[0] <= 2 * 16 + 5, "only probes go out while it is down"
        assert summary["calls"]["sent"] == server.stats.requests


@pytest.mark.parametrize("fault", ["reset_before", "500", "503", "wrong_shape", "truncate"])
def test_a_destination_that_stays_down_stops_the_run(fault: str, tmp_path: Path) -> None:
    down = faults(f"{fault}@100-:times=0")
    with playing(tmp_path, 200, down | {"latency": 0.002}, **PATIENT, give_up_after=2.0) as (setting, server):
        result = setting.run()
        assert result.code == 5, result.err
        assert "importer resume r" in result.err
        summary = result.summary("r")
        assert summary["values"]["applied"] == 4 * 99
        assert server.stats.requests < 99 + 2 * 16 + 5, "only probes go out while it is down"
        server.change(SandboxOptions())
        assert_whole(setting.resume(), setting, server)
