"""State folders that version 0.1.0 has written are read by this one.

The folders are in `tests/data/state-0.1`, whose README says how they were made. Each test unpacks one and
goes on with it as a user does after an upgrade: with commands, against the sandbox, at the base URL it names.
"""

import base64
import csv
import json
import os
import socket
import tarfile
import time
import tomllib
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

import pytest

from tests.support import warm

ROOT = Path(__file__).resolve().parents[2]
ARCHIVES = ROOT / "tests" / "data" / "state-0.1"
KEY = "sk_test_earlier:secret"
"""The key with which the folders were made."""

UNFINISHED = (2, 7)
"""Exit codes with which an unfinished run of an earlier version may be refused."""

IN_FLIGHT = 20
"""More calls than were in flight or just answered when a run was killed, at 40 calls a second."""

PORT_WAIT = 120.0
"""Seconds to wait for a port that the same test uses in another checkout at this moment."""

Row = dict[str, str]


@dataclass(frozen=True)
class Result:
    """How a command ended."""

    code: int
    out: str
    err: str


@dataclass(frozen=True)
class Earlier:
    """An unpacked folder of the earlier version: `import.toml`, `list.csv`, and the state folder `state`."""

    folder: Path

    @property
    def base_url(self) -> str:
        """The URL at which the sandbox was; it belongs to the identity of the import."""
        config = tomllib.loads((self.folder / "import.toml").read_text("utf-8"))
        return str(config["destination"]["base_url"])

    @property
    def facts(self) -> Mapping[str, Any]:
        """What only the making of the folder could tell."""
        found: dict[str, Any] = json.loads((self.folder / "facts.json").read_text("utf-8"))
        return found

    def rows(self) -> list[Row]:
        """The list as it was sent."""
        with (self.folder / "list.csv").open(encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file))

    def write(self, rows: Sequence[Row], name: str = "list.csv") -> None:
        """Writes a list."""
        with (self.folder / name).open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)

    @property
    def environment(self) -> Mapping[str, str]:
        """The least a command needs, and the keys."""
        kept = {k: v for k in ("PATH", "HOME", "LANG", "TMPDIR") if (v := os.environ.get(k)) is not None}
        keys = dict.fromkeys(("VEVEE_API_KEY", "ATTENTIVE_API_KEY", "ENGAGELAB_API_KEY"), KEY)
        return kept | keys | {"PYTHONPATH": str(ROOT), "PYTHONUTF8": "1"}

    def command(self, *arguments: str) -> Result:
        """Runs a command on the state folder; none may end with a fault of ours."""
        words = [*arguments, "--state-dir", "state"]
        code, out, err = warm.run(words, self.folder, self.environment, timeout=120)
        result = Result(code, out.decode(), err.decode())
        assert result.code != 9, result.err
        assert "Traceback" not in result.err
        return result

    def night(self, *arguments: str) -> Result:
        """Runs the import."""
        return self.command("run", "import.toml", *arguments)

    @contextmanager
    def sandbox(self) -> Iterator["Sandbox"]:
        """A new and empty destination at the URL of the folder."""
        process = self._listening()
        try:
            yield Sandbox(self.base_url)
        finally:
            process.terminate()
            process.join()

    def _listening(self) -> ForkServerProcess:
        """A sandbox that has the port. It ends at once where another one was faster; then the next try."""
        port, until = int(self.base_url.rpartition(":")[2]), time.monotonic() + PORT_WAIT
        words = ["sandbox", "import.toml", "--port", str(port)]
        out, err = self.folder / "sandbox.out", self.folder / "sandbox.err"
        while time.monotonic() < until:
            if _is_taken(port):
                time.sleep(0.1)
                continue
            err.write_text("")
            process = warm.started(words, self.folder, self.environment, out, err)
            while process.is_alive():
                if self.base_url in err.read_text("utf-8"):
                    return process
                time.sleep(0.01)
        raise AssertionError(f"port {port} was not free for {PORT_WAIT:g} s")


@dataclass(frozen=True)
class Sandbox:
    """What a running sandbox says of itself."""

    url: str

    @property
    def requests(self) -> int:
        """How many requests came, whatever became of them."""
        return int(self._control("stats")["requests"])

    @property
    def writes(self) -> int:
        """How many requests were stored."""
        return int(self._control("stats")["writes"])

    @property
    def stored(self) -> dict[str, dict[str, Any]]:
        """What it stores, by person."""
        found: dict[str, dict[str, Any]] = self._control("stored")
        return found

    def register(self, ids: Sequence[str]) -> None:
        """Has EngageLab's sandbox know people, under the numbers that it gave them before. One request."""
        body = json.dumps({"identity_name": "user_id", "identity_values": ids}).encode()
        key = base64.b64encode(KEY.encode()).decode()
        headers = {"Authorization": f"Basic {key}", "Content-Type": "application/json"}
        request = urllib.request.Request(f"{self.url}/v1/user/register", body, headers, method="POST")
        with urllib.request.urlopen(request) as answer:
            assert json.load(answer)["code"] == 0

    def _control(self, name: str) -> Any:
        with urllib.request.urlopen(f"{self.url}/__sandbox__/{name}") as answer:
            return json.load(answer)


def _is_taken(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def unpacked(name: str, folder: Path) -> Earlier:
    """A folder of the earlier version, in a place of the test's own."""
    with tarfile.open(ARCHIVES / f"{name}.tar.gz") as archive:
        archive.extractall(folder, filter="data")
    return Earlier(folder)


def changed(rows: Sequence[Row], ids: Sequence[str], **values: str) -> list[Row]:
    """The list with other values for some people."""
    return [row | values if row["customer_id"] in ids else row for row in rows]


def assert_refused(result: Result, *named: str) -> None:
    """A refusal says why in one sentence and a next step, and names what it is about."""
    assert result.err.startswith("importer: "), result.err
    assert len(result.err.strip().splitlines()) <= 2, result.err
    assert all(word in result.err for word in named), result.err


# ------------------------------------------------------------------ the first night


@pytest.mark.parametrize(
    ("name", "checks"),
    [("vevee-layers", 0), ("attentive-nights", 1), ("attentive-bulk-nights", 1), ("engagelab-nights", 0)],
)
def test_an_unchanged_list_makes_no_call_and_a_changed_person_one_update(
    tmp_path: Path, name: str, checks: int
) -> None:
    """`checks`: Attentive's key is asked about before anything else."""
    earlier = unpacked(name, tmp_path)
    with earlier.sandbox() as sandbox:
        result = earlier.night()
        assert result.code == 0, result.err
        assert sandbox.writes == 0
        assert sandbox.requests <= checks
        if known := earlier.facts.get("registered"):
            sandbox.register(known)
        earlier.write(changed(earlier.rows(), ["000033"], city="Bergen"))
        assert earlier.night().code == 0
        assert sandbox.stored == {"000033": {"city": "Bergen"}}


def test_a_value_that_was_cleared_is_sent_when_the_list_has_it_again(tmp_path: Path) -> None:
    earlier = unpacked("vevee-layers", tmp_path)
    cleared = [row["customer_id"] for row in earlier.rows() if not row["postal_code"]]
    assert len(cleared) == 6
    earlier.write(changed(earlier.rows(), cleared[:2], postal_code="01067"))
    with earlier.sandbox() as sandbox:
        assert earlier.night().code == 0
        assert sandbox.stored == {id_: {"postal_code": "01067"} for id_ in cleared[:2]}
        assert sandbox.requests == 2


def test_what_was_not_acknowledged_is_sent_once_more_and_nothing_else(tmp_path: Path) -> None:
    earlier = unpacked("vevee-unknown", tmp_path)
    with earlier.sandbox() as sandbox:
        assert earlier.night().code == 0
        assert sandbox.requests == len(sandbox.stored) == earlier.facts["due"]
        assert earlier.night().code == 0
        assert sandbox.requests == earlier.facts["due"]


def test_a_person_who_is_forgotten_is_new_to_the_next_night(tmp_path: Path) -> None:
    earlier = unpacked("vevee-layers", tmp_path)
    assert earlier.command("forget", "000033").code == 0
    with earlier.sandbox() as sandbox:
        assert earlier.night().code == 0
        assert list(sandbox.stored) == ["000033"]


def test_undo_writes_the_values_of_before_a_run(tmp_path: Path) -> None:
    earlier = unpacked("vevee-layers", tmp_path)
    assert earlier.command("undo", "night-2").code == 0
    with (tmp_path / "state" / "runs" / "night-2" / "undo.csv").open(encoding="utf-8", newline="") as file:
        found = {row["customer_id"]: row["city"] for row in csv.DictReader(file)}
    assert len(found) == 10
    assert found["000001"] == "Gdańsk"
    assert "Oslo" not in found.values()


# ------------------------------------------------------------------ increases and the id cache


def test_content_that_increased_before_is_refused_in_any_order_and_file(tmp_path: Path) -> None:
    earlier = unpacked("engagelab-increase", tmp_path)
    earlier.write(earlier.rows()[::-1], "reversed.csv")
    with earlier.sandbox() as sandbox:
        for list_ in ("list.csv", "reversed.csv"):
            result = earlier.night(list_)
            assert result.code == 2
            assert_refused(result, list_, "first")
        assert sandbox.requests == 0


def test_ids_that_were_resolved_are_not_resolved_again(tmp_path: Path) -> None:
    earlier = unpacked("engagelab-increase", tmp_path)
    earlier.write(changed(earlier.rows()[:3], ["000001"], lifetime_value="5.5"))
    with earlier.sandbox() as sandbox:
        sandbox.register(earlier.facts["registered"])
        assert earlier.night().code == 0
        assert sandbox.requests == 1 + 3 * 3  # set, increase and add of three people
        assert sandbox.stored["000001"]["lifetime_value"] == 5.5
        assert len(sandbox.stored) == 3


def test_an_unfinished_run_that_increases_is_never_counted_twice(tmp_path: Path) -> None:
    earlier = unpacked("engagelab-increase-killed", tmp_path)
    before, wanted = earlier.facts["counted"], {r["customer_id"]: r["lifetime_value"] for r in earlier.rows()}
    with earlier.sandbox() as sandbox:
        sandbox.register(earlier.facts["registered"])
        result = earlier.night()
        assert (result.code, sandbox.requests) == (2, 1)
        assert_refused(result, "night")
        resumed = earlier.command("resume", "night", "--rate", "0")
        if resumed.code in UNFINISHED:
            assert_refused(resumed, "night")
            assert sandbox.requests == 1
            return
        after = {id_: current.get("lifetime_value", 0) for id_, current in sandbox.stored.items()}
    counted = {id_: before.get(id_, 0) + after.get(id_, 0) for id_ in wanted}
    assert all(counted[id_] in (0, float(value)) for id_, value in wanted.items())
    assert list(counted.values()).count(0) <= IN_FLIGHT


# ------------------------------------------------------------------ history


def test_the_last_good_list_is_what_the_guards_compare_with(tmp_path: Path) -> None:
    earlier = unpacked("vevee-history", tmp_path)
    rows = earlier.rows()
    earlier.write(rows[:60], "half.csv")
    earlier.write(changed(rows, [row["customer_id"] for row in rows], city=""), "blank.csv")
    with earlier.sandbox() as sandbox:
        for list_, guard in (("half.csv", "max_row_change"), ("blank.csv", "max_blank_change")):
            result = earlier.night(list_)
            assert result.code == 6
            assert guard in result.err
        assert sandbox.requests == 0


def test_the_learned_rate_is_where_the_next_run_begins(tmp_path: Path) -> None:
    earlier = unpacked("vevee-history", tmp_path)
    assert f" {earlier.facts['pace']:g} a second" in earlier.command("check", "import.toml").err


def test_finished_runs_are_listed_reported_and_explained(tmp_path: Path) -> None:
    earlier = unpacked("vevee-history", tmp_path)
    listed = earlier.command("runs")
    assert listed.code == 0
    assert [line.split()[0] for line in listed.out.splitlines()[1:]] == ["first", "second"]
    assert "120" in earlier.command("report", "first").out
    reported = json.loads(earlier.command("report", "second", "--json").out)
    assert (reported["run_id"], reported["exit_code"], reported["rows"]["read"]) == ("second", 1, 120)
    explained = earlier.command("explain", "000004")
    assert explained.code == 0
    assert "techer" in explained.out


def test_rows_that_were_rejected_are_corrected_and_only_they_are_sent(tmp_path: Path) -> None:
    earlier = unpacked("vevee-history", tmp_path)
    (rejected,) = (tmp_path / "state" / "runs" / "second" / "rejected_rows").iterdir()
    text = rejected.read_text("utf-8").replace("techer", "teacher").replace("abc", "27")
    (tmp_path / "corrected.csv").write_text(text, "utf-8")
    with earlier.sandbox() as sandbox:
        result = earlier.command("retry", "second", "corrected.csv", "--run-id", "corrected")
        assert result.code == 1  # what was not corrected is rejected again
        stored = sandbox.stored
    assert stored["000004"] == {"persona": "teacher"}
    assert stored["000005"] == {"age": 27}


# ------------------------------------------------------------------ unfinished runs


@pytest.mark.parametrize("resumes", [True, False])
def test_after_a_killed_run_everything_that_was_not_acknowledged_is_sent(
    tmp_path: Path, *, resumes: bool
) -> None:
    earlier = unpacked("vevee-killed", tmp_path)
    left = earlier.facts["due"] - earlier.facts["requests"]
    with earlier.sandbox() as sandbox:
        result = earlier.command("resume", "night", "--rate", "0") if resumes else earlier.night()
        if resumes and result.code in UNFINISHED:
            assert_refused(result, "night")
            assert earlier.night().code == 0
        else:
            assert result.code == 0, result.err
            assert len(sandbox.stored) <= left + IN_FLIGHT
        assert len(sandbox.stored) >= left
        sent = sandbox.requests
        assert earlier.night().code == 0
        assert sandbox.requests == sent


def test_an_open_job_keeps_new_runs_out_and_is_polled_or_refused(tmp_path: Path) -> None:
    earlier = unpacked("attentive-bulk-open-job", tmp_path)
    with earlier.sandbox() as sandbox:
        result = earlier.night()
        assert (result.code, sandbox.requests) == (7, 0)
        assert_refused(result, "night")
        assert earlier.command("resume", "night").code in (1, 4, *UNFINISHED)
        assert sandbox.stored == {}  # the job is not handed in again
