from importer.core.models import SEPARATOR, Call, Classification, Part, Settled, Target, Verdict


def test_a_part_can_be_cut_to_some_of_its_keys() -> None:
    part = Part("set", ("a", "b", "c"), SEPARATOR.join(['"a":1', '"b":"x, y"', '"c":null']))
    assert part.only(("a", "b", "c")) is part
    assert part.only(("c", "b")) == Part("set", ("c", "b"), SEPARATOR.join(['"c":null', '"b":"x, y"']))
    assert Part("clear", ("a", "b"), "").only(("b",)) == Part("clear", ("b",), "")


def test_a_call_that_resolves_ids_writes_nothing() -> None:
    assert Call("POST", "/p", b"", (Target(0, "u", "set", ("a",)),)).writes
    assert not Call("GET", "/p", b"", (Target(0, "u", "set", ()),)).writes


def test_a_settled_call_without_a_usable_answer_is_unconfirmed() -> None:
    call = Call("POST", "/p", b"", ())
    states = {v: Settled(call, Classification(v), 0, 1, 0.0).unconfirmed for v in Verdict}
    expected = {Verdict.RETRY, Verdict.CONTRADICTION, Verdict.UNCONFIRMED}
    assert {verdict for verdict, unconfirmed in states.items() if unconfirmed} == expected
