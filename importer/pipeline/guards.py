"""What stops a run before its first call: a list that is too old, too short, too blank, too different.

The guards are evaluated once, when everything is read, against `[guards]` and the list of the last good run.
A guard that trips stays tripped for the run until `--allow` names it. The reject limit is evaluated here too,
before the first call and with each answer, and so is the canary.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

from importer.config.options import Options, RejectLimit
from importer.config.schema import Config, GuardsConfig
from importer.core.durations import spoken
from importer.core.errors import GuardError
from importer.core.rejects import BLANK
from importer.reconcile.reconciler import Answers
from importer.storage.run_history import ListShape
from importer.validate.data_quality import DAMAGE
from importer.validate.read_counts import ReadCounts
from importer.validate.read_result import ReadResult, ReadSource
from importer.validate.value_shapes import ValueShapes

LOOK = "Look at rejects.csv before you go on."

SHARE_FROM = 100
"""A share of rejects is evaluated from so many answered values on; before, it would be chance."""

NOTHING_SENT = "Nothing was sent."

Tripped = Mapping[str, str]
"""Guard → what it found, in one sentence."""


def shape(reading: ReadResult, run_id: str) -> ListShape:
    """The properties of a list with which the next list is compared."""
    intake = reading.counts
    rows = intake.rows_of_list
    return ListShape(
        run_id,
        intake.rows_read - intake.gone_rows,
        {key: _share(blanks, rows) for key, blanks in intake.blanks.items()},
        {key: _share(count, rows - intake.blanks[key]) for key, count in intake.undeclared.items()},
    )


def find_tripped(
    config: Config,
    reading: ReadResult,
    shapes: ValueShapes,
    good: ListShape | None,
    now: float,
    *,
    whole: bool,
) -> Tripped:
    """The guards of `config` that trip on what was read; `now` is Unix time in seconds.

    `shapes` are those of the values that the check refused. `good` is the last good run's list, None where
    there is none. `whole` is false where only some rows were to be read: then their number means nothing.
    """
    found: dict[str, str] = {}
    guards, list_ = config.guards, shape(reading, "")
    gone, known = reading.counts.gone, reading.counts.known
    if config.run.on_gone == "clear" and gone * 100 > config.run.max_gone * known:
        found["max_gone"] = (
            f"{gone:,} of {known:,} known people are gone from the list, where at most "
            f"{config.run.max_gone:g}% may be"
        )
    if guards.max_age is not None:
        _note(found, "max_age", _too_old(reading.sources_of_list, guards.max_age, now))
    if whole and guards.min_rows is not None and list_.rows < guards.min_rows:
        found["min_rows"] = f"{list_.rows:,} rows where at least {guards.min_rows:,} are expected"
    if whole and guards.max_row_change is not None and good:
        _note(found, "max_row_change", _row_change(list_, good, guards.max_row_change))
    if guards.max_blank_change is not None and good and reading.counts.rows_of_list:
        _note(found, "max_blank_change", _blank_change(list_, good, guards.max_blank_change))
    if guards.max_unknown_options is not None:
        _note(found, "max_unknown_options", _unknown_options(list_, good, guards.max_unknown_options))
    _note(found, "max_attribute_rejects", _lost_attributes(config, reading.counts, shapes))
    return found


def before_first_call(reading: ReadResult, options: Options) -> Iterator[GuardError]:
    """The errors that stop the run before anything is sent: its guards, and the reject limit."""
    if error := error_of({**reading.guards, **_damage_signs(reading, strict=options.strict)}, options.allow):
        yield error
    limit, intake = options.max_rejects, reading.counts
    values = intake.values_read + intake.set_aside - intake.set_aside_free
    if limit and limit.passed(intake.rejected, values):
        yield GuardError(_over_limit(limit, intake.rejected, NOTHING_SENT))


def _damage_signs(reading: ReadResult, *, strict: bool) -> Tripped:
    """`--strict`: a list that shows signs of damage is not sent."""
    signs = [w for w in reading.warnings if w.code in DAMAGE]
    if not strict or not signs:
        return {}
    what = ", ".join(f"{w.code} in {w.column}" for w in signs)
    return {"strict": f"the list shows damage ({what}); correct it"}


def error_of(tripped: Tripped, allowed: Sequence[str], *, sent: str = NOTHING_SENT) -> GuardError | None:
    """The error of the tripped guards that `allowed` does not name; None where there are none."""
    left = {name: text for name, text in tripped.items() if name not in allowed}
    if not left:
        return None
    text = "; ".join(f"{name}: {text}" for name, text in left.items())
    return GuardError(f"Guard {text}. {sent}", tuple(left))


def _note(found: dict[str, str], name: str, sentences: Iterator[str]) -> None:
    text = "; ".join(sentences)
    if text:
        found[name] = text


def _too_old(sources: Sequence[ReadSource], most: float, now: float) -> Iterator[str]:
    for source in sources:
        if source.mark is None:
            yield f"the age of {source.path} is not known"
        elif now - source.mark.modified > most:
            since = datetime.fromtimestamp(source.mark.modified).astimezone().isoformat(timespec="minutes")
            age = spoken(now - source.mark.modified)
            yield f"{source.path} is from {since}, {age} ago; at most {spoken(most)}"


def _row_change(list_: ListShape, good: ListShape, percent: float) -> Iterator[str]:
    if abs(list_.rows - good.rows) * 100 > percent * good.rows:
        before = f"where run {good.run_id} had {good.rows:,}"
        yield f"{list_.rows:,} rows {before}; at most {percent:g}% more or less"


def _blank_change(list_: ListShape, good: ListShape, percent: float) -> Iterator[str]:
    for key, now in list_.blank.items():
        before = good.blank.get(key)
        if before is not None and abs(now - before) * 100 > percent:
            yield (
                f"{key} is {now:.1%} blank where run {good.run_id} had {before:.1%}; "
                f"at most {percent:g} points more or less"
            )


def _unknown_options(list_: ListShape, good: ListShape | None, percent: float) -> Iterator[str]:
    for key, now in list_.undeclared.items():
        if now * 100 > percent:
            before = good.undeclared.get(key) if good else None
            text = "" if before is None or good is None else f" where run {good.run_id} had {before:.1%}"
            share = f"{now:.1%} of the values of {key}"
            yield f"{share} name an option that is not declared{text}; at most {percent:g}%"


ATTRIBUTE_FROM = 20
"""From so many values on, an attribute of which nearly all are refused is most likely declared wrongly."""


def _lost_attributes(config: Config, counts: ReadCounts, shapes: ValueShapes) -> Iterator[str]:
    """The attributes of which our own check refuses more than is allowed; blank cells do not count."""
    for key in config.attributes:
        values = counts.rows_of_list - counts.blanks[key]
        refused = Counter({r: n for (s, r, a), n in counts.reasons.items() if (s, a) == ("check", key)})
        del refused[BLANK]
        if values >= ATTRIBUTE_FROM and is_lost(config.guards, refused.total(), values):
            reasons = ", ".join(reason for reason, _ in refused.most_common())
            yield (
                f"{refused.total():,} of {values:,} values of {key} are rejected ({reasons}); they look like "
                f"{shapes.text(key)}; at most {config.guards.max_attribute_rejects:g}% may be rejected"
            )


def is_lost(guards: GuardsConfig, rejected: int, of: int) -> bool:
    """Whether so many rejected values of one attribute are more than `max_attribute_rejects`."""
    return rejected * 100 > guards.max_attribute_rejects * of


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 0.0


def canary_problem(answers: Answers, limit: RejectLimit | None) -> str:
    """Why the rest must not be sent after these first people; "" where it may."""
    bad = answers.rejected + answers.unconfirmed
    if answers.values and bad == answers.values:
        return f"none of the first {answers.values:,} values was applied"
    if limit and limit.percent is not None and limit.passed(answers.bad, answers.values):
        return f"{answers.bad:,} of the first {answers.values:,} values were not applied as they stood"
    return ""


def limit_passed(limit: RejectLimit, before: int, answers: Answers) -> GuardError | None:
    """The stop where the reject limit is passed; `before`: rejected before the first call."""
    if limit.count is not None:
        passed = limit.passed(before + answers.bad, 0)
    else:
        passed = answers.values >= SHARE_FROM and limit.passed(answers.bad, answers.values)
    return GuardError(_over_limit(limit, before + answers.bad, LOOK)) if passed else None


def _over_limit(limit: RejectLimit, rejected: int, sent: str) -> str:
    """The sentence of a passed `--max-rejects`."""
    what = quantity(rejected, "value or row was", "values and rows were")
    bad = f"{what} rejected, adjusted or unconfirmed"
    return f"--max-rejects {limit} is passed: {bad}. {sent}"


def quantity(number: int, one: str, many: str = "") -> str:
    """`1 call`, `1,102 calls`."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"
