"""The contract fails where a destination breaks it."""

from pathlib import Path

import pytest

from importer.core.models import ALL_APPLIED, Update
from importer.destinations.vevee.destination import Destination
from importer.testing import DestinationContract

EXAMPLE = Path(__file__).parents[3] / "config" / "vevee.toml"


def test_a_destination_that_changes_an_id_fails(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    right = Destination.calls

    def shortened(self: Destination, updates: list[Update]) -> object:
        changed = [Update(u.person, u.distinct_id.lstrip("0"), u.parts) for u in updates]
        return right(self, changed)

    monkeypatch.setattr(Destination, "calls", shortened)
    with pytest.raises(AssertionError):
        DestinationContract().test_a_list_arrives_whatever_the_ids_are(EXAMPLE, tmp_path)


def test_a_destination_that_believes_any_answer_fails(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(Destination, "classify", lambda *_: ALL_APPLIED)
    with pytest.raises(AssertionError):
        DestinationContract().test_what_passes_leaves_no_trace("500/5", EXAMPLE, tmp_path)


def test_a_destination_that_ignores_a_wrong_key_fails(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(Destination, "classify", lambda *_: ALL_APPLIED)
    with pytest.raises(AssertionError):
        DestinationContract().test_a_wrong_key_costs_one_call(EXAMPLE, tmp_path)
