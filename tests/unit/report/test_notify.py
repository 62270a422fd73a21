"""What a notification says, and the sentence for each way in which it is not delivered."""

import json
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from importer.config import Config, parse
from importer.config.schema import NotifyConfig
from importer.report import notify
from importer.report.notify import RunEnd
from importer.storage.run_folder import RunFolder
from tests.unit.report.ended_runs import summary

DATA = {"text": "people → vevee: finished", "exit_code": 0}


def config() -> Config:
    return parse(
        {
            "name": "people",
            "source": {},
            "identity": {"column": "id"},
            "destination": {"type": "vevee", "api_key": "env:KEY", "account": "production"},
            "attributes": {"age": {"type": "number"}},
        }
    )


def ended(tmp_path: Path, exit_code: int, message: str = "", found: dict[str, Any] | None = None) -> RunEnd:
    return RunEnd(config(), RunFolder(tmp_path / "runs" / "r1"), exit_code, message, found)


def delivered(section: NotifyConfig, secrets: frozenset[str] = frozenset()) -> list[str]:
    return list(notify.send(section, DATA, secrets))


@contextmanager
def answering(status: int) -> Iterator[tuple[str, list[tuple[str, dict[str, str], Any]]]]:
    """An incoming hook that gives every request this status; its URL, and what it was sent."""
    got: list[tuple[str, dict[str, str], Any]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            got.append((self.path, dict(self.headers), json.loads(body)))
            self.send_response(status)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/hook?token=hush", got
        finally:
            server.shutdown()
            thread.join()


def test_a_stopped_run_is_described_with_the_next_command(tmp_path: Path) -> None:
    found = summary(state="stopped", exit_code=4)
    data = notify.notification(ended(tmp_path, 4, "The key was refused.", found), 0)
    step = f"importer resume r1 --state-dir {tmp_path}"
    assert data.pop("text").splitlines() == [
        "people → vevee: refused by the destination (exit 4, before: exit 0), run r1",
        "1,200 rows read, 2,200 values applied, 30 rejected",
        "The key was refused.",
        f"next: {step}",
    ]
    assert data == {
        "import": "people",
        "destination": "vevee",
        "account": "production",
        "run_id": "r1",
        "exit_code": 4,
        "exit_code_before": 0,
        "recovered": False,
        "message": "The key was refused.",
        "state_dir": str(tmp_path),
        "next": step,
        "state": "stopped",
        **{name: found[name] for name in ("rows", "values", "people", "calls")},
    }


def test_a_run_without_a_summary_says_why_it_stopped(tmp_path: Path) -> None:
    data = notify.notification(ended(tmp_path, 3, "people.csv: not there."), None)
    assert (
        data["text"]
        == "people → vevee: the source could not be read (exit 3), run r1\npeople.csv: not there."
    )
    assert data["next"] == ""
    assert "rows" not in data


def test_a_run_after_a_stopped_one_is_called_recovered(tmp_path: Path) -> None:
    data = notify.notification(ended(tmp_path, 0, "", summary(exit_code=0)), 5)
    assert data["recovered"] is True
    assert data["text"].startswith("people → vevee: recovered: finished (exit 0, before: exit 5), run r1\n")
    assert data["next"] == ""


def test_nothing_is_called_where_nothing_is_configured() -> None:
    assert delivered(NotifyConfig()) == []


def test_the_webhook_gets_the_text_alone_and_its_headers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOOK_TOKEN", "Bearer hidden")
    with answering(204) as (url, got):
        monkeypatch.setenv("HOOK", url)
        section = NotifyConfig(webhook="env:HOOK", headers={"Authorization": "env:HOOK_TOKEN"})
        assert delivered(section) == []
    ((path, headers, body),) = got
    assert (path, body) == ("/hook?token=hush", {"text": DATA["text"]})
    sent = {name.lower(): value for name, value in headers.items()}
    assert (sent["authorization"], sent["content-type"]) == ("Bearer hidden", "application/json")


@pytest.mark.parametrize("status", [301, 404, 500])
def test_any_other_answer_than_a_success_is_named(status: int, monkeypatch: pytest.MonkeyPatch) -> None:
    with answering(status) as (url, got):
        monkeypatch.setenv("HOOK", url)
        assert delivered(NotifyConfig(webhook="env:HOOK")) == [
            f"the webhook was not notified: it answered {status}"
        ]
    assert len(got) == 1


def test_a_host_that_does_not_listen_is_named_without_its_url(monkeypatch: pytest.MonkeyPatch) -> None:
    with closing(socket.socket()) as free:
        free.bind(("127.0.0.1", 0))
        monkeypatch.setenv("HOOK", f"http://127.0.0.1:{free.getsockname()[1]}/T0/hush")
        assert delivered(NotifyConfig(webhook="env:HOOK")) == [
            "the webhook was not notified: no connection to its host"
        ]


def test_a_host_that_never_answers_is_given_up_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as silent:
        monkeypatch.setenv("HOOK", f"http://127.0.0.1:{silent.getsockname()[1]}/")
        (sentence,) = delivered(NotifyConfig(webhook="env:HOOK", timeout=0.2))
    assert sentence in {
        "the webhook was not notified: no answer in time",
        "the webhook was not notified: its host did not answer in time",
    }


@pytest.mark.parametrize(
    "url",
    [
        "http://hooks.example.com/T0/hush",
        "hooks.example.com",
        "https://[1::2/hush",
        "https://a:hush@b.example/",
    ],
)
def test_a_url_that_must_not_be_called_is_not_repeated(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOOK", url)
    assert delivered(NotifyConfig(webhook="env:HOOK")) == [
        "the webhook was not notified: its URL cannot be used; expected https://, or http:// to this machine"
    ]


def test_a_missing_variable_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HOOK", raising=False)
    (sentence,) = delivered(NotifyConfig(webhook="env:HOOK"))
    assert sentence == (
        "the webhook was not notified: The environment variable HOOK is not set; it should hold the "
        "webhook's URL. Set it, or write file:PATH."
    )


def command(code: str, *words: str) -> NotifyConfig:
    return NotifyConfig(command=(sys.executable, "-S", "-c", code, *words), timeout=30.0)


def test_the_command_gets_everything_as_json_and_no_secret(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOOK_KEY", "sk_test_hook")
    monkeypatch.setenv("HOOK_PLACE", "here")
    path = tmp_path / "got"
    code = "import os, sys; open(sys.argv[1], 'wb').write(sys.stdin.buffer.read())\n"
    code += "assert 'HOOK_KEY' not in os.environ and os.environ['HOOK_PLACE'] == 'here'"
    assert delivered(command(code, str(path)), frozenset({"HOOK_KEY"})) == []
    assert json.loads(path.read_bytes()) == DATA


@pytest.mark.parametrize(
    ("section", "sentence"),
    [
        (command("raise SystemExit(3)"), "it ended with 3"),
        (NotifyConfig(command=("./no such program",)), "it could not be started"),
        (
            NotifyConfig(command=(sys.executable, "-S", "-c", "import time; time.sleep(60)"), timeout=0.2),
            "it did not end in time",
        ),
    ],
    ids=["failed", "missing", "late"],
)
def test_a_command_that_fails_is_a_sentence(section: NotifyConfig, sentence: str) -> None:
    assert delivered(section) == [f"the command of [notify] failed: {sentence}"]
