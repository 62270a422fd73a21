"""Several processes for one run: `--workers N`.

Each worker sends every N-th chunk from the common spool into the common journal. They are one in everything
that concerns the destination and the user: the first call of all goes alone; a ceiling is divided among those
that still send; one refusal slows all of them, and one stop, signal or passed limit stops all of them.

The processes talk over a socket pair each, in lines of JSON. A worker whose parent is gone ends at once, as
if it had been killed too. It inherits the lock of the import, so that no other run begins before the last
worker is gone.
"""

import asyncio
import contextlib
import json
import os
import socket
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from importer import errors
from importer.destinations.base import PaceHint
from importer.errors import ImporterError, InternalError
from importer.models import Answer, Call, Judgement
from importer.pacing import Pacer, Slot
from importer.sender import Counts, Judge, Stop
from importer.spool import ChunkPlan

TELL_SECONDS = 0.05
"""How often a worker says how far it is."""

SETTLE_SECONDS = 1.1
"""After this the share of a worker that has ended is given to the others: its last calls are a second old."""

_PIECE = 1 << 16
"""Bytes of the other side's messages that are read at one time when nobody listens to them any more."""

_GONE = (
    "a worker process was ended from outside; what was answered is in the journal, and nothing is lost. "
    "Resume, with fewer --workers where memory ran out."
)


@dataclass(slots=True)
class Progress:
    """What a worker has done so far; of `values` answered, `bad` are those that the reject limit counts."""

    rows: int = 0
    values: int = 0
    bad: int = 0
    sent: int = 0
    retried: int = 0
    throttled: int = 0
    peak_rss_bytes: int = 0

    def counts(self) -> Counts:
        """The requests alone."""
        return Counts(self.sent, self.retried, self.throttled)


class Line:
    """One end of the socket pair between a worker and its parent."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    @classmethod
    async def on(cls, end: socket.socket) -> "Line":
        """The line on this end of a pair."""
        return cls(*await asyncio.open_connection(sock=end))

    def tell(self, **what: Any) -> None:
        """Sends one message; one to somebody who is gone is lost."""
        if not self._writer.is_closing():
            with contextlib.suppress(OSError):
                self._writer.write(json.dumps(what).encode() + b"\n")

    async def hear(self) -> dict[str, Any] | None:
        """The next message, None when the other side is gone."""
        try:
            line = await self._reader.readline()
        except OSError:
            return None
        return dict(json.loads(line)) if line.endswith(b"\n") else None

    async def close_last(self) -> None:
        """Sends what waits, and hangs up once the other side has: for whoever says the last word.

        A socket that is closed with something unread in it takes from the other side what that had still to
        read.
        """
        with contextlib.suppress(OSError, RuntimeError):
            self._writer.write_eof()
            while await self._reader.read(_PIECE):
                pass
        await self.close()

    async def close(self) -> None:
        """Sends what waits, and hangs up."""
        with contextlib.suppress(OSError, RuntimeError):
            await self._writer.drain()
            self._writer.close()
            await self._writer.wait_closed()


def tell_stop(stop: Stop) -> dict[str, Any]:
    """A stop as a message."""
    if stop.signal:
        return {"signal": stop.signal}
    error = stop.error
    known = isinstance(error, ImporterError)
    return {"stop": [type(error).__name__ if known else "InternalError", str(error) if known else ""]}


def take_stop(stop: Stop, message: Mapping[str, Any]) -> None:
    """What `tell_stop` said, taken over."""
    if "signal" in message and not stop.signal:
        stop.by_signal(message["signal"])
    if "stop" in message:
        name, text = message["stop"]
        stop.because(getattr(errors, name)(text or "a worker met an error of its own; please report it."))


# ---------------------------------------------------------------- the parent's side


@dataclass
class _Worker:
    process: asyncio.subprocess.Process
    line: Line
    progress: Progress = field(default_factory=Progress)
    done: bool = False


class Crew:
    """Starts the workers, passes on what one says to the others, and waits for their ends.

    `watch` is told the progress of all together, as often as a worker says something.
    """

    def __init__(self, folder: Path, count: int, stop: Stop, watch: Callable[[Progress], None]) -> None:
        self._folder = folder
        self._count = count
        self._stop = stop
        self._watch = watch
        self._workers: list[_Worker] = []
        self._waiting: list[_Worker] = []
        self.dead: dict[str, str] = {}
        self.borne = 0.0

    @property
    def progress(self) -> Progress:
        """All workers together."""
        total = Progress()
        for worker in self._workers:
            for name in Progress.__slots__:
                setattr(total, name, getattr(total, name) + getattr(worker.progress, name))
        return total

    async def send(self, lock: int | None) -> None:
        """Has every chunk sent, or what a stop lets be; `lock` is a file to be inherited."""
        self._stop.when_set(lambda: self._tell_all(**tell_stop(self._stop)))
        self._stop.when_abandoned(lambda: self._tell_all(abandon=True))
        try:
            for number in range(self._count):
                self._workers.append(await self._start(number, lock))
            self._waiting = list(self._workers)
            self._release_first()
            await asyncio.gather(*(self._attend(worker) for worker in self._workers))
        finally:
            for worker in self._workers:
                if worker.process.returncode is None:
                    worker.process.kill()
                await worker.process.wait()

    async def _start(self, number: int, lock: int | None) -> _Worker:
        ours, theirs = socket.socketpair()
        inherited = [theirs.fileno(), *([lock] if lock is not None else [])]
        package = str(Path(__file__).parent.parent)
        paths = [package, *filter(None, [os.environ.get("PYTHONPATH")])]
        command = [sys.executable, "-m", "importer.worker", str(theirs.fileno()), str(self._folder)]
        with theirs:
            process = await asyncio.create_subprocess_exec(
                *command,
                str(number),
                str(self._count),
                pass_fds=inherited,
                start_new_session=True,  # the terminal's Ctrl-C is for the parent, who passes it on
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.DEVNULL,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
            )
        return _Worker(process, await Line.on(ours))

    def _tell_all(self, *but: _Worker, **what: Any) -> None:
        for worker in self._workers:
            if worker not in but:
                worker.line.tell(**what)

    def _release_first(self) -> None:
        """The first of those who wait may send: its first call goes alone."""
        if self._waiting:
            self._waiting.pop(0).line.tell(go=True)

    def _release_all(self) -> None:
        while self._waiting:
            self._release_first()

    async def _attend(self, worker: _Worker) -> None:
        """Listens to one worker until it is gone."""
        while (message := await worker.line.hear()) is not None:
            self._take(worker, message)
        if not worker.done:
            self._stop.because(InternalError(_GONE))
            self._release_all()
            return
        self._release_first()  # where the others still wait, it had nothing to send but a check of the key
        await worker.line.close()
        left = sum(not w.done for w in self._workers)
        if left and not self._stop.is_set:
            await asyncio.sleep(SETTLE_SECONDS)
            self._tell_all(share=left)

    def _take(self, worker: _Worker, message: dict[str, Any]) -> None:
        if "progress" in message:
            worker.progress = Progress(*message["progress"])
            self._watch(self.progress)
        if "first" in message:
            self._release_all()
        if "refused" in message:
            self._tell_all(worker, refused=message["refused"])
        if "dead" in message:
            self.dead |= message["dead"]
            self._tell_all(worker, dead=self.dead)
        if "done" in message:
            worker.done = True
            self.borne += message["borne"] or 0.0
        take_stop(self._stop, message)


# ---------------------------------------------------------------- a worker's side


class SharedPacer(Pacer):
    """A worker's part of the pace: its share of the ceiling, and every refusal told to the others."""

    def __init__(
        self, ceiling: float, share: int, tell: Callable[..., None], borne: float | None = None
    ) -> None:
        super().__init__(ceiling / share, borne=borne and borne / share)
        self._whole = ceiling
        self._tell = tell

    def refused(self, slot: Slot, wait: float = 0.0) -> None:
        """As `Pacer.refused`, for all workers."""
        super().refused(slot, wait)
        self._tell(refused=wait)

    def refused_elsewhere(self, wait: float) -> None:
        """Another worker was refused: the limit is one, so it counts as if it had been a call of ours."""
        super().refused(Slot(self._clock(), len(self._sent)), wait)

    def take_share(self, share: int) -> None:
        """The ceiling is divided among so many from now on."""
        if self._whole:
            self.set_ceiling(self._whole / share)


@dataclass
class Member:
    """A worker's place in the crew; `share` is how many divide what the destination grants."""

    line: Line
    judge_alone: Judge
    stop: Stop
    share: int
    pacer: SharedPacer
    dead: dict[str, str]
    released: asyncio.Event = field(default_factory=asyncio.Event)
    _known_dead: int = 0
    _first_told: bool = False

    def __post_init__(self) -> None:
        self._known_dead = len(self.dead)
        self.stop.when_set(lambda: self.line.tell(**tell_stop(self.stop)))
        self.stop.when_set(self.released.set)

    def judge(self, call: Call, answer: Answer) -> Judgement:
        """The destination's judgement."""
        return self.judge_alone.judge(call, answer)

    def pace(self, answer: Answer) -> PaceHint | None:
        """What this worker may take of what the destination grants."""
        hint = self.judge_alone.pace(answer)
        if hint is None:
            return None
        rate, remaining = hint.requests_per_second, hint.remaining
        return PaceHint(
            rate and rate / self.share, None if remaining is None else remaining // self.share, hint.reset
        )

    def report(self, progress: Progress, *, first: bool) -> None:
        """Says how far this worker is; `first`: a job of its own is through."""
        if len(self.dead) > self._known_dead:
            self._known_dead = len(self.dead)
            self.line.tell(dead=self.dead)
        self.line.tell(progress=[getattr(progress, name) for name in Progress.__slots__])
        if first and not self._first_told and not self.stop.is_set:
            self._first_told = True
            self.line.tell(first=True)

    async def listen(self) -> None:
        """Does what the parent says; ends the process when there is no parent any more."""
        while (message := await self.line.hear()) is not None:
            self._take(message)
        os._exit(1)

    def _take(self, message: dict[str, Any]) -> None:
        if "go" in message:
            self.released.set()
        if "share" in message:
            self.share = message["share"]
            self.pacer.take_share(self.share)
        if "refused" in message:
            self.pacer.refused_elsewhere(message["refused"])
        if "dead" in message:
            self.dead.update(message["dead"])
            self._known_dead = len(self.dead)
        if "abandon" in message:
            self.stop.abandon()
        take_stop(self.stop, message)


def divided(number: int, of: int, among: int) -> int:
    """The part of the `number`-th of so many, at least 1."""
    return max(1, of // among + (number < of % among))


def striped(plans: Sequence[ChunkPlan], number: int, count: int) -> list[ChunkPlan]:
    """The `number`-th of `count` shares of the chunks.

    By the chunks' own numbers: a worker that starts late finds fewer open ones, and must not take others' for
    its own because of it, nor leave its own to nobody.
    """
    return [plan for plan in plans if plan.number % count == number]
