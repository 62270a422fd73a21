"""How Sphinx builds the pages: `python -m sphinx -W --keep-going -n docs docs/_build/html`."""

project = "Importer"
html_title = "Importer"
extensions = ["myst_parser"]
exclude_patterns = ["_build"]
html_theme = "furo"
html_show_copyright = False

myst_heading_anchors = 3  # a link may name a heading: `page.md#a-heading`
suppress_warnings = ["misc.highlighting_failure"]  # blocks may have a file's name behind their language
