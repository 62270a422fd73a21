"""The recipes of config/recipes/ do what they say: each runs, or is verified by the tool that reads it."""

import importlib
import importlib.util
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import tomllib
import types
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb
import jinja2
import pytest
import yaml

import importer
from importer.config import loader as configuration
from importer.config import secrets
from importer.core.errors import ConfigError
from importer.sandbox import faults
from importer.sandbox import server as sandbox
from importer.sandbox.options import SandboxOptions
from importer.storage import locks, state_folder
from importer.storage.run_folder import RunFolder

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
        ["/bin/sh", "-c", command.replace("/srv/importer", str(home)).replace("06:00", "23:59")],
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
        assert not re.search(r"(?<!\\)%", command), "cron reads it as a line break"
        done = _shell(command.replace(r"\%", "%"), home)
        assert done.returncode == 0, done.stderr
    assert set(server.stored) == {"1", "2"}
    assert "importer_last_run_exit_code" in (home / "metrics" / "importer-customers.prom").read_text()


def _unit(name: str) -> dict[str, str]:
    lines = (RECIPES / name).read_text().replace("\\\n", "").splitlines()
    return dict(line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))


def test_the_systemd_service(home: Path, server: sandbox.SandboxServer) -> None:
    unit = _unit("importer.service")
    done = _shell(f"cd {unit['WorkingDirectory']} && {unit['ExecStart'].replace('%%', '%')}", home)
    assert done.returncode == 0, done.stderr
    stops = {int(code) for code in unit["RestartPreventExitStatus"].split()}
    assert stops == {1, 2, 3, 4, 6, 8, 9}, "5, 7, 130 and 143 are tried again in the same night"
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
    assert pod["podFailurePolicy"]["rules"][0]["onExitCodes"]["values"] == [5, 7, 8, 130, 143]
    (container,) = pod["template"]["spec"]["containers"]
    mounted = {mount["name"] for mount in container["volumeMounts"]}
    assert mounted == {volume["name"] for volume in pod["template"]["spec"]["volumes"]}
    assert container["command"] == ["/bin/sh", "-c"]
    command = (
        container["args"][0].replace("/config", str(home)).replace("importer ", ".venv/bin/importer ", 1)
    )
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


Job = Callable[[], Any]
"""What a scheduler calls; it raises TryAgain or FailForGood."""


def airflow(monkeypatch: pytest.MonkeyPatch) -> dict[str, Job]:
    """The tasks of the DAGs by their form."""
    tasks: dict[str, Job] = {}

    def dag(**_: Any) -> Callable[[Callable[[], None]], Callable[[], None]]:
        return lambda function: function

    def task(**settings: Any) -> Callable[[Job], Callable[[], None]]:
        assert settings["retries"] > 0

        def declared(function: Job) -> Callable[[], None]:
            tasks["command" if "command" in function.__name__ else "library"] = function
            return lambda: None

        return declared

    monkeypatch.setitem(sys.modules, "airflow", _module("airflow"))
    monkeypatch.setitem(sys.modules, "airflow.sdk", _module("airflow.sdk", dag=dag, task=task))
    errors = {"AirflowException": TryAgain, "AirflowFailException": FailForGood}
    monkeypatch.setitem(sys.modules, "airflow.exceptions", _module("airflow.exceptions", **errors))
    _load("airflow_dag.py")
    return tasks


def dagster(monkeypatch: pytest.MonkeyPatch) -> dict[str, Job]:
    """The assets by their form."""
    log: list[str] = []
    members = {
        "AssetExecutionContext": object,
        "Failure": FailForGood,
        "RetryRequested": lambda **_: TryAgain(log[-1]),
        "MaterializeResult": dict,
        "asset": lambda function: function,
    }
    monkeypatch.setitem(sys.modules, "dagster", _module("dagster", **members))
    space = _load("dagster_asset.py")
    written = types.SimpleNamespace(error=lambda text, *words: log.append(text % words))
    context = types.SimpleNamespace(log=written)
    return {
        "library": lambda: space["customers"](context),
        "command": lambda: space["customers_by_command"](context),
    }


def _load(name: str) -> dict[str, Any]:
    """The recipe, but for the hour that it waits for a lock."""
    space: dict[str, Any] = {"__name__": name}
    text = (RECIPES / name).read_text()
    assert ("lock_timeout=3600" in text, '"1h"' in text) == (True, True)
    text = text.replace("lock_timeout=3600", "lock_timeout=0.1").replace('"1h"', '"100ms"')
    exec(compile(text, name, "exec"), space)
    return space


SCHEDULERS = {"airflow": airflow, "dagster": dagster}


@pytest.fixture(params=SCHEDULERS)
def jobs(request: pytest.FixtureRequest, home: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Job]:
    """Both forms of one scheduler's recipe."""
    if not _missing(request.param):
        pytest.skip(f"{request.param} itself is here; its stand-in would hide it")
    monkeypatch.setenv("IMPORTER_NIGHT_ENDS", "23:59")
    monkeypatch.setenv("IMPORTER_PROGRAM", str(home / ".venv" / "bin" / "importer"))
    return SCHEDULERS[request.param](monkeypatch)


FORMS = ("library", "command")


def _change(home: Path, **lines: str) -> None:
    """Puts other values for keys of the configuration."""
    path = home / "nightly.toml"
    text = path.read_text()
    for key, value in lines.items():
        text, count = re.subn(rf"^{key} = .*", f"{key} = {value}", text, flags=re.MULTILINE)
        assert count == 1
    path.write_text(text)


@pytest.mark.parametrize("form", FORMS)
def test_a_scheduler_goes_on_where_the_last_try_stopped(
    form: str, jobs: dict[str, Job], home: Path, server: sandbox.SandboxServer
) -> None:
    server.change(SandboxOptions(faults=(faults.parse_fault("quota@2-:times=0"),)))
    with pytest.raises(FailForGood, match=r"exit 4: .*workspace_limit_reached"):
        jobs[form]()
    server.change(SandboxOptions())
    before = server.stats.requests
    jobs[form]()
    assert server.stats.requests <= before + 2, "only what was not sent yet"
    assert set(server.stored) == {"1", "2"}
    assert len(list((home / ".importer" / "runs").iterdir())) == 1


@pytest.mark.parametrize("form", FORMS)
def test_a_scheduler_is_told_what_to_do_for_each_exit_code(
    form: str,
    jobs: dict[str, Job],
    home: Path,
    server: sandbox.SandboxServer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    job, original = jobs[form], (home / "nightly.toml").read_text()
    _change(home, min_rows="10")
    with pytest.raises(FailForGood, match=r"exit 6: .*Guard min_rows"):
        job()
    _change(home, min_rows="2", max_length="0")
    with pytest.raises(FailForGood, match=r"exit 2: .*max_length"):
        job()
    (home / "nightly.toml").write_text(original)
    (home / "customers.csv").rename(home / "away.csv")
    with pytest.raises(FailForGood, match=r"exit 3: .*no such file"):
        job()
    (home / "away.csv").rename(home / "customers.csv")
    _change(home, base_url='"http://127.0.0.1:1"\nretry_seconds = "50ms"\ngive_up_after = "50ms"')
    with pytest.raises(TryAgain, match="exit 5: "):
        job()
    (home / "nightly.toml").write_text(original)
    with _locked(home, original), pytest.raises(TryAgain, match=r"exit 7: .*the-other-one"):
        job()
    assert server.stats.requests == 0
    job()
    assert set(server.stored) == {"1", "2"}


@contextmanager
def _locked(home: Path, text: str) -> Iterator[None]:
    """Another run has the import."""
    config = configuration.parse(tomllib.loads(text))
    state = home / ".importer"
    state_folder.prepare(state)
    with locks.import_lock(state, config, RunFolder(state / "runs" / "the-other-one")):
        yield


@pytest.mark.parametrize("form", FORMS)
def test_a_try_after_the_night_sends_nothing(
    form: str, home: Path, server: sandbox.SandboxServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IMPORTER_NIGHT_ENDS", "00:00")
    monkeypatch.setenv("IMPORTER_PROGRAM", str(home / ".venv" / "bin" / "importer"))
    for scheduler in SCHEDULERS.values():
        with pytest.raises(TryAgain, match=r"exit 8: .*the time is up"):
            scheduler(monkeypatch)[form]()
    assert server.stats.requests == 0


@pytest.mark.parametrize(
    ("code", "kind"), [(1, FailForGood), (9, FailForGood), (130, TryAgain), (143, TryAgain)]
)
def test_a_scheduler_knows_the_codes_of_signals_and_faults(
    code: int, kind: type[Exception], jobs: dict[str, Job], home: Path
) -> None:
    program = home / ".venv" / "bin" / "importer"
    program.write_text(f"#!/bin/sh\necho what happened >&2\nexit {code}\n")
    with pytest.raises(kind, match=f"exit {code}: what happened"):
        jobs["command"]()


def test_a_job_that_gets_sigterm_is_tried_again_and_goes_on(
    home: Path, server: sandbox.SandboxServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    people = [str(n) for n in range(1, 13)]
    rows = "".join(f"{n},free,Ulm,x\n" for n in people)
    (home / "customers.csv").write_text(f"customer_id,plan,city,notes\n{rows}")
    text = (home / "nightly.toml").read_text()
    one_by_one = "requests_per_second = 1000\nmax_in_flight = 1"
    (home / "nightly.toml").write_text(text.replace("requests_per_second = 1000", one_by_one))
    program, pid = home / ".venv" / "bin" / "importer", home / "pid"
    program.write_text(program.read_text().replace("PYTHONPATH", f"echo $$ > '{pid}'\nPYTHONPATH"))
    monkeypatch.setenv("IMPORTER_NIGHT_ENDS", "23:59")
    monkeypatch.setenv("IMPORTER_PROGRAM", str(program))
    job = airflow(monkeypatch)["command"]
    server.change(SandboxOptions(latency=2))  # twelve calls, one after another
    with ThreadPoolExecutor(1) as thread:
        running = thread.submit(job)
        while not server.stats.requests and not running.done():
            time.sleep(0.01)
        os.kill(int(pid.read_text()), signal.SIGTERM)
        with pytest.raises(TryAgain, match="exit 143: "):
            running.result()
    assert 1 <= server.stats.requests < len(people), (
        "the call in flight was waited for, and no more were sent"
    )
    server.change(SandboxOptions())
    job()
    assert sorted(server.stored) == sorted(people)
    assert server.stats.requests == len(people), "nothing was sent twice"
    assert len(list((home / ".importer" / "runs").iterdir())) == 1


def test_more_rejects_than_allowed_are_no_success(
    jobs: dict[str, Job], home: Path, server: sandbox.SandboxServer
) -> None:
    (home / "customers.csv").write_text("customer_id,plan,city,notes\n1,gold,Ulm,x\n2,basic,Cork,y\n")
    _change(home, max_unknown_options='"100%"')
    for form in FORMS:
        with pytest.raises(FailForGood, match=r"exit 6: .*--max-rejects 1% is passed"):
            jobs[form]()
    assert server.stats.requests == 0


def test_the_model_of_dbt_has_one_row_of_each_customer(tmp_path: Path) -> None:
    """dbt needs an environment of its own, so its project is parsed, and DuckDB runs what the model says."""
    project = RECIPES / "dbt"
    for name in ("dbt_project.yml", "profiles.yml", "models/customers.yml"):
        assert yaml.safe_load((project / name).read_text())
    settings: dict[str, str] = {}
    model = jinja2.Environment(autoescape=False).from_string((project / "models/customers.sql").read_text())
    lists = {"DBT_LIST": str(ROOT / "samples" / "customers.csv"), "DBT_OUTPUT": str(tmp_path / "c.parquet")}

    def configured(**keys: str) -> str:
        settings.update(keys)
        return ""

    query = model.render(config=configured, env_var=lambda key, _: lists[key])
    database = duckdb.connect()
    database.execute(f"copy ({query}) to '{settings['location']}' (format parquet)")
    ids = database.execute(f"select customer_id from '{settings['location']}'").fetchall()
    [known] = database.execute(f"select count(distinct customer_id) from '{lists['DBT_LIST']}'").fetchall()
    assert len(ids) == len(set(ids)) == known[0] > 1_000
    text = (ROOT / "docs" / "how-to" / "tables.md").read_text()
    config = tomllib.loads(text.partition("```toml people.toml\n")[2].partition("```")[0])
    found = importer.check(config, settings["location"], importer.Options(state_dir=tmp_path / "state"))
    assert (found.state, found.rows["read"]) == ("finished", len(ids))
