"""An attribute at fault again and again is sent apart; one that is rarely at fault is not."""

from importer.reconcile.doubtful_attributes import DoubtfulAttributes


def noted(*faults: tuple[str, ...]) -> tuple[str, ...]:
    """The doubtful ones after these people, each sent `plan` and `age`, with the attributes at fault."""
    found = DoubtfulAttributes()
    for refused in faults:
        found.note(["plan", "age"], refused)
    return found.now


def test_it_takes_three_faults_and_a_quarter_of_what_is_sent() -> None:
    assert noted(("plan",), ("plan",)) == ()
    assert noted(("plan",), ("plan",), ("plan",)) == ("plan",)
    assert noted(*[("plan",)] * 3, *[()] * 9) == ("plan",)
    assert noted(*[("plan",)] * 3, *[()] * 10) == ()
    assert noted(*[()] * 10, *[("plan",)] * 3) == ("plan",), "people before the first fault do not count"


def test_the_worst_comes_first() -> None:
    assert noted(*[("plan", "age")] * 3, ("age",)) == ("age", "plan")


def test_old_faults_weigh_little() -> None:
    assert noted(*[("plan",)] * 20, *[("age",)] * 200) == ("age",)
