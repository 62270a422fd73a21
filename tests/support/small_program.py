"""The program made small, in a process of its own: about nine people a chunk, two or three calls of each.

This module loads little, because each such process loads it.
"""

import faulthandler
import importlib
import ssl
from collections.abc import Callable

_SMALL = {
    "importer.storage.spool.CHUNK_BYTES": 2_500,
    "importer.destinations.attentive.bulk.USERS_MAX": 5,
    "importer.destinations.engagelab.destination.IDS_PER_CALL": 4,
}


def make_small(seconds: float, then: Callable[[], None] | None) -> None:
    """Before the program begins: makes it small, lets it say where it is after `seconds`, and calls `then`.

    No call is encrypted here, and loading CA certificates takes long, so none are loaded.
    """
    faulthandler.dump_traceback_later(seconds, file=2)
    for name, value in _SMALL.items():
        module, _, attribute = name.rpartition(".")
        setattr(importlib.import_module(module), attribute, value)
    download = importlib.import_module("importer.transport.download")
    setattr(download, "cached_tls_context", lambda: ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))  # noqa: B010
    if then:
        then()
