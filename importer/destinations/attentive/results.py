"""The results of a bulk job, a line for each record."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from importer.destinations.attentive.endpoints import BAD_REQUEST, MULTIPLE_CHOICES, OK
from importer.destinations.responses import json_of


@dataclass(frozen=True, slots=True)
class _Result:
    """What a line of the results says of one record."""

    accepted: bool
    status: int


def is_json_lines(body: bytes) -> bool:
    """Whether each line is JSON: it is not where a file is cut short, or where a proxy answers."""
    return all(json_of(line) is not None for line in body.splitlines() if line.strip())


def read_results(body: bytes, records: Sequence[Any]) -> dict[int, _Result]:
    """By index of the record. How a line is written is not documented, so several forms are understood.

    Its record is found by the identifiers it repeats, wherever they stand in it, or by its position where no
    line repeats any and there are as many lines as records. Its status is a number or a word under `status`,
    `statusCode`, `responseCode` or `code`, or `success` as true or false, at the top or in `response` or
    `result`.
    """
    lines = [json_of(line) for line in body.splitlines() if line.strip()]
    finder = _RecordFinder(records)
    named = [finder.find(line) if isinstance(line, dict) else None for line in lines]
    if lines and all(index is None for index in named) and len(lines) == len(records):
        named = list(range(len(records)))
    found: dict[int, _Result] = {}
    for index, line in zip(named, lines, strict=True):
        result = _result_of(line)
        if index is not None and result is not None and index not in found:
            found[index] = result
    return found


class _RecordFinder:
    """Finds the record of a line; two records of one person in the order in which they were sent."""

    def __init__(self, records: Sequence[Any]) -> None:
        self._by_identity: dict[str, list[int]] = {}
        for index, record in enumerate(records):
            self._by_identity.setdefault(_canonical(record), []).append(index)

    def find(self, line: Any, depth: int = 4) -> int | None:
        if isinstance(line, dict) and depth:
            for part in (line, *line.values()):
                waiting = self._by_identity.get(_canonical(part)) if isinstance(part, dict) else None
                if waiting:
                    return waiting.pop(0)
            found = (self.find(part, depth - 1) for part in line.values() if isinstance(part, dict))
            return next((index for index in found if index is not None), None)
        return None


def _canonical(value: Any) -> str:
    try:
        return json.dumps(value, sort_keys=True, ensure_ascii=False)
    except RecursionError:  # nested about as deep as JSON can be read: no record of ours is
        return ""


_STATUS_NAMES = ("status", "statusCode", "status_code", "responseCode", "code", "success")
_DIGITS = re.compile("[0-9]{1,9}")  # Python refuses to read thousands of them as one number
_ACCEPTED_WORDS = frozenset({"success", "succeeded", "ok", "accepted", "completed", "created", "updated"})


def _result_of(line: Any) -> _Result | None:
    """None where a line does not say how its record ended."""
    if not isinstance(line, dict):
        return None
    for place in (line, line.get("response"), line.get("result")):
        for name in _STATUS_NAMES if isinstance(place, dict) else ():
            result = _status_of(place.get(name)) if isinstance(place, dict) else None
            if result:
                return result
    return None


def _status_of(value: Any) -> _Result | None:
    if isinstance(value, bool):
        return _Result(value, OK if value else BAD_REQUEST)
    if isinstance(value, str) and _DIGITS.fullmatch(value):
        value = int(value)
    if isinstance(value, int):
        accepted = OK <= value < MULTIPLE_CHOICES
        return _Result(accepted, value)
    if isinstance(value, str) and value:
        accepted = value.lower() in _ACCEPTED_WORDS
        return _Result(accepted, OK if accepted else BAD_REQUEST)
    return None
