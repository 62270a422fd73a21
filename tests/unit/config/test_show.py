"""`importer config show`: what it prints means the same as what it read."""

from pathlib import Path

import pytest

from importer.cli import main
from importer.config import load
from importer.config.show import as_toml

EXAMPLES = sorted((Path(__file__).parents[3] / "config").glob("*.toml"))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_what_is_shown_means_the_same(path: Path, tmp_path: Path) -> None:
    shown = tmp_path / "shown.toml"
    shown.write_text("\n".join(as_toml(load(path))) + "\n", "utf-8")
    again = load(shown)
    assert list(as_toml(again)) == list(as_toml(load(path)))
    assert again.destination == load(path).destination
    assert again.columns == load(path).columns


def test_bases_are_joined_and_variables_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("STAGE", "staging")
    base = (EXAMPLES[-1]).read_text("utf-8")
    (tmp_path / "base.toml").write_text(base, "utf-8")
    top = tmp_path / "top.toml"
    top.write_text('extends = "base.toml"\n[destination]\naccount = "${STAGE}"\n', "utf-8")
    assert main.main(["config", "show", str(top)]) == 0
    out = capsys.readouterr().out
    assert 'account = "staging"' in out
    assert "extends" not in out
    assert "read_timeout = 30.0" in out
