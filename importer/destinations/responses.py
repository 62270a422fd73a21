"""What every destination does alike with an answer: reads JSON, names a contradiction."""

import json
from collections.abc import Mapping
from typing import Any

from importer.core.models import Answer, Classification, Verdict


def json_answer(status: int, body: object, headers: Mapping[str, str] | None = None) -> Answer:
    """An answer with a JSON body."""
    return Answer(
        status,
        {"content-type": "application/json"} | dict(headers or {}),
        json.dumps(body, ensure_ascii=False).encode(),
    )


def json_of(body: bytes) -> Any:
    """The JSON value of a body, UTF-8 with or without a byte order mark; None where the body is none."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


TRANSIENT_STATUS = frozenset({408, 425, 429, 500, 502, 503, 504})
"""Statuses by which a server or a gateway says that it is worth trying again, at every vendor."""


UNREADABLE = "answer_unreadable"
"""The reason of an answer that is not the documented shape, with RETRY or with a CONTINUE that asks again."""


def unreadable(message: str) -> Classification:
    """Not the documented shape: a proxy's page, a body cut short. Nobody who knows the call has answered.

    The call is sent again; `message` says what is missing, and quotes nothing of the body.
    """
    return Classification(Verdict.RETRY, reason=UNREADABLE, message=message)


def contradiction(message: str) -> Classification:
    """An answer that cannot be true of its call: the values are unconfirmed.

    `message` says what does not fit, and quotes nothing of the body.
    """
    return Classification(Verdict.CONTRADICTION, reason="answer_contradicts", message=message)
