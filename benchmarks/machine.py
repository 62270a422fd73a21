"""What the benchmark needs around it: a server that costs little, tools, processors, and clean-up.

nginx answers every request with one fixed body. Where there are two processors, the server has the last one
and the client the first; else they share it, and the tables say so. What is missing is installed: nginx, wrk
and taskset by apt-get, the packages of the contenders into a folder of their own.
"""

import os
import platform
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

CPUS = sorted(os.sched_getaffinity(0))
CLIENT, SERVER = CPUS[0], CPUS[-1]

LIMIT_SECONDS = 3600  # an import of ten million rows takes ten minutes

PACKAGES = {"nginx": "nginx-light", "wrk": "wrk", "taskset": "util-linux"}

NGINX = """
daemon off;
worker_processes {processes};
pid {folder}/nginx.pid;
error_log {folder}/error.log crit;
events {{ worker_connections 8192; }}
http {{
  access_log off;
  keepalive_requests 1000000000;
  client_max_body_size 64m;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  server {{
    listen 127.0.0.1:{port} backlog=4096;
    location / {{ default_type application/json; return 200 '{body}'; }}
  }}
}}
"""


def describe() -> str:
    """The machine in a few words."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    load = os.getloadavg()[0]
    return (
        f"{len(CPUS)} processors ({_model()}), {memory:.0f} GiB, {platform.system()}, "
        f"Python {platform.python_version()}; load at the start {load:.1f}"
    )


def _model() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def tool(name: str) -> str | None:
    """The path of a tool, installed where it is missing; None where that does not work."""
    if not shutil.which(name) and shutil.which("apt-get"):
        for command in (["update"], ["install", "-y", "--no-install-recommends", PACKAGES[name]]):
            subprocess.run(["apt-get", "-qq", *command], check=False, stdout=subprocess.DEVNULL)  # noqa: S603, S607
    return shutil.which(name)


def pinned(command: Sequence[str], *cpus: int) -> list[str]:
    """The command on these processors only."""
    taskset = tool("taskset")
    if taskset is None:
        return list(command)
    return [taskset, "-c", ",".join(str(cpu) for cpu in cpus or (CLIENT,)), *command]


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass(frozen=True)
class Server:
    """A running nginx."""

    url: str
    pid: int

    def cpu(self) -> float:
        """Seconds of a processor it has used so far, its children included."""
        ticks, waiting = 0, [self.pid]
        while waiting:
            pid = waiting.pop()
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            ticks += int(fields[11]) + int(fields[12])
            waiting += [int(c) for c in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
        return ticks / os.sysconf("SC_CLK_TCK")


@contextmanager
def serving(folder: Path, body: str, *cpus: int) -> Iterator[Server]:
    """A server, nginx, with one fixed answer on these processors (default: the server's)."""
    nginx = tool("nginx")
    if nginx is None:
        sys.exit("benchmarks: nginx is missing and could not be installed; install it and start again")
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o755)  # a server that starts as root hands its work to another user
    port = free_port()
    config = folder / "nginx.conf"
    config.write_text(NGINX.format(folder=folder, port=port, body=body, processes=max(1, len(cpus))))
    command = pinned([nginx, "-p", str(folder), "-c", str(config)], *(cpus or (SERVER,)))
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as server:  # noqa: S603
        try:
            wait_for(port)
            yield Server(f"http://127.0.0.1:{port}", server.pid)
        finally:
            server.send_signal(signal.SIGTERM)


def wait_for(port: int) -> None:
    """Returns when somebody listens on the port of 127.0.0.1."""
    for _ in range(200):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    sys.exit("benchmarks: the server does not listen")


@dataclass(frozen=True)
class Measured:
    """What one process took, its children included: wall-clock and processor seconds, and its output.

    `peak` is the most bytes that they used at one time, 0 where nobody looked.
    """

    seconds: float
    cpu: float
    output: str
    code: int
    peak: int = 0


def timed(
    command: Sequence[str], *, env: dict[str, str] | None = None, cwd: Path | None = None, watch: bool = False
) -> Measured:
    """Runs a command to its end. `watch`: its memory is looked at meanwhile, which takes some of a processor.

    The output is what it wrote to stdout, and behind it stderr where it failed.
    """
    before, began = os.times(), time.perf_counter()
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        with subprocess.Popen(  # noqa: S603
            list(command),
            stdout=out,
            stderr=err,
            env={**os.environ, **(env or {})},
            cwd=cwd,
            start_new_session=True,
        ) as process:
            peak = _peak(process) if watch else 0
            code = process.wait(LIMIT_SECONDS)
        seconds, after = time.perf_counter() - began, os.times()
        cpu = after.children_user + after.children_system - before.children_user - before.children_system
        output = _text(out) if code == 0 else _text(out) + _text(err)
    return Measured(seconds, cpu, output, code, peak)


def _text(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode()


def _peak(process: "subprocess.Popen[bytes]") -> int:
    """The most bytes that all processes of the session used at one time, looked at every 20 ms."""
    peak = 0
    while process.poll() is None:
        peak = max(peak, sum(_resident(process.pid)))
        time.sleep(0.02)
    return peak


def _resident(session: int) -> Iterator[int]:
    """The resident bytes of each process of a session."""
    for entry in Path("/proc").iterdir():
        try:
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
            if int(fields[3]) == session:
                yield int(fields[21]) * os.sysconf("SC_PAGE_SIZE")
        except (OSError, ValueError, IndexError):
            continue


def python_with(folder: Path, *packages: str) -> Path | None:
    """An interpreter with these packages in a virtual environment of its own; None where that fails."""
    python = folder / "bin" / "python"
    commands = (
        [sys.executable, "-m", "venv", str(folder)],
        [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *packages],
    )
    return python if all(_succeeds(command) for command in commands) else None


def node_with(folder: Path, *packages: str) -> Path | None:
    """A folder in which node finds these packages; None where there is no node, or no package."""
    folder.mkdir(parents=True, exist_ok=True)
    if not shutil.which("node") or not shutil.which("npm"):
        return None
    install = ["npm", "install", "--silent", "--no-audit", "--no-fund", "--prefix", str(folder), *packages]
    return folder if _succeeds(install) else None


def _succeeds(command: Sequence[str]) -> bool:
    quiet = subprocess.DEVNULL
    return subprocess.run(command, check=False, stdout=quiet, stderr=quiet).returncode == 0  # noqa: S603
