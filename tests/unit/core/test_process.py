"""What the system says of the process, also where Python has no module that asks it."""

import resource
import sys

import pytest

from importer.core.process import open_file_limit, peak_rss_bytes


def test_the_most_memory_is_in_bytes_on_each_system(monkeypatch: pytest.MonkeyPatch) -> None:
    assert 10 << 20 < peak_rss_bytes() < 100 << 30
    counted = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    monkeypatch.setattr(sys, "platform", "darwin")
    assert counted <= peak_rss_bytes() < 2 * counted


@pytest.mark.parametrize(("soft", "limit"), [(20, 20), (resource.RLIM_INFINITY, None)])
def test_the_limit_of_open_files(soft: int, limit: int | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (soft, resource.RLIM_INFINITY))
    assert open_file_limit() == limit


def test_where_there_is_no_such_module_nothing_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "resource", None)
    assert peak_rss_bytes() == 0
    assert open_file_limit() is None
