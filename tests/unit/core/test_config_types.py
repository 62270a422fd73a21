from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from importer.core.config_types import Duration

SECONDS = TypeAdapter(Duration)


@pytest.mark.parametrize(("value", "seconds"), [(5, 5.0), ("90s", 90.0), ("15m", 900.0), ("26h", 93_600.0)])
def test_seconds_or_a_text_with_a_unit(value: Any, seconds: float) -> None:
    assert SECONDS.validate_python(value) == seconds


@pytest.mark.parametrize("value", ["soon", "15 m", "1w", 0, -1])
def test_anything_else_is_refused(value: Any) -> None:
    with pytest.raises(ValidationError):
        SECONDS.validate_python(value)


def test_the_message_names_examples() -> None:
    with pytest.raises(ValidationError, match=r'expected a time like "90s", "15m" or "2h"'):
        SECONDS.validate_python("soon")
