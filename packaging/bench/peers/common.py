"""What all lines share: where things are, and how samples of ours and the peers' become one line of the result."""

import os
import statistics
import sys
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
WORK = Path(os.environ.get("BENCH_DIR") or ROOT / ".bench").resolve()
BINARY = ROOT / ".build/release/qwen-all-in-one"
LLAMA = WORK / "llama.cpp/bin"


@dataclass
class Line:
    """One line of the comparison. Samples at the same place of two lists were taken one right after the other."""

    name: str
    unit: str
    higher_is_better: bool
    ours: list[float]
    # By peer and its setting, as "llama.cpp, -fa 0".
    peers: dict[str, list[float]]
    # Least and wanted ratio to the peer that the first word names; None where nothing was set.
    aims: dict[str, list[float]] = field(default_factory=dict)
    notes: str = ""

    def best(self, peer: str) -> str | None:
        """The peer's setting with the best median."""
        settings = [name for name in self.peers if name.split(",")[0] == peer]
        sign = 1 if self.higher_is_better else -1
        return max(settings, key=lambda name: sign * statistics.median(self.peers[name]), default=None)

    def ratio(self, setting: str) -> tuple[float, float, float]:
        """How many times better ours is: of the medians, and the lowest and highest of the rounds."""
        theirs = self.peers[setting]
        pairs = list(zip(self.ours, theirs))
        rounds = [a / b if self.higher_is_better else b / a for a, b in pairs]
        ours, peer = statistics.median(self.ours), statistics.median(theirs)
        return (ours / peer if self.higher_is_better else peer / ours), min(rounds), max(rounds)

    def peer_names(self) -> list[str]:
        return list(dict.fromkeys(name.split(",")[0] for name in self.peers))

    def as_json(self) -> dict:
        return asdict(self)


def number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def spread(values: list[float]) -> str:
    """Median and range."""
    return f"{number(statistics.median(values))} ({number(min(values))}–{number(max(values))})"


def print_line(line: Line):
    print(f"{line.name}  [{line.unit}]\n    {'qwen-all-in-one':34} {spread(line.ours)}")
    for name, values in line.peers.items():
        if values:
            median, low, high = line.ratio(name)
            print(f"    {name:34} {spread(values):26} × {median:.2f} ({low:.2f}–{high:.2f})")
    sys.stdout.flush()


def interleave(
    contestants: dict[str, callable], rounds: int, pause: float = 0.3, keep: callable = None
) -> dict[str, list[float]]:
    """Calls every contestant once a round, after one round that warms up and is not counted. The pause lets the threads
    of the one before stop spinning.

    keep: given the warm-up's values by name, says whose names go on; all by default."""

    def turn(names) -> dict[str, float]:
        values = {}
        for name in names:
            time.sleep(pause)
            values[name] = contestants[name]()
        return values

    first = turn(contestants)
    names = keep(first) if keep else list(contestants)
    turns = [turn(names) for _ in range(rounds)]
    return {name: [values[name] for values in turns] for name in names}
