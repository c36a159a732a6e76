"""What is measured, a line of CSV at a time: written as it comes, so that a run that is cut short can still be drawn."""

import csv
import os
import re
from dataclasses import asdict, dataclass, fields
from pathlib import Path

PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass
class Sample:
    seconds: float  # since the first request
    phase: str  # plain or scraped
    requests: int  # inputs answered, refused as bad or left so far; each text of a batch counts
    calls: int  # HTTP requests so far
    refusals: int  # of these, answered 429 (no room) or 504 (not in time)
    failures: int  # answers that must not be
    rss: int  # bytes
    anonymous: int  # of these, those that no file stands behind
    virtual: int
    descriptors: int
    threads: int
    cpu_seconds: float
    label_p50: float  # milliseconds at the client, since the last sample; nan: none came
    label_p99: float
    reply_p50: float
    reply_p99: float


def process(pid: int) -> dict:
    """The kernel's view of the responder. smaps_rollup counts pages one by one; VmRSS is off by some for each processor."""
    proc = Path(f"/proc/{pid}")
    rollup = dict(re.findall(r"^(\w+):\s+(\d+) kB", (proc / "smaps_rollup").read_text(), re.MULTILINE))
    status = dict(re.findall(r"^(\w+):\s+(\d+)", (proc / "status").read_text(), re.MULTILINE))
    ticks = (proc / "stat").read_text().rsplit(")", 1)[1].split()[11:13]
    return {
        "rss": int(rollup["Rss"]) * 1024,
        "anonymous": int(rollup["Anonymous"]) * 1024,
        "virtual": int(status["VmSize"]) * 1024,
        "descriptors": len(os.listdir(proc / "fd")),
        "threads": int(status["Threads"]),
        "cpu_seconds": sum(map(int, ticks)) / os.sysconf("SC_CLK_TCK"),
    }


def quantile(values: list[float], share: float) -> float:
    """In milliseconds; nan of none."""
    if not values:
        return float("nan")
    ordered = sorted(values)
    return round(1000 * ordered[min(len(ordered) - 1, int(share * len(ordered)))], 2)


class Writer:
    """Appends to a CSV file; each line is on its way to the disk before the next is measured."""

    def __init__(self, path: Path):
        is_new = not path.exists() or path.stat().st_size == 0
        self.file = path.open("a", newline="")
        self.csv = csv.DictWriter(self.file, [field.name for field in fields(Sample)])
        if is_new:
            self.csv.writeheader()

    def add(self, sample: Sample):
        self.csv.writerow(asdict(sample))
        self.file.flush()


def read(path: Path) -> list[Sample]:
    """All whole lines; one that was cut off amid a write is left out."""
    samples = []
    with path.open(newline="") as file:
        for row in csv.DictReader(file):
            try:
                samples.append(Sample(**{f.name: f.type(row[f.name]) for f in fields(Sample)}))
            except (TypeError, ValueError):
                continue
    return samples


def thin(samples: list[Sample], count: int) -> list[Sample]:
    """At most `count` of them, evenly, first and last among them."""
    if len(samples) <= count:
        return samples
    step = (len(samples) - 1) / (count - 1)
    return [samples[round(n * step)] for n in range(count)]
