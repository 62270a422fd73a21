"""Which rows, people and values may be sent: ids, declared types, signs of damage, what changed.

Not named `check`: `importer.check` is the function that users call, and a package of that name would hide it.
"""
