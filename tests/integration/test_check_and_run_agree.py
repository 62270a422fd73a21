"""What a check counts as good is what a run stores, for lists and declarations that nobody thought of."""

from hypothesis import HealthCheck, given, settings

from tests.support.random_imports import RandomImport, assert_check_and_run_agree, imports


@settings(max_examples=8, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(imports())
def test_a_check_says_what_a_run_does(one: RandomImport) -> None:
    assert_check_and_run_agree(one)
