"""`importer.models` names what the functions of the package return."""

import importer
from importer import models
from importer.core import models as plain


def test_the_public_types_are_those_that_the_program_uses() -> None:
    assert sorted(models.__all__) == ["Outcome", "RejectCount", "RunSummary", "RunWarning"]
    for name in models.__all__:
        assert getattr(models, name) is getattr(plain, name)
    assert importer.RunSummary is models.RunSummary
