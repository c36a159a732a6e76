#!/usr/bin/env python3
"""Drives mixed traffic through nginx for long and shows whether memory stays flat.

Writes samples.csv as it goes and report.svg in the end, into FOLDER; the exit status is 1 if memory grew (slope.py) or an answer
was not as it should be. With --report-only, the report of a samples.csv that is there, also of a run that was cut short.
"""

import argparse
import json
import sys
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "Tests/EndToEnd"))

import samples  # noqa: E402
import slope  # noqa: E402
from plot import draw  # noqa: E402
from traffic import Client, Pace, Tally  # noqa: E402

# Half of the run without a scraper, half of it with one, each in two parts, so that time and scraper can be told apart.
PHASES = ("plain", "scraped", "plain", "scraped")
REPLIES, LABELS = ("chat", "stream"), ("sentiment",)


class Scraper(threading.Thread):
    """GET /metrics once a second, as a monitor does, while its phase lasts."""

    def __init__(self, server, over: threading.Event):
        super().__init__(daemon=True)
        self.server, self.over, self.active, self.scrapes, self.failures = server, over, False, 0, 0

    def run(self):
        with self.server.client() as client:
            while not self.over.wait(1):
                if not self.active:
                    continue
                try:
                    client.get("/metrics").raise_for_status()
                    self.scrapes += 1
                except Exception:  # counted; the run goes on
                    self.failures += 1


class Soak:
    def __init__(self, server, options: argparse.Namespace):
        self.options, self.server, self.over, self.tally = options, server, threading.Event(), Tally()
        self.writer = samples.Writer(options.folder / "samples.csv")
        self.start = time.monotonic()
        pace = Pace(options.rate)
        self.clients = [Client(n, server, self.tally, self.over, pace) for n in range(options.clients)]
        self.scraper = Scraper(server, self.over)

    @property
    def share(self) -> float:
        """How much of the run is done, 0 to 1: the first of the two bounds counts."""
        seconds = time.monotonic() - self.start
        return min(1.0, max(self.tally.requests / self.options.requests, seconds / (3600 * self.options.hours)))

    def run(self):
        for thread in (*self.clients, self.scraper):
            thread.start()
        due = self.start
        try:
            while self.share < 1 and self.server.process.poll() is None:
                phase = PHASES[min(len(PHASES) - 1, int(self.share * len(PHASES)))]
                self.scraper.active = phase == "scraped"
                self.sample(phase)
                due = max(due + self.options.sample_seconds, time.monotonic())
                while time.monotonic() < due and self.share < 1:
                    time.sleep(0.2)
        except (FileNotFoundError, ProcessLookupError):  # the responder has ended, and what /proc says of it is gone
            pass
        finally:
            self.over.set()
            for client in self.clients:
                client.join(30)
        if self.server.process.poll() is None:
            self.sample(PHASES[-1])

    def sample(self, phase: str):
        times, tally = self.tally.take_times(), self.tally
        labels = [t for kind in LABELS for t in times.get(kind, [])]
        replies = [t for kind in REPLIES for t in times.get(kind, [])]
        self.writer.add(samples.Sample(
            seconds=round(time.monotonic() - self.start, 1), phase=phase,
            requests=tally.requests, calls=tally.calls, refusals=tally.refusals, failures=tally.failures,
            **samples.process(self.server.pid),
            label_p50=samples.quantile(labels, 0.5), label_p99=samples.quantile(labels, 0.99),
            reply_p50=samples.quantile(replies, 0.5), reply_p99=samples.quantile(replies, 0.99),
        ))


def drive(options: argparse.Namespace) -> list[str]:
    """Runs the server and its clients; what was wrong besides memory."""
    from harness import Server

    settings = {"MODEL": options.model, "OPTIONS": options.server_options}
    server = Server(options.folder / "run", **settings)
    try:
        soak = Soak(server, options)
        budget = server.metrics().get("llm_memory_budget_bytes")
        (options.folder / "run.json").write_text(json.dumps({
            "model": Path(options.model).name, "budget_bytes": budget, "clients": options.clients,
            "started": time.strftime("%Y-%m-%d", time.gmtime()),
        }))
        soak.run()
        alive = server.process.poll() is None
        peak = server.peak_resident_bytes() if alive else 0
    finally:
        status = server.stop()
    for error in soak.tally.errors[:20]:
        print(error)
    found = []
    if soak.tally.failures:
        found.append(f"{soak.tally.failures} answers were not as they should be")
    if soak.scraper.failures:
        found.append(f"{soak.scraper.failures} of {soak.scraper.failures + soak.scraper.scrapes} scrapes failed")
    if budget and peak > budget:
        found.append(f"peak memory {peak} is above the budget {budget:.0f}")
    if status != 0 or not alive:
        found.append(f"the server ended {'' if alive else 'before its time '}with status {status}: {server.text()[-400:]}")
    return found


def report(folder: Path, problems: list[str]) -> int:
    measured = samples.read(folder / "samples.csv")
    if len(measured) < 3:
        print(f"{folder}/samples.csv has {len(measured)} samples: nothing to report", file=sys.stderr)
        return 1
    about = json.loads((folder / "run.json").read_text()) if (folder / "run.json").exists() else {}
    verdict = slope.judge(measured)
    (folder / "report.svg").write_text(draw(measured, verdict, about))
    last = measured[-1]
    print(verdict)
    print(f"{last.requests:,} requests in {last.calls:,} calls, {last.refusals:,} answered 429 or 504, {last.seconds / 3600:.2f} h; "
          f"{max(s.descriptors for s in measured)} descriptors and {max(s.threads for s in measured)} threads at most")
    problems = problems + verdict.problems
    for problem in problems:
        print(f"NOT AS IT SHOULD BE: {problem}")
    return 1 if problems else 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--requests", type=int, default=100_000, help="end after so many")
    parser.add_argument("--hours", type=float, default=4, help="or after so long")
    parser.add_argument("--clients", type=int, default=10)
    parser.add_argument("--rate", type=float, default=0, help="most HTTP requests a second (0: as fast as they are answered)")
    parser.add_argument("--model", default="models/starter.gguf")
    parser.add_argument("--server-options", default="", help="more options of `serve`")
    parser.add_argument("--sample-seconds", type=float, default=5)
    parser.add_argument("--report-only", action="store_true")
    options = parser.parse_args()
    options.folder = options.folder.resolve()
    if options.report_only:
        return report(options.folder, [])
    options.folder.mkdir(parents=True, exist_ok=True)
    if (options.folder / "samples.csv").exists():
        parser.error(f"{options.folder} holds an earlier run: take another folder, or --report-only")
    return report(options.folder, drive(options))


if __name__ == "__main__":
    sys.exit(main())
