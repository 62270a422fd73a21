"""What the system says of the state folder comes as a sentence with the next step."""

import errno
from pathlib import Path

import polars as pl
import pytest

from importer.core.errors import StateError
from importer.storage.disk_errors import disk_full, state_errors

JOURNAL = Path("/data/state/runs/night/journal.sqlite")


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_a_full_disk_says_how_to_go_on(number: int) -> None:
    with (
        pytest.raises(StateError, match="the disk is full; free some disk space, then: importer resume"),
        state_errors(JOURNAL),
    ):
        raise OSError(number, "no room")


def test_polars_passes_the_number_of_the_error_on_as_text() -> None:
    with pytest.raises(StateError, match="the disk is full"), state_errors(JOURNAL):
        raise pl.exceptions.ComputeError("No space left on device (os error 28)")
    with pytest.raises(pl.exceptions.ComputeError), state_errors(JOURNAL):
        raise pl.exceptions.ComputeError("a fault of ours")


def test_other_errors_name_the_path_and_their_reason() -> None:
    with (
        pytest.raises(StateError, match=r"journal.sqlite: permission denied; choose another --state-dir"),
        state_errors(JOURNAL),
    ):
        raise PermissionError(errno.EACCES, "Permission denied")


def test_a_fault_of_ours_is_not_called_a_fault_of_the_disk() -> None:
    with pytest.raises(KeyError), state_errors(JOURNAL):
        raise KeyError


def test_outside_of_a_run_the_same_command_goes_on() -> None:
    assert "then: the same command again" in str(disk_full(Path("/data/state/locks/x")))
