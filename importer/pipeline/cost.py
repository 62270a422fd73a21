"""What a run is about to send, said before the first call; for `check`, what a run would send."""

from importer.config.schema import Config
from importer.core.durations import spoken
from importer.core.events import Event
from importer.destinations.base import Destination
from importer.pipeline.attempt import Attempt
from importer.pipeline.guards import quantity
from importer.pipeline.ledger import Ledger
from importer.pipeline.run_spec import RunSpec
from importer.storage import run_history
from importer.validate.read_counts import ReadCounts


def report_cost(spec: RunSpec, attempt: Attempt, ledger: Ledger, people: int) -> None:
    """Tells the observer how many calls these people take, and how long."""
    learned_rate = run_history.pace(spec.state_dir, spec.config)
    compares = ledger.diff is not None and ledger.diff.compares and spec.sends
    counts = ledger.reading.counts
    attempt.observer.tell(
        cost(spec.config, spec.destination, counts, people, learned_rate, compares=compares)
    )


def cost(
    config: Config,
    destination: Destination,
    intake: ReadCounts,
    people: int,
    learned_rate: float | None,
    *,
    compares: bool = False,
) -> Event:
    """What a run is about to send; `learned_rate` is the rate found in an earlier run, if any.

    The number of calls does not include repeated and split calls. `compares`: what the snapshot knows is
    still to be left out. Every call may count against a quota: where a vendor documents one, it counts calls.
    """
    clears = sum(intake.blanks[key] for key, a in config.attributes.items() if a.blank == "clear")
    calls = destination.calls_at_most(people, clears)
    ceiling = config.destination.requests_per_second or 0.0
    pace = min(ceiling or learned_rate or 0.0, learned_rate or ceiling)
    if not pace:
        time = "no ceiling is set, so the time depends on the destination"
    else:
        why = "the rate of the last run" if pace < (ceiling or float("inf")) else "the ceiling"
        time = f"{spoken(calls / pace)} at {pace:g} a second, {why}"
    less = ", minus people without a change" if compares else ""
    what = f"{quantity(calls, 'call')} for {quantity(people, 'person', 'people')}{less}"
    text = f"{what}; repeated and split calls come on top, and each may count against your quota; {time}"
    return Event(
        "cost", text, {"calls": calls, "people": people, "seconds": round(calls / pace, 1) if pace else None}
    )
