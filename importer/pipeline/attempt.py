"""One attempt: one process that works on a run, until the run ends or something stops it."""

from dataclasses import dataclass, field

from importer.core.durations import Deadline, deadline
from importer.core.errors import OutOfTimeError
from importer.core.events import Observer
from importer.pipeline.run_spec import RunSpec
from importer.pipeline.stats import RunStats
from importer.send.shutdown import Stop


@dataclass
class Attempt:
    """`stop` says why nothing more is sent, `stats` what the run took so far. `deadline` None = no end."""

    observer: Observer
    stats: RunStats
    deadline: Deadline | None = None
    stop: Stop = field(default_factory=Stop)

    @classmethod
    def of(cls, spec: RunSpec, observer: Observer) -> "Attempt":
        """An attempt that begins now. A check sends nothing, so it has no deadline."""
        stats = RunStats(several=spec.destination.people_per_call > 1)
        options = spec.options
        return cls(observer, stats, deadline(options.stop_by, options.max_duration) if spec.sends else None)

    def out_of_time(self) -> OutOfTimeError | None:
        """The error where the time is up."""
        return self.deadline.error() if self.deadline and self.deadline.left() <= 0 else None
