import json
import logging

import pytest

from importer.cli import logs

LOGGER = logging.getLogger("importer.some.module")


def test_text_has_the_programs_name_and_no_control(capsys: pytest.CaptureFixture[str]) -> None:
    with logs.logging_to_stderr():
        logs.say("waiting for \x1b[2J")
        logs.say_more("  next: resume")
        LOGGER.debug("not shown")
    assert capsys.readouterr().err == "importer: waiting for \\x1b[2J\n  next: resume\n"


def test_json_is_one_object_a_line_with_the_fields_of_the_event(capsys: pytest.CaptureFixture[str]) -> None:
    with logs.logging_to_stderr():
        logs.configure(as_json=True, verbose=False)
        assert logs.is_json()
        logs.say("cost \u202e", "cost", logging.WARNING, calls=3)
    err = capsys.readouterr().err
    line = json.loads(err)
    assert line.pop("at").endswith("+00:00")
    assert line == {"level": "warning", "event": "cost", "text": "cost \u202e", "calls": 3}
    assert "\u202e" not in err


def test_verbose_shows_what_modules_log_below_a_message(capsys: pytest.CaptureFixture[str]) -> None:
    with logs.logging_to_stderr():
        logs.configure(as_json=False, verbose=True)
        LOGGER.debug("reading %s", "list.csv")
    assert capsys.readouterr().err == "importer: reading list.csv\n"


def test_the_callers_logging_is_as_before() -> None:
    before = (list(logs.LOGGER.handlers), logs.LOGGER.level, logs.LOGGER.propagate)
    with logs.logging_to_stderr():
        pass
    assert (list(logs.LOGGER.handlers), logs.LOGGER.level, logs.LOGGER.propagate) == before
