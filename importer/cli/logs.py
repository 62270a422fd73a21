"""What goes to standard error besides the progress bar, through the standard `logging`.

`--log-format text`: one sentence a line. `--log-format json`: one JSON object a line, with `at`, `level`,
`event`, `text` and the fields of the event. `--verbose` shows the records below the level of a message too:
what the importer does at the moment, never a value of a person.
"""

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TextIO

from importer.core.text import json_text, without_controls

LOGGER = logging.getLogger("importer")

_PREFIX = "importer: "


class _Text(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        prefix = "" if getattr(record, "continues", False) else _PREFIX
        return without_controls(f"{prefix}{record.getMessage()}")


class _Json(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        event, fields = getattr(record, "event", "message"), getattr(record, "fields", {})
        line = {
            "at": at,
            "level": record.levelname.lower(),
            "event": event,
            "text": record.getMessage().strip(),
        }
        return json_text({**line, **fields})


class _Standard(logging.StreamHandler[TextIO]):
    """Writes to what `sys.stderr` is at the moment, around a progress bar that is shown."""

    def __init__(self) -> None:
        super().__init__(sys.stderr)

    def emit(self, record: logging.LogRecord) -> None:
        if "tqdm" not in sys.modules:
            super().emit(record)
            return
        from tqdm import tqdm

        with tqdm.external_write_mode(file=sys.stderr):
            super().emit(record)


@contextmanager
def logging_to_stderr() -> Iterator[None]:
    """While it is open, records of `importer` go to standard error as text; see `configure`."""
    handler, level, propagate = _Standard(), LOGGER.level, LOGGER.propagate
    handler.setFormatter(_Text())
    LOGGER.addHandler(handler)
    LOGGER.setLevel(logging.INFO)
    LOGGER.propagate = False
    try:
        yield
    finally:
        LOGGER.removeHandler(handler)
        LOGGER.setLevel(level)
        LOGGER.propagate = propagate


def configure(*, as_json: bool, verbose: bool) -> None:
    """Sets the format and level that the command line asks for."""
    for handler in LOGGER.handlers:
        if isinstance(handler, _Standard):
            handler.setFormatter(_Json() if as_json else _Text())
    LOGGER.setLevel(logging.DEBUG if verbose else logging.INFO)


def is_json() -> bool:
    """Whether lines are JSON objects now."""
    return any(isinstance(h.formatter, _Json) for h in LOGGER.handlers)


def say(text: str, event: str = "message", level: int = logging.INFO, **fields: object) -> None:
    """One sentence for the person or program at standard error."""
    LOGGER.log(level, "%s", text, extra={"event": event, "fields": fields})


def say_more(text: str) -> None:
    """A further line of the message before it, without the program's name in front."""
    LOGGER.info("%s", text, extra={"continues": True})
