"""What the functions of this package return; see `importer.core.models`."""

from importer.core.models import Outcome, RejectCount, RunSummary, RunWarning

__all__ = ["Outcome", "RejectCount", "RunSummary", "RunWarning"]
