"""What a person asks the day after: explain, runs, prune, report.html, and init before the first day."""

import io
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import importer
from importer.cli import main
from importer.commands.explain import explain
from importer.commands.init import draft
from importer.config import loader as configuration
from importer.config import schema
from importer.config.options import RejectLimit
from importer.core.errors import ConfigError, SourceError
from importer.sandbox import faults
from importer.sandbox import server as sandbox
from importer.sandbox.options import SandboxOptions
from importer.storage import disk_errors, locks, state_folder
from importer.storage.run_folder import RunFolder

KEY = "sk_test_looking"
LIST = (
    "id,plan,name,topics\n17,pro,Zoë,math|chess\n18,techno,<b>Ben</b>,art\n17,,Zoë Quist,\n19,free,Ana,math\n"
)


@pytest.fixture
def mapping(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    monkeypatch.setenv("LOOKING_KEY", KEY)
    (tmp_path / "list.csv").write_text(LIST)
    return {
        "name": "people",
        "source": {"path": str(tmp_path / "list.csv")},
        "identity": {"column": "id"},
        "destination": {"type": "vevee", "api_key": "env:LOOKING_KEY", "requests_per_second": 5000},
        "attributes": {
            "plan": {"type": "single_choice", "options": ["pro", "free"]},
            "name": {"type": "free_text"},
            "topics": {"type": "multi_choice", "options": ["math", "art"]},
        },
    }


@pytest.fixture
def server(mapping: dict[str, Any]) -> Iterator[sandbox.SandboxServer]:
    with sandbox.running(configuration.parse(mapping), SandboxOptions(), KEY) as running:
        yield running


@pytest.fixture
def night(mapping: dict[str, Any], server: sandbox.SandboxServer, state_dir: Path) -> RunFolder:
    options = importer.Options(state_dir=state_dir, base_url=server.url, run_id="night")
    assert importer.run(mapping, (), options).exit_code == 1
    return RunFolder(state_dir / "runs" / "night")


# ------------------------------------------------------------------- explain


def test_one_persons_way(night: RunFolder, state_dir: Path, tmp_path: Path) -> None:
    told = "\n".join(explain(state_dir, "17"))
    path = tmp_path / "list.csv"
    assert told.startswith('"17" in run night: people → vevee, finished, exit 1')
    assert f"{path} row 1, line 2\n" in told
    assert re.search(r'plan +"pro" → "pro"', told)
    assert re.search(r'topics +"math\|chess" → \["math"\]  adjusted: option_not_declared, .*chess', told)
    assert re.search(rf"{path} row 3, line 4\n +plan +blank\n +name +\"Zoë Quist\"", told)
    answer = "set plan, name, topics: applied, status 200, 1 attempt"
    sent = rf"\d{{4}}-\S+  {answer}; from {path} row 1, {path} row 3"
    assert re.search(sent, told), told
    assert re.search(
        r'the snapshot knows now\n +plan +"pro"\n +name +"Zoë Quist"\n +topics +\["math"\]', told
    )


def test_what_was_refused_is_told_where_it_stands(night: RunFolder, state_dir: Path) -> None:
    told = "\n".join(explain(state_dir, "18", "night"))
    assert re.search(r'plan +"techno"  rejected by check: attribute_value_invalid, expected one of', told)
    assert re.search(r"set name, topics: applied", told)


def test_a_changed_source_is_said_and_kept_rows_are_shown(
    night: RunFolder, state_dir: Path, tmp_path: Path
) -> None:
    (tmp_path / "list.csv").write_text("id,plan,name,topics\n17,free,Other,art\n")
    told = "\n".join(explain(state_dir, "17"))
    assert "has changed since" in told
    assert "Other" not in told
    assert "set plan, name, topics: applied" in told
    kept = "\n".join(explain(state_dir, "18"))
    assert '"techno"' in kept
    assert "<b>Ben</b>" in kept


def test_the_rows_of_a_stopped_run_are_in_the_run(
    mapping: dict[str, Any], server: sandbox.SandboxServer, state_dir: Path, tmp_path: Path
) -> None:
    server.change(SandboxOptions(faults=(faults.parse_fault("quota@2-:times=0"),)))
    options = importer.Options(state_dir=state_dir, base_url=server.url, run_id="night")
    assert importer.run(mapping, (), options).exit_code == 4
    (tmp_path / "list.csv").unlink()
    told = "\n".join(explain(state_dir, "19"))
    assert '"Ana" → "Ana"' in told
    assert "nothing was sent" in told
    assert re.search(r"knows now\n +plan +unknown: sent or to be sent, and not acknowledged; due", told)


def test_a_check_knows_people_too(mapping: dict[str, Any], state_dir: Path) -> None:
    importer.check(mapping, (), importer.Options(state_dir=state_dir))
    told = "\n".join(explain(state_dir, "19"))
    assert '"Ana" → "Ana"' in told
    assert "the snapshot does not know this person" in told


def test_rows_left_out_are_said_to_be(mapping: dict[str, Any], state_dir: Path) -> None:
    mapping["source"]["where"] = "plan = 'free'"
    importer.check(mapping, (), importer.Options(state_dir=state_dir))
    assert "row 1, line 2, left out by where" in "\n".join(explain(state_dir, "17"))


def test_nobody_of_this_id(night: RunFolder, state_dir: Path) -> None:
    with pytest.raises(ConfigError, match="knows nobody"):
        list(explain(state_dir, "170"))


def test_the_id_may_come_from_stdin(
    night: RunFolder, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("18\n"))
    assert main.main(["explain", "-"]) == 0
    assert capsys.readouterr().out.startswith('"18" in run night')


def test_no_character_moves_the_terminal(mapping: dict[str, Any], state_dir: Path, tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_text("id,plan,name,topics\n17,pro,a\x1b[2J\u202eb,math\n")
    importer.check(mapping, (), importer.Options(state_dir=state_dir))
    told = "\n".join(explain(state_dir, "17"))
    assert r"a\u001b[2J\u202eb" in told
    assert all(c.isprintable() for line in told.splitlines() for c in line)


# ------------------------------------------------------------------- runs, prune


def test_the_past_nights_in_a_table(night: RunFolder, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["runs"]) == 0
    head, line = capsys.readouterr().out.splitlines()
    words = "run started command import destination state exit rows called applied unchanged rejected"
    assert head.split() == [*words.split(), "unconfirmed"]
    assert line.split()[2:] == "run people vevee finished 1 4 3 8 0 1 0".split()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["check"], "the following arguments are required: CONFIG; see: importer check --help"),
        (
            ["run", "x.toml", "--max", "5"],
            'unrecognized arguments: --max. Did you mean "--max-rejects"? See: importer run --help',
        ),
        (
            ["verify", "--sample", "0"],
            ('argument --sample: expected a whole number from 1 on, found "0"; see: '),
        ),
    ],
)
def test_a_mistake_in_a_command_is_one_true_sentence(
    words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main.main(words) == 2
    out, err = capsys.readouterr()
    assert (out, err.startswith(f"importer: {said}")) == ("", True)


def test_the_next_command_names_the_state_folder(
    night: RunFolder, state_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Pasted as it stands it works, wherever the runs are."""
    place = f"--state-dir {state_dir}"
    assert main.main(["retry", "nope"]) == 2
    assert f"importer runs {place}" in capsys.readouterr().err
    night.write_summary({**(night.read_summary() or {}), "state": "stopped"})
    assert main.main(["retry", "night"]) == 2
    assert f"importer resume night {place}" in capsys.readouterr().err
    assert f"importer resume night {place}" in str(disk_errors.disk_full(night.journal))


def test_a_run_took_what_its_lives_took_not_the_time_between(
    mapping: dict[str, Any], server: sandbox.SandboxServer, state_dir: Path
) -> None:
    def options(limit: str) -> importer.Options:
        allowed = RejectLimit.parse(limit)
        return importer.Options(state_dir=state_dir, base_url=server.url, run_id="idle", max_rejects=allowed)

    assert importer.run(mapping, (), options("0")).exit_code == 6
    _age(RunFolder(state_dir / "runs" / "idle"), 1)
    summary = importer.resume(state_dir, "idle", options("9"))
    assert summary.exit_code == 0
    assert summary.seconds["sending"] <= summary.seconds["total"] < 3600


def test_nobody_is_sent_to_resume_a_superseded_run(
    night: RunFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    night.write_meta(night.read_meta() | {"superseded_by": "last"})
    night.summary.unlink()
    for words in (["resume", "night"], ["retry", "night"], ["report", "night"]):
        assert main.main(words) == 2
        said = capsys.readouterr().err
        assert "importer resume" not in said
        assert "importer runs" in said


def test_a_damaged_run_says_how_to_go_on_without_it(
    night: RunFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    night.meta.write_text("{")
    assert main.main(["runs"]) == 7
    assert f"move {night.path} away, then the same command again." in capsys.readouterr().err
    night.path.rename(night.path.parent.parent / "away")
    assert main.main(["runs"]) == 0


def test_a_quiet_report_is_quiet(night: RunFolder, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["report", night.run_id, "--quiet"]) == 0
    assert capsys.readouterr() == ("", "")


def _age(folder: RunFolder, days: float) -> None:
    meta = folder.read_meta()
    then = datetime.now(UTC) - timedelta(days=days)
    folder.write_meta(meta | {"started_at": then.isoformat()})


def test_old_runs_go_with_all_they_hold(
    night: RunFolder, mapping: dict[str, Any], server: sandbox.SandboxServer, state_dir: Path
) -> None:
    options = importer.Options(state_dir=state_dir, base_url=server.url, run_id="last")
    importer.run(mapping, (), options)
    _age(night, 31)
    assert main.main(["runs", "--prune", "30d"]) == 0
    assert [folder.run_id for folder in state_folder.all_runs(state_dir)] == ["last"]
    assert not [p for p in state_dir.rglob("*") if "night" in p.name]


def test_a_run_that_goes_on_is_kept(night: RunFolder, mapping: dict[str, Any], state_dir: Path) -> None:
    _age(night, 400)
    meta = night.read_meta()
    config = configuration.parse(meta["config"])
    with locks.import_lock(state_dir, config, night):
        assert list(state_folder.prune(state_dir, 86400, lambda _: False)) == []
    assert list(state_folder.prune(state_dir, 86400, lambda _: True)) == []
    assert list(state_folder.prune(state_dir, 86400, lambda _: False)) == ["night"]


# ------------------------------------------------------------------- report.html


# ------------------------------------------------------------------- init


def drafted(path: Path, folder: Path) -> schema.Config:
    config = folder / "draft.toml"
    config.write_text("\n".join(draft(str(path))) + "\n")
    return configuration.load(config)


def test_the_draft_of_the_sample_is_sent_without_a_change(
    tmp_path: Path, state_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = Path(__file__).parents[2] / "samples" / "customers.csv"
    config = drafted(source, tmp_path)
    assert config.identity.column == "customer_id"
    summary = importer.check(config, (), importer.Options(state_dir=state_dir))
    assert summary.rows["rejected"] == 8, "rows without an id"
    bad = {"persona", "plan", "age", "lifetime_value", "newsletter", "signup_date", "last_seen"}
    assert {r.attribute for r in summary.reject_counts} == bad | {""}, "what samples/README.md calls wrong"
    assert summary.values["rejected"] == 45
    monkeypatch.setenv("VEVEE_API_KEY", KEY)
    with sandbox.running(config, SandboxOptions(), KEY) as server:
        options = importer.Options(state_dir=state_dir, base_url=server.url, rate=0, limit=150)
        values = importer.run(config, (), options).values
    assert values["applied"] == values["read"] - values["rejected"] - values["superseded"] > 2000


def test_no_text_of_a_single_person_is_shown(tmp_path: Path) -> None:
    rows = "".join(f"{n},secret{n},plan{n % 3}\n" for n in range(60))
    path = tmp_path / "list.csv"
    path.write_text("user_id,word,plan\n" + rows)
    text = "\n".join(draft(str(path)))
    assert "secret" not in text
    assert 'options = ["plan0", "plan1", "plan2"]' in text


def test_both_readings_of_a_date_are_shown(tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    path.write_text("id,day\n1,01/02/2024\n2,03/04/2024\n")
    text = "\n".join(draft(str(path)))
    assert "%d/%m/%Y" in text
    assert "%m/%d/%Y" in text


def test_another_dialect_is_drafted_too(tmp_path: Path, state_dir: Path) -> None:
    path = tmp_path / "list.csv"
    path.write_bytes("Kundennr;Name;Straße\n1;Zoë;Am Weg 1\n2;Jörg;Hauptstraße 2\n".encode("cp1252"))
    config = drafted(path, tmp_path)
    assert (config.source.delimiter, config.source.encoding) == (";", "cp1252")
    assert importer.check(config, (), importer.Options(state_dir=state_dir)).exit_code == 0


@pytest.mark.parametrize(
    "columns", [["id", 'a"b', "c\\d", "é ü", "x.y", "1"], ["id"], ["id", "type", "name"]], ids=len
)
def test_any_header_makes_a_draft_that_loads(columns: list[str], tmp_path: Path, state_dir: Path) -> None:
    path = tmp_path / "list.parquet"
    pl.DataFrame({name: [str(n), str(n)] for n, name in enumerate([*columns, "extra"])}).write_parquet(path)
    config = drafted(path, tmp_path)
    assert [*config.declared_columns] == [*columns, "extra"]
    assert importer.check(config, (), importer.Options(state_dir=state_dir)).exit_code == 0


def test_init_prints_the_draft(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "list.csv").write_text("id,a\n1,2\n")
    monkeypatch.chdir(tmp_path)
    assert main.main(["init", "list.csv"]) == 0
    assert "[identity]" in capsys.readouterr().out
    assert main.main(["init", "none.csv"]) == 3
    with pytest.raises(SourceError):
        list(draft("none.csv"))
