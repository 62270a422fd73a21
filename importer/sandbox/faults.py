"""The faults that the sandbox can be asked for: how they are written, which request gets which one.

    parse_fault("429:0.05")                     5 % of the requests
    parse_fault("reset_after@3,7,20-29")        exactly these requests, the first being 1
    parse_fault("401@50-:times=0")              every one from the 50th on, however often it is repeated
    parse_fault("503/7:retry_after=date:2")     every 7th, with a Retry-After two seconds ahead, as a date
    parse_fault("slow:0.1:seconds=0.3")         a tenth of them answer 0.3 s later

A body is not hit more than `times` (3) requests in a row, so that a bounded number of repeats gets through.
"""

import math
import random
import re
import time
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from email.utils import formatdate
from typing import Any

from importer import destinations
from importer.core.errors import ConfigError
from importer.core.models import Answer
from importer.destinations.responses import json_answer
from importer.destinations.simulator import Request, Sandbox

KINDS: Mapping[str, str] = {
    "quota": "the vendor's answer to a quota that is used up; nothing is stored",
    "reset_before": "the connection is reset, nothing is stored",
    "reset_after": "stored, then the connection is reset without an answer",
    "truncate": "stored, then half an answer and the end of the connection",
    "wrong_json": "stored, then 200 with JSON that breaks off",
    "wrong_shape": "stored, then 200 with JSON that says something else",
    "huge": "stored, then 200 with a body of 256 MiB",
    "html": "200 with a proxy's page, nothing is stored",
    "slow": "stored, answered `seconds` later",
    "hang": "stored, never answered",
}
"""The faults every destination has, besides the statuses and those of the vendor's simulator."""
NOT_STORED = frozenset({"reset_before", "html", "quota"})
_LONGEST_RANGE = 1_000_000
_REMEMBERED_BODIES = 1 << 16
_HTML = b"<!DOCTYPE html><html><body><h1>Please sign in to the network</h1></body></html>"

STATUS = re.compile(r"[345]\d\d")
_FORM = re.compile(r"(?P<kind>[a-z0-9_]+)(?P<when>[:@/][\d.,%-]+)?(?P<settings>(?::[a-z_]+=.+)?)")
RETRY_AFTER = re.compile(r"(date:)?\d+(\.\d+)?")
_SECONDS = re.compile(r"(\d+(?:\.\d+)?)(ms|s)?")
_NUMBERS = re.compile(r"(\d+)(?:(-)(\d+)?)?")


@dataclass(frozen=True, slots=True)
class Fault:
    """One switch: what goes wrong (`kind`), and with which requests.

    `share` is a part of all requests, 0 to 1; `at` holds exact request numbers, the first being 1; `every` is
    n for each n-th; `since` is a request number from which on all are hit. `retry_after` goes out with a
    status: seconds (`2`), or `date:2` for an HTTP date so many seconds ahead. `seconds` is the delay of
    `slow`. One body is hit at most `times` requests in a row, 0 = without end.
    """

    kind: str
    share: float = 0.0
    at: frozenset[int] = frozenset()
    every: int | None = None
    since: int | None = None
    retry_after: str | None = None
    seconds: float = 1.0
    times: int = 3

    def names(self, number: int) -> bool:
        """Whether request `number` (the first is 1) is hit for certain, whatever the random draw is."""
        return (
            number in self.at
            or (self.every is not None and number % self.every == 0)
            or (self.since is not None and number >= self.since)
        )


def kinds() -> list[str]:
    """The kinds of faults by name, every destination's own included; any status 300 to 599 is one too."""
    own = (sandbox.simulated_faults for sandbox in destinations.load_sandboxes())
    return [*KINDS, *sorted(set[str]().union(*own))]


def parse_seconds(text: str) -> float:
    """`50ms`, `0.05` or `0.05s` as seconds; ConfigError for anything else."""
    match = _SECONDS.fullmatch(text)
    if not match:
        raise ConfigError(f'"{text}": expected a time such as 50ms or 0.05 (seconds).')
    return float(match[1]) / (1000 if match[2] == "ms" else 1)


def parse_fault(text: str) -> Fault:
    """One fault as the command line writes it (see the top of this module).

    `KIND` alone hits every request; `KIND:SHARE`, `KIND@N,N-N,N-`, `KIND/N` some of them. Settings follow:
    `:retry_after=2`, `:seconds=0.3`, `:times=0`. ConfigError says what was expected.
    """
    match = _FORM.fullmatch(text)
    if not match or not (STATUS.fullmatch(match["kind"]) or match["kind"] in kinds()):
        raise ConfigError(
            f'fault "{text}": expected KIND:SHARE, KIND@N,N or KIND/N, and KIND a status from 300 to 599 or '
            f"one of {', '.join(kinds())}."
        )
    try:
        fields = _parse_when(match["when"] or "/1") | _parse_settings(match["settings"])
    except ValueError as error:
        raise ConfigError(f'fault "{text}": {error}.') from None
    return Fault(match["kind"], **fields)


def _parse_when(text: str) -> dict[str, Any]:
    mark, rest = text[0], text[1:]
    if mark == "@":
        return _parse_numbers(rest)
    if mark == "/":
        if not rest.isdecimal() or int(rest) < 1:
            raise ValueError("expected a whole number from 1 after the /")
        return {"every": int(rest)}
    share = re.fullmatch(r"(\d*\.?\d+)(%?)", rest)
    value = float(share[1]) / (100 if share[2] else 1) if share else 2.0
    if value > 1:
        raise ValueError("expected a share from 0 to 1, or a percentage")
    return {"share": value}


def _parse_numbers(text: str) -> dict[str, Any]:
    numbers: set[int] = set()
    since: int | None = None
    for part in text.split(","):
        match = _NUMBERS.fullmatch(part)
        if not match or int(match[1]) < 1:
            raise ValueError("expected request numbers from 1 such as 3,7,20-29 or 50-")
        first = int(match[1])
        if match[2] and not match[3]:
            since = min(first, since or first)
        else:
            numbers.update(_number_range(first, int(match[3] or first)))
    return {"at": frozenset(numbers), "since": since}


def _number_range(first: int, last: int) -> range:
    if not first <= last < first + _LONGEST_RANGE:
        raise ValueError(f"expected a range that goes up, over at most {_LONGEST_RANGE:,} requests")
    return range(first, last + 1)


def _parse_settings(text: str) -> dict[str, Any]:
    settings: dict[str, Any] = {}
    for setting in re.split(r":(?=[a-z_]+=)", text)[1:]:
        name, _, value = setting.partition("=")
        settings[name] = _parse_setting(name, value)
    return settings


def _parse_setting(name: str, value: str) -> str | float:
    if name == "retry_after" and RETRY_AFTER.fullmatch(value):
        return value
    if name == "seconds" and _SECONDS.fullmatch(value):
        return parse_seconds(value)
    if name == "times" and value.isdecimal():
        return int(value)
    raise ValueError("expected retry_after=2, retry_after=date:2, seconds=0.3 or times=3 after the fault")


def _retry_after(text: str | None) -> dict[str, str]:
    """The header. A date has whole seconds, so it is rounded up: never sooner than asked for."""
    if text is None:
        return {}
    kind, _, seconds = text.rpartition(":")
    if kind == "date":
        return {"retry-after": formatdate(math.ceil(time.time() + float(seconds)), usegmt=True)}
    return {"retry-after": seconds}


def status_answer(vendor: Sandbox, kind: str, retry_after: str | None) -> Answer:
    """The vendor's answer with this status where it documents one, else what a gateway says: plain text."""
    answer = vendor.documented_error(kind)
    if answer is None:
        text = f"sandbox: {kind}\n".encode()
        answer = Answer(int(kind), {"content-type": "text/plain; charset=utf-8"}, text)
    headers = dict(answer.headers) | _retry_after(retry_after)
    if kind.startswith("3"):
        headers["location"] = "/elsewhere"
    return Answer(answer.status, headers, answer.body)


class FaultPicker:
    """Which request gets which fault: exact numbers first, then one draw shared by all the shares."""

    def __init__(self, faults: Sequence[Fault], seed: int) -> None:
        self._faults = faults
        self._random = random.Random(seed)
        self._hits: OrderedDict[int, int] = OrderedDict()

    def choose(self, number: int, request: Request) -> Fault | None:
        """The fault of request `number` (the first is 1); None where it has none, or had it `times` times."""
        if not self._faults:
            return None
        fault = self._due(number)
        body = hash((request.method, request.path, *request.query.items(), request.body))
        hits = self._hits.pop(body, 0)
        if fault is None or (fault.times and hits >= fault.times):
            return None
        self._hits[body] = hits + 1
        if len(self._hits) > _REMEMBERED_BODIES:
            self._hits.popitem(last=False)
        return fault

    def _due(self, number: int) -> Fault | None:
        draw = self._random.random()  # always, so that an exact number does not shift the others
        exact = next((f for f in self._faults if f.names(number)), None)
        if exact:
            return exact
        for fault in self._faults:
            draw -= fault.share
            if draw < 0:
                return fault
        return None


def answer_instead(vendor: Sandbox, fault: Fault) -> Answer:
    """The answer of a fault that keeps the request from being stored."""
    if fault.kind == "html":
        return Answer(200, {"content-type": "text/html; charset=utf-8"}, _HTML)
    if fault.kind == "reset_before":
        return Answer(0, {}, b"")
    return status_answer(vendor, fault.kind, fault.retry_after)


def spoil(kind: str, answer: Answer) -> Answer:
    """What a fault makes of a good answer; the faults of the connection leave it as it is."""
    if kind == "wrong_json":
        return Answer(200, answer.headers, answer.body[: len(answer.body) // 2] or b"{")
    if kind == "wrong_shape":
        return json_answer(200, ["unexpected"])
    return answer
