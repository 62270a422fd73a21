"""Dagster: the nightly list as an asset that calls the library and maps its exit codes."""

import os
from contextlib import suppress
from pathlib import Path

from dagster import AssetExecutionContext, Failure, MaterializeResult, RetryRequested, asset

import importer
from importer.core.errors import ConfigError, ImporterError

CONFIG = os.environ.get("IMPORTER_CONFIG", "/srv/importer/nightly.toml")
STATE = Path(os.environ.get("IMPORTER_STATE_DIR", "/srv/importer/.importer"))

WRITTEN = (0, 1)
"""Finished; with 1 some values were rejected, and the report says which."""
TRY_AGAIN = (5, 7, 8)
"""Destination down, import locked, time up: the next try goes on where this one stopped."""


@asset
def customers(context: AssetExecutionContext) -> MaterializeResult:
    """The list of customers, as the destination holds it after this night."""
    options = importer.Options(state_dir=STATE, lock_timeout=3600, stop_by="06:00")
    try:
        summary = _go_on_or_begin(context.retry_number, options)
    except ImporterError as error:
        code, message = error.exit_code, str(error)
    else:
        code, message = summary.exit_code, summary.message
    if code in WRITTEN:
        counts = {f"values_{name}": count for name, count in summary.values.items()}
        return MaterializeResult(metadata={"run_id": summary.run_id, "exit_code": code, **counts})
    context.log.error("exit %s: %s", code, message)
    if code in TRY_AGAIN:
        raise RetryRequested(max_retries=2, seconds_to_wait=900)
    raise Failure(description=f"exit {code}: {message}", allow_retries=False)


def _go_on_or_begin(retry_number: int, options: importer.Options) -> importer.RunSummary:
    if retry_number:
        with suppress(ConfigError):  # there is nothing to go on with
            return importer.resume(STATE, None, options)
    return importer.run(CONFIG, options=options)
