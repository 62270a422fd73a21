"""Increases are never counted twice, the long way: `python -m pytest -m slow -s tests/long/test_increases.py`

Runs killed again and again under answers that are cut off, reset or refused, and lists retried after
corrections under the same faults. IMPORTER_KILLS is the number of kills (200).
"""

import os
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.engagelab import KEY, KEY_NAME, PLACES, kill_again_and_again, retried, stage

KILLS = int(os.environ.get("IMPORTER_KILLS", "200"))
PER_RUN = 10
FAULTS = (
    ("truncate/7:times=0",),
    ("reset_after/5:times=0", "429/11:times=0"),
    ("truncate/13:times=0", "503/17:times=0", "refuses_whole/3"),
    ("hang/41:times=0", "reset_before/7:times=0"),
)


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEY_NAME, KEY)
    monkeypatch.delenv("IMPORTER_STATE_DIR", raising=False)


@pytest.mark.parametrize("seed", range(-(-KILLS // PER_RUN)))
def test_killed_at_random_no_increase_is_applied_twice(seed: int, tmp_path: Path) -> None:
    faults = FAULTS[seed % len(FAULTS)]
    with stage(tmp_path, *faults, destination={"read_timeout": 1.0}, latency=0.01) as (here, server):
        hits = kill_again_and_again(here, server, seed, PER_RUN, people=600)
    sys.stdout.write(f"\nrun {seed}: {hits} kills")


@settings(max_examples=200)
@given(
    rows=PLACES,
    faults=st.lists(st.sampled_from([f for some in FAULTS for f in some if "hang" not in f]), max_size=3),
    again=st.integers(1, 4),
)
def test_a_retry_counts_no_row_twice(
    rows: list[tuple[str, bool, bool]],
    faults: list[str],
    again: int,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    retried(tmp_path_factory.mktemp("retry"), rows, faults, again)
