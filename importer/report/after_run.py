"""What is left for the morning when a run has ended: metrics each time, a word where the end is news."""

from collections.abc import Iterator
from pathlib import Path

from importer.config.secrets import secret_variables
from importer.core.errors import StateError
from importer.report import metrics, notify
from importer.report.notify import RunEnd
from importer.storage import run_history
from importer.storage.run_history import RunHistory


def say(state_dir: Path, ending: RunEnd, at: float) -> Iterator[str]:
    """Remembers how the run ended and tells who wants to know; yields a sentence for what could not be told.

    `at` is Unix time in seconds. Never raises: a run's result does not depend on who hears of it.
    """
    config = ending.config
    try:
        before, known = run_history.change(state_dir, config, lambda known: known.after(ending.exit_code, at))
    except StateError:  # most likely why the run ended; then nothing is known of the night before
        before, known = RunHistory(), RunHistory().after(ending.exit_code, at)
    if config.notify.metrics:
        content = metrics.text(config, ending.exit_code, at, known, ending.summary)
        if problem := metrics.write(Path(config.notify.metrics), config.name, content):
            yield problem
    if notify.changed(before.exit_code, ending.exit_code):
        yield from notify.send(config.notify, notify.word(ending, before.exit_code), secret_variables(config))
