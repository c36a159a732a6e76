"""The report's picture: an SVG of its own that follows the reader's light or dark."""

import math

from samples import Sample, thin
from slope import Verdict, warm

WIDTH, LEFT, RIGHT = 900, 74, 20
PANEL, GAP, TOP = 170, 62, 112
POINTS = 700  # more do not fit into the width

STYLE = """
svg { --ground: #ffffff; --ink: #1f2328; --quiet: #656d76; --grid: #d8dee4; --shade: #0969da14; --a: #0969da; --b: #bc4c00; --c: #1a7f37; }
@media (prefers-color-scheme: dark) {
  svg { --ground: #0d1117; --ink: #e6edf3; --quiet: #8d96a0; --grid: #30363d; --shade: #4493f81f; --a: #4493f8; --b: #f0883e; --c: #3fb950; }
}
text { fill: var(--ink); } .quiet { fill: var(--quiet); } .grid { stroke: var(--grid); }
.a { stroke: var(--a); } .b { stroke: var(--b); } .c { stroke: var(--c); } .ka { fill: var(--a); } .kb { fill: var(--b); } .kc { fill: var(--c); }
path { fill: none; stroke-width: 1.8; stroke-linejoin: round; } .thin { stroke-width: 1; opacity: .75; } .dash { stroke-dasharray: 6 4; }
"""


def ticks(low: float, high: float, count: int = 5) -> list[float]:
    """Round numbers from low to high."""
    if high <= low:
        return [low]
    raw = (high - low) / count
    unit = 10 ** math.floor(math.log10(raw))
    step = next(unit * n for n in (1, 2, 2.5, 5, 10) if unit * n >= raw)
    return [step * n for n in range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)]


def number(value: float) -> str:
    if abs(value) >= 1e6:
        return f"{value / 1e6:g} M"
    return f"{value:,.10g}"


class Panel:
    """One diagram: axes and lines over one kind of x."""

    def __init__(self, index: int, title: str, unit: str, x: tuple[float, float], y: tuple[float, float], x_unit: str):
        self.top = TOP + index * (PANEL + GAP)
        self.x, self.y = x, y
        self.parts = [f'<text x="{LEFT}" y="{self.top - 12}" font-weight="600">{title}</text>']
        for value in ticks(*y, 4):
            at = self.place_y(value)
            self.parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{at:.1f}" y2="{at:.1f}"/>')
            self.parts.append(f'<text class="quiet" x="{LEFT - 8}" y="{at + 4:.1f}" text-anchor="end">{number(value)}</text>')
        self.parts.append(f'<text class="quiet" x="{LEFT - 8}" y="{self.top - 12}" text-anchor="end">{unit}</text>')
        for value in ticks(*x, 8):
            at = self.place_x(value)
            self.parts.append(f'<text class="quiet" x="{at:.1f}" y="{self.top + PANEL + 18}" text-anchor="middle">{number(value)}</text>')
        self.parts.append(f'<text class="quiet" x="{WIDTH - RIGHT}" y="{self.top + PANEL + 34}" text-anchor="end">{x_unit}</text>')

    def place_x(self, value: float) -> float:
        low, high = self.x
        return LEFT + (value - low) / ((high - low) or 1) * (WIDTH - LEFT - RIGHT)

    def place_y(self, value: float) -> float:
        low, high = self.y
        return self.top + PANEL - (min(max(value, low), high) - low) / ((high - low) or 1) * PANEL

    def shade(self, start: float, end: float):
        left, right = self.place_x(start), self.place_x(end)
        self.parts.insert(0, f'<rect x="{left:.1f}" y="{self.top}" width="{max(0, right - left):.1f}" height="{PANEL}" fill="var(--shade)"/>')

    def line(self, xs, ys, style: str):
        points = [(self.place_x(x), self.place_y(y)) for x, y in zip(xs, ys) if not math.isnan(y)]
        if points:
            self.parts.append(f'<path class="{style}" d="M' + " L".join(f"{x:.1f},{y:.1f}" for x, y in points) + '"/>')

    def keys(self, *keys: tuple[str, str]):
        at = WIDTH - RIGHT
        for color, name in reversed(keys):
            self.parts.append(f'<text class="k{color}" x="{at}" y="{self.top - 12}" text-anchor="end">{name}</text>')
            at -= 9 * len(name) * 0.78 + 18


def draw(all_samples: list[Sample], verdict: Verdict, about: dict) -> str:
    samples = thin(all_samples, POINTS)
    unit, seconds = ("hours", 3600) if samples[-1].seconds > 2 * 3600 else ("minutes", 60)
    requests, times = [s.requests for s in samples], [s.seconds / seconds for s in samples]
    by_requests, by_time = (0, requests[-1]), (0, times[-1])
    highest = max(s.rss for s in all_samples) / 1e6
    base = verdict.resident
    spread = max(abs(s.rss - base) for s in warm(all_samples)) / 1024
    edge = max(spread * 1.2, 0.006 * base / 1024)

    memory = Panel(0, "Resident memory over requests", "MB", by_requests, (0, highest * 1.15), "requests (each text of a batch counts)")
    shade(memory, samples, requests)
    memory.line(requests, [s.anonymous / 1e6 for s in samples], "c thin")
    memory.line(requests, [s.rss / 1e6 for s in samples], "a")
    memory.keys(("a", "resident"), ("c", "of it anonymous"))

    zoom = Panel(1, "The same, close up: difference to the first warm tenth, over time; dashed: ±0.5 %", "KiB", by_time, (-edge, edge), unit)
    shade(zoom, samples, times)
    for bound in (0.005, -0.005):
        zoom.line(by_time, [bound * base / 1024] * 2, "b thin dash")
    zoom.line(times, [(s.rss - base) / 1024 for s in samples], "a")

    counts = Panel(2, "Descriptors and threads", "", by_time, (0, 1.15 * max(max(s.descriptors, s.threads) for s in all_samples)), unit)
    counts.line(times, [s.threads for s in samples], "b")
    counts.line(times, [s.descriptors for s in samples], "a")
    counts.keys(("a", "descriptors"), ("b", "threads"))

    slowest = max((s.reply_p99 for s in samples[1:] if not math.isnan(s.reply_p99)), default=1)
    latency = Panel(3, "Latency at the client under this load, single labels and replies", "ms", by_time, (0, slowest), unit)
    latency.line(times, [s.reply_p99 for s in samples], "b thin")
    latency.line(times, [s.reply_p50 for s in samples], "b")
    latency.line(times, [s.label_p99 for s in samples], "a thin")
    latency.line(times, [s.label_p50 for s in samples], "a")
    latency.keys(("a", "label p50, thin: p99"), ("b", "reply p50, thin: p99"))

    last = all_samples[-1]
    height = TOP + 4 * (PANEL + GAP)
    title = f"{last.requests:,} requests in {times[-1]:.1f} {unit}: {about.get('model', 'model')}"
    budget = about.get("budget_bytes")
    notes = "Shaded: scraped every second." + (f" Worst case computed at start: {budget / 1e6:.0f} MB." if budget else "")
    panels = "\n".join(part for panel in (memory, zoom, counts, latency) for part in panel.parts)
    return f"""<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" font-family="Helvetica, Arial, sans-serif" font-size="12">
<style>{STYLE}</style>
<rect width="{WIDTH}" height="{height}" fill="var(--ground)"/>
<text x="{LEFT}" y="30" font-size="17" font-weight="600">{title}</text>
<text x="{LEFT}" y="52" class="quiet">{verdict}.</text>
<text x="{LEFT}" y="70" class="quiet">{notes}</text>
{panels}
</svg>
"""


def shade(panel: Panel, samples: list[Sample], xs: list[float]):
    """Where a scraper was at work."""
    start = None
    for sample, x in zip(samples, xs):
        if sample.phase == "scraped" and start is None:
            start = x
        elif sample.phase != "scraped" and start is not None:
            panel.shade(start, x)
            start = None
    if start is not None:
        panel.shade(start, xs[-1])
