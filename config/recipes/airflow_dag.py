"""Airflow 3.0 and later: the nightly list as a DAG, in two forms. Take one of them.

`customers` calls the library in the worker. `customers_by_command` runs the command in an environment of its
own: for a worker that pins other versions of our dependencies.
"""

import os
import subprocess
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from airflow.exceptions import AirflowException, AirflowFailException
from airflow.sdk import dag, task

CONFIG = os.environ.get("IMPORTER_CONFIG", "/srv/importer/nightly.toml")
STATE = Path(os.environ.get("IMPORTER_STATE_DIR", "/srv/importer/.importer"))
PROGRAM = os.environ.get("IMPORTER_PROGRAM", "/srv/importer/.venv/bin/importer")
NIGHT_ENDS = time.fromisoformat(os.environ.get("IMPORTER_NIGHT_ENDS", "06:00"))
ZONE = ZoneInfo("Europe/Berlin")
MAX_REJECTS = "1%"

TRY_AGAIN = (5, 7, 8, 130, 143)
"""Destination down, import locked, time up, worker stopped: the next try goes on where this one stopped."""


def stop_by() -> str:
    """The end of this night as a moment: a try after it sends nothing and ends with 8 at once."""
    return datetime.combine(datetime.now(ZONE).date(), NIGHT_ENDS, ZONE).isoformat()


def report(code: int, message: str) -> None:
    """Success is 0 alone: with 1, values were lost beyond what MAX_REJECTS allows for."""
    if code in TRY_AGAIN:
        raise AirflowException(f"exit {code}: {message}")
    if code != 0:
        raise AirflowFailException(f"exit {code}: {message}")


NIGHT = "15 2 * * *"
FIRST = datetime(2026, 1, 1, tzinfo=UTC)
RETRIES: dict[str, Any] = {"retries": 2, "retry_delay": timedelta(minutes=15)}


@dag(schedule=NIGHT, start_date=FIRST, catchup=False, max_active_runs=1)
def customers() -> None:
    """The list of customers, every night, by the library."""

    @task(**RETRIES)
    def write() -> dict[str, Any]:
        import importer  # in the task: Airflow reads this file every half a minute
        from importer.errors import ImporterError

        options = importer.Options(
            state_dir=STATE,
            lock_timeout=3600,
            stop_by=stop_by(),
            max_rejects=importer.RejectLimit.parse(MAX_REJECTS),
        )
        try:
            summary = importer.run(CONFIG, options=options, resume=True)
            summary.raise_for_status()
        except ImporterError as error:
            report(error.exit_code, str(error))
            raise
        return {"run_id": summary.run_id, "values": dict(summary.values)}

    write()


@dag(schedule=NIGHT, start_date=FIRST, catchup=False, max_active_runs=1)
def customers_by_command() -> None:
    """The list of customers, every night, by the command in its own environment."""

    @task(**RETRIES)
    def write_by_command() -> None:
        words = [PROGRAM, "run", CONFIG, "--resume", "--quiet", "--state-dir", str(STATE)]
        words += ["--lock-timeout", "1h", "--stop-by", stop_by(), "--max-rejects", MAX_REJECTS]
        process = subprocess.Popen(words, stderr=subprocess.PIPE, text=True)  # noqa: S603 - our own words
        try:
            _, message = process.communicate()
        except BaseException:  # the worker is stopped: the calls in flight are waited for
            process.terminate()
            process.wait(60)
            raise
        report(process.returncode % 256, message.strip())

    write_by_command()


customers()
customers_by_command()
