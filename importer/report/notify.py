"""A word in the morning: a webhook and a command, told when a night ends otherwise than the one before.

Neither ever holds a value of a person, and neither changes how a run ends: what cannot be told in time is
said on stderr and left.
"""

import asyncio
import json
import os
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from importer.config.schema import Config, NotifyConfig
from importer.config.secrets import read_reference
from importer.config.urls import url_problem
from importer.core.errors import ConfigError
from importer.core.models import Call
from importer.report import text_report
from importer.storage.run_folder import RunFolder
from importer.transport import client

_NAMES = {
    0: "finished",
    1: "finished, with values rejected or unconfirmed",
    2: "wrong command or configuration",
    3: "the source could not be read",
    4: "refused by the destination",
    5: "the destination was not reached",
    6: "stopped by a guard",
    7: "the state folder could not be used",
    8: "out of time",
    9: "a fault of the importer",
    130: "interrupted",
    143: "terminated",
}


@dataclass(frozen=True, slots=True)
class RunEnd:
    """How a life of a run ended. `summary` is what `summary.json` holds, None where it never came to one."""

    config: Config
    folder: RunFolder
    exit_code: int
    message: str
    summary: Mapping[str, Any] | None = None


def changed(before: int | None, now: int) -> bool:
    """Whether a night that ended with `now` is news after one that ended with `before` (None: the first)."""
    return now != (before or 0)


def recovered(before: int | None, now: int) -> bool:
    """Whether all is well again."""
    return before is not None and now < before and now in (0, 1)


def word(ending: RunEnd, before: int | None) -> dict[str, Any]:
    """What is told, as plain data: `text` for a person, the rest for a program."""
    config, code = ending.config, ending.exit_code
    section, state_dir = config.destination, ending.folder.path.parent.parent
    summary = ending.summary or {}
    data = {
        "import": config.name,
        "destination": section.type,
        "account": section.account,
        "run_id": ending.folder.run_id,
        "exit_code": code,
        "exit_code_before": before,
        "recovered": recovered(before, code),
        "message": ending.message,
        "state_dir": str(state_dir.resolve()),
        "next": _next(ending),
    }
    data |= {
        name: summary[name] for name in ("state", "rows", "values", "people", "calls") if name in summary
    }
    return {"text": _text(ending, before, data), **data}


def _next(ending: RunEnd) -> str:
    if ending.exit_code in (0, 1) or not ending.summary:
        return ""
    return text_report.resume_command(ending.summary, ending.folder.path.parent.parent.resolve())


def _text(ending: RunEnd, before: int | None, data: Mapping[str, Any]) -> str:
    name = f"{ending.config.name} → {ending.config.destination.type}"
    what = f"{_NAMES.get(ending.exit_code, 'ended')} (exit {ending.exit_code}"
    what += f", before: exit {before})" if before is not None else ")"
    lines = [f"{name}: {'recovered: ' if data['recovered'] else ''}{what}, run {data['run_id']}"]
    if ending.summary and ending.summary["rows"]["read"]:
        rows, values = ending.summary["rows"], ending.summary["values"]
        counts = f"{values['applied']:,} values applied, {values['rejected']:,} rejected"
        lines.append(f"{rows['read']:,} rows read, {counts}")
    lines += [text for text in (ending.message, data["next"] and f"next: {data['next']}") if text]
    return "\n".join(lines)


def send(notify: NotifyConfig, data: Mapping[str, Any], secrets: frozenset[str]) -> Iterator[str]:
    """Tells both; yields one sentence for each that could not be told within `notify.timeout` seconds.

    `secrets` are the names of environment variables that the command has no business with.
    """
    if notify.webhook and (problem := _post(notify, str(data["text"]))):
        yield f"the webhook was not told: {problem}"
    if notify.command and (problem := _run(notify, data, secrets)):
        yield f"the command of [notify] was not told: {problem}"


def _post(notify: NotifyConfig, text: str) -> str:
    """Chat services take a JSON object with `text`; some refuse one that holds more."""
    try:
        url = read_reference(notify.webhook or "", "the webhook's URL")
        headers = {name: read_reference(value, "a header's value") for name, value in notify.headers.items()}
    except ConfigError as error:
        return str(error)
    parts = urlsplit(url)
    base = f"{parts.scheme}://{parts.netloc}"
    if url_problem(base):
        return "its URL is none that may be used: https://, or http:// to this machine"
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    endpoint = client.Endpoint(
        base, {"Content-Type": "application/json", **headers}, notify.timeout, notify.timeout, "plain"
    )
    call = Call("POST", path, json.dumps({"text": text}, ensure_ascii=False).encode(), ())
    try:
        status = asyncio.run(asyncio.wait_for(_deliver(endpoint, call), notify.timeout))
    except client.TransportError as error:
        return str(error).replace("the destination", "its host")
    except TimeoutError:
        return "no answer in time"
    except Exception as error:  # noqa: BLE001 - whatever it is, it must not change how the run ends
        return f"it could not be called ({type(error).__name__})"
    return "" if 200 <= status < 300 else f"it answered {status}"


async def _deliver(endpoint: client.Endpoint, call: Call) -> int:
    async with client.connect(endpoint) as connected:
        return (await connected.send(call)).status


def _run(notify: NotifyConfig, data: Mapping[str, Any], secrets: frozenset[str]) -> str:
    """The command gets all of `data` as JSON on its standard input."""
    environment = {name: value for name, value in os.environ.items() if name not in secrets}
    try:
        done = subprocess.run(  # noqa: S603 - an argument list from the configuration, never a shell line
            notify.command,
            input=json.dumps(data, ensure_ascii=False).encode(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=environment,
            timeout=notify.timeout,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return "it did not end in time"
    except OSError:
        return "it could not be started"
    return "" if done.returncode == 0 else f"it ended with {done.returncode}"
