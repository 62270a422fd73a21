"""The recipes of config/recipes/ do what they say: each runs, or is verified by the tool that reads it."""

import importlib
import importlib.util
import re
import shutil
import subprocess
import sys
import tomllib
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from importer.config import loader as configuration
from importer.config import secrets
from importer.core.errors import ConfigError
from importer.sandbox import faults
from importer.sandbox import server as sandbox
from importer.sandbox.options import SandboxOptions

ROOT = Path(__file__).parents[2]
RECIPES = ROOT / "config" / "recipes"
KEY = "sk_test_recipes"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What the recipes call /srv/importer: the program, a list, the configuration, its key in a file."""
    home = tmp_path / "srv"
    (home / ".venv" / "bin").mkdir(parents=True)
    program = home / ".venv" / "bin" / "importer"
    program.write_text(f'#!/bin/sh\nPYTHONPATH="{ROOT}" exec "{sys.executable}" -m importer "$@"\n')
    program.chmod(0o755)
    (home / "customers.csv").write_text("customer_id,plan,city,notes\n1,free,Ulm,x\n2,basic,Cork,y\n")
    (home / "api-key").write_text(KEY)
    (home / "api-key").chmod(0o600)
    (home / "metrics").mkdir()
    monkeypatch.setenv("IMPORTER_CONFIG", str(home / "nightly.toml"))
    monkeypatch.setenv("IMPORTER_STATE_DIR", str(home / ".importer"))
    return home


@pytest.fixture
def server(home: Path) -> Iterator[sandbox.SandboxServer]:
    text = (RECIPES / "nightly.toml").read_text().replace("/srv/importer", str(home))
    text = text.replace("min_rows = 1000", "min_rows = 2").replace("webhook = ", "# webhook = ")
    declared = configuration.parse(tomllib.loads(text))
    with sandbox.running(declared, SandboxOptions(), KEY) as running:
        url = f'account = "production"\nbase_url = "{running.url}"\nrequests_per_second = 1000'
        (home / "nightly.toml").write_text(text.replace('account = "production"', url))
        yield running


def test_the_configuration_of_the_night_loads() -> None:
    config = configuration.load(RECIPES / "nightly.toml")
    assert config.guards.canary == 100
    assert config.run.changed_only


def _shell(command: str, home: Path) -> subprocess.CompletedProcess[str]:
    """As a scheduler starts it: /bin/sh, nearly no environment."""
    return subprocess.run(
        ["/bin/sh", "-c", command.replace("/srv/importer", str(home))],
        env={"HOME": str(home), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_the_lines_of_the_crontab(home: Path, server: sandbox.SandboxServer) -> None:
    lines = [x for x in (RECIPES / "crontab").read_text().splitlines() if x and not x.startswith("#")]
    jobs = [line for line in lines if not re.match(r"[A-Z]+=", line)]
    assert len(jobs) == 2
    for job in jobs:
        *times, command = job.split(None, 5)
        assert all(re.fullmatch(r"\*|\d{1,2}", time) for time in times)
        assert "%" not in command, "cron reads it as a line break"
        done = _shell(command, home)
        assert done.returncode == 0, done.stderr
    assert set(server.stored) == {"1", "2"}
    assert "importer_last_run_exit_code" in (home / "metrics" / "importer-customers.prom").read_text()


def _unit(name: str) -> dict[str, str]:
    lines = (RECIPES / name).read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))


def test_the_systemd_service(home: Path, server: sandbox.SandboxServer) -> None:
    unit = _unit("importer.service")
    done = _shell(f"cd {unit['WorkingDirectory']} && {unit['ExecStart']}", home)
    assert done.returncode == 0, done.stderr
    assert set(server.stored) == {"1", "2"}
    name = unit["LoadCredential"].partition(":")[0]
    assert f"file:/run/credentials/importer.service/{name}" in (RECIPES / "importer.service").read_text()


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not here")
def test_systemd_takes_the_units(home: Path) -> None:
    for name in ("importer.service", "importer.timer"):
        text = (RECIPES / name).read_text().replace("/srv/importer", str(home))
        (home / name).write_text(re.sub("^User=.*\n", "", text, flags=re.MULTILINE))
    units = [str(home / "importer.service"), str(home / "importer.timer")]
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *units], capture_output=True, text=True, check=False
    )
    ours = [line for line in done.stderr.splitlines() if "importer" in line]
    assert (done.returncode, ours) == (0, []), done.stderr


def test_a_credential_of_systemd_is_no_open_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "api-key"
    path.write_text(KEY)
    path.chmod(0o440)
    with pytest.raises(ConfigError, match="readable by others"):
        secrets.read_reference(f"file:{path}", "the API key")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    assert secrets.read_reference(f"file:{path}", "the API key") == KEY
    path.chmod(0o444)
    with pytest.raises(ConfigError, match="readable by others"):
        secrets.read_reference(f"file:{path}", "the API key")


def test_the_job_of_kubernetes(home: Path, server: sandbox.SandboxServer) -> None:
    yaml = importlib.import_module("yaml")
    job = yaml.safe_load((RECIPES / "cronjob.yaml").read_text())
    assert (job["apiVersion"], job["kind"]) == ("batch/v1", "CronJob")
    assert job["spec"]["concurrencyPolicy"] == "Forbid"
    pod = job["spec"]["jobTemplate"]["spec"]
    assert pod["podFailurePolicy"]["rules"][0]["onExitCodes"]["values"] == [5, 7]
    (container,) = pod["template"]["spec"]["containers"]
    mounted = {mount["name"] for mount in container["volumeMounts"]}
    assert mounted == {volume["name"] for volume in pod["template"]["spec"]["volumes"]}
    words = [*container["command"], *container["args"]]
    command = " ".join(words).replace("/config", str(home)).replace("importer ", ".venv/bin/importer ", 1)
    done = _shell(f"cd {home} && {command}", home)
    assert done.returncode == 0, done.stderr
    assert set(server.stored) == {"1", "2"}


# ------------------------------------------------------------------- Airflow and Dagster


class Raised(Exception):  # noqa: N818 - stands for the exceptions of another library
    def __init__(self, *args: object, **keys: object) -> None:
        super().__init__(*args, *keys.values())


class FailForGood(Raised):
    """Airflow's AirflowFailException, Dagster's Failure."""


class TryAgain(Raised):
    """Airflow's AirflowException, Dagster's RetryRequested."""


def _missing(name: str) -> bool:
    return importlib.util.find_spec(name) is None


def _module(name: str, **members: Any) -> types.ModuleType:
    module = types.ModuleType(name)
    module.__dict__.update(members)
    return module


def airflow(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], Any]:
    """The task of the DAG as a function of the try's number."""
    tasks: list[Callable[..., Any]] = []

    def dag(**_: Any) -> Callable[[Callable[[], None]], Callable[[], None]]:
        return lambda function: function

    def task(**_: Any) -> Callable[[Callable[..., Any]], Callable[[], None]]:
        def declared(function: Callable[..., Any]) -> Callable[[], None]:
            tasks.append(function)
            return lambda: None

        return declared

    monkeypatch.setitem(sys.modules, "airflow", _module("airflow"))
    monkeypatch.setitem(sys.modules, "airflow.sdk", _module("airflow.sdk", dag=dag, task=task))
    errors = {"AirflowException": TryAgain, "AirflowFailException": FailForGood}
    monkeypatch.setitem(sys.modules, "airflow.exceptions", _module("airflow.exceptions", **errors))
    _load("airflow_dag.py")
    return lambda number: tasks[0](ti=types.SimpleNamespace(try_number=number))["values"]


def dagster(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], Any]:
    """The asset as a function of the try's number."""

    class Result:
        def __init__(self, metadata: dict[str, Any]) -> None:
            self.values = {k.removeprefix("values_"): v for k, v in metadata.items()}

    members = {
        "AssetExecutionContext": object,
        "Failure": FailForGood,
        "RetryRequested": TryAgain,
        "MaterializeResult": Result,
        "asset": lambda function: function,
    }
    monkeypatch.setitem(sys.modules, "dagster", _module("dagster", **members))
    asset = _load("dagster_asset.py")["customers"]
    log = types.SimpleNamespace(error=lambda *_: None)
    return lambda number: asset(types.SimpleNamespace(retry_number=number - 1, log=log)).values


def _load(name: str) -> dict[str, Any]:
    space: dict[str, Any] = {"__name__": name}
    exec(compile((RECIPES / name).read_text(), name, "exec"), space)
    return space


SCHEDULERS = {"airflow": airflow, "dagster": dagster}


@pytest.mark.parametrize("name", SCHEDULERS)
def test_a_scheduler_gets_what_to_do_next(
    name: str, home: Path, server: sandbox.SandboxServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not _missing(name):
        pytest.skip(f"{name} itself is here; its stand-in would hide it")
    night = SCHEDULERS[name](monkeypatch)
    assert night(1)["applied"] == 4
    (home / "customers.csv").write_text("customer_id,plan,city,notes\n1,basic,Ulm,x\n2,free,Cork,y\n")
    server.change(SandboxOptions(faults=(faults.parse_fault("quota@2-:times=0"),)))
    with pytest.raises(FailForGood, match=r"exit 4: workspace_limit_reached"):
        night(1)
    server.change(SandboxOptions())
    before = server.stats.requests
    assert night(2)["not_attempted"] == 0, "the second try goes on where the first one stopped"
    assert server.stats.requests <= before + 2
    assert server.stored["2"]["plan"] == "free"
    text = (home / "nightly.toml").read_text()
    gone = re.sub(r"base_url = .*", 'base_url = "http://127.0.0.1:1"\nretry_seconds = "50ms"', text)
    (home / "nightly.toml").write_text(gone.replace("changed_only = true", "changed_only = false"))
    with pytest.raises(TryAgain):
        night(1)
