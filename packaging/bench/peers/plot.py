"""An SVG bar chart of ratios: one bar for each line and peer, its range as a whisker, equality as a line at × 1."""

from dataclasses import dataclass
from html import escape

LABELS, BARS, VALUES, ROW = 430, 440, 80, 22
COLOURS = {
    "llama.cpp": "#2f6f9f",
    "llama-server": "#2f6f9f",
    "llama-server without grammar": "#8fb4cf",
    "transformers F32": "#c77d2e",
    "tokenizers": "#c77d2e",
    "tiktoken": "#5b8c3a",
}
OTHER = "#8a8a8a"


@dataclass
class Bar:
    group: str
    name: str
    peer: str
    value: float
    low: float
    high: float


def draw(bars: list[Bar], subtitle: str) -> str:
    """Bars longer than twelve times are cut, with their number beside them."""
    top = min(12.0, max([2.0, *(bar.high for bar in bars)]) * 1.02)
    scale = BARS / top
    width, y = LABELS + BARS + VALUES, 78
    rows, last = [], None
    for bar in bars:
        if last is not None and bar.group != last:
            y += 10
        last = bar.group
        rows.append(row(bar, y, scale, top))
        y += ROW
    height = y + 34
    ticks = "".join(tick(value, y, scale) for value in range(0, int(top) + 1, 1 if top <= 6 else 2) if value != 1) + one(y, scale)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        'font-family="Helvetica, Arial, sans-serif" font-size="12" fill="#222">\n'
        f'<rect width="{width}" height="{height}" fill="#fff"/>\n'
        '<text x="16" y="26" font-size="17" font-weight="bold">Qwen All-in-One: times as fast as its peers at their best setting</text>\n'
        f'<text x="16" y="46" fill="#666">Qwen1.5-0.5B shape, random weights; {escape(subtitle)}. Whiskers: lowest and highest round.</text>\n'
        f"{ticks}\n" + "\n".join(rows) + f'\n<text x="{LABELS}" y="{height - 8}" fill="#666">right of × 1: faster than the peer</text>\n</svg>\n'
    )


def tick(value: int, bottom: int, scale: float) -> str:
    x = LABELS + value * scale
    return (
        f'<line x1="{x:.1f}" y1="70" x2="{x:.1f}" y2="{bottom}" stroke="#e4e4e4"/>'
        f'<text x="{x:.1f}" y="66" text-anchor="middle" fill="#666">{value}</text>'
    )


def one(bottom: int, scale: float) -> str:
    x = LABELS + scale
    return (
        f'<line x1="{x:.1f}" y1="70" x2="{x:.1f}" y2="{bottom}" stroke="#b03030" stroke-width="1.5"/>'
        f'<text x="{x:.1f}" y="66" text-anchor="middle" fill="#b03030" font-weight="bold">× 1</text>'
    )


def row(bar: Bar, y: int, scale: float, top: float) -> str:
    middle = y + ROW / 2
    end = LABELS + min(bar.value, top) * scale
    low, high = (LABELS + min(value, top) * scale for value in (bar.low, bar.high))
    return (
        f'<text x="{LABELS - 8}" y="{middle + 4}" text-anchor="end">{escape(bar.name)} <tspan fill="#777">÷ {escape(bar.peer)}</tspan></text>'
        f'<rect x="{LABELS}" y="{y + 4}" width="{end - LABELS:.1f}" height="{ROW - 8}" fill="{COLOURS.get(bar.peer, OTHER)}" rx="2"/>'
        f'<path d="M{low:.1f} {middle}H{high:.1f}M{low:.1f} {middle - 3}v6M{high:.1f} {middle - 3}v6" stroke="#222" stroke-opacity=".6"/>'
        f'<text x="{max(end, high) + 6:.1f}" y="{middle + 4}" font-weight="bold">× {bar.value:.1f}</text>'
    )
