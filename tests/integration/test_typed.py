"""A user's script with the public names passes mypy and pyright in strict mode."""

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = """
import asyncio
from pathlib import Path

import duckdb
import pandas as pd
import polars as pl

import importer
from importer.config import Config, load, parse
from importer.errors import GuardError, ImporterError, RejectedError
from importer.models import Outcome, RejectCount, RunSummary


def show(progress: importer.Progress) -> None:
    print(progress.stage, progress.rows, progress.total, progress.rejects)


def nightly(config: Config, table: importer.ArrowTable) -> RunSummary:
    options = importer.Options(state_dir=Path("state"), max_rejects=importer.RejectLimit(percent=1.0))
    summary = importer.run(config, table, options, progress=show)
    try:
        summary.raise_for_status()
    except RejectedError as error:
        print(error.exit_code, summary.report, summary.folder)
    except GuardError as error:
        print(error.allow)
    rejected: list[str] = summary.rejects()["distinct_id"].to_list()
    counts: list[RejectCount] = list(summary.reject_counts)
    print(rejected, counts, summary.values[Outcome.APPLIED])
    return summary


async def cell() -> None:
    one: RunSummary = await importer.arun("nightly.toml", ["a.csv", Path("b.parquet")])
    two: RunSummary = await importer.acheck({"name": "x"}, pl.DataFrame({"id": ["1"]}))
    print(one.exit_code, two.exit_code)


config: Config = load("nightly.toml")
nightly(parse(config.as_mapping()), pl.DataFrame({"id": ["1"]}))
nightly(config, pd.DataFrame({"id": ["1"]}))
nightly(config, duckdb.from_query("select 1 as id"))
try:
    importer.resume("state")
    importer.retry("state", "run", Path("rejected_rows") / "01-a.csv")
    verified: importer.Verified = importer.verify(Path("state"), sample=10)
    print(verified.as_mapping(), *importer.explain("state", "1"))
except ImporterError as error:
    print(error.exit_code)
asyncio.run(cell())
"""

CHECKERS = {
    "mypy": ["mypy", "--strict", "--no-incremental"],
    "pyright": ["pyright", "--pythonpath", sys.executable],
}


@pytest.mark.slow
@pytest.mark.parametrize("name", CHECKERS)
def test_a_users_script_is_typed(name: str, tmp_path: Path) -> None:
    script = tmp_path / "nightly.py"
    script.write_text("# pyright: strict\n" + SCRIPT)
    command = [sys.executable, "-m", *CHECKERS[name], str(script)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_public_name_is_there() -> None:
    import importer

    assert all(getattr(importer, name) is not None for name in importer.__all__)
    assert issubclass(importer.errors.ConfigError, importer.errors.ImporterError)
    with pytest.raises(AttributeError):
        importer.surprise  # noqa: B018 - looked up for its error
