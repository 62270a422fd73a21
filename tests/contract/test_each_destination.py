"""The contract of `importer.testing`, for each example of `config/`. A new destination needs no line here."""

from pathlib import Path

import pytest

from importer.testing import DestinationContract

EXAMPLES = sorted((Path(__file__).parents[2] / "config").glob("*.toml"))


class TestEachExample(DestinationContract):
    @pytest.fixture(params=EXAMPLES, ids=lambda path: path.stem)
    def example(self, request: pytest.FixtureRequest) -> Path:
        path: Path = request.param
        return path
