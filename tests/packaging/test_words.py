"""The check for words that the project no longer uses."""

from pathlib import Path

import pytest

from tests.checks import words

LIST = """
[[word]]
find = '(?i)\\bfoo\\b'
instead = "attempt"

[word.allowed]
"old.py" = "reads what an earlier version wrote"
"""


def test_a_word_is_found_in_the_text_and_in_the_name_of_a_file() -> None:
    found = list(words.search("importer/foo.py", "x = 1\n# a Foo\nfood = 2\n", words.load(LIST)))
    assert found == [
        "importer/foo.py:0: 'foo'; say attempt",
        "importer/foo.py:2: 'Foo'; say attempt",
    ]


def test_a_file_may_be_allowed_to_hold_a_word() -> None:
    assert not list(words.search("old.py", "foo", words.load(LIST)))


def test_code_pages_and_recipes_are_searched_and_built_pages_are_not() -> None:
    found = {path.relative_to(words.ROOT).as_posix() for path in words.files(words.ROOT)}
    assert {
        "importer/__init__.py",
        "README.md",
        "docs/conf.py",
        "config/vevee.toml",
        "tests/conftest.py",
    } <= found
    assert "config/recipes/crontab" in found
    assert not [name for name in found if name.startswith(("docs/_build", "tests/data", "."))]


@pytest.mark.parametrize("word", words.load(words.WORDS.read_text("utf-8")), ids=lambda w: w.pattern.pattern)
def test_a_word_of_the_list_does_not_forbid_what_is_said_instead(word: words.Word) -> None:
    assert word.instead
    assert not word.pattern.search(word.instead)
    assert all(Path(words.ROOT / name).is_file() for name in word.allowed)
