"""A standalone cluster of Spark on this machine: a master, and two workers with addresses of their own.

They inherit no environment, as services do: what an executor sees, Spark has given to it.
"""

import re
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.spark.sessions import QUICK_JVM, java
from tests.spark.waiting import until

WORKERS = ("127.0.0.2", "127.0.0.3")

ENVIRONMENT = {"SPARK_SCALA_VERSION": "2.13"}
"""All that a worker needs to start an executor; else it looks for what a build of Spark has left."""

SETTINGS = {
    "spark.driver.host": "127.0.0.1",
    "spark.executor.memory": "512m",
    "spark.speculation": "true",
    "spark.speculation.interval": "100ms",
    "spark.speculation.minTaskRuntime": "1s",
    "spark.speculation.multiplier": "1.5",
    "spark.speculation.quantile": "0.5",
}
"""For the session: each worker has one executor, and slow tasks are given to the other one, too."""


@dataclass(frozen=True)
class Cluster:
    """The address for `master`, the folder of all its files, the processes of the workers."""

    master: str
    folder: Path
    workers: tuple["subprocess.Popen[bytes]", ...]

    @property
    def local(self) -> Path:
        """Where executors have their temporary files."""
        return self.folder / "local"

    def executors(self) -> list[Path]:
        """All processes below the workers, as folders of /proc."""
        known = {worker.pid for worker in self.workers}
        parents = {pid: parent for pid, parent in _parents().items() if pid not in known}
        found: list[int] = []
        for _ in range(4):  # worker, executor, the daemon of Python, its workers
            below = [pid for pid, parent in parents.items() if parent in known]
            known, found = set(below), [*found, *below]
        return [Path("/proc") / str(pid) for pid in found]


def _parents() -> dict[int, int]:
    """Process → the one that started it."""
    found = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            found[int(stat.parent.name)] = int(stat.read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue  # it has ended
    return found


@contextmanager
def running(folder: Path) -> Iterator[Cluster]:
    """A cluster until the end of the block; its files are in the folder."""
    (folder / "local").mkdir(parents=True)
    with ExitStack() as stack:
        stack.enter_context(
            _service(folder / "master.log", "master.Master", "--host", "127.0.0.1", folder=folder)
        )
        master = _address(folder / "master.log", r"Starting Spark master at (spark://\S+)")
        workers = []
        for host in WORKERS:
            asked = ["--host", host, "--cores", "1", "--memory", "600m", "--work-dir", str(folder / host)]
            log = folder / f"{host}.log"
            workers.append(stack.enter_context(_service(log, "worker.Worker", *asked, master, folder=folder)))
        for host in WORKERS:
            _address(folder / f"{host}.log", r"(Successfully registered with master)")
        yield Cluster(master, folder, tuple(workers))


@contextmanager
def _service(log: Path, name: str, *arguments: str, folder: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """A daemon of Spark."""
    import pyspark

    home = Path(pyspark.__file__).parent
    options = [*QUICK_JVM.split(), "-Xmx256m", f"-Dspark.local.dir={folder / 'local'}"]
    command = [java(), *options, "-cp", f"{home}/jars/*", f"org.apache.spark.deploy.{name}"]
    ports = ["--port", "0", "--webui-port", "0"]
    with log.open("wb") as file:
        process = subprocess.Popen(
            [*command, *ports, *arguments], env=ENVIRONMENT, cwd=home, stdout=file, stderr=subprocess.STDOUT
        )
    try:
        yield process
    finally:
        process.terminate()  # a worker ends its executors
        process.wait()


def _address(log: Path, pattern: str) -> str:
    until(lambda: re.search(pattern, log.read_text()) is not None, f"{pattern} in {log}")
    return str(re.findall(pattern, log.read_text())[0])


def settings(**more: Any) -> dict[str, str]:
    """For a session of the cluster."""
    return {**SETTINGS, **more}
