"""Measures health and metrics under four times the load that there is room for; not a test.

    BINARY=.build/release/qwen-all-in-one .venv/bin/python Tests/EndToEnd/measure_overload.py [SECONDS]
"""

import json
import ssl
import sys
import tempfile
import threading
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import httpx

from harness import Server

CHAT, CLASSIFY = "/v1/chat/completions", "/v1/classify"
MESSAGE = {"model": "chat", "messages": [{"role": "user", "content": "最近工作压力好大，晚上睡不着，你能多陪我说几句话吗？"}]}
# Room for 4 + 16 replies; four times as many clients.
PATHS = ["/healthz", "/readyz", "/metrics", CLASSIFY]
OPTIONS, CLIENTS = "--max-sequences 4 --queue 16", 80


def quantiles(seconds: list[float]) -> dict:
    ordered = sorted(seconds)
    at = lambda share: round(1000 * ordered[min(len(ordered) - 1, int(share * len(ordered)))], 1)
    return {"count": len(ordered), "p50_ms": at(0.5), "p99_ms": at(0.99), "max_ms": round(1000 * ordered[-1], 1)}


def probe(url: str, certificate: str, path: str, seconds: float) -> list[float]:
    """Seconds of each request to a path, one after the other; in a process of its own, as a scraper is."""
    times = []
    with httpx.Client(base_url=url, verify=ssl.create_default_context(cafile=certificate), trust_env=False, timeout=60) as client:
        client.get("/healthz")  # the connection
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            start = time.perf_counter()
            answer = client.post(path, json={"model": "sentiment", "input": "好"}) if path == CLASSIFY else client.get(path)
            times.append(time.perf_counter() - start)
            assert answer.status_code == 200, answer.text
            time.sleep(0.02)
    return times


def main():
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 20
    with tempfile.TemporaryDirectory() as folder:
        server = Server(Path(folder), OPTIONS=OPTIONS)
        over, statuses, lock = threading.Event(), Counter(), threading.Lock()

        def chat(n: int):
            # From several addresses: nginx grants each 200 requests a second.
            with server.client(local_address=f"127.0.0.{2 + n % 20}") as client:
                while not over.is_set():
                    answer = client.post(CHAT, json=MESSAGE)
                    with lock:
                        statuses[answer.status_code, answer.headers.get("retry-after")] += 1
                    # A client that is turned away and comes back far too soon.
                    over.wait(0.4 if answer.is_error else 0)

        with ProcessPoolExecutor(len(PATHS), get_context("spawn")) as processes, ThreadPoolExecutor(CLIENTS) as pool:
            work = [pool.submit(chat, n) for n in range(CLIENTS)]
            time.sleep(3)
            probes = [processes.submit(probe, server.url, str(server.certificate), path, seconds) for path in PATHS]
            try:
                times = {path: one.result() for path, one in zip(PATHS, probes)}
            finally:
                over.set()
            for one in work:
                one.result()
        # By nginx's log: from the request's first byte to the answer's last, whatever the client's machine is busy with.
        entries = [json.loads(line) for line in (Path(folder) / "access.log").read_text().splitlines()]
        at_nginx = {path: [e["seconds"] for e in entries if e["path"] == path and e["status"] == 200] for path in PATHS}
        chats = {f"{status}, Retry-After {after}": count for (status, after), count in sorted(statuses.items(), key=str)}
        print(json.dumps({
            "chats": chats,
            "at the client": {path: quantiles(values) for path, values in times.items()},
            "at nginx": {path: quantiles(values) for path, values in at_nginx.items()},
        }, indent=1))
        server.stop()


if __name__ == "__main__":
    main()
