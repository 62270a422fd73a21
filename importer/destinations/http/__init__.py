"""An HTTP API that the configuration declares: `type = "http"`."""
