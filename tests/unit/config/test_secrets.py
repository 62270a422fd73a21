"""Secrets are read by reference, and no message shows one."""

from pathlib import Path

import pytest

from importer.config.secrets import read_reference
from importer.core.errors import ConfigError

SECRET = "sk_live_secret"


def test_a_secret_of_the_environment_loses_its_line_end() -> None:
    assert read_reference("env:KEY", "the API key", {"KEY": f"{SECRET}\n"}) == SECRET


def test_a_secret_of_a_private_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text(f"{SECRET}\n")
    path.chmod(0o600)
    assert read_reference(f"file:{path}", "the API key") == SECRET


def test_a_file_that_others_may_read_is_refused_with_the_command_that_helps(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text(SECRET)
    path.chmod(0o644)
    with pytest.raises(ConfigError, match=f"chmod 600 {path}"):
        read_reference(f"file:{path}", "the API key")


@pytest.mark.parametrize("value", ["", f"{SECRET}\nX-Evil: 1", "schlüssel", f"{SECRET}\x07"])
def test_what_is_no_line_of_ascii_is_refused_unseen(value: str) -> None:
    with pytest.raises(ConfigError, match="expected a key of one line of printable ASCII") as error:
        read_reference("env:KEY", "the API key", {"KEY": value})
    assert SECRET not in str(error.value)


def test_a_variable_that_is_not_set_is_named() -> None:
    with pytest.raises(
        ConfigError, match=r"variable KEY is not set; it should hold the API key\. Set it, or"
    ):
        read_reference("env:KEY", "the API key", {})
