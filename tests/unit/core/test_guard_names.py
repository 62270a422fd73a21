from importer.config.schema import GuardsConfig
from importer.core.guard_names import CONFIGURED, GUARD_NAMES


def test_allow_takes_every_guard() -> None:
    assert {*CONFIGURED, "canary"} == set(GuardsConfig.model_fields)
    assert {*CONFIGURED, "strict", "canary", "max_gone"} == set(GUARD_NAMES)
