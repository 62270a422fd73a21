"""What a run is to do is the same in a later attempt."""

from pathlib import Path
from typing import Any

import pytest

from importer.config import loader as configuration
from importer.config.options import Options
from importer.core.errors import ConfigError
from importer.pipeline.run_spec import RunSpec, sources_of
from importer.pipeline.sources import Table


def _config(**attribute: Any) -> Any:
    return configuration.parse(
        {
            "name": "spec",
            "source": {"path": "a.csv"},
            "identity": {"column": "id"},
            "destination": {"type": "engagelab", "api_key": "env:NONE", "account": "a"},
            "attributes": {"points": {"type": "number", **attribute}},
        }
    )


def test_a_later_attempt_is_asked_for_the_same(tmp_path: Path) -> None:
    sources = ("b.csv", Table("table-2"))
    options = Options(state_dir=tmp_path, limit=5, strict=True, allow=("min_rows",), run_id="r")
    first = RunSpec.new(_config(), sources, options, "run").with_folder()
    again = RunSpec.of_folder(first.folder, Options(allow=("canary",)))
    assert (again.mode, again.sources, again.options.limit, again.options.strict) == ("run", sources, 5, True)
    assert again.options.allow == ("min_rows", "canary")
    assert again.config.as_mapping() == first.config.as_mapping()
    assert abs((again.started - first.started).total_seconds()) < 0.001
    assert again.with_folder() is again
    assert sources_of(first.folder.read_meta()) == sources


def test_the_first_rows_of_an_increase_are_not_a_trial(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="--limit"):
        RunSpec.new(_config(operation="increase"), (), Options(state_dir=tmp_path, limit=5), "run")
