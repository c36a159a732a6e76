#!/usr/bin/env python3
"""How a responder starts and rests: seconds to READY=1 and until the role prefixes are filled, resident memory beyond
weights and KV arena, and what it does while idle. The first start warms the file cache and does not count.

Example: packaging/bench/start.py .bench/random-q8_0.gguf
"""

import argparse
import json
import os
import re
import socket
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BINARY = Path(os.environ.get("BINARY") or ROOT / ".build/release/qwen-all-in-one")
KV_TOKENS = 8192  # as `serve` has it


def arena_bytes(model: Path) -> int:
    """Keys and values of KV_TOKENS tokens in 16 bits, as any model but an F32 one stores them."""
    entries = json.loads(subprocess.check_output([BINARY, "inspect", model, "--json"]))["metadata"]
    value = {entry["key"]: entry.get("value") for entry in entries} if isinstance(entries, list) else entries
    head = value["qwen2.embedding_length"] // value["qwen2.attention.head_count"]
    return KV_TOKENS * value["qwen2.block_count"] * 2 * value["qwen2.attention.head_count_kv"] * head * 2


class Responder:
    def __init__(self, model: Path, folder: Path, arguments: list[str]):
        self.log = folder / "log"
        notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        notify.bind(str(folder / "notify"))
        notify.settimeout(120)
        sockets = ["--socket", folder / "main", "--ops-socket", folder / "ops"]
        begin = time.monotonic()
        self.process = subprocess.Popen(
            [BINARY, "serve", "--model", model, "--roles", ROOT / "roles", *sockets, *arguments],
            env={**os.environ, "NOTIFY_SOCKET": str(folder / "notify")},
            stderr=self.log.open("w"),
        )
        while b"READY=1" not in notify.recv(4096):
            pass
        self.ready = time.monotonic() - begin
        while "role prefixes filled" not in self.log.read_text():
            time.sleep(0.005)
        self.filled = time.monotonic() - begin

    def logged(self, message: str) -> dict:
        lines = map(json.loads, self.log.read_text().splitlines())
        return next(line for line in lines if line["message"] == message)

    def resident_bytes(self) -> int:
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+)", status)[1]) * 1024

    def activity(self) -> dict[str, tuple[int, int, int]]:
        """Of each thread: nanoseconds of processor time, clock ticks of it, and how often it woke, so far."""

        def of(task: Path) -> tuple[int, int, int]:
            return (
                int((task / "schedstat").read_text().split()[0]),
                sum(map(int, (task / "stat").read_text().rsplit(")", 1)[1].split()[11:13])),
                int(re.search(r"\nvoluntary_ctxt_switches:\s+(\d+)", (task / "status").read_text())[1]),
            )

        return {task.name: of(task) for task in Path(f"/proc/{self.process.pid}/task").iterdir()}

    def stop(self):
        self.process.terminate()
        self.process.wait()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--idle-seconds", type=float, default=30)
    options, arguments = parser.parse_known_args()
    ready, filled = [], []
    for number in range(options.rounds + 1):
        with tempfile.TemporaryDirectory() as folder:
            responder = Responder(options.model, Path(folder), arguments)
            try:
                if number > 0:
                    ready.append(responder.ready)
                    filled.append(responder.filled - responder.ready)
                if number < options.rounds:
                    continue
                rest = responder.logged("ready")["weight_bytes"] + arena_bytes(options.model)
                time.sleep(2)
                before = responder.activity()
                time.sleep(options.idle_seconds)
                after = responder.activity()
                both = [(before[task], after[task]) for task in before.keys() & after.keys()]
                spent, ticks, switches = (sum(b[i] - a[i] for a, b in both) for i in range(3))
                resident = responder.resident_bytes()
            finally:
                responder.stop()
    for name, values in ("READY after", ready), ("prefixes filled after further", filled):
        print(f"{name} {statistics.median(values):.3f} s ({min(values):.3f}–{max(values):.3f})")
    print(f"resident {resident / 1e6:.1f} MB, {(resident - rest) / 1e6:.1f} MB beyond weights and KV arena")
    print(f"idle for {options.idle_seconds:.0f} s: {ticks} ticks, {spent / 1e6:.1f} ms, {switches} wake-ups")


if __name__ == "__main__":
    main()
