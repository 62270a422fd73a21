"""One attempt: one process that works on a run, until the run ends or something stops it."""

from dataclasses import dataclass, field

from importer.core.durations import Deadline, deadline
from importer.core.errors import OutOfTimeError
from importer.core.events import Observer, Silent
from importer.pipeline.heartbeat import Heartbeat
from importer.pipeline.run_spec import RunSpec
from importer.pipeline.stats import RunStats
from importer.send.shutdown import Stop, StopRequest


@dataclass
class Attempt:
    """`stop` says why nothing more is sent, `stats` what the run took so far. `deadline` None = no end.

    `request` may ask from outside for a stop; `interrupted` is what a signal's handler raised in this thread.
    `settle_only`: nothing new is sent, only the results of open jobs are asked for.
    """

    observer: Observer
    stats: RunStats
    deadline: Deadline | None = None
    request: StopRequest = field(default_factory=StopRequest)
    stop: Stop = field(default_factory=Stop)
    interrupted: BaseException | None = None
    settle_only: bool = False

    @classmethod
    def of(cls, spec: RunSpec, observer: Observer | None, request: StopRequest | None = None) -> "Attempt":
        """An attempt that begins now. A check sends nothing, so it has no deadline."""
        stats = RunStats(several=spec.destination.people_per_call > 1)
        options = spec.options
        end = deadline(options.stop_by, options.max_duration) if spec.sends else None
        beating = Heartbeat(observer or Silent(), lambda: stats.counts.sent)
        return cls(beating, stats, end, request or StopRequest())

    def interrupt(self, error: BaseException) -> None:
        """Ctrl-C, say, in the thread that waits: the run stops and is reported, then the error is raised."""
        self.interrupted = error
        self.request.ask()

    def out_of_time(self) -> OutOfTimeError | None:
        """The error where the time is up."""
        return self.deadline.error() if self.deadline and self.deadline.left() <= 0 else None
