"""Airflow: the nightly list as a DAG of one task that calls the library and maps its exit codes."""

import os
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from airflow.exceptions import AirflowException, AirflowFailException
from airflow.sdk import dag, task

import importer
from importer.core.errors import ConfigError, ImporterError

CONFIG = os.environ.get("IMPORTER_CONFIG", "/srv/importer/nightly.toml")
STATE = Path(os.environ.get("IMPORTER_STATE_DIR", "/srv/importer/.importer"))

WRITTEN = (0, 1)
"""Finished; with 1 some values were rejected, and the report says which."""
TRY_AGAIN = (5, 7, 8)
"""Destination down, import locked, time up: the next try goes on where this one stopped."""


@dag(schedule="15 2 * * *", start_date=datetime(2026, 1, 1, tzinfo=UTC), catchup=False, max_active_runs=1)
def customers() -> None:
    """The list of customers, every night."""

    @task(retries=2, retry_delay=timedelta(minutes=15))
    def write(ti: Any = None) -> dict[str, Any]:
        options = importer.Options(state_dir=STATE, lock_timeout=3600, stop_by="06:00")
        try:
            summary = _go_on_or_begin(ti.try_number, options)
        except ImporterError as error:
            code, message = error.exit_code, str(error)
        else:
            code, message = summary.exit_code, summary.message
        if code in WRITTEN:
            return {"run_id": summary.run_id, "exit_code": code, "values": dict(summary.values)}
        if code in TRY_AGAIN:
            raise AirflowException(f"exit {code}: {message}")
        raise AirflowFailException(f"exit {code}: {message}")

    write()


def _go_on_or_begin(try_number: int, options: importer.Options) -> importer.RunSummary:
    if try_number > 1:
        with suppress(ConfigError):  # there is nothing to go on with
            return importer.resume(STATE, None, options)
    return importer.run(CONFIG, options=options)


customers()
