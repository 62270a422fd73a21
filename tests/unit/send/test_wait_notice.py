"""What the sending waits for is said, each kind not too often."""

import pytest

from importer.send.wait_notice import AGAIN_AFTER, WaitNotice


@pytest.fixture
def said() -> list[str]:
    return []


def test_each_kind_of_wait_has_its_sentence(said: list[str]) -> None:
    notice = WaitNotice(said.append, lambda: 0.0)
    notice.throttled(429, 3.0)
    notice.down("the destination does not answer", 60.0, 900.0)
    WaitNotice(said.append, lambda: 0.0).down("no connection", 0.04, 900.0)
    notice.polling(40, 30.0)
    assert said == [
        "429: next call in 3 s (Retry-After)",
        "the destination does not answer; tried for 1 min, giving up in 14 min",
        "no connection; trying again, giving up in 15 min",
        "polling 40 jobs of the destination, next in 30 s",
    ]


def test_the_same_kind_is_said_again_after_a_while(said: list[str]) -> None:
    now = [0.0]
    notice = WaitNotice(said.append, lambda: now[0])
    for now[0] in (0.0, 1.0, AGAIN_AFTER - 0.1, AGAIN_AFTER):
        notice.throttled(503, 2.0)
    assert len(said) == 2


def test_a_long_wait_is_said_each_time_and_once(said: list[str]) -> None:
    now = [0.0]
    notice = WaitNotice(said.append, lambda: now[0])
    for now[0] in (0.0, 0.1, 4.1, 4.2):  # eight calls in flight may all be answered with 429
        notice.throttled(429, 4.0)
    assert len(said) == 2


def test_a_short_wait_is_not_worth_a_line(said: list[str]) -> None:
    notice = WaitNotice(said.append, lambda: 0.0)
    notice.throttled(429, 0.2)
    notice.polling(3, 0.5)
    assert said == []
