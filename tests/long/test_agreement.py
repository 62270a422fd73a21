"""A check and a run agree on many more lists than the quick tests can try."""

from hypothesis import HealthCheck, given, settings

from tests.support.random_imports import RandomImport, assert_check_and_run_agree, imports


@settings(max_examples=200, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(imports())
def test_a_check_says_what_a_run_does_for_hundreds_of_lists(one: RandomImport) -> None:
    assert_check_and_run_agree(one)
