"""Names from outside are printable, short, and guessed at where mistyped."""

import json

import pytest

from importer.core.errors import ConfigError, GuardError
from importer.core.models import RunWarning
from importer.core.text import (
    LONGEST_NAME,
    did_you_mean,
    is_not_utf8,
    json_text,
    message_text,
    printable,
    without_controls,
)

HOSTILE = "a\x1b]0;owned\x07b\u009bc\u202ed\n"


def test_a_name_is_one_line_without_controls() -> None:
    assert printable(HOSTILE) == r"a\x1b]0;owned\x07b\x9bc\u202ed\x0a"


def test_letters_of_every_script_stay() -> None:
    text = "Zoë 李 می‌خواهم 👩‍👧"
    assert printable(text) == text


def test_a_long_name_is_cut_and_says_how_long_it_is() -> None:
    assert printable("x" * 1_048_576) == "x" * LONGEST_NAME + "… (1,048,576 characters)"
    assert printable("x" * LONGEST_NAME) == "x" * LONGEST_NAME


def test_text_of_ours_keeps_its_lines() -> None:
    assert without_controls("one\n\ttwo\x1b[2J") == "one\n\ttwo\\x1b[2J"


def test_every_error_shortens_and_escapes_what_it_quotes() -> None:
    found = str(ConfigError(f'column "{"y" * 1_000_000}" and "{HOSTILE.strip()}" are unknown'))
    assert len(found) < 300
    assert "\x1b" not in found
    assert r'"a\x1b]0;owned' in found
    assert "(1,000,000 characters)" in found
    assert str(GuardError('Guard "\x1b"', ("strict",))) == r'Guard "\x1b"'


def test_what_stands_between_two_names_is_not_a_name() -> None:
    text = f'"one" {"and " * 50}"two"'
    assert message_text(text) == text


def test_a_name_that_holds_quotes_makes_no_endless_message() -> None:
    assert len(message_text('"a"' + "x" * 1_000_000 + '"')) < 9_000


def test_a_path_outside_quotes_is_not_cut() -> None:
    path = "/data/" + "deep/" * 100
    assert message_text(f"{path}: no such file") == f"{path}: no such file"


def test_a_warning_names_a_column_in_short() -> None:
    assert len(RunWarning("code", "z" * 1_000_000, 1).column) < 300


@pytest.mark.parametrize("text", [HOSTILE, "caf\udce9", "→ Zoë"])
def test_json_is_safe_to_print_and_reads_back(text: str) -> None:
    written = json_text({"at": text})
    assert json.loads(written) == {"at": text}
    assert not any(c in written for c in "\x1b\x07\u009b\u202e\udce9")
    written.encode()


@pytest.mark.parametrize(
    ("word", "guess"),
    [
        ("rnu", ' Did you mean "run"?'),
        ("RUN", ' Did you mean "run"?'),
        ("max", ' Did you mean "max_rejects"?'),
        ("zzz", ""),
        ("", ""),
    ],
)
def test_a_mistyped_word_is_guessed(word: str, guess: str) -> None:
    assert did_you_mean(word, ["run", "resume", "max_rejects"]) == guess


def test_bytes_that_are_not_utf8_are_recognised() -> None:
    assert is_not_utf8("caf\udce9.csv")
    assert not is_not_utf8("café.csv")
