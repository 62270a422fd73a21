"""The stages of a run, read, send and finish, and what joins them.

Not named `run`: `importer.run` is the function that users call, and a package of that name would hide it.
"""
