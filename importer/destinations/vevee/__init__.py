"""Vevee: one call writes many attributes of one person, and names the values that it refused."""
