"""Bar charts as SVG, by hand: nothing to install."""

from collections.abc import Sequence
from html import escape

_BAR, _GAP, _LABEL, _WIDTH, _TOP, _FIGURE = 22, 8, 300, 380, 44, 90
_OURS, _OTHERS = "#2563eb", "#94a3b8"


def bars(title: str, rows: Sequence[tuple[str, float, bool]]) -> str:
    """An SVG with one horizontal bar a row (name, figure, whether it is ours), from 0 on."""
    most = max(figure for _, figure, _ in rows)
    width, height = _LABEL + _WIDTH + _FIGURE, _TOP + len(rows) * (_BAR + _GAP)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" role="img">',
        f"<title>{escape(title)}</title>",
        "<style>text { font: 13px sans-serif }</style>",
        '<rect width="100%" height="100%" fill="white"/>',
        f'<text x="12" y="24" font-weight="bold">{escape(title)}</text>',
    ]
    for number, (name, figure, ours) in enumerate(rows):
        parts += _bar(_TOP + number * (_BAR + _GAP), name, figure, max(1.0, _WIDTH * figure / most), ours)
    return "\n".join([*parts, "</svg>"]) + "\n"


def _bar(y: int, name: str, figure: float, length: float, ours: bool) -> Sequence[str]:
    fill = _OURS if ours else _OTHERS
    return (
        f'<text x="{_LABEL - 8}" y="{y + 15}" text-anchor="end">{escape(name)}</text>',
        f'<rect x="{_LABEL}" y="{y}" width="{length:.0f}" height="{_BAR}" fill="{fill}"/>',
        f'<text x="{_LABEL + length + 6:.0f}" y="{y + 15}">{figure:,.1f}</text>',
    )
