"""The independent oracle: what the contract promises, derived without a line of the product.

`replies`    a reply-only HTTP server built from the vendor's documented bodies
`reading`    a list read with the standard library, folded in a dictionary, and the counts that follow from it
`customers`  a made-up list with everything real lists have
`program`    configuration files, and the program run as a user runs it

Nothing here imports `importer`; a test of the tests keeps it so.
"""
