"""Why a connection could not be opened, and what that says of the call."""

import errno
import resource
from collections.abc import Iterator

import pytest

from importer.transport.errors import NO_FILES, NO_HOST, TransportError, is_out_of_files, no_connection


@pytest.fixture
def _no_more_files() -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_an_error_has_been_sent_unless_it_says_otherwise() -> None:
    error = TransportError("broken")
    assert (str(error), error.connected, error.answered, error.hopeless) == ("broken", True, False, False)


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE])
def test_a_limit_of_files_is_named_and_hopeless(number: int) -> None:
    error = no_connection(OSError(number, "too many"))
    assert (str(error), error.connected, error.hopeless) == (NO_FILES, False, True)


def test_another_error_is_worth_trying_again() -> None:
    assert not is_out_of_files(OSError(errno.ECONNREFUSED, "no"))
    assert not no_connection(OSError(errno.ECONNREFUSED, "no")).hopeless
    assert str(no_connection(OSError(errno.ENOENT, "no"), NO_HOST)) == NO_HOST


@pytest.mark.usefixtures("_no_more_files")
def test_a_look_up_that_fails_for_want_of_files_says_so() -> None:
    assert str(no_connection(OSError(errno.ENOENT, "no"), NO_HOST)) == NO_FILES
