"""The bars of a chart."""

import re
from xml.etree import ElementTree as ET

from benchmarks.picture import bars

SVG = "{http://www.w3.org/2000/svg}"


def test_a_bar_is_as_long_as_its_figure_beside_the_longest() -> None:
    chart = bars("Rows", [("ours & theirs", 50.0, True), ("other", 200.0, False)])
    drawn = ET.fromstring(chart)
    widths = [float(r.attrib["width"]) for r in drawn.iter(f"{SVG}rect") if r.attrib["width"].isdigit()]
    assert widths[0] * 4 == widths[1]


def test_each_bar_has_its_name_and_its_figure_as_text() -> None:
    chart = bars("Rows", [("ours & theirs", 1234.56, True)])
    texts = [t.text for t in ET.fromstring(chart).iter(f"{SVG}text")]
    assert texts == ["Rows", "ours & theirs", "1,234.6"]
    assert len(set(re.findall('fill="(#[0-9a-f]{6})"', bars("", [("a", 1, True), ("b", 1, False)])))) == 2
