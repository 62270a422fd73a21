"""What a run is to do: the same in each of its attempts.

A run that is stopped or killed and then resumed has several attempts. What they share is in the run's folder.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from importer.config import loader as configuration
from importer.config.options import Options
from importer.config.schema import Config
from importer.core.errors import ConfigError
from importer.destinations.base import Destination
from importer.pipeline.sources import NamedSource, Staged, Table
from importer.storage import account, state_folder
from importer.storage.counted_lists import CountedLists, is_counting
from importer.storage.run_folder import RunFolder
from importer.storage.snapshot import refuse_shared_attributes


@dataclass(frozen=True)
class RunSpec:
    """What the stages have to know of a run.

    `mode` is `check`, `run` or `retry`; `sources` are named by the caller, in place of the configured source;
    `corrected` is the run that a retry corrects.
    """

    config: Config
    destination: Destination
    folder: RunFolder
    options: Options
    mode: str
    sources: Sequence[NamedSource]
    corrected: RunFolder | None = None
    started: datetime = field(default_factory=lambda: datetime.now(UTC))

    @classmethod
    def new(
        cls,
        config: Config,
        sources: Sequence[NamedSource],
        options: Options,
        mode: str,
        corrected: RunFolder | None = None,
    ) -> "RunSpec":
        """A run whose folder is not there yet; ConfigError where it must not begin."""
        config = options.applied_to(config)
        if mode == "run" and options.limit is not None and is_counting(config):
            raise ConfigError(
                "--limit: this import increases, so its first rows would be counted again by the whole list; "
                "put them into a file of their own, or try them in the sandbox."
            )
        state_dir = corrected.path.parent.parent if corrected else options.state_dir_of(config)
        state_folder.prepare(state_dir)
        if mode != "check" or config.run.changed_only:
            refuse_shared_attributes(state_dir, config)
        folder = state_folder.new_run(state_dir, options.run_id)
        return cls(config, config.build_destination(), folder, options, mode, tuple(sources), corrected)

    @classmethod
    def of_folder(cls, folder: RunFolder, options: Options) -> "RunSpec":
        """A run that began earlier: as it was asked for then, where `options` do not say otherwise."""
        meta = folder.read_meta()
        options = options.after(meta["options"])
        config = options.applied_to(stored_config(meta))
        corrects = meta.get("corrects")
        return cls(
            config,
            config.build_destination(),
            folder,
            options,
            meta["mode"],
            sources_of(meta),
            folder.beside(corrects) if corrects else None,
            datetime.fromisoformat(meta["started_at"]),
        )

    @property
    def state_dir(self) -> Path:
        """Where the state of the import is kept."""
        return self.folder.path.parent.parent

    @property
    def sends(self) -> bool:
        """Whether anything is meant to be sent: not by `check`."""
        return self.mode != "check"

    @property
    def staging(self) -> str | None:
        """Where a cluster puts the rows of the run; None where this process reads the list."""
        return next((one.location for one in self.sources if isinstance(one, Staged)), None)

    @property
    def writes_outcomes(self) -> bool:
        """Whether the outcome of every value is written as a table; a check decides none."""
        return self.sends and self.config.run.outcomes

    @property
    def counted_lists(self) -> CountedLists:
        """What this import has sent, where it increases."""
        return CountedLists(self.state_dir, self.config)

    def with_folder(self) -> "RunSpec":
        """The same run, its folder made where it is not there yet; a new run starts now."""
        if self.folder.meta.exists():
            return self
        new = replace(self, started=datetime.now(UTC))
        state_folder.create(new.folder, new.meta())
        return new

    def meta(self) -> dict[str, Any]:
        """What `run.json` holds, and `of_folder` reads."""
        return {
            "run_id": self.folder.run_id,
            "name": self.config.name,
            "mode": self.mode,
            "started_at": iso(self.started),
            "arguments": [one if isinstance(one, str) else one.name for one in self.sources],
            "tables": [one.name for one in self.sources if not isinstance(one, str)],
            "staging": self.staging,
            "corrects": self.corrected.run_id if self.corrected else None,
            "identity": account.import_id(self.config),
            "config_path": str(self.config.path) if self.config.path else None,
            "config": self.config.as_mapping(),
            "options": self.options.as_mapping(),
        }


def stored_config(meta: Mapping[str, Any]) -> Config:
    """The configuration that a run was started with, from its `run.json`."""
    path = meta.get("config_path")
    return configuration.parse(meta["config"], Path(path) if path else None)


def sources_of(meta: Mapping[str, Any]) -> tuple[NamedSource, ...]:
    """The sources that were named for a run, from its `run.json`; of a table only the name is known."""
    if staging := meta.get("staging"):
        return (Staged(staging),)
    tables = meta.get("tables", ())
    return tuple(Table(name) if name in tables else name for name in meta["arguments"])


def iso(moment: datetime) -> str:
    """A moment as `run.json` and `summary.json` write it, to the millisecond."""
    return moment.isoformat(timespec="milliseconds")
