"""What must hold after a disturbance: nothing lost, wrong or counted twice, and no fault of ours."""

from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path

from tests.support.trouble import RunResult, World, assert_same
from tests.torture.attempts import Attempt, go_on
from tests.torture.imports import Import, comparable, expected, prepared

MEMORY_MIB = 600
"""The most that one attempt may take, whatever it is given."""


def assert_in_words(done: Attempt, codes: Collection[int]) -> None:
    """It ended with one of these codes, without a traceback; where it did not finish, with a sentence."""
    assert "Traceback" not in done.err, done.err
    assert done.code in codes, f"exit {done.code}, expected one of {sorted(codes)}: {done.err[-1500:]}"
    assert done.code in (0, 1) or done.err.strip(), f"exit {done.code} without a word"
    assert done.peak_mib < MEMORY_MIB, f"{done.peak_mib} MiB of memory"


def undisturbed(what: Import, folder: Path) -> tuple[RunResult, int]:
    """The run that nothing happens to, which is as the oracle says, and how many operations it takes."""
    with prepared(what, folder) as here:
        done = go_on(here)
        assert_in_words(done, (0, 1))
        result = here.result()
        assert result.state == "finished"
        stored, found = expected(what, folder)
        _assert_stored(comparable(what, result.stored), stored)
        assert result.rows["read"] == found.rows["read"]
        places = sorted((str(r.row), r.attribute) for r in found.rejects if r.stage != "adjust")
        assert sorted((line[0], line[2]) for line in result.lines if line[4] != "adjust") == places
        return result, done.operations


def assert_as_undisturbed(here: World, base: RunResult, what: Import) -> RunResult:
    """All is as in the undisturbed run, but what must not be sent twice may be unconfirmed."""
    found = here.result()
    assert found.state == "finished", found.state
    doubtful = [line for line in found.lines if line[5] == "unconfirmed"]
    assert {line[2] for line in doubtful} <= what.sums, f"unconfirmed: {doubtful[:3]}"
    unclear = {(line[1], line[2]) for line in doubtful}
    _assert_stored(comparable(what, found.stored), comparable(what, base.stored), unclear)
    if not doubtful:
        assert_same(found, base)
        return found
    values = {
        **found.values,
        "applied": found.values["applied"] + len(doubtful),
        "unconfirmed": found.values["unconfirmed"] - len(doubtful),
    }
    lines = tuple(line for line in found.lines if line not in doubtful)
    same = replace(found, stored=base.stored, rows=base.rows, kept=base.kept, lines=lines, values=values)
    assert_same(same, base)
    return found


Stored = Mapping[str, Mapping[str, object]]
"""By person and attribute, in the form of `imports.comparable`."""


def _assert_stored(found: Stored, right: Stored, doubtful: Collection[tuple[str, str]] = ()) -> None:
    """Each value is right; one in doubt may be missing."""
    keys = [(p, k) for stored in (found, right) for p, values in stored.items() for k in values]
    for person, key in dict.fromkeys(keys):
        value, expected_ = found.get(person, {}).get(key), right.get(person, {}).get(key)
        allowed = (expected_, None) if (person, key) in doubtful else (expected_,)
        assert value in allowed, f"{person}, {key}: stored {value!r}, expected {allowed}"


def assert_nothing_doubled(here: World, base: RunResult, what: Import) -> None:
    """No increase is counted that the undisturbed run does not count, and none twice."""
    stored = {here.distinct_id(id_): values for id_, values in here.server.stored.items()}
    theirs = comparable(what, base.stored)
    for person, values in comparable(what, stored).items():
        for key in what.sums & values.keys():
            right = theirs.get(person, {}).get(key)
            assert values[key] == right, f"{person}, {key}: counted {values[key]}, expected {right}"
