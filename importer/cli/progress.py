"""The progress bar of a run, and the events that a person sees."""

import logging
import sys
from types import TracebackType
from typing import NoReturn, Self

from tqdm import tqdm

from importer.cli import logs
from importer.core.events import Event

_SHOWN = ("waiting", "cost", "not_notified", "not_written", "journal_lost")
"""Kinds of events that are always shown; the others are for `--log-format json` and `--verbose`."""


class Progress:
    """A bar on standard error: rows, rate, rejects, time left. Silent where that is no terminal."""

    def __init__(self, *, quiet: bool, events: bool = True) -> None:
        self._shows_events = events and not quiet
        self._off = quiet or logs.is_json() or not sys.stderr.isatty()
        self._bar: tqdm[NoReturn] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.close()

    def tell(self, event: Event) -> None:
        """What a person waits for: why nothing happens yet, and what is about to be sent."""
        shown = logs.is_json() or (event.kind in _SHOWN and self._shows_events)
        problem = event.kind in ("not_notified", "not_written", "journal_lost")
        level = logging.WARNING if problem else logging.INFO
        logs.say(event.text, event.kind, level if shown else logging.DEBUG, **event.fields)

    def reading(self, rows: int) -> None:
        """So many rows are read so far."""
        self._show("reading", rows, None, "")

    def sending(self, rows: int, total: int, rejects: int) -> None:
        """So many of `total` rows are done, with so many values and rows rejected."""
        self._show("sending", rows, total, f"{rejects:,} rejects")

    def _show(self, stage: str, rows: int, total: int | None, postfix: str) -> None:
        if self._bar is None or self._bar.desc != stage:
            if self._bar is not None:
                self._bar.close()
            self._bar = tqdm(total=total, unit=" rows", disable=self._off, file=sys.stderr, unit_scale=True)
            self._bar.desc = stage
        self._bar.set_postfix_str(postfix, refresh=False)
        self._bar.update(rows - self._bar.n)
