"""Bar charts as SVG, by hand: nothing to install."""

import math
from collections.abc import Sequence
from html import escape
from pathlib import Path

_BAR, _GAP, _LABEL, _WIDTH = 22, 8, 260, 420
_OURS, _OTHERS = "#2563eb", "#94a3b8"


def bars(path: Path, title: str, rows: Sequence[tuple[str, float, bool]]) -> None:
    """Writes one horizontal bar a row (name, figure, whether it is ours), on a logarithmic scale."""
    low = 10 ** math.floor(math.log10(min(figure for _, figure, _ in rows)))
    span = math.log10(max(figure for _, figure, _ in rows) / low) or 1.0
    height = 48 + len(rows) * (_BAR + _GAP)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_LABEL + _WIDTH + 110}" height="{height}">',
        "<style>text { font: 13px sans-serif }</style>",
        '<rect width="100%" height="100%" fill="white"/>',
        f'<text x="12" y="24" font-weight="bold">{escape(title)}</text>',
    ]
    for number, (name, figure, ours) in enumerate(rows):
        y = 40 + number * (_BAR + _GAP)
        fill = _OURS if ours else _OTHERS
        length = max(2.0, _WIDTH * math.log10(figure / low) / span)
        parts += [
            f'<text x="{_LABEL - 8}" y="{y + 15}" text-anchor="end">{escape(name)}</text>',
            f'<rect x="{_LABEL}" y="{y}" width="{length:.0f}" height="{_BAR}" fill="{fill}"/>',
            f'<text x="{_LABEL + length + 6:.0f}" y="{y + 15}">{figure:,.0f}</text>',
        ]
    path.write_text("\n".join([*parts, "</svg>"]) + "\n", "utf-8")
