"""Many people a job: a call hands in the job, polls ask for its status, its results settle each record."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from importer.core.models import (
    ALL_APPLIED,
    SEPARATOR,
    Answer,
    Call,
    Classification,
    Refusal,
    Target,
    Update,
    Verdict,
    member_value,
)
from importer.destinations.attentive import fields
from importer.destinations.attentive.endpoints import (
    BULK,
    BULK_ATTRIBUTES_MAX,
    BULK_STOPS,
    JOB,
    MULTIPLE_CHOICES,
    NOT_FOUND,
    OK,
    RECORD_MAX,
    USERS_MAX,
    classify_failure,
    stop,
    transient,
)
from importer.destinations.attentive.results import is_json_lines, read_results
from importer.destinations.responses import TRANSIENT_STATUS, UNREADABLE, contradiction, json_of

_ENDED = frozenset({"COMPLETED", "FAILED", "CANCELLED"})
_FAILED = frozenset({"FAILED", "CANCELLED"})
"""Of two versions of the documentation. PENDING, IN_PROGRESS, NEEDS_REVIEW and any other: not done yet."""

_REVIEW = "NEEDS_REVIEW"
_NEEDS_REVIEW = (
    "Attentive says that a job needs a review: most likely somebody has to release or cancel it in "
    "Attentive, or its support has to; until then it is polled"
)
"""What the status asks for is not documented; its name says that a person must act."""

_FRAME = 200  # bytes of a record that are no attribute and no identifier, at most
_AT_ONCE = 0.01  # s; a fetch that waits at all is asked for again as a poll is, until the job's deadline
_FETCHES = 3
"""So often results are fetched that are cut short, or are a page of a proxy."""

_RECORD_REFUSED = "the job's results say that this person's record was refused; no value is named"


@dataclass(frozen=True, slots=True)
class Record:
    """One person of a job: the record's JSON, and what it writes."""

    text: str
    target: Target


def records_of(update: Update, identifiers: str, standard: Mapping[str, str]) -> Iterator[Record]:
    """The records of one person, each within the vendor's limits; `identifiers` is JSON.

    `standard` maps the key of an attribute to the standard field that it is sent as.
    """
    for part in update.parts:
        members = dict(zip(part.keys, part.members.split(SEPARATOR), strict=True))
        for keys in _record_keys(members, RECORD_MAX - len(identifiers.encode()) - _FRAME, standard):
            text = f'{{"identifiers":{identifiers},"attributes":{{{_attributes(keys, members, standard)}}}}}'
            yield Record(text, Target(update.person, update.distinct_id, "set", keys))


def _record_keys(
    members: Mapping[str, str], room: int, standard: Mapping[str, str]
) -> Iterator[tuple[str, ...]]:
    """The keys of each record: about `room` bytes, and at most BULK_ATTRIBUTES_MAX custom attributes."""
    keys: list[str] = []
    size = custom = 0
    for key, member in members.items():
        length, is_custom = len(member.encode()) + 1, key not in standard
        if keys and (size + length > room or custom + is_custom > BULK_ATTRIBUTES_MAX):
            yield tuple(keys)
            keys, size, custom = [], 0, 0
        keys.append(key)
        size, custom = size + length, custom + is_custom
    yield tuple(keys)


def _attributes(keys: Sequence[str], members: Mapping[str, str], standard: Mapping[str, str]) -> str:
    """The members of a record's `attributes`: standard fields, then the custom ones, if there are any."""
    named = {standard[key]: member_value(key, members[key]) for key in keys if key in standard}
    custom = ",".join(members[key] for key in keys if key not in standard)
    return ",".join([*fields.nested(named), *([f'"custom":{{{custom}}}'] if custom else [])])


def bulk_calls(records: Sequence[Record]) -> Iterator[Call]:
    """Calls of at most USERS_MAX records."""
    for start in range(0, len(records), USERS_MAX):
        yield _submit(records[start : start + USERS_MAX])


def _submit(records: Sequence[Record]) -> Call:
    """One bulk call. Line ends stand between records only: JSON text holds none."""
    body = '{"users":[\n' + ",\n".join(record.text for record in records) + "\n]}"
    return Call("POST", BULK, body.encode(), tuple(record.target for record in records))


def classify_submit(call: Call, answer: Answer, poll_seconds: float) -> Classification:
    """A 202 names the job, which is written down before its first poll, `poll_seconds` later."""
    status, body = answer.status, json_of(answer.body)
    if not OK <= status < MULTIPLE_CHOICES:
        if status in BULK_STOPS:
            return stop(answer, BULK_STOPS)
        return classify_failure(answer) or _halve_job(call, status)
    job = body.get("batchJobId") if isinstance(body, dict) else None
    if not isinstance(job, str) or not re.fullmatch(r"[A-Za-z0-9_.:-]{1,200}", job):
        return contradiction("the answer names no job")
    poll = _poll(call, job, call.context or _identifiers_in(call.body), poll_seconds)
    return Classification(Verdict.CONTINUE, follow_up=(poll,), durable=True)


def _poll(call: Call, job: str, records: str, after: float) -> Call:
    return Call("GET", JOB + job, b"", call.targets, after=after, context=records)


def _texts_of(body: bytes) -> list[str]:
    return body.decode().removeprefix('{"users":[\n').removesuffix("\n]}").split(",\n")


def _identifiers_in(body: bytes) -> str:
    """What tells the records of a bulk call apart in its results: their identifiers, as JSON."""
    return json.dumps([json.loads(text)["identifiers"] for text in _texts_of(body)], ensure_ascii=False)


def _halve_job(call: Call, status: int) -> Classification:
    """A refused submission goes out again in halves, until one record stands alone."""
    if len(call.targets) == 1:
        refusal = Refusal(0, "", "person_refused", "this person's record was refused, alone", status)
        return Classification(Verdict.DONE, (refusal,))
    pairs = [Record(text, target) for text, target in zip(_texts_of(call.body), call.targets, strict=True)]
    middle = (len(pairs) + 1) // 2
    return Classification(Verdict.CONTINUE, follow_up=(_submit(pairs[:middle]), _submit(pairs[middle:])))


def classify_poll(call: Call, answer: Answer) -> Classification:
    """The job is done only where the answer says so; an unknown status means that it is not done yet."""
    if answer.status in BULK_STOPS:
        return stop(answer, BULK_STOPS)
    if answer.status == NOT_FOUND:
        return contradiction("the destination does not know the job any more")
    body = json_of(answer.body)
    if answer.status != OK or not isinstance(body, dict):
        return transient(answer)
    return _classify_job(call, str(body.get("status", "")).upper(), body.get("url"))


def _classify_job(poll: Call, status: str, url: Any) -> Classification:
    if not poll.targets and status in _ENDED:
        return ALL_APPLIED  # only asked whether the job has ended
    if status in _ENDED and isinstance(url, str) and url:
        return Classification(Verdict.CONTINUE, follow_up=(_fetch(poll, url),))
    if status in _FAILED:
        message = (
            f"the destination ended the job as {status} and left no results; some of it may be written, and "
            "importer retry sends all of it again"
        )
        return Classification(Verdict.UNCONFIRMED, message=message)
    if status == _REVIEW:
        reason = "job_needs_review"
        return Classification(Verdict.CONTINUE, reason=reason, message=_NEEDS_REVIEW, follow_up=(poll,))
    return Classification(Verdict.CONTINUE, follow_up=(poll,))


def _fetch(poll: Call, url: str) -> Call:
    """The call that fetches the results of a polled job from `url`."""
    context = json.dumps({"job": poll.path.removeprefix(JOB), "records": json.loads(poll.context)})
    return Call("GET", url, b"", poll.targets, after=_AT_ONCE, context=context)


def classify_results(call: Call, answer: Answer, poll_seconds: float) -> Classification:
    """The results, record by record; where their address is not good any more, the job is polled again."""
    context = json.loads(call.context)
    if answer.status in TRANSIENT_STATUS:
        return transient(answer)
    if answer.status != OK:
        poll = _poll(call, context["job"], json.dumps(context["records"]), poll_seconds)
        return Classification(Verdict.CONTINUE, follow_up=(poll,))
    found = _settle(len(call.targets), answer.body, context["records"])
    fetched = int(context.get("fetched", 0)) + 1
    if found.unreported and fetched < _FETCHES and not is_json_lines(answer.body):
        again = replace(call, after=poll_seconds, context=json.dumps({**context, "fetched": fetched}))
        return Classification(Verdict.CONTINUE, reason=UNREADABLE, follow_up=(again,))
    return found


def _settle(people: int, body: bytes, records: Sequence[Any]) -> Classification:
    results = read_results(body, records)
    refused = tuple(
        Refusal(index, "", "record_refused", _RECORD_REFUSED, result.status)
        for index, result in sorted(results.items())
        if not result.accepted
    )
    unreported = tuple(index for index in range(people) if index not in results)
    message = "the job is done, but its results do not say what became of this" if unreported else ""
    return Classification(Verdict.DONE, refused, message=message, unreported=unreported)
