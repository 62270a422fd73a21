"""The jobs of docs/how-to/tables.md that need packages of requirements-spark.lock, and the job of Spark."""

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

import importer
from importer.config import loader
from importer.sandbox import server as sandbox
from importer.sandbox.options import SandboxOptions
from importer.sandbox.server import SandboxServer
from tests.docs.pages import ROOT, blocks

PAGE = ROOT / "docs" / "how-to" / "tables.md"
KEY = "sk_test_tables"
PEOPLE = {
    "customer_id": ["u1", "u2", "u3"],
    "plan": ["free", "basic", "free"],
    "city": ["Ulm", None, "Rom"],
    "country": ["DE", "DE", "IT"],
}
GERMANS = {"u1": {"plan": "free", "city": "Ulm"}, "u2": {"plan": "basic"}}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[SandboxServer]:
    """The destination of the page's configuration, which is written into the folder of the test."""
    files = {block.name: block.text for block in blocks(PAGE) if block.name}
    (tmp_path / "people.toml").write_text(files["people.toml"])
    with sandbox.running(loader.load(tmp_path / "people.toml"), SandboxOptions(), KEY) as running:
        for name, text in files.items():
            (tmp_path / name).write_text(text.replace("http://127.0.0.1:8080", running.url))
        yield running


def printed(script: Path, folder: Path, more: Mapping[str, str]) -> str:
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path]), "VEVEE_API_KEY": KEY, **more}
    done = subprocess.run(
        [sys.executable, str(script)],
        cwd=folder,
        env=env,
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_table_of_delta_lake(server: SandboxServer, tmp_path: Path) -> None:
    import pyarrow as pa  # type: ignore[import-untyped]

    deltalake = pytest.importorskip("deltalake")
    deltalake.write_deltalake(str(tmp_path / "lake" / "people"), pa.table(PEOPLE))
    assert printed(tmp_path / "delta_job.py", tmp_path, {}) == "3 applied, 0 unchanged\n"
    assert server.stored == GERMANS


def test_a_table_of_iceberg(server: SandboxServer, tmp_path: Path) -> None:
    import pyarrow as pa

    catalogs = pytest.importorskip("pyiceberg.catalog")
    place = {"uri": f"sqlite:///{tmp_path}/catalog.db", "warehouse": f"file://{tmp_path}/lake"}
    catalog = catalogs.load_catalog("lake", type="sql", **place)
    catalog.create_namespace("crm")
    table = pa.table(PEOPLE)
    catalog.create_table("crm.people", schema=table.schema).append(table)
    catalog.engine.dispose()
    env = {f"PYICEBERG_CATALOG__LAKE__{name.upper()}": value for name, value in place.items()}
    found = printed(tmp_path / "iceberg_job.py", tmp_path, {**env, "PYICEBERG_CATALOG__LAKE__TYPE": "sql"})
    assert found == "3 applied, 0 unchanged\n"
    assert server.stored == GERMANS


def test_the_job_for_a_managed_cluster(server: SandboxServer, tmp_path: Path) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    parquet.write_table(pa.table(PEOPLE).drop_columns("country"), tmp_path / "people.parquet")
    env = {
        "IMPORTER_CONFIG": str(tmp_path / "people.toml"),
        "IMPORTER_STATE_DIR": str(tmp_path / "state"),
        "IMPORTER_STAGING": str(tmp_path / "staging"),
        "IMPORTER_TABLE": f"parquet.`{tmp_path}/people.parquet`",
        "PYSPARK_PYTHON": sys.executable,
        "SPARK_LOCAL_IP": "127.0.0.1",
        "PYSPARK_SUBMIT_ARGS": "--master local[2] --conf spark.ui.enabled=false pyspark-shell",
    }
    job = ROOT / "config" / "recipes" / "spark_job.py"
    assert printed(job, tmp_path, env).startswith("finished ")
    assert server.stored == {**GERMANS, "u3": {"plan": "free", "city": "Rom"}}
    [run] = (tmp_path / "state" / "runs").iterdir()
    assert "u3" in "".join(importer.explain(tmp_path / "state", "u3", run.name))
