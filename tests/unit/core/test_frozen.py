"""What every call makes is a dataclass with slots: equal by value, hashable, and copied with changes."""

from dataclasses import replace

import pytest

from importer.core.frozen import frozen


@frozen
class Point:
    x: int
    y: int = 0


def test_equal_fields_make_equal_instances_of_one_hash() -> None:
    assert len({Point(1), Point(1, 0), Point(2)}) == 2


def test_a_copy_with_a_change_leaves_the_first_as_it_is() -> None:
    first = Point(1, 2)
    assert (replace(first, x=3), first) == (Point(3, 2), Point(1, 2))


def test_there_is_no_room_for_a_field_that_was_not_declared() -> None:
    with pytest.raises(AttributeError):
        Point(1).z = 3  # type: ignore[attr-defined]
