"""A check and a run agree on many more lists than the quick tests can try."""

import pytest
from hypothesis import HealthCheck, given, seed, settings

from tests.support.random_imports import RandomImport, assert_check_and_run_agree, imports


@pytest.mark.parametrize("number", range(5))
def test_a_check_says_what_a_run_does_for_hundreds_of_lists(number: int) -> None:
    @seed(number)
    @settings(
        max_examples=40,
        derandomize=False,  # the seed decides
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )
    @given(imports())
    def agrees(one: RandomImport) -> None:
        assert_check_and_run_agree(one)

    agrees()
