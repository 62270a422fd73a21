"""HTTP: the only package, beside the sandbox, that speaks it."""
