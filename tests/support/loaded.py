"""What runs of the program load on their way; `tests.support.warm` forks from a process that has loaded it.

The page is compiled here too: in a process of its own, that takes as long as all else of a short run.
"""

import importlib

_MODULES = (
    "encodings.idna",
    "httptools",
    "httpx2",
    "importer.cli.import_commands",
    "importer.cli.main",
    "importer.cli.progress",
    "importer.cli.run_commands",
    "importer.destinations.attentive.destination",
    "importer.destinations.engagelab.destination",
    "importer.destinations.http.destination",
    "importer.destinations.vevee.destination",
    "importer.pipeline.send_stage",
    "importer.report.html_report",
    "importer.report.text_report",
    "importer.transport.download",
    "importer.transport.fast_client",
    "importer.transport.httpx_client",
    "tenacity",
    "tenacity.asyncio",
    "uvloop",
)

for _name in _MODULES:
    importlib.import_module(_name)

importlib.import_module("importer.report.page").compiled("report.html.j2")
