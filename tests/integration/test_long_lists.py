"""A list that takes several nights: the same command each night, and the list changes under way."""

from pathlib import Path

import pytest

import importer
from importer.config import loader as configuration
from importer.sandbox import server as sandbox
from importer.sandbox.options import SandboxOptions
from tests.support.mappings import mapping

KEY = "sk_test_long"
PEOPLE = 90


def _write(path: Path, changed: int, people: int = PEOPLE) -> None:
    """The list, of which the last so many people have moved."""
    rows = (f"{n},{'Cork' if n < people - changed else 'Ulm'}\n" for n in range(people))
    path.write_text("id,city\n" + "".join(rows))


@pytest.mark.slow
def test_a_list_longer_than_a_night_is_sent_in_several(
    tmp_path: Path, state_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LONG_KEY", KEY)
    path = tmp_path / "people.csv"
    pace = {"requests_per_second": 20, "max_in_flight": 2}
    attributes = {"city": {"type": "free_text"}}
    config = mapping(path, attributes, "LONG_KEY", destination=pace, run={"changed_only": True})
    _write(path, changed=0)
    with sandbox.running(configuration.parse(config), SandboxOptions(), KEY) as server:
        night = importer.Options(state_dir=state_dir, base_url=server.url, max_duration=2.0)
        runs = [importer.run(config, options=night, resume=True) for _ in range(2)]
        assert [run.exit_code for run in runs] == [8, 8]
        assert runs[0].run_id == runs[1].run_id, "the same list: the second night goes on"
        sent = server.stats.requests
        assert 40 <= sent < PEOPLE
        _write(path, changed=5, people=PEOPLE + 10)  # a new list comes before the old one is through
        while (run := importer.run(config, options=night, resume=True)).exit_code == 8:
            runs.append(run)
            assert len(runs) < 20
        assert run.exit_code == 0
        assert run.run_id != runs[0].run_id
        assert server.stored == {
            str(n): {"city": "Cork" if n < PEOPLE + 5 else "Ulm"} for n in range(PEOPLE + 10)
        }
        assert server.stats.requests <= PEOPLE + 10 + 5, "who is unchanged is not sent twice"
