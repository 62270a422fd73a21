"""What the demo's sandbox does for each vendor, and the key it takes."""

from typing import Any

import pytest

from importer.config import loader
from importer.config.schema import Config
from importer.sandbox.demo import default_key, demo_options, key_for
from importer.sandbox.faults import Fault
from importer.sandbox.options import SandboxOptions


def config(vendor: str, **own: Any) -> Config:
    return loader.parse(
        {
            "name": "demo",
            "source": {"path": "none.csv"},
            "identity": {"column": "id"},
            "destination": {"type": vendor, "api_key": "env:KEY_OF_DEMO_TEST", **own},
            "attributes": {"age": {"type": "number"}},
        }
    )


VEVEE, ENGAGELAB = config("vevee"), config("engagelab")
ATTENTIVE = config("attentive", user={"email": "mail"})
LACKING = frozenset({"legacy_score"})


@pytest.mark.parametrize(
    ("of_vendor", "options"),
    [
        (VEVEE, SandboxOptions(undefined=LACKING)),
        (ENGAGELAB, SandboxOptions((Fault("refuses_whole", every=1, times=0),), undefined=LACKING)),
        (ATTENTIVE, SandboxOptions(archived=LACKING)),
    ],
    ids=["vevee", "engagelab", "attentive"],
)
def test_one_attribute_is_lacking_as_the_vendor_can_lack_it(
    of_vendor: Config, options: SandboxOptions
) -> None:
    assert demo_options(of_vendor) == options


def test_each_vendor_has_a_key_of_its_own_form_where_none_can_be_read() -> None:
    keys = [default_key(one) for one in (VEVEE, ENGAGELAB, ATTENTIVE)]
    assert keys == ["sk_test_sandbox", "sandbox:secret", "sk_test_sandbox"]
    assert [key_for(one, {}) for one in (VEVEE, ENGAGELAB, ATTENTIVE)] == keys
    assert key_for(ENGAGELAB, {"KEY_OF_DEMO_TEST": "own:key"}) == "own:key"
