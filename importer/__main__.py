"""`python -m importer` is the same program as `importer`."""

import sys

from importer.cli.main import main

sys.exit(main())
