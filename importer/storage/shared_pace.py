"""The pace that the imports of one state folder share, where they send to one account at the same time.

A small file says when the next call may leave, and when the latest ones did. A process that is about to send
calls takes their turns there, under a lock that it has for some microseconds. One that sends nothing takes no
turn, so the others have the whole rate. One that is killed has lost the turns that it had taken; the system
drops the lock with the process.

Times are those of the system's monotonic clock, which all processes of one machine share. It begins again
with the machine: a time far in the future was written before that.
"""

import mmap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from importer.config.schema import Config
from importer.storage import account, atomic_files
from importer.storage.disk_errors import state_errors

SPAN = 1.015
"""So many seconds the calls of one second take at least: a call leaves a little later than it was let go."""

CATCH_UP = 0.05
"""How much lost time the callers together may catch up, in seconds."""

_KEPT = 4096  # when so many of the latest calls left
_CEILING, _CEILING_AT, _NEXT, _COUNT, _TIMES = range(5)
_SIZE = 8 * (_TIMES + _KEPT)
_STALE = 60.0  # s; nobody waits so long for a turn
_CEILING_KEPT = 2.0  # s after the latest call of the one with the highest ceiling


@contextmanager
def shared_turns(state_dir: Path, config: Config, kind: str, ceiling: float) -> Iterator["SharedPace | None"]:
    """The turns of the account's calls of one kind (`calls`, `polls`); None for a ceiling of 0.

    An import without a ceiling has no pace to share. StateError where the file cannot be used.
    """
    if not ceiling:
        yield None
        return
    folder, name = state_dir / "locks", f"{account.account_digest(config)[:32]}-{kind}.pace"
    atomic_files.make_folder(folder)
    turns = SharedPace(folder / name, ceiling)
    try:
        yield turns
    finally:
        turns.close()


class SharedPace:
    """The turns of one account; `ceiling` in requests per second is what this import may send alone.

    Together, those that send keep to the highest of their ceilings, and each to its own by itself. So all
    should name the ceiling of the account. StateError where the file cannot be used.
    """

    def __init__(self, path: Path, ceiling: float) -> None:
        self._ceiling = ceiling
        self._lock = FileLock(
            path.with_name(f"{path.name}.lock"),
            mode=atomic_files.OWNER_FILE,
            thread_local=False,
            is_singleton=False,
            fallback_to_soft=False,
        )
        with state_errors(path):
            self._map = _mapped(path)
        self._data = memoryview(self._map).cast("d")

    def take(self, now: float, most: int = 1, until: float = 0.0) -> list[tuple[int, float]]:
        """Turns: their numbers, and when the call of each may leave, `now` or later.

        One at least, and the further ones that come by `until`; `most` in all. Empty: ask again in a moment.
        """
        try:
            self._lock.acquire(blocking=False)
        except (Timeout, OSError):
            return []
        try:
            turns: list[tuple[int, float]] = []
            ceiling = self._highest(now)
            while len(turns) < most and ((at := self._next(now, ceiling)) <= until or not turns):
                turns.append((self._taken(at, ceiling), at))
            return turns
        finally:
            self._lock.release()

    def left(self, number: int, at: float) -> None:
        """When the call of a turn really left, where that was later than thought."""
        place = _TIMES + number % _KEPT
        self._data[place] = max(self._data[place], at)

    def close(self) -> None:
        """Lets go of the file."""
        self._data.release()
        self._map.close()

    def _next(self, now: float, ceiling: float) -> float:
        """When the next turn comes."""
        data, latest = self._data, now + _STALE + 1 / ceiling
        due = data[_NEXT] if data[_NEXT] < latest else 0.0
        return max(now, due, self._window_over(ceiling, int(data[_COUNT]), latest))

    def _taken(self, at: float, ceiling: float) -> int:
        """The number of the turn that comes `at`; from now on it is somebody's."""
        data, count = self._data, int(self._data[_COUNT])
        data[_TIMES + count % _KEPT] = at
        data[_COUNT] = count + 1
        data[_NEXT] = max(min(data[_NEXT], at), at - CATCH_UP) + 1 / ceiling
        return count

    def _highest(self, now: float) -> float:
        """The highest ceiling of those who send."""
        data = self._data
        if self._ceiling >= data[_CEILING] or not 0 <= now - data[_CEILING_AT] < _CEILING_KEPT:
            data[_CEILING], data[_CEILING_AT] = self._ceiling, now
        return data[_CEILING]

    def _window_over(self, ceiling: float, count: int, latest: float) -> float:
        """When the ceiling allows one more call, by when the latest ones left."""
        capacity = min(max(1, int(ceiling)), _KEPT - 1)
        if count < capacity:
            return 0.0
        first = self._data[_TIMES + (count - capacity) % _KEPT]
        return first + SPAN * capacity / ceiling if first < latest else 0.0


def _mapped(path: Path) -> mmap.mmap:
    """The file in memory, made where there is none or where it has another size."""
    with atomic_files.open_or_create(path) as file:
        if path.stat().st_size != _SIZE:
            file.truncate(_SIZE)
        return mmap.mmap(file.fileno(), _SIZE)
