"""Notifications: to whom, when, and that they never change how a run ends."""

import json
import re
import stat
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

import importer
from importer.cli import main
from importer.config import loader as configuration
from importer.core.errors import ConfigError, SourceError
from importer.core.events import Silent
from importer.report import notify
from importer.sandbox import faults
from importer.sandbox import server as sandbox
from importer.sandbox.options import SandboxOptions

KEY = "sk_test_notify"
MARK = "Beeblebrox"


class Hook(ThreadingHTTPServer):
    """An incoming hook that keeps what it is sent."""

    def __init__(self, status: int = 200, seconds: float = 0.0) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.daemon_threads = True
        self.status, self.seconds = status, seconds
        self.got: list[tuple[str, dict[str, str], Any]] = []
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/services/T0/B0?token=hush"


class _Handler(BaseHTTPRequestHandler):
    server: Hook

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.server.got.append((self.path, dict(self.headers), json.loads(body)))
        time.sleep(self.server.seconds)
        self.send_response(self.server.status)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def hook() -> Iterator[Hook]:
    server = Hook()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def mapping(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hook: Hook) -> dict[str, Any]:
    monkeypatch.setenv("NOTIFY_TEST_KEY", KEY)
    monkeypatch.setenv("HOOK_URL", hook.url)
    (tmp_path / "token").write_text("Bearer hidden\n")
    (tmp_path / "token").chmod(0o600)
    (tmp_path / "list.csv").write_text(f"id,name\n{MARK}-1,{MARK}\n{MARK}-2,Zaphod {MARK}\n")
    tell = "import os, sys; open(sys.argv[1], 'a').write(sys.stdin.read() + '\\n'); print(dict(os.environ))"
    return {
        "name": "customers",
        "source": {"path": str(tmp_path / "list.csv")},
        "identity": {"column": "id"},
        "destination": {"type": "vevee", "api_key": "env:NOTIFY_TEST_KEY", "requests_per_second": 5000},
        "attributes": {"name": {"type": "free_text"}},
        "notify": {
            "webhook": "env:HOOK_URL",
            "headers": {"Authorization": f"file:{tmp_path / 'token'}"},
            "command": [sys.executable, "-c", tell, str(tmp_path / "told")],
            "metrics": str(tmp_path),
        },
    }


@pytest.fixture
def server(mapping: dict[str, Any]) -> Iterator[sandbox.SandboxServer]:
    with sandbox.running(configuration.parse(mapping), SandboxOptions(), KEY) as running:
        yield running


def broken(server: sandbox.SandboxServer) -> None:
    server.change(SandboxOptions(faults=(faults.parse_fault("quota:times=0"),)))


def told(tmp_path: Path) -> list[dict[str, Any]]:
    path = tmp_path / "told"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def test_a_word_on_change_and_on_recovery_not_every_night(
    mapping: dict[str, Any], server: sandbox.SandboxServer, hook: Hook, state_dir: Path, tmp_path: Path
) -> None:
    options = importer.Options(state_dir=state_dir, base_url=server.url)

    def night() -> int:
        return importer.run(mapping, (), options).exit_code

    assert (night(), night(), len(hook.got)) == (0, 0, 0)
    broken(server)
    assert (night(), night(), len(hook.got)) == (4, 4, 1)
    server.change(SandboxOptions())
    assert (night(), night(), len(hook.got)) == (0, 0, 2)
    bad, good = (said[2]["text"] for said in hook.got)
    assert re.search(r"customers → vevee: refused by the destination \(exit 4, before: exit 0\)", bad)
    assert "workspace_limit_reached" in bad
    assert re.search(rf"next: importer resume \S+ --state-dir {state_dir}", bad)
    assert "recovered: finished (exit 0, before: exit 4)" in good
    path, headers, payload = hook.got[0]
    assert path == "/services/T0/B0?token=hush"
    assert headers["Authorization"] == "Bearer hidden"
    assert set(payload) == {"text"}, "some chat services refuse a key they do not know"
    codes = [(t["exit_code"], t["exit_code_before"], t["recovered"]) for t in told(tmp_path)]
    assert codes == [(4, 0, False), (0, 4, True)]
    assert MARK not in json.dumps([hook.got, told(tmp_path)])


@pytest.mark.parametrize(
    ("before", "now", "news", "well"),
    [
        (None, 0, False, False),
        (None, 1, True, False),
        (0, 0, False, False),
        (0, 1, True, False),
        (1, 1, False, False),
        (4, 5, True, False),
        (4, 4, False, False),
        (4, 1, True, True),
        (1, 0, True, True),
        (0, 143, True, False),
    ],
)
def test_what_is_news(before: int | None, now: int, news: bool, well: bool) -> None:
    assert (notify.is_news(before, now), notify.recovered(before, now)) == (news, well)


def test_a_night_that_never_began_is_told_too(
    mapping: dict[str, Any], hook: Hook, state_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "list.csv").unlink()
    with pytest.raises(SourceError):
        importer.run(mapping, (), importer.Options(state_dir=state_dir))
    monkeypatch.delenv("NOTIFY_TEST_KEY")
    with pytest.raises(ConfigError):
        importer.run(mapping, (), importer.Options(state_dir=state_dir))
    assert [t["exit_code"] for t in told(tmp_path)] == [3, 2]
    assert 'importer_last_run_exit_code{import="customers",destination="vevee"} 2' in (
        (tmp_path / "importer-customers.prom").read_text()
    )


def test_check_tells_nobody(mapping: dict[str, Any], hook: Hook, state_dir: Path, tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_text("id,name\n,x\n")
    assert importer.check(mapping, (), importer.Options(state_dir=state_dir)).exit_code == 1
    assert not hook.got
    assert not list(tmp_path.glob("*.prom"))


def test_the_command_does_not_see_the_keys(
    mapping: dict[str, Any], server: sandbox.SandboxServer, state_dir: Path, tmp_path: Path
) -> None:
    seen = tmp_path / "seen"
    code = "import os, sys; open(sys.argv[1], 'w').write(repr(dict(os.environ)))"
    mapping["notify"]["command"] = [sys.executable, "-c", code, str(seen)]
    broken(server)
    importer.run(mapping, (), importer.Options(state_dir=state_dir, base_url=server.url))
    assert "IMPORTER_STATE_DIR" in seen.read_text()
    assert KEY not in seen.read_text()
    assert "hush" not in seen.read_text()


HARM = {
    "refused": ("status", 404, "it answered 404"),
    "slow": ("seconds", 3.0, "no answer in time"),
    "gone": ("url", "http://127.0.0.1:1/x", "no connection to its host"),
    "no url": ("url", "chat", "its URL cannot be used"),
    "not set": ("url", None, "HOOK_URL is not set"),
    "command fails": ("command", [sys.executable, "-c", "raise SystemExit(3)"], "it ended with 3"),
    "no command": ("command", ["/nonexistent/pager"], "it could not be started"),
    "command hangs": (
        "command",
        [sys.executable, "-c", "import time; time.sleep(60)"],
        "did not end in time",
    ),
    "no folder": ("metrics", "/nonexistent/folder", "the metrics were not written"),
}


@pytest.mark.parametrize("harm", HARM)
def test_a_failing_word_changes_nothing(
    harm: str,
    mapping: dict[str, Any],
    server: sandbox.SandboxServer,
    hook: Hook,
    state_dir: Path,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    kind, value, said = HARM[harm]
    if kind in ("status", "seconds"):
        setattr(hook, kind, value)
        mapping["notify"]["timeout"] = "700ms"
    elif kind == "url":
        monkeypatch.delenv("HOOK_URL")
        if value is not None:
            monkeypatch.setenv("HOOK_URL", str(value))
    else:
        mapping["notify"][kind] = value
        mapping["notify"]["timeout"] = "1s" if harm == "command hangs" else "10s"
    broken(server)
    heard: list[str] = []

    class Observer(Silent):
        def tell(self, event: Any) -> None:
            heard.append(event.text if event.kind == "not_notified" else "")

    began = time.monotonic()
    options = importer.Options(state_dir=state_dir, base_url=server.url)
    summary = importer.run(mapping, (), options, Observer())
    assert summary.exit_code == 4
    assert time.monotonic() - began < 30, "the command that hangs takes 60 s"
    assert any(said in text for text in heard), heard
    assert "hush" not in "".join(heard)


def test_the_metrics_of_a_run(
    mapping: dict[str, Any], server: sandbox.SandboxServer, state_dir: Path, tmp_path: Path
) -> None:
    mapping["destination"]["account"] = 'pro"d'
    summary = importer.run(mapping, (), importer.Options(state_dir=state_dir, base_url=server.url))
    path = tmp_path / "importer-customers.prom"
    assert stat.S_IMODE(path.stat().st_mode) == 0o644, "the node exporter is another user"
    text = path.read_text()
    assert text.endswith("\n# EOF\n")
    families = re.findall(r"^# TYPE (\S+) gauge$", text, re.MULTILINE)
    samples = re.findall(r"^(\w+)\{(.*)\} (\S+)$", text, re.MULTILINE)
    assert len(families) == len(set(families)) == len(re.findall("^# HELP ", text, re.MULTILINE))
    assert {name for name, _, _ in samples} == set(families)
    labels = r'import="customers",destination="vevee",account="pro\"d"'
    found = {(name, rest): float(value) for name, rest, value in samples}
    assert found["importer_last_run_exit_code", labels] == 0
    assert found["importer_last_run_values", f'{labels},state="applied"'] == summary.values["applied"] == 2
    assert abs(found["importer_last_success_timestamp_seconds", labels] - time.time()) < 60
    assert MARK not in text
    broken(server)
    importer.run(mapping, (), importer.Options(state_dir=state_dir, base_url=server.url))
    later = dict(re.findall(r"^importer_(\w+)\{[^}]*\} (\S+)$", path.read_text(), re.MULTILINE))
    assert later["last_run_exit_code"] == "4"
    assert float(later["last_success_timestamp_seconds"]) < float(later["last_run_timestamp_seconds"])


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"webhook": "https://hooks.example.com/T0"}, "env:NAME"),
        ({"webhook": "env:X", "headers": {"Authorization": "Bearer x"}}, "env:NAME"),
        ({"headers": {"Authorization": "env:X"}}, "only with a webhook"),
        ({"command": "page --team data"}, "expected a list"),
        ({"emails": ["a@x.org"]}, "unknown key"),
    ],
)
def test_mistakes_in_the_table_are_named(mapping: dict[str, Any], keys: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=rf"notify.*{said}") as raised:
        configuration.parse({**mapping, "notify": keys})
    assert "hooks.example.com" not in str(raised.value)


def test_a_log_for_programs(
    mapping: dict[str, Any],
    server: sandbox.SandboxServer,
    state_dir: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    config = tmp_path / "c.toml"
    config.write_text(
        f'name = "customers"\n[source]\npath = "{tmp_path}/list.csv"\n[identity]\ncolumn = "id"\n'
        f'[destination]\ntype = "vevee"\napi_key = "env:NOTIFY_TEST_KEY"\nbase_url = "{server.url}"\n'
        '[attributes.name]\ntype = "free_text"\n'
    )
    broken(server)
    words = ["run", str(config), "--log-format", "json", "--json", "--run-id", "r"]
    assert main.main(words) == 4
    out = capsys.readouterr()
    assert json.loads(out.out)["run_id"] == "r"
    lines = [json.loads(line) for line in out.err.splitlines()]
    kinds = [line["event"] for line in lines]
    assert kinds == ["began", "cost", "finishing", "ended", "message", "message"]
    assert all({"at", "level", "event", "text"} <= line.keys() for line in lines)
    assert lines[3]["exit_code"] == 4
    assert lines[3]["summary"]["rows"]["read"] == 2
    assert MARK not in out.err
    assert main.main(["run", str(tmp_path / "none.toml"), "--log-format", "json"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert json.loads(line)["exit_code"] == 2
