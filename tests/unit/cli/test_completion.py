import pytest

from importer.cli import completion, main


@pytest.mark.parametrize(
    ("shell", "word"), [("bash", "complete "), ("zsh", "compdef"), ("fish", "complete --command")]
)
def test_a_shell_gets_what_it_evaluates(shell: str, word: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert callable(completion.completion)
    assert main.main(["completion", shell]) == 0
    out = capsys.readouterr().out
    assert "importer" in out
    assert word in out
