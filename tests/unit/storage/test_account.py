"""Files are named by digests that stay the same from version to version."""

from importer.storage import account
from tests.support.mappings import config_of


def test_the_names_are_those_that_version_0_1_0_used() -> None:
    config = config_of()
    assert account.import_id(config) == "nightly-b45209f97ac0"
    assert account.account_digest(config)[:12] == "8e42f80e351e"
    assert account.account_digest(config, ["eu"])[:16] == "0fa358c5ab907d74"


def test_another_name_url_or_account_is_another_import() -> None:
    section = {"type": "vevee", "api_key": "env:KEY", "account": "test"}
    others = [
        config_of("weekly"),
        config_of(destination={**section, "account": "production"}),
        config_of(destination={**section, "base_url": "https://eu.example.com"}),
    ]
    ids = {account.import_id(config) for config in [config_of(), *others]}
    assert len(ids) == 4


def test_two_imports_share_an_account_where_the_destination_is_the_same() -> None:
    first, second = config_of("a"), config_of("b")
    assert account.import_id(first) != account.import_id(second)
    assert account.account_digest(first) == account.account_digest(second)
    places = [account.of_destination(c.as_mapping()["destination"]) for c in (first, second)]
    assert places[0] == places[1] == ("vevee", first.destination.base_url, "test")
    assert account.of_destination({"type": "vevee"}) == ("vevee", "", "")
