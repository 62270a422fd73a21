import argparse

import pytest

from importer.cli import argument_types
from importer.config.options import RejectLimit


@pytest.mark.parametrize("text", ["-1", "1.5", "many", "", "١", "9" * 30])
def test_what_is_no_whole_number_is_refused(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError):
        argument_types.whole_number(text)


def test_values_are_read() -> None:
    assert argument_types.whole_number("0") == 0
    assert argument_types.rate("2.5") == 2.5
    assert argument_types.duration("90s") == 90.0
    assert argument_types.reject_limit("2%") == RejectLimit(percent=2.0)


@pytest.mark.parametrize("text", ["nan", "inf", "-1", "fast"])
def test_a_rate_is_finite_and_not_negative(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError):
        argument_types.rate(text)


def test_a_count_of_people_is_at_least_one() -> None:
    with pytest.raises(argparse.ArgumentTypeError):
        argument_types.positive_number("0")
