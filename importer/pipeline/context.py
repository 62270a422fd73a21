"""One life of a run: what it is to do, and the import held while it does it.

A run that is stopped or killed and then resumed has several lives. What they share stands in its folder.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from importer.config import loader as configuration
from importer.config import secrets
from importer.config.options import Options
from importer.config.schema import Config
from importer.core.durations import deadline
from importer.core.errors import ConfigError, OutOfTimeError, StateError, command
from importer.core.events import Event, Observer
from importer.destinations.base import Destination
from importer.pipeline.stats import RunStats
from importer.send.shutdown import Stop
from importer.storage import run_folder
from importer.storage.journal import count_pending
from importer.storage.run_folder import RunFolder
from importer.storage.sent_content import SentContent, is_counting
from importer.storage.snapshot import refuse_rivals


@dataclass
class RunContext:
    """What the stages have to know of the run for which they work.

    `mode` is `check`, `run` or `retry`; `arguments` are the sources of the command line, in place of the
    configured one; `corrected` is the run that a retry corrects. `key` is there once the import is held, and
    so is `lock`, the open file that holds it. `stop` says why nothing more is sent, `spent` what it took.
    """

    config: Config
    destination: Destination
    folder: RunFolder
    state_dir: Path
    options: Options
    observer: Observer
    mode: str
    arguments: Sequence[str]
    corrected: RunFolder | None = None
    started: datetime = field(default_factory=lambda: datetime.now(UTC))
    key: str = ""
    lock: int | None = None
    stop: Stop = field(default_factory=Stop)

    def __post_init__(self) -> None:
        self.deadline = deadline(self.options.stop_by, self.options.longest)
        self.stats = RunStats(several=self.destination.people_per_call > 1)

    @classmethod
    def new(
        cls,
        config: Config,
        sources: Sequence[str],
        options: Options,
        observer: Observer,
        mode: str,
        corrected: RunFolder | None = None,
    ) -> "RunContext":
        """The first life of a run, whose folder is not there yet; ConfigError where it must not be begun."""
        config = options.applied_to(config)
        destination = config.build_destination()
        if mode == "run" and options.limit is not None and is_counting(config):
            raise ConfigError(
                "--limit: this import increases, so its first rows would be counted again by the whole list; "
                "put them into a file of their own, or try them in the sandbox."
            )
        state_dir = corrected.path.parent.parent if corrected else options.state_dir_of(config)
        run_folder.prepare_state_dir(state_dir)
        if mode != "check" or config.run.changed_only:
            refuse_rivals(state_dir, config)
        folder = run_folder.name(state_dir, options.run_id)
        return cls(config, destination, folder, state_dir, options, observer, mode, tuple(sources), corrected)

    @classmethod
    def again(cls, folder: RunFolder, options: Options, observer: Observer) -> "RunContext":
        """A further life of a run, as it was asked for at first where `options` say nothing else."""
        meta = folder.read_meta()
        options = options.after(meta["options"])
        config = options.applied_to(stored_config(meta))
        corrects = meta.get("corrects")
        return cls(
            config,
            config.build_destination(),
            folder,
            folder.path.parent.parent,
            options,
            observer,
            meta["mode"],
            tuple(meta["arguments"]),
            folder.beside(corrects) if corrects else None,
            datetime.fromisoformat(meta["started_at"]),
        )

    @property
    def sends(self) -> bool:
        """Whether anything is meant to be sent: not by `check`."""
        return self.mode != "check"

    @property
    def counted(self) -> SentContent:
        """What this import has sent, where it counts."""
        return SentContent(self.state_dir, self.config)

    def out_of_time(self) -> OutOfTimeError | None:
        """The stop where the time is up; a check, which sends nothing, has no end."""
        if self.sends and self.deadline and self.deadline.left() <= 0:
            return self.deadline.error()
        return None

    @contextmanager
    def held(self) -> Iterator[None]:
        """Holds the import, and waits for it as long as was asked.

        ConfigError where there is no key, or where an unfinished run has begun to count what this one would
        count again. StateError where another run holds the import, or has a job open at the destination.
        """
        self.key = secrets.read_key(self.config)
        run_folder.prepare_state_dir(self.state_dir)
        wait = self.options.wait
        if self.deadline:
            wait = max(0.0, min(wait, self.deadline.left()))
        with run_folder.lock(self.state_dir, self.config, self.folder, wait, self._waiting) as self.lock:
            if not self.folder.meta.exists():  # a later life of a run goes on, and polls its own jobs
                _refuse_open_jobs(self.state_dir, self.config)
            if is_counting(self.config) and not self.options.again:
                self.counted.refuse_unfinished(self.folder)
            yield

    def _waiting(self, holder: str) -> None:
        text = f"waiting for run {holder} of this import to end"
        self.observer.tell(Event("waiting", text, {"holder": holder}))

    def begin(self) -> None:
        """A new run's folder is made when the import is held, so that one which never began leaves none."""
        self.stats.begin()
        if not self.folder.meta.exists():
            self.started = datetime.now(UTC)
            run_folder.create(self.folder, self.meta())
        fields = {"run_id": self.folder.run_id, "import": self.config.name, "command": self.mode}
        self.observer.tell(Event("began", f"run {self.folder.run_id} began", fields))

    def meta(self) -> dict[str, Any]:
        """What `run.json` holds, and `again` reads."""
        return {
            "run_id": self.folder.run_id,
            "name": self.config.name,
            "mode": self.mode,
            "started_at": iso(self.started),
            "arguments": list(self.arguments),
            "corrects": self.corrected.run_id if self.corrected else None,
            "identity": run_folder.identity(self.config),
            "config_path": str(self.config.path) if self.config.path else None,
            "config": self.config.as_mapping(),
            "options": self.options.as_mapping(),
        }


def _refuse_open_jobs(state_dir: Path, config: Config) -> None:
    """Nothing new for an account where a job is still open, which would write its older values later.

    StateError names the run to poll on.
    """
    account = run_folder.account(config.as_mapping()["destination"])
    for folder in filter(run_folder.is_resumable, run_folder.all_runs(state_dir)):
        same = run_folder.account(folder.read_meta()["config"]["destination"]) == account
        if same and folder.journal.exists() and (jobs := count_pending(folder.journal)):
            first = command("resume", folder.run_id, state_dir=state_dir)
            raise StateError(
                f"Run {folder.run_id} has jobs open at the destination ({jobs:,}), which would write "
                f"their older values over newer ones. First: {first}"
            )


def stored_config(meta: Mapping[str, Any]) -> Config:
    """The configuration that a run was started with, from its `run.json`."""
    path = meta.get("config_path")
    return configuration.parse(meta["config"], Path(path) if path else None)


def iso(moment: datetime) -> str:
    """A moment as `run.json` and `summary.json` write it, to the millisecond."""
    return moment.isoformat(timespec="milliseconds")
