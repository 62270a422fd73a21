"""What a hostile destination may answer.

`BROKEN` are no answers: HTTP that is not, or a body that is no JSON. The importer must treat each as a call
without an answer. `FALSE` are answers in good form that say something else, which it may believe.
"""

import gzip
import json
import random
import time
from collections.abc import Iterator
from typing import Any

from tests.torture.proxy import Answer, Spoil

_MANY = 40_000


def _trailers(_: random.Random, answer: Answer) -> Iterator[bytes]:
    yield answer.head("transfer-encoding: chunked")
    yield f"{len(answer.body):x}\r\n".encode() + answer.body + b"\r\n0\r\n"
    for _n in range(_MANY // 100):
        yield b"x-more: " + b"y" * 8_000 + b"\r\n"


def _headers(_: random.Random, answer: Answer) -> Iterator[bytes]:
    yield b"HTTP/1.1 200 -\r\n"
    for n in range(_MANY):
        yield b"x-%d: %s\r\n" % (n, b"y" * 100)
    yield b"content-length: 2\r\n\r\n{}"


def _interim(_: random.Random, answer: Answer) -> Iterator[bytes]:
    for _n in range(_MANY // 10):
        yield b"HTTP/1.1 103 -\r\nlink: <x>\r\n\r\n" * 10
    yield answer.whole()


def _long_line(_: random.Random, answer: Answer) -> Iterator[bytes]:
    yield b"HTTP/1.1 200 "
    for _n in range(64):
        yield b"O" * 65_536


def _large(_: random.Random, answer: Answer) -> Iterator[bytes]:
    yield answer.head(f"content-length: {1 << 40}")
    for _n in range(64):
        yield b" " * 65_536


def _packed(_: random.Random, answer: Answer) -> Iterator[bytes]:
    body = gzip.compress(b" " * (64 << 20), 1)
    yield answer.head("content-encoding: gzip", f"content-length: {len(body)}") + body


def _cut(chance: random.Random, answer: Answer) -> Iterator[bytes]:
    whole = answer.whole()
    yield whole[: chance.randrange(len(whole))]


def _noise(chance: random.Random, _: Answer) -> Iterator[bytes]:
    yield chance.randbytes(chance.randint(1, 5_000))


def _flipped(chance: random.Random, answer: Answer) -> Iterator[bytes]:
    """In the status line: a flipped bit of the body could make another good answer."""
    data = bytearray(answer.whole())
    data[chance.randrange(8)] ^= 1 << chance.randrange(7)
    yield bytes(data)


def _nested(_: random.Random, answer: Answer) -> Iterator[bytes]:
    yield answer.whole(b"[" * 200_000 + b"]" * 200_000)


def _digits(_: random.Random, answer: Answer) -> Iterator[bytes]:
    yield answer.whole(b'{"applied": ' + b"9" * 100_000 + b"}")


def _no_text(chance: random.Random, answer: Answer) -> Iterator[bytes]:
    yield answer.whole(b'{"applied": "' + chance.randbytes(200) + b'"')


def _slow(_: random.Random, answer: Answer) -> Iterator[bytes]:
    """Drop by drop, never to its end."""
    for byte in answer.whole()[:30]:
        time.sleep(0.02)
        yield bytes((byte,))


def _bad_chunks(chance: random.Random, answer: Answer) -> Iterator[bytes]:
    size = chance.choice((b"-1", b"zz", b"f" * 20, b"5;" + b"x" * 70_000, b""))
    yield answer.head("transfer-encoding: chunked") + size + b"\r\n" + answer.body + b"\r\n0\r\n\r\n"


def _two_lengths(_: random.Random, answer: Answer) -> Iterator[bytes]:
    yield answer.head("content-length: 1", f"content-length: {len(answer.body) + 7}") + answer.body


def _gateway(chance: random.Random, answer: Answer) -> Iterator[bytes]:
    status = chance.choice((500, 502, 503, 504))
    yield answer.whole(chance.choice((b"", b"<html>", b"{", chance.randbytes(50))), status)


BROKEN: dict[str, Spoil] = {
    "endless trailers": _trailers,
    "endless headers": _headers,
    "endless interim answers": _interim,
    "a long status line": _long_line,
    "a body too large": _large,
    "a body that unpacks to 64 MiB": _packed,
    "cut off": _cut,
    "noise": _noise,
    "a flipped bit in the status line": _flipped,
    "200,000 brackets": _nested,
    "a number of 100,000 digits": _digits,
    "a body that is no text": _no_text,
    "drop by drop": _slow,
    "wrong chunks": _bad_chunks,
    "two lengths": _two_lengths,
    "a gateway's error": _gateway,
}


def _status(chance: random.Random, answer: Answer) -> Iterator[bytes]:
    yield answer.whole(
        status=chance.choice((201, 204, 206, 301, 400, 402, 404, 409, 413, 418, 429, 451, 999))
    )


def _changed(chance: random.Random, answer: Answer) -> Iterator[bytes]:
    """One place of the JSON says something else."""
    try:
        found = json.loads(answer.body)
    except ValueError:
        found = {}
    yield answer.whole(json.dumps(_mutated(chance, found)).encode())


_OTHERS: tuple[Any, ...] = (
    None,
    True,
    -1,
    0,
    2**70,
    1e308,
    "",
    "x" * 3_000,
    "\ud800",
    [],
    {},
    [[]],
    {"": None},
)


def _mutated(chance: random.Random, value: Any) -> Any:
    if isinstance(value, dict) and value and chance.random() < 0.9:
        key = chance.choice(list(value))
        if chance.random() < 0.2:
            return {k: v for k, v in value.items() if k != key}
        return {**value, key: _mutated(chance, value[key])}
    if isinstance(value, list) and value and chance.random() < 0.9:
        at = chance.randrange(len(value))
        return [*value[:at], _mutated(chance, value[at]), *value[at + 1 :]]
    return chance.choice(_OTHERS)


def _plain(chance: random.Random, answer: Answer) -> Iterator[bytes]:
    yield answer.whole(json.dumps(chance.choice(_OTHERS)).encode())


FALSE: dict[str, Spoil] = {**BROKEN, "another status": _status, "other JSON": _changed, "bare JSON": _plain}
