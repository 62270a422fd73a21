"""Which run `--resume` goes on with."""

from pathlib import Path
from typing import Any

import pytest

import importer
from importer.config import loader as configuration
from importer.pipeline.run_spec import RunSpec
from importer.pipeline.unfinished import has_open_jobs, is_same_list, unfinished_run
from importer.sandbox import faults
from importer.sandbox import server as sandbox
from importer.sandbox.options import SandboxOptions

KEY = "sk_test_unfinished"


@pytest.fixture
def mapping(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    monkeypatch.setenv("UNFINISHED_KEY", KEY)
    (tmp_path / "a.csv").write_text("id,plan\n" + "".join(f"{n},x\n" for n in range(9)))
    return {
        "name": "unfinished",
        "source": {"path": str(tmp_path / "a.csv")},
        "identity": {"column": "id"},
        "destination": {"type": "vevee", "api_key": "env:UNFINISHED_KEY", "requests_per_second": 0},
        "attributes": {"plan": {"type": "free_text"}},
    }


def test_only_a_run_that_has_sent_something_is_gone_on_with(mapping: dict[str, Any], state_dir: Path) -> None:
    stop = SandboxOptions(faults=(faults.parse_fault("quota@4-:times=0"),))
    with sandbox.running(configuration.parse(mapping), stop, KEY) as server:
        options = importer.Options(state_dir=state_dir, base_url=server.url)

        def spec() -> RunSpec:
            return RunSpec.new(configuration.parse(mapping), (), options, "run")

        assert unfinished_run(spec()) is None
        summary = importer.run(mapping, options=options)
        found = unfinished_run(spec())
        assert found is not None
        assert found.run_id == summary.run_id
        assert is_same_list(found, spec())
        assert not has_open_jobs(found)
        Path(mapping["source"]["path"]).touch()
        assert not is_same_list(found, spec())
        nothing_sent = found.read_summary()
        assert nothing_sent
        nothing_sent["calls"]["sent"] = 0
        found.write_summary(nothing_sent)
        assert unfinished_run(spec()) is None
