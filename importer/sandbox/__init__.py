"""A local server that answers as a destination would, with faults on request."""
