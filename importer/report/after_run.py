"""After a run: metrics each time, a notification where its exit code is not that of the run before."""

from collections.abc import Iterator
from pathlib import Path

from importer.config.secrets import secret_variables
from importer.core.errors import StateError
from importer.report import metrics, notify
from importer.report.notify import RunEnd
from importer.storage import run_history
from importer.storage.run_history import RunHistory


def run_hooks(state_dir: Path, ended: RunEnd, at: float) -> Iterator[str]:
    """Stores how the run ended, writes the metrics, notifies; yields a sentence for each that failed.

    `at` is Unix time in seconds. Raises nothing: the result of a run does not depend on its hooks.
    """
    config = ended.config
    try:
        before, known = run_history.change(state_dir, config, lambda known: known.after(ended.exit_code, at))
    except StateError:  # most likely why the run ended; then the run before is not known
        before, known = RunHistory(), RunHistory().after(ended.exit_code, at)
    if config.notify.metrics:
        content = metrics.text(config, ended.exit_code, at, known, ended.summary)
        if problem := metrics.write(Path(config.notify.metrics), config.name, content):
            yield problem
    if notify.is_news(before.exit_code, ended.exit_code):
        yield from notify.send(
            config.notify, notify.notification(ended, before.exit_code), secret_variables(config)
        )
