"""Every reason and warning of ours has a sentence and a next step."""

import re
from pathlib import Path
from typing import Any

import pytest

from importer.core import rejects
from importer.report import advice

ROOT = Path(__file__).parents[3]


def test_every_documented_warning_has_words_and_a_fix() -> None:
    table = (ROOT / "docs/reference/warnings.md").read_text("utf-8")
    codes = re.findall(r"^\| `([a-z_]+)` \|", table, re.MULTILINE)
    assert len(codes) > 15
    for code in codes:
        seen, fix = advice.warning(code)
        assert seen != code.replace("_", " "), code
        assert fix.endswith("."), code


@pytest.mark.parametrize("reason", [rejects.INVALID, rejects.TOO_LONG, rejects.NOT_DECLARED, rejects.BLANK])
def test_every_reason_of_the_check_has_a_fix_of_its_own(reason: str) -> None:
    assert advice.fix("check", reason) not in {advice.fix("check", "unheard of"), ""}


@pytest.mark.parametrize(
    ("kind", "key"),
    [
        ("number", "thousands"),
        ("boolean", "true_values"),
        ("date", 'format = "%d.%m.%Y"'),
        ("datetime", "%H:%M"),
        ("single_choice", "map = {"),
        ("multi_choice", "separator"),
        ("phone", "region"),
        ("email", "one address"),
        ("free_text", "type, format"),
    ],
)
def test_the_fix_of_an_invalid_value_is_for_its_type(kind: str, key: str) -> None:
    assert key in advice.fix("check", rejects.INVALID, {"type": kind}, {"x": 3})


def test_rounded_numbers_have_to_be_exported_again() -> None:
    most = {"4.91512E+11": 3, "4,9E+8": 2, "x": 4}
    assert "Export the list again" in advice.fix("check", rejects.INVALID, {"type": "phone"}, most)
    assert "Export the list again" in advice.fix("check", rejects.PATTERN, {"type": "free_text"}, most)
    assert "region" in advice.fix("check", rejects.INVALID, {"type": "phone"}, {**most, "y": 5})


@pytest.mark.parametrize("stage", ["read", "check", "send", "adjust"])
def test_a_reason_of_a_destination_has_the_fix_of_its_stage(stage: str) -> None:
    assert advice.fix(stage, "a_word_of_the_vendor").endswith((".", "retry."))


@pytest.mark.parametrize(
    ("attribute", "words"),
    [
        ({"type": "single_choice", "options": ["free", "pro"]}, "one of: free, pro"),
        ({"type": "multi_choice", "options": [str(n) for n in range(20)]}, "and 8 more"),
        ({"type": "number", "min": 0, "max": 120}, "a number (min 0, max 120)"),
        ({"type": "free_text", "max_length": 50}, "a text (max_length 50)"),
        ({"type": "date", "format": "%d/%m/%Y"}, "a date written as %d/%m/%Y"),
        ({"type": "boolean"}, "one of: true, 1, yes, false, 0, no"),
    ],
)
def test_what_an_attribute_accepts(attribute: dict[str, Any], words: str) -> None:
    assert words in advice.accepted(attribute)
    assert advice.accepted(None) == ""
