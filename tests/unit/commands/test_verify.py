"""What reading back compares, and how a sample is drawn."""

from decimal import Decimal
from pathlib import Path

import pytest

import importer
from importer.commands import verify
from importer.commands.verify import Difference, Verified
from importer.config import loader
from importer.sandbox import server as sandbox
from importer.sandbox.options import SandboxOptions
from importer.storage.journal import Journal
from importer.storage.shared_pace import shared_turns


def test_a_value_is_read_from_its_json_member_without_a_float() -> None:
    assert verify._value("age", '"age":0.1') == Decimal("0.1")
    assert verify._value("a b", '"a b":["x"]') == ["x"]


@pytest.mark.parametrize(
    ("value", "text"), [(None, ""), (Decimal("1.50"), "1.50"), ("é", '"é"'), (True, "true"), (["a"], '["a"]')]
)
def test_a_value_as_the_report_shows_it(value: object, text: str) -> None:
    assert verify._shown(value) == text


def test_the_exit_code_says_whether_all_is_there() -> None:
    found = Verified("r", people=2, values=4)
    assert (found.exit_code, found.as_mapping()["same"]) == (0, 4)
    found.unread = 1
    assert found.exit_code == 1
    found.unread = 0
    found.differences = [Difference(1, 2, "a", "plan", "missing", "x", None)]
    assert (found.exit_code, found.as_mapping()["same"]) == (1, 3)
    assert "x" not in str(found.as_mapping()["differences"]), "counts only"


def test_a_sample_is_the_same_each_time(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal.sqlite")
    journal.written_people = lambda: iter(f"p{n}" for n in range(50))  # type: ignore[method-assign] # a list
    one, again, other = (verify._sampled(journal, seed, 5).to_list() for seed in ("r", "r", "s"))
    assert one == again != other
    assert len(set(one)) == 5
    journal.close()


def test_its_calls_take_turns_with_the_imports_of_the_account(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VERIFY_KEY", "sk_test_verify")
    (tmp_path / "list.csv").write_text("id,age\np1,1\np2,2\np3,3\n")
    data = {
        "name": "verified",
        "source": {"path": str(tmp_path / "list.csv")},
        "identity": {"column": "id"},
        "destination": {"type": "vevee", "api_key": "env:VERIFY_KEY", "requests_per_second": 1000},
        "attributes": {"age": {"type": "number"}},
    }
    with sandbox.running(loader.parse(data), SandboxOptions(), "sk_test_verify") as server:
        options = importer.Options(state_dir=str(tmp_path / "state"), base_url=server.url)
        importer.run(data, options=options)
        assert verify.verify(tmp_path / "state").people == 3
        config = options.applied_to(loader.parse(data))
        with shared_turns(tmp_path / "state", config, "calls", 1000) as turns:
            assert turns is not None
            ((number, _),) = turns.take(0.0)
        assert number == server.stats.requests == 6
