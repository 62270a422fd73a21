"""The program in a process forked from one that has loaded it: a run costs hundredths of a second to start.

The process is one of its own in everything that a test looks at: its folder, environment, streams, umask,
process group and exit code. Only its start differs, so what is about the start of the program or about its
process list is tried with `tests.support.oracle.program.start`.
"""

import multiprocessing
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from tempfile import TemporaryDirectory

_SERVER = multiprocessing.get_context("forkserver")
_SERVER.set_forkserver_preload(["tests.support.loaded", __name__])


def run(
    words: Sequence[str], folder: Path, variables: Mapping[str, str], timeout: float
) -> tuple[int, bytes, bytes]:
    """Runs the program to its end: its exit code (negative after a signal), its stdout and its stderr."""
    with TemporaryDirectory() as streams:
        out, err = Path(streams, "out"), Path(streams, "err")
        process = started(words, folder, variables, out, err)
        ended(process, words, err, timeout)
        return int(process.exitcode or 0), out.read_bytes(), err.read_bytes()


def killed(
    words: Sequence[str], folder: Path, variables: Mapping[str, str], end: Callable[[], bool]
) -> tuple[int, bytes, bytes]:
    """The same for a program that is killed once `end()` is true, unless it ends before."""
    with TemporaryDirectory() as streams:
        out, err = Path(streams, "out"), Path(streams, "err")
        for stream in (out, err):
            stream.touch(0o600)  # it may be killed before it opens them
        process = started(words, folder, variables, out, err)
        while process.is_alive() and not end():
            time.sleep(0.001)
        process.kill()
        process.join()
        return int(process.exitcode or 0), out.read_bytes(), err.read_bytes()


def started(
    words: Sequence[str],
    folder: Path,
    variables: Mapping[str, str],
    out: Path,
    err: Path,
    inside: Callable[[], None] | None = None,
) -> ForkServerProcess:
    """Starts the program; `inside` is called in its process, before it.

    The module of `inside` is loaded in each process, so it should load little.
    """
    process = _SERVER.Process(target=_run, args=[list(words), str(folder), dict(variables), out, err, inside])
    process.start()
    return process


def ended(process: ForkServerProcess, words: Sequence[str], err: Path, timeout: float) -> None:
    """Waits for the end; TimeoutError, with what the program said, after `timeout` seconds."""
    process.join(timeout)
    if process.is_alive():
        process.kill()
        process.join()
        said = err.read_text("utf-8")
        raise TimeoutError(f"importer {' '.join(words)} did not end in {timeout:g} seconds: {said}")


def _run(
    words: list[str],
    folder: str,
    variables: Mapping[str, str],
    out: Path,
    err: Path,
    inside: Callable[[], None] | None,
) -> None:
    os.setsid()
    os.umask(0)
    os.environ.clear()
    os.environ.update(variables)
    time.tzset()
    os.chdir(folder)
    sys.argv = ["importer", *words]
    written = os.O_CREAT | os.O_WRONLY | os.O_TRUNC
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(os.open(out, written, 0o600), 1)
    os.dup2(os.open(err, written, 0o600), 2)
    sys.stdin, sys.stdout, sys.stderr = os.fdopen(0), os.fdopen(1, "w"), os.fdopen(2, "w")
    if inside:
        inside()
    from importer.cli import main

    code = main.main(words)
    sys.stdout.flush()
    sys.exit(code)
