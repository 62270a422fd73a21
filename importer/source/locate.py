"""Where the bytes come from: files, globs, folders and object stores, and what is unpacked on the way.

All trouble with a source is one SourceError of one or two sentences; none of them quotes a cell.
"""

import glob
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from importer.core.errors import SourceError
from importer.core.text import did_you_mean, is_not_utf8
from importer.source.folders import files_below, is_side_file, others_below
from importer.source.object_store import URL, expand_url


def expand(paths: Sequence[str], *, base: Path) -> list[str]:
    """The files and URLs that `paths` name: files, globs (`**` goes through all folders), folders, URLs.

    Of a folder these are its files, and those of partitions such as `country=DE/` inside it, without side
    files. Relative paths start at `base`. What one path names comes in byte order of its full path; several
    paths keep the order given. Raises SourceError where a path names nothing, or two of them the same file.
    """
    found = [source for path in paths for source in _expand_one(path, base)]
    if not found:
        raise SourceError("no source is named: give [source] path in the configuration, or a file.")
    _refuse_twice(found)
    return found


def _expand_one(path: str, base: Path) -> list[str]:
    if URL.match(path):
        return expand_url(path)
    full = str(base / Path(path).expanduser())
    try:
        found = _files_of(full)
    except (OSError, ValueError):
        raise SourceError(f"{path}: cannot be looked at; check its permissions.") from None
    if not found:
        raise SourceError(f"{path}: {_nothing_there(path, full)}")
    return sorted(found, key=os.fsencode)


def passed_over(path: str, *, base: Path) -> int:
    """How many files and folders `expand` passes over in a folder or below a pattern; 0 for one file or URL.

    An object store is not asked again for it.
    """
    full = base / Path(path).expanduser()
    if URL.match(path) or full.is_file():
        return 0
    if full.is_dir():
        return sum(1 for _ in others_below(full))
    found = glob.glob(str(full), recursive=True)  # noqa: PTH207 - the pattern may be absolute
    return sum(1 for one in found if is_side_file(Path(one).name) and Path(one).is_file())


def _files_of(full: str) -> list[str]:
    path = Path(full)
    if path.is_dir():
        return [str(one) for one in files_below(path)]
    if path.exists():  # a name may itself hold * or [
        return [full]
    found = glob.glob(full, recursive=True)  # noqa: PTH207 - the pattern may be absolute
    return [one for one in found if Path(one).is_file() and not is_side_file(Path(one).name)]


_OTHER_URL = re.compile("([a-zA-Z][a-zA-Z0-9+.-]+):/", re.ASCII)
_ONE_SLASH = "a URL of an object store has two slashes: s3://bucket/name."
_WEB = "a list is not fetched from the web; fetch it first, with curl for example, and name the file."
_NO_STORE = "of URLs only those of object stores are read (s3://, gs://, az://); fetch the list first."
_OTHER_URLS: Mapping[str, str] = {
    **dict.fromkeys(("http", "https"), _WEB),
    **dict.fromkeys(("s3", "gs", "az"), _ONE_SLASH),
    "file": "write the path alone, without file://.",
}


def _nothing_there(asked: str, full: str) -> str:
    if Path(full).is_dir():
        others = sum(1 for _ in Path(full).iterdir())
        if not others:
            return "the folder is empty; name the folder or the file with the list."
        return (
            f"the folder holds no list; {others} others are passed over (folders without a = in their name, "
            "names with a leading dot or underscore, unfinished copies)."
        )
    if glob.has_magic(full):
        return "no file matches this pattern; check the pattern and the folder it starts from."
    if is_url := _OTHER_URL.match(asked):
        return _OTHER_URLS.get(is_url[1].lower(), _NO_STORE)
    path = Path(full)
    if path.is_symlink():
        return f"a link to {path.readlink()}, which leads to no file; correct the link."
    near = [one.name for one in path.parent.iterdir()] if path.parent.is_dir() else []
    guess = did_you_mean(path.name, near)
    return f"no such file; check [source] path, or name the file on the command line.{guess}"


def _refuse_twice(found: list[str]) -> None:
    seen: dict[object, str] = {}
    for path in found:
        if is_not_utf8(path):
            raise SourceError(f"{path}: the name is not UTF-8, so no report could name it; rename the file.")
        key: object = path
        if not URL.match(path):
            state = Path(path).stat()
            key = (state.st_dev, state.st_ino)
        if key in seen:
            raise SourceError(f"{path}: the same file as {seen[key]}; name each source once.")
        seen[key] = path
