"""Notifications: a webhook and a command, called when a run ends with another exit code than the one before.

A notification never holds a value of a person and never changes how a run ends: where it cannot be delivered
in time, one line on standard error says so.
"""

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
from importer.core.text import json_text
from importer.report.next_step import after_stop
from importer.storage.run_folder import RunFolder
from importer.transport import client
from importer.transport.errors import TransportError

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
    """How an attempt of a run ended. `summary` is that of `summary.json`, None where there is none."""

    config: Config
    folder: RunFolder
    exit_code: int
    message: str
    summary: Mapping[str, Any] | None = None


def is_news(before: int | None, now: int) -> bool:
    """Whether exit code `now` is worth a notification after `before` (None: the first run)."""
    return now != (before or 0)


def recovered(before: int | None, now: int) -> bool:
    """Whether this run is finished and the one before was not."""
    return before is not None and now < before and now in (0, 1)


def notification(ended: RunEnd, before: int | None) -> dict[str, Any]:
    """The notification as plain data: `text` for a person, the rest for a program."""
    config, code = ended.config, ended.exit_code
    section, state_dir = config.destination, ended.folder.path.parent.parent
    summary = ended.summary or {}
    data = {
        "import": config.name,
        "destination": section.type,
        "account": section.account,
        "run_id": ended.folder.run_id,
        "exit_code": code,
        "exit_code_before": before,
        "recovered": recovered(before, code),
        "message": ended.message,
        "state_dir": str(state_dir.resolve()),
        "next": _next(ended),
    }
    data |= {
        name: summary[name] for name in ("state", "rows", "values", "people", "calls") if name in summary
    }
    return {"text": _text(ended, before, data), **data}


def _next(ended: RunEnd) -> str:
    if ended.exit_code in (0, 1) or not ended.summary:
        return ""
    return str(after_stop(ended.summary, ended.folder.path.parent.parent.resolve()))


def _text(ended: RunEnd, before: int | None, data: Mapping[str, Any]) -> str:
    name = f"{ended.config.name} → {ended.config.destination.type}"
    what = f"{_NAMES.get(ended.exit_code, 'ended')} (exit {ended.exit_code}"
    what += f", before: exit {before})" if before is not None else ")"
    lines = [f"{name}: {'recovered: ' if data['recovered'] else ''}{what}, run {data['run_id']}"]
    if ended.summary and ended.summary["rows"]["read"]:
        rows, values = ended.summary["rows"], ended.summary["values"]
        counts = f"{values['applied']:,} values applied, {values['rejected']:,} rejected"
        lines.append(f"{rows['read']:,} rows read, {counts}")
    lines += [text for text in (ended.message, data["next"] and f"next: {data['next']}") if text]
    return "\n".join(lines)


def send(notify: NotifyConfig, data: Mapping[str, Any], secrets: frozenset[str]) -> Iterator[str]:
    """Calls both; yields a sentence for each that did not succeed within `notify.timeout` seconds.

    `secrets` are the names of environment variables that the command must not see.
    """
    if notify.webhook and (problem := _post(notify, str(data["text"]))):
        yield f"the webhook was not notified: {problem}"
    if notify.command and (problem := _run(notify, data, secrets)):
        yield f"the command of [notify] failed: {problem}"


def _post(notify: NotifyConfig, text: str) -> str:
    """Chat services take a JSON object with `text`; some refuse one that holds more."""
    import asyncio  # most runs call no webhook, and a check sends nothing at all

    try:
        url = read_reference(notify.webhook or "", "the webhook's URL")
        headers = {name: read_reference(value, "a header's value") for name, value in notify.headers.items()}
    except ConfigError as error:
        return str(error)
    try:
        parts = urlsplit(url)
        base = f"{parts.scheme}://{parts.netloc}"
        problem = url_problem(base)
    except ValueError:  # brackets that hold no address, a port that is no number
        problem = "not a URL"
    if problem:
        return "its URL cannot be used; expected https://, or http:// to this machine"
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    endpoint = client.Endpoint(
        base, {"Content-Type": "application/json", **headers}, notify.timeout, notify.timeout
    )
    call = Call("POST", path, json_text({"text": text}).encode(), ())
    try:
        status = asyncio.run(asyncio.wait_for(_deliver(endpoint, call), notify.timeout))
    except TransportError as error:
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
            input=json_text(data).encode(),
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
