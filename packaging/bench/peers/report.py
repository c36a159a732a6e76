"""Turns the JSON of comparisons into the tables of BENCHMARKS.md (between its markers) and the plot docs/benchmarks.svg.

usage: report.py [peers.json…]    (one for each run, such as one for each group of lines)
"""

import json
import statistics
import sys
from pathlib import Path

from common import ROOT, WORK, Line, number, spread
from plot import Bar, draw

START, END = "<!-- results: written by make bench-report -->", "<!-- end of results -->"
PAGE, PLOT = ROOT / "BENCHMARKS.md", ROOT / "docs/benchmarks.svg"


def rows(lines: list[Line]):
    yield "| what | unit | ours | peer at its best setting | its figure | times better (rounds) | aim: least / wanted |"
    yield "|---|---|---|---|---|---|---|"
    for line in lines:
        for peer in line.peer_names():
            setting = line.best(peer)
            aim = " / ".join(f"{value:g}" for value in line.aims.get(peer, [])) or "–"
            median, low, high = line.ratio(setting)
            is_first = peer == line.peer_names()[0]
            ours = [line.name, line.unit, spread(line.ours)] if is_first else ["", "", ""]
            times = f"**× {median:.2f}** ({low:.2f}–{high:.2f})"
            yield f"| {' | '.join([*ours, setting, spread(line.peers[setting]), times, aim])} |"


def decode_shares(lines: list[Line]):
    for line in lines:
        if line.name.startswith(("prefill", "decode")):
            yield f"| {line.name} | {number(statistics.median(line.ours))} tokens/s | {line.notes} |"


def tables(result: dict, lines: list[Line]) -> str:
    machine, memory = result["machine"], result["machine"]["memory_bytes"] / 2**30
    versions = ", ".join(f"{name} {version}" for name, version in result["versions"].items() if version)
    parts = [
        f"Run of {result['date']}, {result['seconds'] / 60:.0f} minutes, {result['threads']} threads. {machine['processor']} "
        f"({machine['family']}), {machine['processors']} processors, {', '.join(machine['instructions'])}; {memory:.0f} GiB; "
        f"Linux {machine['kernel']}. {versions}.",
        "",
        *rows(lines),
    ]
    shares = list(decode_shares(lines))
    if shares:
        parts += ["", "| engine | ours | of its limit |", "|---|---|---|", *shares]
    return "\n".join(parts)


def bars(lines: list[Line]) -> list[Bar]:
    result = []
    for line in lines:
        for peer in line.peer_names():
            median, low, high = line.ratio(line.best(peer))
            result.append(Bar(group=line.name.split(",")[0].split(" ")[0], name=line.name, peer=peer, value=median, low=low, high=high))
    return result


def main():
    results = [json.loads(Path(path).read_text(encoding="utf-8")) for path in sys.argv[1:] or [WORK / "peers.json"]]
    lines = [[Line(**line) for line in result["lines"]] for result in results]
    page = PAGE.read_text()
    before, rest = page.split(START)
    parts = "\n\n".join(tables(result, part) for result, part in zip(results, lines))
    PAGE.write_text(before + START + "\n\n" + parts + "\n\n" + END + rest.split(END)[1])
    PLOT.parent.mkdir(exist_ok=True)
    first = results[0]
    subtitle = f"{first['machine']['processor']}, {first['threads']} threads, {first['date']}"
    PLOT.write_text(draw(bars([line for part in lines for line in part]), subtitle))
    print(f"Written: {PAGE.relative_to(ROOT)}, {PLOT.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
