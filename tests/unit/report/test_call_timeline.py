import sqlite3
from contextlib import closing
from pathlib import Path

from importer.report.call_timeline import PARTS, read_timeline


def journal(path: Path, answers: "list[tuple[float, int]]") -> Path:
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("CREATE TABLE answers (at REAL, attempts INTEGER)")
        database.executemany("INSERT INTO answers VALUES (?, ?)", answers)
    return path


def test_calls_and_repeats_by_part_of_the_time(tmp_path: Path) -> None:
    answers = [(1000.0 + n, 1) for n in range(600)] + [(1000.5, 4), (0.0, 0)]
    parts = read_timeline(journal(tmp_path / "journal.sqlite", answers))
    assert len(parts) in (PARTS, PARTS + 1)
    assert sum(part.calls for part in parts) == 601
    assert sum(part.repeated for part in parts) == parts[0].repeated == 3
    assert parts[0].at == 1000.0


def test_people_of_one_call_are_one_call(tmp_path: Path) -> None:
    parts = read_timeline(journal(tmp_path / "journal.sqlite", [(5.0, 2)] * 100))
    assert [(part.calls, part.repeated) for part in parts] == [(1, 1)]


def test_without_answers_there_is_no_timeline(tmp_path: Path) -> None:
    assert read_timeline(tmp_path / "journal.sqlite") == []
    assert read_timeline(journal(tmp_path / "journal.sqlite", [])) == []
