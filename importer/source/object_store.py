"""Object stores: what a URL names, and the bytes of an object."""

import glob
import io
import os
import re
from datetime import timedelta
from fnmatch import fnmatchcase
from typing import Any

from importer.core.errors import ConfigError, SourceError
from importer.core.package import install_command
from importer.source.batch import BLOCK_BYTES
from importer.source.errors import read_errors
from importer.source.folders import is_side_file

URL = re.compile(r"^(?:s3|s3a|gs|az|azure|abfss?|adl)://", re.IGNORECASE)


_ENDPOINTS = ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT", "AZURE_STORAGE_ENDPOINT")
_RETRIES = 3
_RETRY_SECONDS = 60


class ObjectStream(io.RawIOBase):
    """An object of a store as a raw stream, fetched piece by piece."""

    def __init__(self, url: str) -> None:
        store, key = store_of(url)
        self._pieces = iter(obstore().get(store, key).stream(min_chunk_size=BLOCK_BYTES))
        self._left = memoryview(b"")

    def readable(self) -> bool:
        """It is read only."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fills the buffer as far as the next piece goes; 0 at the end of the object."""
        if not self._left:
            self._left = memoryview(bytes(next(self._pieces, b"")))
        count = min(len(buffer), len(self._left))
        buffer[:count] = self._left[:count]
        self._left = self._left[count:]
        return count


def obstore() -> Any:
    """The library, loaded only where a URL is read; ConfigError where the extra `cloud` is not installed."""
    try:
        import obstore
    except ImportError:
        raise ConfigError(
            "[source]: a list in an object store needs a package that is not installed: "
            f"{install_command('cloud')}"
        ) from None
    return obstore


def store_of(url: str) -> tuple[Any, str]:
    """The bucket of a URL and the key inside it."""
    from_url = obstore().store.from_url
    scheme, _, rest = url.partition("://")
    bucket, _, key = rest.partition("/")
    store = from_url(
        f"{scheme}://{bucket}",
        client_options={"allow_http": is_plain_http()},
        retry_config={"max_retries": _RETRIES, "retry_timeout": timedelta(seconds=_RETRY_SECONDS)},
    )
    return store, key


def is_plain_http() -> bool:
    """Whether the user names an endpoint without TLS, as stores of one's own have it."""
    endpoints = (os.environ.get(name, "") for name in _ENDPOINTS)
    return any(value.lower().startswith("http://") for value in endpoints)


def store_options() -> dict[str, Any]:
    """The same for polars, which reads Parquet from a store by itself."""
    return {"allow_http": str(is_plain_http()).lower(), "max_retries": _RETRIES}


def object_version(url: str) -> tuple[int, str, float]:
    """Size in bytes, version tag, and Unix time of the last change of an object; the library's own errors."""
    store, key = store_of(url)
    found = obstore().head(store, key)
    modified = found["last_modified"].timestamp()
    return found["size"], found["e_tag"] or str(modified), modified


def expand_url(url: str) -> list[str]:
    """An object; with * or ? in its last part, or a / at its end, the objects of that folder."""
    folder, _, last = url.rpartition("/")
    if last and not glob.has_magic(last):
        return [url]
    with read_errors(url):
        store, prefix = store_of(folder + "/")
        listed = obstore().list_with_delimiter(store, prefix or None)
    root = url[: len(url) - len(url.partition("://")[2].partition("/")[2])]
    keys = [str(one["path"]) for one in listed["objects"]]
    names = [key for key in keys if _wanted(key.rpartition("/")[2], last)]
    if not names:
        raise SourceError(f"{url}: no object is found there; check the URL.")
    return sorted((root + name for name in names), key=os.fsencode)


def _wanted(name: str, pattern: str) -> bool:
    return bool(name) and not is_side_file(name) and (not pattern or fnmatchcase(name, pattern))
