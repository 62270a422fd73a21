"""Attentive: custom attributes, one person a call, or up to 256 people a job."""
