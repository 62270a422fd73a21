"""What the operating system says of this process; Windows has no module that asks it."""

import sys
from types import ModuleType


def peak_rss_bytes() -> int:
    """The most memory this process used at one time; 0 where the system does not say."""
    resource = _resource()
    if resource is None:
        return 0
    peak = int(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
    return peak if sys.platform == "darwin" else peak * 1024  # Linux counts it in KiB, macOS in bytes


def open_file_limit() -> int | None:
    """How many files this process may have open at once, None = no limit is known."""
    resource = _resource()
    if resource is None:
        return None
    limit = int(resource.getrlimit(resource.RLIMIT_NOFILE)[0])
    return None if limit == resource.RLIM_INFINITY else limit


def _resource() -> ModuleType | None:
    try:
        import resource
    except ImportError:
        return None
    return resource
