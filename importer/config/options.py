"""What the command line (or a Python caller) may add to a configuration for one run."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from os import PathLike
from pathlib import Path
from typing import Any

from importer.config import loader as configuration
from importer.config import urls
from importer.config.schema import Config
from importer.core.errors import ConfigError
from importer.core.text import printable

_WHOLE = 100


@dataclass(frozen=True, slots=True)
class RejectLimit:
    """`--max-rejects`: a number of values, or a share of them in percent. One of the two is set."""

    count: int | None = None
    percent: float | None = None

    @classmethod
    def parse(cls, text: str) -> "RejectLimit":
        """`250` or `2%`; ConfigError for anything else."""
        number = text.removesuffix("%")
        try:
            value = float(number) if text.endswith("%") else int(number)
        except ValueError:
            value = -1
        if not 0 <= value < float("inf") or (text.endswith("%") and value > _WHOLE):
            raise ConfigError(
                "--max-rejects: expected a number of values like 250, or a share like 2%, found "
                f'"{printable(text)}".'
            )
        return cls(percent=value) if text.endswith("%") else cls(count=int(value))

    def passed(self, rejected: int, of: int) -> bool:
        """Whether so many rejected of so many values are more than the limit allows."""
        if self.count is not None:
            return rejected > self.count
        return rejected * _WHOLE > (self.percent or 0) * of

    def __str__(self) -> str:
        return f"{self.percent:g}%" if self.percent is not None else str(self.count)


@dataclass(frozen=True, slots=True)
class Options:
    """How this run differs from what is configured.

    `state_dir` None = `.importer` beside the config; `rate` in requests per second, 0 = no ceiling; `strict`
    refuses to send a list that shows signs of spreadsheet damage;
    `allow_duplicates` sends increases a second time; `allow` names the guards that may not stop the run;
    `lock_timeout` is how many seconds to wait for another run of the import; `stop_by` ("HH:MM", local time,
    or a date and time with its zone) and `max_duration` (seconds) say when to stop sending, the earlier one
    counts; `changed_only` sends what differs from the snapshot, `full_refresh` sends everything even where
    `changed_only` is configured; `outcomes` is a folder or URL into which the table of outcomes is copied.
    """

    state_dir: str | PathLike[str] | None = None
    run_id: str | None = None
    base_url: str | None = None
    limit: int | None = None
    max_rejects: RejectLimit | None = None
    rate: float | None = None
    strict: bool = False
    allow_duplicates: bool = False
    allow: tuple[str, ...] = ()
    lock_timeout: float = 0.0
    stop_by: str | None = None
    max_duration: float | None = None
    changed_only: bool = False
    full_refresh: bool = False
    outcomes: str | PathLike[str] | None = None

    def as_mapping(self) -> dict[str, Any]:
        """What a later attempt of the run has to keep to, as JSON."""
        limit = str(self.max_rejects) if self.max_rejects else None
        return {
            "limit": self.limit,
            "max_rejects": limit,
            "strict": self.strict,
            "allow": list(self.allow),
            "changed_only": self.changed_only,
            "full_refresh": self.full_refresh,
            "outcomes": None if self.outcomes is None else str(self.outcomes),
        }

    def after(self, former: Mapping[str, Any]) -> "Options":
        """These options, and what the former attempt was given where they say nothing."""
        limit = former["max_rejects"]
        return replace(
            self,
            limit=former["limit"],
            max_rejects=self.max_rejects or (RejectLimit.parse(limit) if limit else None),
            strict=self.strict or former["strict"],
            allow=(*former["allow"], *self.allow),
            changed_only=self.changed_only or former["changed_only"],
            full_refresh=self.full_refresh
            or former.get("full_refresh", former.get("full")) is True,  # 0.1.0: full
            outcomes=former.get("outcomes"),  # what has ended already would lack where it is asked for later
        )

    def state_dir_of(self, config: Config) -> Path:
        """Where the state of this import is kept."""
        if self.state_dir is not None:
            return Path(self.state_dir)
        return (config.path.parent if config.path else Path()) / ".importer"

    def applied_to(self, config: Config) -> Config:
        """The configuration as these options change it; ConfigError where the URL may not be used."""
        changes: dict[str, Any] = {}
        if self.base_url is not None:
            problem = urls.url_problem(self.base_url)
            if problem:
                raise ConfigError(f"--base-url: {problem}.")
            changes["base_url"] = self.base_url.rstrip("/")
        if self.rate is not None:
            changes["requests_per_second"] = self.rate
        section = config.destination.model_copy(update=changes)
        if self.outcomes is not None:
            changes_run = config.run.model_copy(update={"outcomes": True})
            config = config.model_copy(update={"run": changes_run})
        return self._diffing(config.model_copy(update={"destination": section}))

    def _diffing(self, config: Config) -> Config:
        """`--changed-only` as if it stood in the file; ConfigError for what does not go with it."""
        if self.changed_only and not config.run.changed_only:
            config = config.model_copy(update={"run": config.run.model_copy(update={"changed_only": True})})
            mistakes = list(configuration.diff_mistakes(config))
            if mistakes:
                raise ConfigError(f"--changed-only: {mistakes[0]}.")
        if config.run.changed_only and self.limit is not None:
            raise ConfigError(
                "--limit: not with changed_only, which compares whole lists; leave one of the two out."
            )
        return config


DEFAULTS = Options()
