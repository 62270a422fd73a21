"""What ids were resolved to is kept, apart for each account, and never guessed."""

from contextlib import closing
from pathlib import Path

import pytest

from importer.config.schema import Config
from importer.core.errors import StateError
from importer.storage.id_cache import AMBIGUOUS, IdCache
from tests.support.mappings import config_of


def test_what_was_resolved_is_known_to_the_next_run(state: Path, config: Config) -> None:
    with closing(IdCache(state, config, ["a"])) as cache:
        cache.remember({"u1": "x1", "u2": "x2"})
    with closing(IdCache(state, config, ["a"])) as cache:
        assert cache.lookup(["u1", "u2", "u3"]) == {"u1": "x1", "u2": "x2"}
        cache.erase(["u1"])
        assert cache.lookup(["u1"]) == {}


def test_an_address_of_two_ids_is_ambiguous(state: Path, config: Config) -> None:
    with closing(IdCache(state, config, [])) as cache:
        cache.remember({"u1": "x", "u2": "x", "u3": "y"})
        assert cache.lookup(["u1", "u2", "u3"]) == {"u1": AMBIGUOUS, "u2": AMBIGUOUS, "u3": "y"}


def test_another_account_or_scope_is_another_cache(state: Path, config: Config) -> None:
    section = {"type": "vevee", "api_key": "env:KEY", "account": "production"}
    with closing(IdCache(state, config, [])) as cache:
        cache.remember({"u1": "x"})
    for other, scope in ((config_of(destination=section), []), (config, ["eu"])):
        with closing(IdCache(state, other, scope)) as cache:
            assert cache.lookup(["u1"]) == {}


def test_damage_may_be_deleted(state: Path, config: Config) -> None:
    IdCache(state, config, []).close()
    (path,) = (state / "addresses").glob("*.sqlite")
    path.write_bytes(b"not a database" * 100)
    with pytest.raises(StateError, match="delete it, and the ids are resolved again"):
        IdCache(state, config, [])
