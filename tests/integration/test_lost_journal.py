"""A run is killed, and its journal is lost or shortened: no increase is counted twice, no value is lost."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.engagelab import KEY, KEY_NAME, killed, stage
from tests.support.oracle.program import importer

PEOPLE = 150
KILLED_AFTER = 60

Damage = Callable[[Path], None]


def lose_log(folder: Path) -> None:
    """What was committed since the last checkpoint, here all of it."""
    (folder / "journal.sqlite-wal").unlink()


def lose_journal(folder: Path) -> None:
    for path in folder.glob("journal.sqlite*"):
        path.unlink()


def lose_journal_and_count(folder: Path) -> None:
    lose_journal(folder)
    (folder / "sent-so-far").unlink()


def flip_bit_of_log(folder: Path) -> None:
    path = folder / "journal.sqlite-wal"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def shorten_log(folder: Path) -> None:
    path = folder / "journal.sqlite-wal"
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


@pytest.mark.parametrize(
    "damage", [lose_log, lose_journal, lose_journal_and_count, flip_bit_of_log, shorten_log]
)
def test_an_increase_whose_journal_lost_calls_is_not_sent_again(damage: Damage, tmp_path: Path) -> None:
    with stage(
        tmp_path, attributes={"points": {"type": "number", "operation": "increase"}}, latency=0.01
    ) as (
        here,
        server,
    ):
        here.write([{"id": f"p{n}", "points": "1"} for n in range(PEOPLE)])
        killed(here, server, KILLED_AFTER, "run", here.config, "--run-id", "r")
        damage(here.state / "runs" / "r")
        counted = dict(server.stored)
        for _ in range(2):
            result = importer("resume", "r", cwd=here.folder, env={KEY_NAME: KEY})
            assert result.code == 7, result.err
            assert "must not be sent twice" in result.err
            assert "--allow-duplicates" in result.err
        assert server.stored == counted
        assert all(values == {"points": 1} for values in server.stored.values())


@pytest.mark.parametrize("damage", [lose_log, lose_journal, flip_bit_of_log, shorten_log])
def test_absolute_values_whose_journal_lost_answers_are_sent_again(damage: Damage, tmp_path: Path) -> None:
    with stage(tmp_path, attributes={"age": {"type": "number"}}, latency=0.01) as (here, server):
        here.write([{"id": f"p{n}", "age": str(n)} for n in range(PEOPLE)])
        killed(here, server, KILLED_AFTER, "run", here.config, "--run-id", "r")
        damage(here.state / "runs" / "r")
        result = importer("resume", "r", cwd=here.folder, env={KEY_NAME: KEY})
        assert result.code == 0, result.err
        assert "the journal has lost" in result.err
        assert server.stored == {f"p{n}": {"age": n} for n in range(PEOPLE)}
        assert result.summary("r")["values"]["applied"] == PEOPLE
