"""For the tests of a destination outside the importer: our contract, and the table of its settings.

    pytest_plugins = ["importer.testing"]  # in conftest.py: a failed assertion shows its values

    class TestAcme(DestinationContract):
        @pytest.fixture
        def example(self) -> Path: ...

Nothing here is loaded by pytest itself. It needs pytest, which the importer does not install.
"""

import pytest

pytest.register_assert_rewrite("importer.testing.contract")

from importer.testing.contract import DestinationContract, Stage  # noqa: E402 - after the line that rewrites it
from importer.testing.tables import settings_table  # noqa: E402

__all__ = ["DestinationContract", "Stage", "settings_table"]
