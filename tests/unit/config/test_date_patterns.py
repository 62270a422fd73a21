import pytest

from importer.config.date_patterns import format_problem


@pytest.mark.parametrize(
    ("pattern", "meant"),
    [
        ("DD/MM/YYYY", "%d/%m/%Y"),
        ("YYYY-MM-DD", "%Y-%m-%d"),
        ("dd.mm.yy", "%d.%m.%y"),
        ("DD MMM YYYY", "%d %b %Y"),
        ("YYYY-MM-DD HH:MM:SS", "%Y-%m-%d %H:%M:%S"),
        ("yyyy-MM-dd'T'HH:mm:ss", "%Y-%m-%d'T'%H:%M:%S"),
    ],
)
def test_the_pattern_of_another_tool_is_translated(pattern: str, meant: str) -> None:
    assert format_problem(pattern) == f'expected a pattern with %-signs; for {pattern} write "{meant}"'


def test_a_pattern_with_signs_is_fine_and_a_word_is_not() -> None:
    assert format_problem("%d/%m/%Y") is None
    assert format_problem("iso") == 'expected a pattern with %-signs, like "%d/%m/%Y"'
