"""Sends calls: in flight, at the allowed rate, retried, stopped in time."""
