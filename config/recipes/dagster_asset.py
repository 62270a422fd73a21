"""Dagster 1.9 and later: the nightly list as an asset, in two forms. Take one of them.

`customers` calls the library in the worker. `customers_by_command` runs the command in an environment of its
own: for a code location that pins other versions of our dependencies.
"""

import os
import subprocess
from datetime import datetime, time
from pathlib import Path
from zoneinfo import ZoneInfo

from dagster import AssetExecutionContext, Failure, MaterializeResult, RetryRequested, asset

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


def report(context: AssetExecutionContext, code: int, message: str) -> None:
    """Success is 0 alone: with 1, values were lost beyond what MAX_REJECTS allows for."""
    if code == 0:
        return
    context.log.error("exit %s: %s", code, message)
    if code in TRY_AGAIN:
        raise RetryRequested(max_retries=2, seconds_to_wait=900)
    raise Failure(description=f"exit {code}: {message}", allow_retries=False)


@asset
def customers(context: AssetExecutionContext) -> MaterializeResult:
    """The list of customers, as the destination has it after this night."""
    import importer
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
        report(context, error.exit_code, str(error))
        raise
    counts = {f"values_{name}": count for name, count in summary.values.items()}
    return MaterializeResult(metadata={"run_id": summary.run_id, **counts})


@asset
def customers_by_command(context: AssetExecutionContext) -> None:
    """The same by the command in its own environment."""
    words = [PROGRAM, "run", CONFIG, "--resume", "--quiet", "--state-dir", str(STATE)]
    words += ["--lock-timeout", "1h", "--stop-by", stop_by(), "--max-rejects", MAX_REJECTS]
    process = subprocess.Popen(words, stderr=subprocess.PIPE, text=True)  # noqa: S603 - our own words
    try:
        _, message = process.communicate()
    except BaseException:  # the worker is stopped: the calls in flight are waited for
        process.terminate()
        process.wait(60)
        raise
    report(context, process.returncode % 256, message.strip())
