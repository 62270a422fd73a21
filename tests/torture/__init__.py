"""The torture suite: runs that are disturbed in one way after another, each beside one that is left alone.

    python -m tests.torture --minutes 10              rounds for ten minutes, from a seed that it prints
    python -m tests.torture --seed 7 --only 12        round 12 of seed 7 again

`imports`  a made-up import: a vendor and mode, one list or two nights, what a plain reading makes of it
`attempts` one attempt of a run: forked, killed at an operation, measured
`holding`  what must hold after a disturbance
`kills`, `damage`, `answers`, `files`, `limits`  the disturbances, a round each
`proxy`    stands between the importer and the sandbox and spoils answers
`rounds`   rounds in their order, their figures, the seed of a failure
"""
